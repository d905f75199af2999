/* SPDX-License-Identifier: GPL-2.0-or-later */
/* oracle_mixes.h - what random programs are mixed from; for test_oracle_sequence.c and fuzz/fuzz_cpu.c. */
#ifndef VIRTLAB_ORACLE_MIXES_H
#define VIRTLAB_ORACLE_MIXES_H

#include "oracle.h"

static const struct oracle_group *const oracle_mix_integer[] = {&oracle_arithmetic, &oracle_logic,
                                                                &oracle_multiply,   &oracle_shift,
                                                                &oracle_bit,        &oracle_condition,
                                                                &oracle_move,       &oracle_address,
                                                                &oracle_exchange,   &oracle_flag,
                                                                &oracle_branch,     &oracle_stack,
                                                                &oracle_string,     NULL};
static const struct oracle_group *const oracle_mix_flags[] = {
    &oracle_arithmetic, &oracle_logic, &oracle_shift, &oracle_condition, &oracle_flag, &oracle_branch, NULL};
static const struct oracle_group *const oracle_mix_sse[] = {
    &oracle_sse, &oracle_sse, &oracle_sse, &oracle_arithmetic, &oracle_branch, &oracle_move, &oracle_string, NULL};

#endif

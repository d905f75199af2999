/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep.h - finds the first point at which two engines disagree about one guest.
 *
 * Reading order: lockstep.c (the search) -> lockstep_pass.c (one run) -> lockstep_pair.c and lockstep_run.c (two
 * engines behind one contract) -> lockstep_exit.c and lockstep_sample.c (what is compared) -> lockstep_state.c,
 * lockstep_ram.c, lockstep_mask.c (how, and what is left out) -> lockstep_report.c.
 */
#ifndef BENCH_LOCKSTEP_H
#define BENCH_LOCKSTEP_H

#include "guest_choice.h"
#include <virtlab/machine.h>

struct lockstep_request {
    const struct engine_ops *engine[2];
    bool at_exits;
    uint64_t every;            /* instructions, unless at_exits */
    uint64_t limit;            /* instructions, or exits; UINT64_MAX: until the guest's end */
    struct guest_choice guest; /* complete */
    double timeout;            /* seconds; 0: none */
    bool output;               /* the guest's console output goes to stdout */
    bool colour;
};

/* Reports on stdout. 0 with virtlab's exit status; -errno with why when it could not be done. */
int lockstep(const struct lockstep_request *request, int *status, struct reason *why) MUST_CHECK;

#endif

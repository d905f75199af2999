/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_oracle_sequence.c - random programs of 1 to 64 instructions do on the software CPU what they do on this
 * processor.
 *
 * VIRTLAB_SEED=n and VIRTLAB_ROUNDS=n (programs, in tens) in the environment repeat or extend a run.
 */
#include "oracle_test.h"

static const struct oracle_group *const integer[] = {&oracle_arithmetic, &oracle_logic,
                                                     &oracle_multiply,   &oracle_shift,
                                                     &oracle_bit,        &oracle_condition,
                                                     &oracle_move,       &oracle_address,
                                                     &oracle_exchange,   &oracle_flag,
                                                     &oracle_branch,     &oracle_stack,
                                                     &oracle_string,     NULL};
static const struct oracle_group *const flags_only[] = {
    &oracle_arithmetic, &oracle_logic, &oracle_shift, &oracle_condition, &oracle_flag, &oracle_branch, NULL};
static const struct oracle_group *const with_sse[] = {&oracle_sse,    &oracle_sse,  &oracle_sse,    &oracle_arithmetic,
                                                      &oracle_branch, &oracle_move, &oracle_string, NULL};

static void check_sequences(const struct oracle_group *const *groups)
{
    unsigned programs = oracle.rounds * 10, failed = oracle_run_sequences(&oracle, groups, programs);
    vltest_check(failed == 0, __FILE__, __LINE__, "%u of %u programs differ (VIRTLAB_SEED=%llu)", failed, programs,
                 (unsigned long long)oracle.seed);
}

static void test_flags(void)
{
    check_sequences(flags_only);
}
static void test_integer(void)
{
    check_sequences(integer);
}
static void test_sse(void)
{
    check_sequences(with_sse);
}

int main(void)
{
    static const struct vltest tests[] = {
        {"programs that write and read flags agree with the host", test_flags},
        {"programs of integer instructions agree with the host", test_integer},
        {"programs with SSE2 instructions agree with the host", test_sse},
    };
    return oracle_test_main("oracle_sequence", tests, ARRAY_SIZE(tests));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_oracle_sequence.c - random programs of 1 to 64 instructions do on the software CPU what they do on this
 * processor.
 *
 * VIRTLAB_SEED=n and VIRTLAB_ROUNDS=n (programs, in tens) in the environment repeat or extend a run.
 */
#include "oracle_mixes.h"
#include "oracle_test.h"

static void check_sequences(const struct oracle_group *const *groups)
{
    unsigned programs = oracle.rounds * 10, failed = oracle_run_sequences(&oracle, groups, programs);
    vltest_check(failed == 0, __FILE__, __LINE__, "%u of %u programs differ (VIRTLAB_SEED=%llu)", failed, programs,
                 (unsigned long long)oracle.seed);
}

static void test_flags(void)
{
    check_sequences(oracle_mix_flags);
}
static void test_integer(void)
{
    check_sequences(oracle_mix_integer);
}
static void test_sse(void)
{
    check_sequences(oracle_mix_sse);
}
static void test_sse_alone(void)
{
    check_group(&oracle_sse);
}

int main(void)
{
    static const struct vltest tests[] = {
        {"programs that write and read flags agree with the host", test_flags},
        {"programs of integer instructions agree with the host", test_integer},
        {"SSE and SSE2 instructions agree with the host", test_sse_alone},
        {"programs with SSE2 instructions agree with the host", test_sse},
    };
    return oracle_test_main("oracle_sequence", tests, ARRAY_SIZE(tests));
}

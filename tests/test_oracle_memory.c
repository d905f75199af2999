/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_oracle_memory.c - the software CPU does to memory and control flow what this processor does: exchanges, stack,
 * branches, strings that fault in the middle, segment bases, and everything that must fault.
 *
 * VIRTLAB_SEED=n and VIRTLAB_ROUNDS=n (inputs a row) in the environment repeat or extend a run.
 */
#include "oracle_test.h"

static void test_exchange(void)
{
    check_group(&oracle_exchange);
}
static void test_flag(void)
{
    check_group(&oracle_flag);
}
static void test_stack(void)
{
    check_group(&oracle_stack);
}
static void test_branch(void)
{
    check_group(&oracle_branch);
}
static void test_string(void)
{
    check_group(&oracle_string);
}
static void test_fault(void)
{
    check_group(&oracle_fault);
}
static void test_base(void)
{
    if (oracle.host->has_bases)
        check_group(&oracle_base);
    else
        vltest_skip("this host has no FSGSBASE instructions");
}

int main(void)
{
    static const struct vltest tests[] = {
        {"XCHG XADD CMPXCHG 8B 16B agree with the host", test_exchange},
        {"flag instructions, PUSHF and POPF agree with the host", test_flag},
        {"PUSH POP ENTER LEAVE agree with the host", test_stack},
        {"jumps, calls, returns, loops agree with the host", test_branch},
        {"string instructions agree with the host, faults in the middle too", test_string},
        {"RDFSBASE and its kin agree with the host", test_base},
        {"what must fault faults as on the host", test_fault},
    };
    return oracle_test_main("oracle_memory", tests, ARRAY_SIZE(tests));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_bt_oracle.c - translated code does what this processor does: the CPU oracle (oracle.h), with every block
 * translated before it is first executed.
 *
 * VIRTLAB_SEED=n and VIRTLAB_ROUNDS=n in the environment repeat or extend a run.
 */
#include "full/bt/bt.h"
#include "oracle_mixes.h"
#include "oracle_test.h"

static struct bt *bt;

static uint64_t translated(void)
{
    return oracle_guest_cpu(oracle.guest)->stats->counter[COUNTER_BLOCKS_TRANSLATED];
}

static void check_sequences(const struct oracle_group *const *groups)
{
    uint64_t before = translated();
    unsigned programs = oracle.rounds * 10, failed = oracle_run_sequences(&oracle, groups, programs);
    vltest_check(failed == 0, __FILE__, __LINE__, "%u of %u programs differ (VIRTLAB_SEED=%llu)", failed, programs,
                 (unsigned long long)oracle.seed);
    CHECK(translated() > before + programs / 2);
}

static void test_groups(void)
{
    static const struct oracle_group *const groups[] = {
        &oracle_arithmetic, &oracle_logic,   &oracle_multiply, &oracle_shift, &oracle_bit,   &oracle_condition,
        &oracle_move,       &oracle_address, &oracle_exchange, &oracle_flag,  &oracle_stack, &oracle_branch,
        &oracle_string,     &oracle_base,    &oracle_fault,    &oracle_sse};
    uint64_t before = translated();
    for (unsigned i = 0; i < ARRAY_SIZE(groups); i++)
        check_group(groups[i]);
    CHECK(translated() > before + 1000);
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

/* Before the first test: the translator is put over the oracle's software CPU. */
static void test_attach(void)
{
    struct reason why = {""};
    bt = bt_create(&why);
    CHECK(bt != NULL);
    if (!bt)
        return;
    bt->translator.heat = 1;
    struct cpu *cpu = oracle_guest_cpu(oracle.guest);
    cpu->translator = &bt->translator;
    block_cache_flush(cpu);
}

int main(void)
{
    static const struct vltest tests[] = {
        {"the translator is put over the software CPU", test_attach},
        {"single instructions agree with the host", test_groups},
        {"programs that write and read flags agree with the host", test_flags},
        {"programs of integer instructions agree with the host", test_integer},
        {"programs with SSE2 instructions agree with the host", test_sse},
    };
    int status = oracle_test_main("bt_oracle", tests, ARRAY_SIZE(tests));
    bt_destroy(bt);
    return status;
}

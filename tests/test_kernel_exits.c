/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_kernel_exits.c - exits by reason as the host's kernel counts them (core/hwassist/kvm/kernel_exits.c): a guest
 * that executes each sensitive instruction a known number of times is counted so many times. Where the count isn't to
 * be had, the reason is said. tests/test_kvm.sh runs this as root where hwassist/kvm works.
 */
#include "bare_rig.h"

/* 7 times CPUID, 5 times RDMSR and 3 times WRMSR of IA32_MISC_ENABLE, 11 times IN from a port that nobody has. */
static const uint8_t code[] = {
    0x41, 0xbf,     7,    0,    0,    0,                            /* mov r15d, 7 */
    0x31, 0xc0,     0x0f, 0xa2,                                     /* 1: xor eax, eax; cpuid */
    0x41, 0xff,     0xcf, 0x75, 0xf7,                               /* dec r15d; jnz 1b */
    0xb9, 0xa0,     0x01, 0,    0,                                  /* mov ecx, 0x1a0 */
    0x0f, 0x32,     0x0f, 0x32, 0x0f, 0x32, 0x0f, 0x32, 0x0f, 0x32, /* rdmsr */
    0x0f, 0x30,     0x0f, 0x30, 0x0f, 0x30,                         /* wrmsr */
    0x41, 0xbf,     11,   0,    0,    0,                            /* mov r15d, 11 */
    0xe4, 0x99,                                                     /* 1: in al, 0x99 */
    0x41, 0xff,     0xcf, 0x75, 0xf9,                               /* dec r15d; jnz 1b */
    0xe6, BARE_END, 0xeb, 0xfe,
};

#define RUNS 2

static void check_counts(const struct stats *stats)
{
    static const struct {
        enum exit_index reason;
        uint64_t count;
    } rows[] = {
        {EXIT_INDEX_CPUID, 7}, {EXIT_INDEX_MSR_READ, 5}, {EXIT_INDEX_MSR_WRITE, 3},    {EXIT_INDEX_IO, 11 + 1},
        {EXIT_INDEX_HLT, 0},   {EXIT_INDEX_VMCALL, 0},   {EXIT_INDEX_TRIPLE_FAULT, 0},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s", exit_name(rows[i].reason));
        CHECK_EQ_U64(stats->host.by_reason[rows[i].reason], RUNS * rows[i].count);
    }
    CHECK_EQ_U64(stats->exits[EXIT_INDEX_IO].taken, RUNS * (11 + 1)); /* all of them came out to us */
    CHECK_EQ_U64(stats->exits[EXIT_INDEX_CPUID].taken, 0);            /* and none of these */
}

static void check_engine(const char *name)
{
    if (!bare_start(name, true, code, sizeof(code)))
        return;
    for (int i = 0; i < RUNS; i++)
        bare_run(0);
    const struct stats *stats = machine_stats(bare.machine);
    CHECK(*stats->host.text != '\0'); /* by what, or why not */
    if (stats->host.counted)
        check_counts(stats);
    else
        vltest_skip("%s", stats->host.text);
    machine_destroy(bare.machine);
}

static void test_kvm(void)
{
    check_engine("hwassist/kvm");
}
static void test_kvm_irqchip(void)
{
    check_engine("hwassist/kvm:irqchip");
}

/* Unasked, nothing is counted, and nobody pays for it. */
static void test_unasked(void)
{
    static const uint8_t nothing[] = {0xe6, BARE_END, 0xeb, 0xfe};
    if (!bare_start("hwassist/kvm", false, nothing, sizeof(nothing)))
        return;
    bare_run(0);
    CHECK(!machine_stats(bare.machine)->host.counted);
    CHECK_EQ_STR(machine_stats(bare.machine)->host.text, "");
    machine_destroy(bare.machine);
}

static const struct vltest tests[] = {
    {"hwassist/kvm: the kernel counts each reason as often as it came", test_kvm},
    {"hwassist/kvm:irqchip: the kernel counts each reason as often as it came", test_kvm_irqchip},
    {"hwassist/kvm: unasked, the kernel counts no reasons", test_unasked},
};

int main(void)
{
    return vltest_run("kernel_exits", tests, ARRAY_SIZE(tests));
}

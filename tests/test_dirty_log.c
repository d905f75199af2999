/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_dirty_log.c - the log of written pages (engine.h, engine_dirty_log) names those that the guest wrote, and no
 * other.
 *
 * The guest is a loop that stores to each address of a list and says so at a port. Its page tables come with accessed
 * and dirty flags set, so that the processor has nothing of its own to write there. Each engine that keeps a log is
 * asked; those that this host can't run are skipped by name. tests/test_kvm.sh runs this where hwassist/kvm works.
 */
#include "bare_rig.h"

#define PAGES      (BARE_RAM / PAGE_SIZE)
#define LIST       0x2000u
#define LIST_MAX   8
#define ADDRESS(n) ((uint64_t)(n)*PAGE_SIZE)

/* lodsq; test rax, rax; jz 1f; mov [rax], rsi; jmp start; 1: out 0x80, al; jmp . */
static const uint8_t code[] = {0x48, 0xad, 0x48, 0x85, 0xc0, 0x74,     0x05, 0x48,
                               0x89, 0x30, 0xeb, 0xf4, 0xe6, BARE_END, 0xeb, 0xfe};

/* Lets the guest store to these addresses, up to the 0 behind them. */
static void guest_writes(const uint64_t address[LIST_MAX])
{
    for (unsigned i = 0; i < LIST_MAX; i++)
        bare_put(LIST + 8 * i, address[i]);
    bare_run(LIST);
}

/* The log holds the pages of these addresses, up to the 0 behind them, and is empty then. */
static void check_log(const uint64_t address[LIST_MAX])
{
    struct reason why = {""};
    uint64_t expected[PAGES / 64] = {0}, written[PAGES / 64] = {0};
    for (unsigned i = 0; i < LIST_MAX && address[i]; i++)
        for (uint64_t byte = 0; byte < 8; byte += 7)
            expected[(address[i] + byte) / PAGE_SIZE / 64] |= UINT64_C(1) << (address[i] + byte) / PAGE_SIZE % 64;
    int err = machine_take_dirty_log(bare.machine, written, &why);
    vltest_check(err == 0, __FILE__, __LINE__, "no log: %s", why.text);
    for (unsigned page = 0; page < PAGES; page++) {
        if (page >= BARE_TABLES / PAGE_SIZE && page < BARE_TABLES / PAGE_SIZE + BARE_TABLE_PAGES)
            continue; /* a walk of the guest's tables may count as a write to them */
        bool has = written[page / 64] >> page % 64 & 1, wants = expected[page / 64] >> page % 64 & 1;
        vltest_check(has == wants, __FILE__, __LINE__, "page %#x %s in the log", page, has ? "is" : "is not");
    }
}

static void check_rounds(void)
{
    static const uint64_t none[LIST_MAX], first[LIST_MAX] = {ADDRESS(0x100), ADDRESS(0x3ff) + 8, ADDRESS(0xfff)},
                                          second[LIST_MAX] = {ADDRESS(0x100) + 16, ADDRESS(0x801) - 4, ADDRESS(0x240)};
    struct reason why = {""};
    guest_writes(second); /* before the log begins */
    int err = machine_start_dirty_log(bare.machine, &why);
    vltest_check(err == 0, __FILE__, __LINE__, "no log: %s", why.text);
    check_log(none);
    guest_writes(first);
    check_log(first);
    check_log(none);
    guest_writes(none);
    check_log(none);
    guest_writes(second); /* one of them across two pages */
    guest_writes(second);
    check_log(second);
    guest_writes(first);
    err = machine_start_dirty_log(bare.machine, &why); /* a new one */
    vltest_check(err == 0, __FILE__, __LINE__, "no log: %s", why.text);
    check_log(none);
    machine_stop_dirty_log(bare.machine);
    guest_writes(first);
    uint64_t untouched[PAGES / 64];
    CHECK(machine_take_dirty_log(bare.machine, untouched, &why) < 0);
}

static void check_engine(const char *name)
{
    if (!bare_start(name, false, code, sizeof(code)))
        return;
    check_rounds();
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
static void test_kvm_ring3(void)
{
    check_engine("hwassist/kvm:ring3");
}

/* Who keeps no log says so. */
static void test_none(void)
{
    struct reason why = {""};
    if (!bare_start("emulate/interp", false, code, sizeof(code)))
        return;
    CHECK(machine_start_dirty_log(bare.machine, &why) < 0);
    CHECK(strstr(why.text, "emulate/interp") != NULL);
    machine_stop_dirty_log(bare.machine);
    machine_destroy(bare.machine);
}

static const struct vltest tests[] = {
    {"hwassist/kvm names the pages that its guest has written", test_kvm},
    {"hwassist/kvm:irqchip names the pages that its guest has written", test_kvm_irqchip},
    {"hwassist/kvm:ring3 names the pages that its guest has written", test_kvm_ring3},
    {"an engine without a log says so", test_none},
};

int main(void)
{
    return vltest_run("dirty_log", tests, ARRAY_SIZE(tests));
}

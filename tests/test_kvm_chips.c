/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_kvm_chips.c - hwassist/kvm:irqchip, where it differs from the machine's own chips: a halt for good is found out
 * although HLT stays in the kernel, and what can't travel between KVM's chips and ours is refused by name. That all the
 * rest travels is test_travel.c's. tests/test_kvm.sh runs this where hwassist/kvm works.
 */
#include "bare_rig.h"

#define IRQCHIP "hwassist/kvm:irqchip"

static const struct engine_ops *engine(const char *name)
{
    struct reason why = {""};
    const struct engine_ops *ops = engine_find(name, &why);
    CHECK_FATAL(ops != NULL);
    return ops;
}

static void check_dead_halt(const char *name)
{
    static const uint8_t code[] = {0xfa, 0xf4, 0xeb, 0xfc}; /* cli; hlt; jmp to the start */
    if (!bare_start(name, false, code, sizeof(code)))
        return;
    struct machine_result result = bare_go(0);
    vltest_check(result.end == MACHINE_HALTED, __FILE__, __LINE__, "end %d: %s", (int)result.end, result.why.text);
    CHECK(strstr(result.why.text, "HLT with interrupts disabled") != NULL);
    machine_destroy(bare.machine);
}

static void test_dead_halt(void)
{
    check_dead_halt("hwassist/kvm");
}
static void test_dead_halt_in_kernel(void)
{
    check_dead_halt(IRQCHIP);
}

/* Code that leaves a chip in a state of which the other side knows nothing; then the machine changes its engine. */
static void check_refused(const char *from, const char *to, const uint8_t *code, size_t size, const char *reason)
{
    struct reason why = {""};
    struct chips_state state;
    if (engine(to)->probe(&why)) {
        vltest_skip("%s", why.text);
        return;
    }
    if (!bare_start(from, false, code, size))
        return;
    bare_put(BARE_TABLES + 0x3000 + 502 * 8, UINT64_C(0xfec00000) | 0xe7); /* the I/O APIC's registers, 2 MiB */
    bare_run(0);
    CHECK(machine_change_engine(bare.machine, engine(to), &why) < 0);
    vltest_check(strstr(why.text, reason) != NULL, __FILE__, __LINE__, "it says: %s", why.text);
    bare_run(0); /* and goes on under the old one */
    CHECK(machine_get_chips(bare.machine, &state, &why) == 0 || strcmp(from, IRQCHIP) == 0);
    machine_destroy(bare.machine);
}

static void test_level_triggered(void)
{
    static const uint8_t code[] = {
        0xb0, 0x19, 0xe6, 0x20, /* ICW1: level-triggered, ICW4 follows */
        0xb0, 0x20, 0xe6, 0x21, 0xb0, 0x04, 0xe6, 0x21, 0xb0, 0x01, 0xe6, 0x21, 0xe6, BARE_END, 0xeb, 0xfe,
    };
    check_refused("emulate/interp", IRQCHIP, code, sizeof(code), "level-triggered");
}

static void test_bcd(void)
{
    static const uint8_t code[] = {
        0xb0, 0xb1, 0xe6, 0x43, /* channel 2, both bytes, mode 0, BCD */
        0xb0, 0x34, 0xe6, 0x42, 0xb0, 0x12, 0xe6, 0x42, 0xe6, BARE_END, 0xeb, 0xfe,
    };
    check_refused("emulate/interp", IRQCHIP, code, sizeof(code), "BCD");
}

static void test_ioapic(void)
{
    static const uint8_t code[] = {
        0xbb, 0x00,     0x00, 0xc0, 0xfe,             /* mov ebx, 0xfec00000 */
        0xc7, 0x03,     0x14, 0x00, 0x00, 0x00,       /* mov [rbx], 0x14: pin 2's redirection entry, low */
        0xc7, 0x43,     0x10, 0x40, 0x00, 0x00, 0x00, /* mov [rbx + 16], vector 0x40, not masked */
        0xe6, BARE_END, 0xeb, 0xfe,
    };
    check_refused(IRQCHIP, "emulate/interp", code, sizeof(code), "I/O APIC (pin 2)");
}

static const struct vltest tests[] = {
    {"hwassist/kvm: HLT with interrupts disabled ends the machine", test_dead_halt},
    {"hwassist/kvm:irqchip: HLT with interrupts disabled ends the machine", test_dead_halt_in_kernel},
    {"a level-triggered 8259A does not travel to KVM's, and the reason says so", test_level_triggered},
    {"a timer that counts in BCD does not travel to KVM's, and the reason says so", test_bcd},
    {"KVM's I/O APIC in use does not travel to ours, and the reason says so", test_ioapic},
};

int main(void)
{
    return vltest_run("kvm_chips", tests, ARRAY_SIZE(tests));
}

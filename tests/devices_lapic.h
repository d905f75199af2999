/* SPDX-License-Identifier: GPL-2.0-or-later */
/* devices_lapic.h - statements about the local APIC (core/io/lapic.c, lapic_timer.c). Part of test_devices.c. */
#ifndef VIRTLAB_DEVICES_LAPIC_H
#define VIRTLAB_DEVICES_LAPIC_H

#include "devices_pic.h"
#include "io/lapic.h"

static struct lapic *lapic;

static uint32_t apic_get(unsigned reg)
{
    return (uint32_t)bus_read(&rig.mmio, LAPIC_BASE + reg, 4);
}

static void apic_put(unsigned reg, uint32_t value)
{
    bus_write(&rig.mmio, LAPIC_BASE + reg, 4, value);
}

/* With a PIC whose vectors start at 0x20, as devices_pic.h sets it up. */
static void lapic_start(void)
{
    pic_start(0x01);
    lapic = lapic_create(&rig.mmio, pic, &rig.clock, &rig.why);
    CHECK_FATAL(lapic != NULL);
}

static void lapic_start_enabled(void)
{
    lapic_start();
    apic_put(0xf0, 0x1ff);
}

static void lapic_stop(void)
{
    lapic_ops.destroy(lapic);
    pic_stop();
}

static void send_self(uint8_t vector)
{
    apic_put(0x300, 0x40000 | vector);
}

static void lapic_reset_values(void)
{
    static const struct {
        unsigned reg;
        uint32_t value;
    } rows[] = {
        {0x20, 0},      {0x30, 0x50014},  {0x80, 0},        {0xa0, 0},  {0xd0, 0},  {0xe0, 0xffffffff},
        {0xf0, 0xff},   {0x100, 0},       {0x200, 0},       {0x280, 0}, {0x300, 0}, {0x320, 0x10000},
        {0x350, 0x700}, {0x360, 0x10000}, {0x370, 0x10000}, {0x380, 0}, {0x390, 0}, {0x3e0, 0},
    };
    lapic_start();
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("register 0x%x", rows[i].reg);
        CHECK_EQ_U64(apic_get(rows[i].reg), rows[i].value);
    }
    CHECK_EQ_U64(lapic_ops.deadline(lapic), NEVER);
    lapic_stop();
}

/* The ways from the PIC to the CPU. */
static void lapic_extint(void)
{
    static const struct {
        const char *text;
        uint32_t svr, lint0; /* written in this order; UINT32_MAX: not written */
        uint64_t base;
        bool arrives;
    } rows[] = {
        {"a guest that never touches the APIC", UINT32_MAX, UINT32_MAX, APIC_BASE_RESET, true},
        {"APIC disabled by its base register", UINT32_MAX, UINT32_MAX, LAPIC_BASE, true},
        {"... and LINT0 masked before that", 0x1ff, 0x10700, LAPIC_BASE, true},
        {"software-enabled, LINT0 as it was", 0x1ff, UINT32_MAX, APIC_BASE_RESET, true},
        {"software-enabled, ExtINT", 0x1ff, 0x700, APIC_BASE_RESET, true},
        {"software-enabled, ExtINT masked", 0x1ff, 0x10700, APIC_BASE_RESET, false},
        {"LINT0 as NMI", 0x1ff, 0x400, APIC_BASE_RESET, false},
        {"software-disabled: every entry is masked", 0xff, UINT32_MAX, APIC_BASE_RESET, false},
        {"LINT0 written while software-disabled: masked", UINT32_MAX, 0x700, APIC_BASE_RESET, false},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s", rows[i].text);
        lapic_start();
        if (rows[i].svr != UINT32_MAX)
            apic_put(0xf0, rows[i].svr);
        if (rows[i].lint0 != UINT32_MAX)
            apic_put(0x350, rows[i].lint0);
        lapic_set_base(lapic, rows[i].base);
        CHECK(!lapic_has_interrupt(lapic));
        pulse(6);
        CHECK(lapic_has_interrupt(lapic) == rows[i].arrives);
        if (rows[i].arrives) {
            CHECK_EQ_U64(lapic_acknowledge(lapic), 0x26);
            CHECK(!lapic_has_interrupt(lapic));
        }
        lapic_stop();
    }
}

static void lapic_lint_modes(void)
{
    lapic_start_enabled();
    apic_put(0x350, 0x00031); /* LINT0 fixed: the PIC's output as an interrupt of its own */
    pulse(1);
    CHECK_EQ_U64(lapic_acknowledge(lapic), 0x31);
    apic_put(0x360, 0x00400); /* LINT1: NMI */
    lapic_set_lint(lapic, 1, true);
    lapic_set_lint(lapic, 1, true); /* no new edge */
    CHECK(lapic_take_nmi(lapic));
    CHECK(!lapic_take_nmi(lapic));
    lapic_set_lint(lapic, 1, false);
    apic_put(0x360, 0x10400);
    lapic_set_lint(lapic, 1, true);
    CHECK(!lapic_take_nmi(lapic));
    lapic_stop();
}

static void lapic_disabled_page(void)
{
    lapic_start_enabled();
    send_self(0x50);
    lapic_set_base(lapic, LAPIC_BASE);
    CHECK_EQ_U64(apic_get(0x30), 0xffffffff);
    CHECK(!lapic_has_interrupt(lapic));
    apic_put(0x80, 0x55);
    lapic_set_base(lapic, APIC_BASE_RESET);
    CHECK_EQ_U64(apic_get(0x80), 0); /* comes back as after power-up */
    CHECK_EQ_U64(apic_get(0xf0), 0xff);
    CHECK(!lapic_has_interrupt(lapic));
    CHECK_EQ_U64(apic_get(0x350), 0x10000);
    lapic_stop();
}

static void lapic_priorities(void)
{
    lapic_start_enabled();
    send_self(0x31);
    send_self(0x52);
    send_self(0x58);
    CHECK_EQ_U64(apic_get(0x210), 0x00020000);
    CHECK_EQ_U64(apic_get(0x220), 0x01040000);
    CHECK_EQ_U64(lapic_acknowledge(lapic), 0x58);
    CHECK_EQ_U64(apic_get(0x120), 0x01000000);
    CHECK_EQ_U64(apic_get(0xa0), 0x50);
    CHECK(!lapic_has_interrupt(lapic)); /* 0x52 is of the same class */
    send_self(0x61);
    CHECK_EQ_U64(lapic_acknowledge(lapic), 0x61);
    apic_put(0xb0, 0);
    CHECK(!lapic_has_interrupt(lapic));
    apic_put(0xb0, 0);
    CHECK_EQ_U64(lapic_acknowledge(lapic), 0x52);
    apic_put(0xb0, 0);
    apic_put(0x80, 0x3f); /* the task is as important as 0x31 */
    CHECK(!lapic_has_interrupt(lapic));
    CHECK_EQ_U64(lapic_acknowledge(lapic), 0xff); /* asked nevertheless: spurious */
    CHECK_EQ_U64(lapic_cr8(lapic), 3);
    pulse(0);
    CHECK_EQ_U64(lapic_acknowledge(lapic), 0x20); /* TPR doesn't hold up the PIC */
    lapic_set_cr8(lapic, 2);
    CHECK_EQ_U64(apic_get(0x80), 0x20);
    CHECK_EQ_U64(lapic_acknowledge(lapic), 0x31);
    apic_put(0xb0, 0);
    apic_put(0xb0, 0); /* one too many does nothing */
    CHECK_EQ_U64(apic_get(0xa0), 0x20);
    lapic_stop();
}

static void lapic_ipi(void)
{
    static const struct {
        const char *text;
        uint32_t ldr, dfr, high, low;
        bool arrives;
    } rows[] = {
        {"self", 0, UINT32_MAX, 0, 0x40041, true},
        {"all, self too", 0, UINT32_MAX, 0, 0x80041, true},
        {"all but self", 0, UINT32_MAX, 0, 0xc0041, false},
        {"physical, our number", 0, UINT32_MAX, 0x00000000, 0x00041, true},
        {"physical, another number", 0, UINT32_MAX, 0x01000000, 0x00041, false},
        {"physical, everybody", 0, UINT32_MAX, 0xff000000, 0x00041, true},
        {"logical, flat, our bit", 0x02000000, UINT32_MAX, 0x06000000, 0x00841, true},
        {"logical, flat, another bit", 0x02000000, UINT32_MAX, 0x04000000, 0x00841, false},
        {"logical, cluster", 0x31000000, 0x0fffffff, 0x33000000, 0x00841, true},
        {"logical, another cluster", 0x31000000, 0x0fffffff, 0x23000000, 0x00841, false},
        {"lowest priority", 0, UINT32_MAX, 0, 0x40141, true},
        {"INIT to self", 0, UINT32_MAX, 0, 0x40500, false},
        {"start-up to others", 0, UINT32_MAX, 0, 0xc0610, false},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s", rows[i].text);
        lapic_start_enabled();
        apic_put(0xd0, rows[i].ldr);
        apic_put(0xe0, rows[i].dfr);
        apic_put(0x310, rows[i].high);
        apic_put(0x300, rows[i].low | 0x1000);
        CHECK(lapic_has_interrupt(lapic) == rows[i].arrives);
        CHECK_EQ_U64(apic_get(0x300), rows[i].low); /* delivery status: idle */
        if (rows[i].arrives)
            CHECK_EQ_U64(lapic_acknowledge(lapic), 0x41);
        lapic_stop();
    }
}

static void lapic_nmi_to_self(void)
{
    lapic_start_enabled();
    apic_put(0x300, 0x40400);
    CHECK(!lapic_has_interrupt(lapic));
    CHECK(lapic_take_nmi(lapic));
    CHECK(!lapic_take_nmi(lapic));
    lapic_stop();
}

static void lapic_errors(void)
{
    lapic_start_enabled();
    apic_put(0x370, 0x000e3);
    send_self(0x0f);
    CHECK(lapic_has_interrupt(lapic));
    CHECK_EQ_U64(lapic_acknowledge(lapic), 0xe3);
    apic_put(0xb0, 0);
    CHECK_EQ_U64(apic_get(0x280), 0); /* shown by a write only */
    apic_get(0x40);                   /* no such register */
    apic_put(0x280, 0);
    CHECK_EQ_U64(apic_get(0x280), 0xa0);
    apic_put(0x280, 0);
    CHECK_EQ_U64(apic_get(0x280), 0);
    CHECK_EQ_U64(bus_read(&rig.mmio, LAPIC_BASE + 0x30, 1), 0); /* not 32 bits: nothing, and no error */
    CHECK_EQ_U64(bus_read(&rig.mmio, LAPIC_BASE + 0x34, 4), 0);
    bus_write(&rig.mmio, LAPIC_BASE + 0x80, 8, 0x55);
    CHECK_EQ_U64(apic_get(0x80), 0);
    lapic_stop();
}

static void lapic_one_shot(void)
{
    static const struct {
        uint32_t divide;
        unsigned by;
    } rows[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1}};
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("divided by %u", rows[i].by);
        lapic_start_enabled();
        rig.now = 777;
        apic_put(0x3e0, rows[i].divide);
        apic_put(0x320, 0xe0);
        apic_put(0x380, 1000);
        CHECK_EQ_U64(apic_get(0x390), 1000);
        CHECK_EQ_U64(lapic_ops.deadline(lapic), 777 + 1000 * rows[i].by);
        rig.now = 777 + 400 * rows[i].by;
        CHECK_EQ_U64(apic_get(0x390), 600);
        rig_run_until(&lapic_ops, lapic, 777 + 1000 * rows[i].by - 1);
        CHECK_EQ_U64(apic_get(0x390), 1);
        CHECK(!lapic_has_interrupt(lapic));
        rig_run_until(&lapic_ops, lapic, 777 + 1000 * rows[i].by);
        CHECK_EQ_U64(apic_get(0x390), 0);
        CHECK_EQ_U64(lapic_acknowledge(lapic), 0xe0);
        CHECK_EQ_U64(lapic_ops.deadline(lapic), NEVER);
        lapic_stop();
    }
}

static void lapic_periodic(void)
{
    lapic_start_enabled();
    apic_put(0x3e0, 3);
    apic_put(0x320, 0x200e0);
    apic_put(0x380, 62500); /* 1 ms */
    for (unsigned n = 1; n <= 1000; n++) {
        CHECK_EQ_U64(lapic_ops.deadline(lapic), n * 1000000ull);
        rig_run_until(&lapic_ops, lapic, n * 1000000ull + 13);
        CHECK_EQ_U64(lapic_acknowledge(lapic), 0xe0);
        apic_put(0xb0, 0);
    }
    rig.now += 5500000; /* late: one interrupt, in phase again afterwards */
    lapic_ops.advance(lapic, rig.now);
    CHECK_EQ_U64(lapic_acknowledge(lapic), 0xe0);
    apic_put(0xb0, 0);
    CHECK(!lapic_has_interrupt(lapic));
    CHECK_EQ_U64(lapic_ops.deadline(lapic), 1006000000);
    apic_put(0x320, 0x300e0); /* masked: counts on, but there is nothing to wake for */
    CHECK_EQ_U64(lapic_ops.deadline(lapic), NEVER);
    rig.now += 1000000000;
    CHECK(apic_get(0x390) > 0);
    CHECK(!lapic_has_interrupt(lapic));
    apic_put(0x320, 0x200e0); /* what was missed while masked doesn't come later */
    CHECK(!lapic_has_interrupt(lapic));
    CHECK_EQ_U64(lapic_ops.deadline(lapic), 2006000000);
    apic_put(0x380, 0); /* stops it */
    CHECK_EQ_U64(lapic_ops.deadline(lapic), NEVER);
    lapic_stop();
}

static void lapic_divider_change(void)
{
    lapic_start_enabled();
    apic_put(0x3e0, 11);
    apic_put(0x320, 0xe0);
    apic_put(0x380, 1000);
    rig.now = 600;
    apic_put(0x3e0, 3);
    CHECK_EQ_U64(apic_get(0x390), 400); /* the count stays, the pace changes */
    CHECK_EQ_U64(lapic_ops.deadline(lapic), 600 + 400 * 16);
    apic_put(0x320, 0x200e0); /* becomes periodic on the way */
    rig_run_until(&lapic_ops, lapic, 600 + 400 * 16);
    CHECK(lapic_has_interrupt(lapic));
    CHECK_EQ_U64(lapic_ops.deadline(lapic), 600 + 1400 * 16);
    apic_put(0x320, 0x400e0); /* TSC deadline isn't offered: the bit doesn't stick */
    CHECK_EQ_U64(apic_get(0x320), 0xe0);
    lapic_stop();
}

#define LAPIC_TESTS                                                                                            \
    {"LAPIC: registers after reset, LINT0 as firmware leaves it", lapic_reset_values},                         \
        {"LAPIC: when the PIC's interrupts reach the CPU", lapic_extint},                                      \
        {"LAPIC: LINT0 as a fixed interrupt, LINT1 as NMI", lapic_lint_modes},                                 \
        {"LAPIC: disabled by its base register it isn't there", lapic_disabled_page},                          \
        {"LAPIC: IRR, ISR, TPR, PPR and EOI", lapic_priorities}, {"LAPIC: destinations of an IPI", lapic_ipi}, \
        {"LAPIC: an NMI to oneself", lapic_nmi_to_self}, {"LAPIC: errors and bad accesses", lapic_errors},     \
        {"LAPIC: the timer's one shot with each divider", lapic_one_shot},                                     \
        {"LAPIC: the periodic timer keeps its phase", lapic_periodic},                                         \
    {                                                                                                          \
        "LAPIC: divider and mode change while counting", lapic_divider_change                                  \
    }

#endif

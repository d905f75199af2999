/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * devices_chips.h - what is saved of the PICs, the PIT and the local APIC goes on elsewhere (include/virtlab/chips.h).
 * Each test stops a chip in the middle of something, restores its state into a fresh one at another time, and looks
 * whether that one does what the first would have done. Part of test_devices.c.
 */
#ifndef VIRTLAB_DEVICES_CHIPS_H
#define VIRTLAB_DEVICES_CHIPS_H

#include "devices_lapic.h"
#include "devices_pit.h"

#define ELSEWHEN 123456789u /* ns: what the clock of the fresh chips says */

static void chips_pic(void)
{
    struct pic_chip state[2];
    pic_start(0x01);
    out(0x21, 0x80); /* IRQ 7 is masked */
    pulse(3);
    CHECK_EQ_U64(pic_acknowledge(pic), 0x23);
    pulse(9); /* of higher priority, by the cascade */
    pulse(5); /* lower: waits for the EOI of 3 */
    pulse(7);
    pic_save(pic, state);
    pic_stop();

    pic_start(0); /* never initialised, and no line is high */
    pic_restore(pic, state);
    CHECK_EQ_U64(in(0x21), 0x80);
    CHECK(pic_has_interrupt(pic));
    CHECK_EQ_U64(pic_acknowledge(pic), 0x29);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    CHECK(!pic_has_interrupt(pic)); /* 3 is still in service */
    out(0x20, 0x20);
    CHECK_EQ_U64(pic_acknowledge(pic), 0x25);
    out(0x20, 0x20);
    CHECK(!pic_has_interrupt(pic));
    pic_stop();
}

/* Between two initialisation words. */
static void chips_pic_initialisation(void)
{
    struct pic_chip state[2];
    pic_start(0);
    out(0x20, 0x11);
    out(0x21, 0x40);
    pic_save(pic, state);
    pic_stop();
    pic_start(0);
    pic_restore(pic, state);
    out(0x21, 0x04);
    out(0x21, 0x01);
    pulse(1);
    CHECK_EQ_U64(pic_acknowledge(pic), 0x41);
    pic_stop();
}

static uint16_t latched(unsigned channel)
{
    out(0x43, (uint8_t)(channel << 6));
    return read16(channel);
}

/* The channel's count and the next rise of IRQ 0, a while after a moment in the middle of its period. */
static void chips_pit(void)
{
    struct pit_counter state[3];
    uint64_t moment = tick_ns(4321), later = tick_ns(777), next;
    uint16_t count[2];
    uint8_t speaker;
    pit_start();
    out(0x61, 0x01);
    pit_program(0, 2, 1000);
    pit_program(2, 0, 50000);
    out(0x42, 0x34); /* half of a new count: mode 0 stops */
    rig_run_until(&pit_ops, pit, moment);
    pit_save(pit, state, &speaker);
    next = pit_ops.deadline(pit) - moment;
    rig_run_until(&pit_ops, pit, moment + later);
    count[0] = latched(0);
    pit_stop();

    pit_start();
    rig_run_until(&pit_ops, pit, ELSEWHEN);
    pit_restore(pit, state, speaker);
    CHECK_EQ_U64(rig.rises[0], 1); /* of the fresh chip's own line, none for the past */
    uint64_t its_next = pit_ops.deadline(pit) - ELSEWHEN;
    vltest_check(its_next + 1000 > next && its_next < next + 1000, __FILE__, __LINE__, "next rise in %llu ns, not %llu",
                 (unsigned long long)its_next, (unsigned long long)next);
    rig_run_until(&pit_ops, pit, ELSEWHEN + later);
    count[1] = latched(0);
    vltest_check(count[0] - count[1] <= 1 && count[0] - count[1] >= -1, __FILE__, __LINE__, "count %u, not %u",
                 count[1], count[0]);
    out(0x42, 0x12); /* the other half: 0x1234 is loaded, in mode 0 */
    CHECK(!out2());
    rig.now += tick_ns(0x1234 + 2);
    CHECK(out2());
    pit_stop();
}

static void chips_lapic(void)
{
    uint32_t state[LAPIC_REGISTERS];
    lapic_start_enabled();
    apic_put(0x80, 0x20);
    apic_put(0x3e0, 0x3);     /* divided by 16 */
    apic_put(0x320, 0x20051); /* periodic, vector 0x51 */
    apic_put(0x380, 1000);    /* 16 us */
    send_self(0x61);
    CHECK_EQ_U64(lapic_acknowledge(lapic), 0x61);
    send_self(0x41);
    rig.now += 5 * 16000 + 4000;
    lapic_ops.advance(lapic, rig.now);
    lapic_save(lapic, state);
    uint64_t left = lapic_ops.deadline(lapic) - rig.now;
    lapic_stop();

    lapic_start();
    rig.now = ELSEWHEN;
    lapic_restore(lapic, state);
    CHECK_EQ_U64(lapic_ops.deadline(lapic) - rig.now, left);
    CHECK_EQ_U64(apic_get(0x390), 750);
    CHECK_EQ_U64(apic_get(0x80), 0x20);
    CHECK_EQ_U64(apic_get(0x350), 0x700); /* LINT0, as firmware left it */
    CHECK(!lapic_has_interrupt(lapic));   /* 0x61 is in service, 0x51 and 0x41 wait */
    apic_put(0xb0, 0);
    CHECK_EQ_U64(lapic_acknowledge(lapic), 0x51);
    apic_put(0xb0, 0);
    CHECK_EQ_U64(lapic_acknowledge(lapic), 0x41);
    lapic_stop();
}

#define CHIPS_TESTS                                                                             \
    {"chips: what a PIC has in service, requested and masked goes on elsewhere", chips_pic},    \
        {"chips: a PIC's initialisation goes on in the middle", chips_pic_initialisation},      \
        {"chips: a PIT's channels go on in the middle of a period, and of a count", chips_pit}, \
    {                                                                                           \
        "chips: a local APIC's vectors and timer go on elsewhere", chips_lapic                  \
    }

#endif

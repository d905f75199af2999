/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * devices_pit.h - statements about the 8254 (core/io/pit.c, pit_channel.c). Part of test_devices.c.
 * Its heart is a comparison with a counter that really ticks, written from the data sheet's mode definitions.
 */
#ifndef VIRTLAB_DEVICES_PIT_H
#define VIRTLAB_DEVICES_PIT_H

#include "devices_rig.h"
#include "io/pit.h"
#include "io/pit_channel.h"

static struct pit *pit;

/* The first nanosecond of a tick of the 1193182 Hz clock. */
static uint64_t tick_ns(uint64_t tick)
{
    return (uint64_t)(((unsigned __int128)tick * 1000000000 + PIT_HZ - 1) / PIT_HZ);
}

static void pit_start(void)
{
    rig_start();
    pit = pit_create(&rig.ports, rig_line(0), &rig.clock, &rig.why);
    CHECK_FATAL(pit != NULL);
}

static void pit_stop(void)
{
    pit_ops.destroy(pit);
}

static void pit_program(unsigned channel, unsigned mode, uint16_t count)
{
    out(0x43, (uint8_t)(channel << 6 | 0x30 | mode << 1));
    out((uint16_t)(0x40 + channel), count & 0xff);
    out((uint16_t)(0x40 + channel), count >> 8);
}

static bool out2(void)
{
    return in(0x61) & 0x20;
}

static uint16_t read16(unsigned channel)
{
    uint8_t low = in((uint16_t)(0x40 + channel));
    return (uint16_t)(low | in((uint16_t)(0x40 + channel)) << 8);
}

static void pit_mode0(void)
{
    pit_start();
    out(0x61, 0x01);
    pit_program(2, 0, 1000);
    CHECK(!out2());
    rig.now = tick_ns(1000);
    CHECK(!out2()); /* the tick that loads the count does not decrement it */
    rig.now = tick_ns(1001) - 1;
    CHECK(!out2());
    rig.now = tick_ns(1001);
    CHECK(out2());
    rig.now = tick_ns(1000000);
    CHECK(out2()); /* and stays */
    pit_stop();
}

static void pit_gate(void)
{
    pit_start();
    out(0x61, 0x01);
    pit_program(2, 0, 1000);
    rig.now = tick_ns(501);
    out(0x61, 0x00);
    rig.now = tick_ns(9000);
    CHECK(!out2());
    out(0x43, 0x80);
    CHECK_EQ_U64(read16(2), 500);
    out(0x61, 0x01);
    rig.now = tick_ns(9499);
    CHECK(!out2());
    rig.now = tick_ns(9500);
    CHECK(out2());
    CHECK_EQ_U64(in(0x61) & 0x0f, 0x01);
    pit_stop();
}

static void pit_periodic_exact(void)
{
    static const struct {
        unsigned mode;
        uint16_t count;
    } rows[] = {{2, 1193}, {3, 1193}, {2, 0}, {3, 2}, {2, 2}, {3, 65535}};
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t count = rows[i].count ? rows[i].count : 65536;
        vltest_row("mode %u count %u", rows[i].mode, rows[i].count);
        pit_start();
        rig.now = 123456789; /* starts anywhere */
        pit_program(0, rows[i].mode, rows[i].count);
        uint64_t loaded = (uint64_t)((unsigned __int128)rig.now * PIT_HZ / 1000000000) + 1;
        unsigned before = rig.rises[0];
        for (uint64_t n = 1; n <= 20000; n++) {
            uint64_t deadline = pit_ops.deadline(pit);
            if (deadline != tick_ns(loaded + n * count)) {
                CHECK_EQ_U64(deadline, tick_ns(loaded + n * count));
                break;
            }
            pit_ops.advance(pit, deadline - 1); /* too early does nothing */
            if (rig.rises[0] != before + n - 1)
                CHECK_EQ_U64(rig.rises[0], before + n - 1);
            rig.now = deadline;
            pit_ops.advance(pit, deadline);
        }
        CHECK_EQ_U64(rig.rises[0] - before, 20000);
        pit_stop();
    }
}

static void pit_one_shot(void)
{
    static const unsigned modes[] = {0, 4};
    for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
        vltest_row("mode %u", modes[i]);
        pit_start();
        CHECK_EQ_U64(pit_ops.deadline(pit), NEVER);
        pit_program(0, modes[i], 500);
        unsigned before = rig.rises[0];
        CHECK_EQ_U64(pit_ops.deadline(pit), tick_ns(modes[i] == 0 ? 501 : 502)); /* mode 4: after the low tick */
        rig_run_until(&pit_ops, pit, tick_ns(1000000));
        CHECK_EQ_U64(rig.rises[0] - before, 1);
        CHECK_EQ_U64(pit_ops.deadline(pit), NEVER);
        pit_program(0, modes[i], 500); /* again */
        rig_run_until(&pit_ops, pit, tick_ns(2000000));
        CHECK_EQ_U64(rig.rises[0] - before, 2);
        pit_stop();
    }
}

static void pit_late(void)
{
    pit_start();
    pit_program(0, 2, 1000);
    unsigned before = rig.rises[0];
    rig.now = tick_ns(1 + 10 * 1000 + 300); /* ten periods late */
    pit_ops.advance(pit, rig.now);
    CHECK_EQ_U64(rig.rises[0] - before, 1);                      /* they make one interrupt */
    CHECK_EQ_U64(pit_ops.deadline(pit), tick_ns(1 + 11 * 1000)); /* and the phase is kept */
    pit_stop();
}

static void pit_latch(void)
{
    pit_start();
    pit_program(0, 2, 10000);
    rig.now = tick_ns(101);
    out(0x43, 0x00);
    rig.now = tick_ns(5001);
    out(0x43, 0x00); /* a second latch before the read does nothing */
    CHECK_EQ_U64(read16(0), 9900);
    CHECK_EQ_U64(read16(0), 5000); /* unlatched: as it runs */
    out(0x43, 0x10);               /* low byte only */
    out(0x40, 200);
    rig.now = tick_ns(5001 + 51);
    CHECK_EQ_U64(in(0x40), 150);
    CHECK_EQ_U64(in(0x40), 150);
    out(0x43, 0x24); /* high byte only, mode 2 */
    out(0x40, 0x12);
    rig.now = tick_ns(6000);
    CHECK_EQ_U64(in(0x40), 0x0e);
    pit_stop();
}

static void pit_read_back(void)
{
    pit_start();
    out(0x61, 0x01);
    out(0x43, 0xb0);
    out(0x43, 0xe8); /* status of channel 2, count not yet written */
    CHECK_EQ_U64(in(0x42), 0x70);
    out(0x42, 0x10);
    out(0x42, 0x27);
    out(0x43, 0xe8);
    CHECK_EQ_U64(in(0x42), 0x70); /* written, not yet loaded */
    rig.now = tick_ns(1);
    out(0x43, 0xc8); /* status and count, then the count comes second */
    rig.now = tick_ns(20000);
    CHECK_EQ_U64(in(0x42), 0x30);
    CHECK_EQ_U64(read16(2), 10000);
    out(0x43, 0xe8);
    CHECK_EQ_U64(in(0x42), 0xb0); /* OUT is high now */
    pit_program(0, 3, 100);
    pit_program(1, 2, 18);
    rig.now = tick_ns(20010);
    out(0x43, 0xee); /* the status of all three */
    CHECK_EQ_U64(in(0x40), 0xb6);
    CHECK_EQ_U64(in(0x41), 0xb4);
    CHECK_EQ_U64(in(0x42), 0xb0);
    CHECK_EQ_U64(in(0x43), 0xff); /* write-only */
    pit_stop();
}

static void pit_bcd(void)
{
    pit_start();
    out(0x61, 0x01);
    out(0x43, 0xb1); /* channel 2, mode 0, BCD */
    out(0x42, 0x00);
    out(0x42, 0x10); /* 1000 */
    rig.now = tick_ns(2);
    out(0x43, 0x80);
    CHECK_EQ_U64(read16(2), 0x0999);
    rig.now = tick_ns(1000);
    CHECK(!out2());
    rig.now = tick_ns(1001);
    CHECK(out2());
    rig.now = tick_ns(1002);
    out(0x43, 0x80);
    CHECK_EQ_U64(read16(2), 0x9999); /* goes round in decimal */
    pit_stop();
}

static void pit_refresh(void)
{
    pit_start();
    unsigned toggles = 0;
    bool last = in(0x61) & 0x10;
    for (uint64_t tick = 0; tick < 1800; tick++) {
        rig.now = tick_ns(tick);
        bool now = in(0x61) & 0x10;
        toggles += now != last;
        last = now;
    }
    CHECK_EQ_U64(toggles, 99); /* each 18 ticks, 15 us: delay loops count on it */
    pit_stop();
}

/* A counter that ticks, as the data sheet describes the modes. */
struct ticking {
    unsigned mode;
    bool bcd, gate, out;
    bool written;  /* a count since the control word */
    bool load;     /* load `reload` at the next tick */
    bool counting; /* something is in the counting element */
    bool half;     /* mode 3: in the low half */
    bool strobe_done;
    bool odd; /* mode 3: the count that is being counted was odd */
    uint32_t reload, count;
};

static uint32_t whole(const struct ticking *t)
{
    return t->bcd ? 10000 : 65536;
}

static void ticking_mode(struct ticking *t, unsigned mode, bool bcd)
{
    *t = (struct ticking){.mode = mode, .bcd = bcd, .gate = t->gate, .out = mode != 0};
}

static void ticking_write(struct ticking *t, uint32_t count)
{
    t->reload = count;
    if (t->mode == 0) {
        t->out = false;
        t->load = true;
        t->counting = false;
    } else if (t->mode == 4 || ((t->mode == 2 || t->mode == 3) && !t->counting)) {
        t->load = true;
        t->out |= !t->gate; /* a strobe frozen by the gate ends at once here, on the chip with the next tick */
    }
    t->written = true;
}

static void ticking_gate(struct ticking *t, bool gate)
{
    bool rises = gate && !t->gate;
    t->gate = gate;
    if (t->mode == 2 || t->mode == 3) {
        if (!gate) {
            t->out = true;
        } else if (rises && t->written) {
            t->load = true;
        }
    }
    if ((t->mode == 1 || t->mode == 5) && rises && t->written)
        t->load = true;
}

static void ticking_loaded(struct ticking *t)
{
    t->load = false;
    t->counting = true;
    t->count = t->reload;
    t->odd = t->reload & 1;
    t->strobe_done = false;
    t->half = false;
    if (t->mode == 1)
        t->out = false;
    if (t->mode == 4 || t->mode == 5)
        t->out = true;
    if (t->mode == 3)
        t->count &= ~1u;
}

static void ticking_tick(struct ticking *t)
{
    bool gated = t->mode == 1 || t->mode == 5 || t->gate;
    if (t->load && (gated || t->mode == 0 || t->mode == 4)) {
        ticking_loaded(t);
        return;
    }
    if (!t->counting || !gated)
        return;
    switch (t->mode) {
    case 0:
    case 1:
        t->count = (t->count + whole(t) - 1) % whole(t);
        if (t->count == 0)
            t->out = true;
        break;
    case 2:
        if (--t->count == 1) {
            t->out = false;
        } else if (t->count == 0) {
            t->out = true;
            t->count = t->reload;
        }
        break;
    case 3: {
        /* Odd counts stay one tick longer in the high half, at zero. */
        if (t->count >= 2)
            t->count -= 2;
        else
            t->strobe_done = true;
        if (t->count == 0 && (t->half || !t->odd || t->strobe_done)) {
            t->half = !t->half;
            t->out = !t->half;
            t->count = t->reload & ~1u;
            t->odd = t->reload & 1;
            t->strobe_done = false;
        }
        break;
    }
    case 4:
    case 5:
        t->out = true;
        t->count = (t->count + whole(t) - 1) % whole(t);
        if (t->count == 0 && !t->strobe_done) {
            t->out = false;
            t->strobe_done = true;
        }
        break;
    }
}

static uint16_t ticking_read(const struct ticking *t)
{
    uint32_t count = t->count % whole(t);
    if (!t->bcd)
        return (uint16_t)count;
    return (uint16_t)(count / 1000 << 12 | count / 100 % 10 << 8 | count / 10 % 10 << 4 | count % 10);
}

/*
 * Random programs, two hundred ticks each: mode, gate at the start, count, and then gate changes and new counts.
 * Compared at every tick: OUT, the count while one is loaded, and that OUT rises exactly when it was foretold.
 */
static void pit_against_ticking(void)
{
    unsigned compared = 0;
    srand(8254);
    for (unsigned run = 0; run < 6000; run++) {
        struct ticking model = {.gate = run & 1};
        struct pit_channel channel = {.gate = run & 1};
        unsigned mode = (unsigned)rand() % 6;
        bool bcd = rand() % 4 == 0, changes_gate = rand() % 2, rewrites = rand() % 2;
        int64_t tick = rand() % 1000;
        ticking_mode(&model, mode, bcd);
        pit_channel_set_mode(&channel, mode, bcd, tick);
        unsigned count = 2 + (unsigned)rand() % 40;
        int64_t foretold = PIT_NEVER;
        for (unsigned step = 0; step < 200; step++, tick++) {
            vltest_row("run %u: mode %u, bcd %d, gate %d, count %u, step %u", run, mode, bcd, model.gate, count, step);
            bool was_out = model.out;
            if (step > 0)
                ticking_tick(&model);
            pit_channel_settle(&channel, tick);
            bool rose = step > 0 && model.out && !was_out;
            if (rose != (foretold == tick)) {
                CHECK_EQ_U64((uint64_t)foretold, (uint64_t)tick);
                return;
            }
            if (step == 0 || (rewrites && rand() % 37 == 0)) {
                count = 2 + (unsigned)rand() % 40;
                uint16_t written = (uint16_t)(bcd ? count / 10 << 4 | count % 10 : count);
                ticking_write(&model, count);
                pit_channel_load(&channel, written, tick);
            } else if (changes_gate && rand() % 17 == 0) {
                ticking_gate(&model, !model.gate);
                pit_channel_set_gate(&channel, model.gate, tick);
            }
            if (pit_channel_out(&channel, tick) != model.out ||
                (model.counting && !model.load && pit_channel_count(&channel, tick) != ticking_read(&model))) {
                CHECK_EQ_U64(pit_channel_out(&channel, tick), model.out);
                CHECK_EQ_U64(pit_channel_count(&channel, tick), ticking_read(&model));
                return;
            }
            foretold = pit_channel_next_rise(&channel, tick);
            compared++;
        }
    }
    CHECK_EQ_U64(compared, 6000 * 200);
}

#define PIT_TESTS                                                                                     \
    {"PIT: channel 2 in mode 0 raises OUT N ticks after the count was loaded", pit_mode0},            \
        {"PIT: the gate in port 0x61 halts and continues channel 2", pit_gate},                       \
        {"PIT: periodic interrupts are exact to the nanosecond, without drift", pit_periodic_exact},  \
        {"PIT: one-shot modes interrupt once", pit_one_shot},                                         \
        {"PIT: missed periods make one interrupt, and the phase is kept", pit_late},                  \
        {"PIT: a latched count holds until it is read", pit_latch},                                   \
        {"PIT: read-back gives status before count", pit_read_back}, {"PIT: counts in BCD", pit_bcd}, \
        {"PIT: the refresh bit toggles every 15 us", pit_refresh},                                    \
    {                                                                                                 \
        "PIT: all modes agree with a counter that ticks", pit_against_ticking                         \
    }

#endif

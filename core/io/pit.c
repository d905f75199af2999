/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pit.c - the 8254: how software sees its three channels through ports 0x40-0x43, and port 0x61.
 *
 * What a channel does once it counts is pit_channel.c; here are the control word, the latches, the two-byte accesses
 * and the wiring: channel 0 to IRQ 0, channel 2's gate and output to port 0x61.
 *
 * Time is never added up: tick numbers are computed from guest time since the start of the machine, so nothing drifts.
 */
#include "io/pit.h"
#include "io/pit_channel.h"
#include <errno.h>
#include <stdlib.h>

/* One channel behind its port. */
struct port {
    struct pit_channel channel;
    enum pit_access access;
    bool write_high_next, read_high_next; /* which byte comes next under PIT_ACCESS_BOTH */
    uint8_t low_byte;                     /* written first, waits for the high one */
    bool count_latched, status_latched;
    uint16_t latched_count;
    uint8_t latched_status;
};

struct pit {
    struct port port[3];
    struct irq_line irq;
    const struct guest_clock *clock;
    int64_t seen;      /* tick up to which channel 0's rising edges have been reported */
    uint64_t deadline; /* the time of the next one: asked for at every exit, so it is kept ready */
    uint8_t speaker;   /* port 0x61, bits 3:0 as written */
    bool irq_level;
};

#define NS_PER_SECOND      1000000000
#define PORT61_GATE2       0x01
#define PORT61_WRITABLE    0x0f
#define PORT61_REFRESH     0x10 /* toggles with each refresh of the DRAM, every 15 us */
#define PORT61_OUT2        0x20
#define REFRESH_TICKS      18
#define CONTROL            3 /* offset of the control port */
#define READBACK           3 /* as channel number in the control word */
#define READBACK_NO_COUNT  0x20
#define READBACK_NO_STATUS 0x10
#define STATUS_OUT         0x80
#define STATUS_NULL_COUNT  0x40

/* The PIT clock's last tick at or before a time, and the first nanosecond of a tick. */
static int64_t tick_at(uint64_t ns)
{
    return (int64_t)((unsigned __int128)ns * PIT_HZ / NS_PER_SECOND);
}

static uint64_t time_of(int64_t tick)
{
    return (uint64_t)(((unsigned __int128)tick * NS_PER_SECOND + PIT_HZ - 1) / PIT_HZ);
}

static int64_t now(const struct pit *pit)
{
    return tick_at(guest_now(pit->clock));
}

static void drive_irq(struct pit *pit, bool level)
{
    pit->irq_level = level;
    irq_set(&pit->irq, level);
}

/*
 * Reports channel 0's rising edges up to `tick`; several that nobody looked for in time make one. The line then stays
 * high until just before the next edge, although OUT may have fallen: an edge-triggered input that falls again
 * withdraws its request, and the interrupt would be lost when the host was late.
 */
static void report_edges(struct pit *pit, int64_t tick)
{
    int64_t rise = pit_channel_next_rise(&pit->port[0].channel, pit->seen);
    pit->seen = tick;
    if (rise == PIT_NEVER || rise > tick)
        return;
    drive_irq(pit, false);
    drive_irq(pit, true);
}

/* After software has touched channel 0 in a way that changes OUT at once. */
static void sync_irq(struct pit *pit, int64_t tick)
{
    bool out = pit_channel_out(&pit->port[0].channel, tick);
    if (pit->irq_level != out)
        drive_irq(pit, out);
}

static void write_count(struct pit *pit, struct port *port, uint8_t value, int64_t tick)
{
    struct pit_channel *channel = &port->channel;
    switch (port->access) {
    case PIT_ACCESS_LATCH: return; /* never stored: a control word with this field is a command */
    case PIT_ACCESS_LOW: pit_channel_load(channel, value, tick); break;
    case PIT_ACCESS_HIGH: pit_channel_load(channel, (uint16_t)(value << 8), tick); break;
    case PIT_ACCESS_BOTH:
        port->write_high_next = !port->write_high_next;
        if (port->write_high_next) {
            port->low_byte = value;
            pit_channel_first_byte(channel, tick);
        } else {
            pit_channel_load(channel, (uint16_t)(value << 8 | port->low_byte), tick);
        }
        break;
    }
    if (port == &pit->port[0] && channel->mode == PIT_TERMINAL_COUNT)
        sync_irq(pit, tick); /* OUT falls; in the other modes a new count leaves it alone */
}

static uint8_t read_count(struct port *port, int64_t tick)
{
    if (port->status_latched) {
        port->status_latched = false;
        return port->latched_status;
    }
    uint16_t count = port->count_latched ? port->latched_count : pit_channel_count(&port->channel, tick);
    bool high = port->access == PIT_ACCESS_HIGH;
    bool last = true;
    if (port->access == PIT_ACCESS_BOTH) {
        high = port->read_high_next;
        last = high;
        port->read_high_next = !high;
    }
    if (last)
        port->count_latched = false;
    return high ? count >> 8 : count & 0xff;
}

static void latch_count(struct port *port, int64_t tick)
{
    if (port->count_latched)
        return; /* the first latch holds until it is read */
    port->count_latched = true;
    port->latched_count = pit_channel_count(&port->channel, tick);
}

static void latch_status(struct port *port, int64_t tick)
{
    const struct pit_channel *channel = &port->channel;
    if (port->status_latched)
        return;
    port->status_latched = true;
    port->latched_status = (uint8_t)(port->access << 4 | channel->mode << 1 | channel->bcd);
    if (pit_channel_out(channel, tick))
        port->latched_status |= STATUS_OUT;
    if (pit_channel_null_count(channel, tick))
        port->latched_status |= STATUS_NULL_COUNT;
}

static void read_back(struct pit *pit, uint8_t command, int64_t tick)
{
    for (unsigned i = 0; i < 3; i++) {
        if (!(command & (2u << i)))
            continue;
        if (!(command & READBACK_NO_COUNT))
            latch_count(&pit->port[i], tick);
        if (!(command & READBACK_NO_STATUS))
            latch_status(&pit->port[i], tick);
    }
}

static void write_control(struct pit *pit, uint8_t word, int64_t tick)
{
    unsigned number = word >> 6;
    if (number == READBACK) {
        read_back(pit, word, tick);
        return;
    }
    struct port *port = &pit->port[number];
    enum pit_access access = (word >> 4) & 3;
    if (access == PIT_ACCESS_LATCH) {
        latch_count(port, tick);
        return;
    }
    port->access = access;
    port->write_high_next = port->read_high_next = false;
    port->count_latched = port->status_latched = false;
    pit_channel_set_mode(&port->channel, (word >> 1) & 7, word & 1, tick);
    if (number == 0)
        sync_irq(pit, tick);
}

static void foresee(struct pit *pit)
{
    int64_t rise = pit_channel_next_rise(&pit->port[0].channel, pit->seen);
    pit->deadline = rise == PIT_NEVER ? NEVER : time_of(rise);
}

static void settle(struct pit *pit, int64_t tick)
{
    report_edges(pit, tick);
    for (unsigned i = 0; i < 3; i++)
        pit_channel_settle(&pit->port[i].channel, tick);
    foresee(pit);
}

static uint64_t pit_read(void *device, uint64_t offset, unsigned size)
{
    struct pit *pit = device;
    (void)size;
    int64_t tick = now(pit);
    settle(pit, tick);
    return offset == CONTROL ? 0xff : read_count(&pit->port[offset], tick);
}

static void pit_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pit *pit = device;
    (void)size;
    int64_t tick = now(pit);
    settle(pit, tick);
    if (offset == CONTROL)
        write_control(pit, (uint8_t)value, tick);
    else
        write_count(pit, &pit->port[offset], (uint8_t)value, tick);
    foresee(pit);
}

static uint64_t port61_read(void *device, uint64_t offset, unsigned size)
{
    struct pit *pit = device;
    (void)offset, (void)size;
    int64_t tick = now(pit);
    settle(pit, tick);
    uint8_t value = pit->speaker;
    if (tick / REFRESH_TICKS % 2)
        value |= PORT61_REFRESH;
    if (pit_channel_out(&pit->port[2].channel, tick))
        value |= PORT61_OUT2;
    return value;
}

static void port61_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pit *pit = device;
    (void)offset, (void)size;
    int64_t tick = now(pit);
    settle(pit, tick);
    pit->speaker = value & PORT61_WRITABLE;
    pit_channel_set_gate(&pit->port[2].channel, value & PORT61_GATE2, tick);
}

static uint64_t pit_deadline(void *device)
{
    const struct pit *pit = device;
    return pit->deadline;
}

static void pit_advance(void *device, uint64_t now_ns)
{
    settle(device, tick_at(now_ns));
}

/* All channels as firmware sets them up, but without a count: OUT is high. */
static void pit_reset(void *device)
{
    struct pit *pit = device;
    for (unsigned i = 0; i < 3; i++)
        pit->port[i] = (struct port){.channel = {.mode = PIT_SQUARE_WAVE, .gate = i != 2}, .access = PIT_ACCESS_BOTH};
    pit->speaker = 0;
    pit->seen = now(pit);
    pit->deadline = NEVER;
    drive_irq(pit, true);
}

void pit_save(struct pit *pit, struct pit_counter state[3], uint8_t *speaker)
{
    int64_t tick = now(pit);
    settle(pit, tick);
    for (unsigned i = 0; i < 3; i++) {
        const struct port *port = &pit->port[i];
        const struct pit_channel *channel = &port->channel;
        int64_t age = pit_channel_age(channel, tick);
        state[i] = (struct pit_counter){
            .mode = (uint8_t)channel->mode,
            .bcd = channel->bcd,
            .gate = channel->gate,
            .loaded = channel->loaded,
            .count = pit_channel_written(channel),
            .age_ns = age > 0 ? time_of(age) : 0,
            .access = port->access,
            .write_high_next = port->write_high_next,
            .read_high_next = port->read_high_next,
            .low_byte = port->low_byte,
            .count_latched = port->count_latched,
            .status_latched = port->status_latched,
            .latched_count = port->latched_count,
            .latched_status = port->latched_status,
        };
    }
    *speaker = pit->speaker;
}

/* The channel is programmed anew, as long ago as it was. */
static void restore_port(struct port *port, const struct pit_counter *state, int64_t tick)
{
    int64_t then = tick - tick_at(state->age_ns);
    *port =
        (struct port){.access = state->access > PIT_ACCESS_BOTH || state->access == PIT_ACCESS_LATCH ? PIT_ACCESS_BOTH
                                                                                                     : state->access,
                      .write_high_next = state->write_high_next,
                      .read_high_next = state->read_high_next,
                      .low_byte = state->low_byte,
                      .count_latched = state->count_latched,
                      .status_latched = state->status_latched,
                      .latched_count = state->latched_count,
                      .latched_status = state->latched_status};
    port->channel.gate = state->gate;
    pit_channel_set_mode(&port->channel, state->mode & 7, state->bcd, then);
    if (state->loaded)
        pit_channel_load(&port->channel, state->count, then - 1); /* it enters with the next tick */
}

void pit_restore(struct pit *pit, const struct pit_counter state[3], uint8_t speaker)
{
    int64_t tick = now(pit);
    for (unsigned i = 0; i < 3; i++)
        restore_port(&pit->port[i], &state[i], tick);
    pit->speaker = speaker & PORT61_WRITABLE;
    pit->seen = tick;
    sync_irq(pit, tick);
    foresee(pit);
}

static const struct bus_ops pit_ports = {pit_read, pit_write, .byte_wide = true};
static const struct bus_ops port61 = {port61_read, port61_write, .byte_wide = true};

struct pit *pit_create(struct bus *ports, struct irq_line irq, const struct guest_clock *clock, struct reason *why)
{
    struct pit *pit = calloc(1, sizeof *pit);
    if (!pit) {
        fail(why, ENOMEM, "pit: out of memory");
        return NULL;
    }
    pit->irq = irq;
    pit->clock = clock;
    if (bus_claim(ports, "pit", 0x40, 4, &pit_ports, pit, why) ||
        bus_claim(ports, "port 61", 0x61, 1, &port61, pit, why)) {
        free(pit);
        return NULL;
    }
    pit_reset(pit);
    return pit;
}

const struct device_ops pit_ops = {
    .name = "pit", .reset = pit_reset, .deadline = pit_deadline, .advance = pit_advance, .destroy = free};

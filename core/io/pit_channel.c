/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pit_channel.c - one counter of the 8254 as a function of time. Interface and idea: pit_channel.h.
 *
 * Intel's 8254 data sheet, "Mode definitions": a written count enters the counting element at the next clock tick and
 * that tick does not decrement it, so a count of N written in tick T has run out at tick T + 1 + N.
 */
#include "io/pit_channel.h"

static uint32_t modulus(const struct pit_channel *channel)
{
    return channel->bcd ? 10000 : 65536;
}

static bool periodic(const struct pit_channel *channel)
{
    return channel->mode == PIT_RATE || channel->mode == PIT_SQUARE_WAVE;
}

static bool gate_triggered(const struct pit_channel *channel)
{
    return channel->mode == PIT_ONE_SHOT || channel->mode == PIT_HARDWARE_STROBE;
}

/* Ticks of a square wave's high half; the low half is the rest. */
static uint32_t high_half(uint32_t count)
{
    return (count + 1) / 2;
}

/* Ticks that the counting element has counted; negative before the count has entered it. */
static int64_t elapsed(const struct pit_channel *channel, int64_t tick)
{
    return channel->running ? tick - channel->start : channel->stopped;
}

static uint32_t from_written(const struct pit_channel *channel, uint16_t written)
{
    uint32_t count = written;
    if (channel->bcd) {
        /* Digits above 9 are the guest's mistake; any sum will do that is in range. */
        count = (written >> 12) * 1000 + ((written >> 8) & 15) * 100 + ((written >> 4) & 15) * 10 + (written & 15);
        count %= 10000;
    }
    return count ? count : modulus(channel);
}

static uint16_t to_read(const struct pit_channel *channel, uint32_t count)
{
    count %= modulus(channel);
    if (!channel->bcd)
        return (uint16_t)count;
    return (uint16_t)(count / 1000 << 12 | count / 100 % 10 << 8 | count / 10 % 10 << 4 | count % 10);
}

void pit_channel_set_mode(struct pit_channel *channel, unsigned mode, bool bcd, int64_t tick)
{
    *channel = (struct pit_channel){
        .mode = mode > 5 ? mode - 4 : mode,
        .bcd = bcd,
        .gate = channel->gate,
        .count = channel->count ? channel->count : 65536,
        .start = tick,
    };
}

void pit_channel_first_byte(struct pit_channel *channel, int64_t tick)
{
    if (channel->mode != PIT_TERMINAL_COUNT)
        return;
    int64_t counted = elapsed(channel, tick);
    channel->stopped = counted < 0 ? 0 : (uint32_t)(counted % modulus(channel));
    channel->running = false;
    channel->loaded = false; /* OUT is low again */
}

void pit_channel_load(struct pit_channel *channel, uint16_t written, int64_t tick)
{
    uint32_t count = from_written(channel, written);
    if (periodic(channel) && channel->loaded && channel->running && tick >= channel->start) {
        uint32_t phase = (uint32_t)((tick - channel->start) % channel->count);
        uint32_t high = high_half(channel->count);
        uint32_t left = channel->count - phase;
        if (channel->mode == PIT_SQUARE_WAVE && phase < high)
            left = high - phase;
        channel->pending = true;
        channel->next_count = count;
        channel->next_at = tick + left;
        return;
    }
    if ((gate_triggered(channel) && channel->running) || (periodic(channel) && channel->loaded && !channel->running)) {
        channel->next_count = count; /* for the next trigger */
        channel->pending = true;
        channel->next_at = PIT_NEVER;
        return;
    }
    channel->out_before = pit_channel_out(channel, tick);
    channel->pending = false;
    channel->loaded = true;
    channel->count = count;
    channel->start = tick + 1;
    channel->stopped = 0;
    channel->running = channel->gate && !gate_triggered(channel);
}

void pit_channel_settle(struct pit_channel *channel, int64_t tick)
{
    if (!channel->pending || channel->next_at > tick)
        return;
    int64_t start = channel->next_at;
    /* At the end of the high half the new count begins with its low half. */
    if (channel->mode == PIT_SQUARE_WAVE && (start - channel->start) % channel->count != 0)
        start -= high_half(channel->next_count);
    channel->pending = false;
    channel->count = channel->next_count;
    channel->start = start;
}

/* The gate's rising edge starts a count afresh: modes 1, 2, 3 and 5. */
static void trigger(struct pit_channel *channel, int64_t tick)
{
    channel->out_before = pit_channel_out(channel, tick);
    if (channel->pending)
        channel->count = channel->next_count;
    channel->pending = false;
    channel->start = tick + 1;
    channel->running = true;
}

void pit_channel_set_gate(struct pit_channel *channel, bool gate, int64_t tick)
{
    if (gate == channel->gate)
        return;
    channel->gate = gate;
    if (!channel->loaded)
        return;
    if (gate && (periodic(channel) || gate_triggered(channel))) {
        trigger(channel, tick);
    } else if (gate) { /* modes 0 and 4 go on */
        channel->start = tick - channel->stopped;
        channel->running = true;
    } else if (!gate_triggered(channel) && channel->running) {
        int64_t counted = elapsed(channel, tick);
        if (counted < 0)
            counted = 0;
        else if (periodic(channel))
            counted %= channel->count;
        else if (counted > channel->count) /* run out: the count goes round, and stays run out */
            counted = channel->count + 1 + (counted - channel->count - 1) % modulus(channel);
        channel->stopped = (uint32_t)counted;
        channel->running = false;
        channel->next_at = PIT_NEVER; /* a pending count now waits for the trigger */
    }
}

uint16_t pit_channel_count(const struct pit_channel *channel, int64_t tick)
{
    int64_t counted = elapsed(channel, tick);
    uint32_t count = channel->count;
    if (counted < 0 || count == 0)
        return to_read(channel, count);
    if (channel->mode == PIT_RATE)
        return to_read(channel, count - (uint32_t)(counted % count));
    if (channel->mode == PIT_SQUARE_WAVE) {
        /* It counts by twos, from the count with bit 0 dropped, once in each half. */
        uint32_t phase = (uint32_t)(counted % count), high = high_half(count);
        return to_read(channel, (count & ~1u) - 2 * (phase < high ? phase : phase - high));
    }
    uint32_t whole = modulus(channel);
    return to_read(channel, whole + count - (uint32_t)(counted % whole));
}

uint16_t pit_channel_written(const struct pit_channel *channel)
{
    return to_read(channel, channel->pending ? channel->next_count : channel->count);
}

int64_t pit_channel_age(const struct pit_channel *channel, int64_t tick)
{
    int64_t counted = elapsed(channel, tick);
    return channel->loaded && channel->running && counted > 0 ? counted : 0;
}

bool pit_channel_out(const struct pit_channel *channel, int64_t tick)
{
    int64_t counted = elapsed(channel, tick), count = channel->count;
    if (!channel->loaded)
        return channel->mode != PIT_TERMINAL_COUNT;
    if (channel->mode == PIT_TERMINAL_COUNT)
        return counted >= count;
    if (!channel->running && channel->mode != PIT_SOFTWARE_STROBE)
        return true;
    if (counted < 0)
        return channel->out_before;
    switch (channel->mode) {
    case PIT_RATE: return counted % count != count - 1 || count == 1;
    case PIT_SQUARE_WAVE: return counted % count < high_half(channel->count);
    case PIT_SOFTWARE_STROBE:
    case PIT_HARDWARE_STROBE: return counted != count;
    default: return counted >= count; /* one-shot */
    }
}

bool pit_channel_null_count(const struct pit_channel *channel, int64_t tick)
{
    bool waits_for_gate = !channel->running && (gate_triggered(channel) || !channel->gate) && channel->stopped == 0;
    return !channel->loaded || channel->pending || waits_for_gate || (channel->running && tick < channel->start);
}

/* The first of start + count, start + 2 * count, ... after a tick: where a periodic channel's period ends. */
static int64_t next_period(int64_t start, uint32_t count, int64_t after)
{
    int64_t done = after < start ? 0 : (after - start) / count;
    return start + (done + 1) * count;
}

int64_t pit_channel_next_rise(const struct pit_channel *channel, int64_t after)
{
    int64_t rise = PIT_NEVER;
    struct pit_channel settled; /* with a pending count in force */
    if (!channel->loaded || !channel->running)
        return PIT_NEVER;
    switch (channel->mode) {
    case PIT_RATE:
    case PIT_SQUARE_WAVE:
        settled = *channel;
        pit_channel_settle(&settled, channel->next_at);
        if (channel->pending && channel->next_at <= after)
            return pit_channel_next_rise(&settled, after);
        if (channel->count > 1) /* a count of 1 is illegal here, and OUT stays high */
            rise = next_period(channel->start, channel->count, after);
        if (channel->pending && rise > channel->next_at)
            return pit_channel_next_rise(&settled, channel->next_at);
        return rise;
    case PIT_TERMINAL_COUNT:
    case PIT_ONE_SHOT: rise = channel->start + channel->count; break;
    case PIT_SOFTWARE_STROBE:
    case PIT_HARDWARE_STROBE:
        rise = channel->start + channel->count + 1;
        if (!channel->out_before && after < channel->start)
            rise = channel->start; /* a new count has cut the strobe short */
        break;
    }
    return rise > after ? rise : PIT_NEVER;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pit_channel.h - one counter of the 8254, in all six modes, as a function of time.
 *
 * Nothing ticks here. A channel remembers at which tick of the 1193182 Hz clock its count was loaded; its count and its
 * output at any later tick follow by arithmetic. Only pit.c uses this.
 */
#ifndef VIRTLAB_IO_PIT_CHANNEL_H
#define VIRTLAB_IO_PIT_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#define PIT_NEVER INT64_MAX /* a tick that does not come */

enum pit_mode {
    PIT_TERMINAL_COUNT = 0,  /* OUT rises when the count has run out */
    PIT_ONE_SHOT = 1,        /* the gate's edge starts a low pulse of the count's length */
    PIT_RATE = 2,            /* a low pulse of one tick every count ticks */
    PIT_SQUARE_WAVE = 3,     /* high for half of the count, low for the other */
    PIT_SOFTWARE_STROBE = 4, /* one low tick when the count has run out */
    PIT_HARDWARE_STROBE = 5, /* the same, started by the gate's edge */
};

struct pit_channel {
    enum pit_mode mode;
    bool bcd;
    bool gate;
    bool loaded;      /* a count was written since the control word */
    bool running;     /* the counting element counts (or will from `start` on) */
    uint32_t count;   /* 1 .. 65536 */
    int64_t start;    /* the tick at which `count` entered the counting element; may lie in the future */
    uint32_t stopped; /* when not running: ticks counted since `start` */
    bool out_before;  /* OUT until `start` */
    /* A count written while counting: it enters at the end of the (half) period, or with the gate's next edge. */
    bool pending;
    uint32_t next_count;
    int64_t next_at;
};

/* A control word. Mode numbers 6 and 7 are 2 and 3. */
void pit_channel_set_mode(struct pit_channel *channel, unsigned mode, bool bcd, int64_t tick);

/* The first of two bytes of a count: in mode 0 it stops the counting. Then the complete count, 0 standing for the most.
 */
void pit_channel_first_byte(struct pit_channel *channel, int64_t tick);
void pit_channel_load(struct pit_channel *channel, uint16_t written, int64_t tick);

void pit_channel_set_gate(struct pit_channel *channel, bool gate, int64_t tick);

/* Puts a pending count in force once its tick has come. Call before the functions below, and before any change. */
void pit_channel_settle(struct pit_channel *channel, int64_t tick);

uint16_t pit_channel_count(const struct pit_channel *channel,
                           int64_t tick); /* as software reads it: BCD if asked for */
bool pit_channel_out(const struct pit_channel *channel, int64_t tick);
bool pit_channel_null_count(const struct pit_channel *channel, int64_t tick); /* written, not yet counting */

/* The count as software wrote it, and for how many ticks it has been counted (0: it hasn't begun, or its gate is shut).
 */
uint16_t pit_channel_written(const struct pit_channel *channel);
int64_t pit_channel_age(const struct pit_channel *channel, int64_t tick);

/* The first tick after `after` at which OUT rises by counting alone, or PIT_NEVER. */
int64_t pit_channel_next_rise(const struct pit_channel *channel, int64_t after);

#endif

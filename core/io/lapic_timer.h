/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lapic_timer.h - the local APIC's timer: a count that falls with a divided 1 GHz clock, once or over and over.
 *
 * At 1 GHz a bus clock is a nanosecond, so a tick is 2^shift ns. As in pit_channel.h nothing ticks: the count follows
 * from the time at which it was started. SDM volume 3, 11.5.4. Only lapic.c uses this.
 */
#ifndef VIRTLAB_IO_LAPIC_TIMER_H
#define VIRTLAB_IO_LAPIC_TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct lapic_timer {
    uint32_t initial; /* 0: stopped */
    unsigned shift;   /* log2 of the divider */
    bool periodic;
    int64_t start;    /* ns; may lie before the machine's start when the divider was changed on the way */
    uint64_t expires; /* the next expiry, ns; UINT64_MAX if there is none */
};

/* A write to the initial-count register. */
void lapic_timer_start(struct lapic_timer *timer, uint32_t initial, uint64_t now);

/* Both keep the current count where it is. */
void lapic_timer_set_divider(struct lapic_timer *timer, unsigned shift, uint64_t now);
void lapic_timer_set_periodic(struct lapic_timer *timer, bool periodic, uint64_t now);

/* Goes on in the middle: `current` is left of `initial` (0: a single shot that is over, or stopped). */
void lapic_timer_resume(struct lapic_timer *timer, uint32_t initial, uint32_t current, bool periodic, uint64_t now);

uint32_t lapic_timer_current(const struct lapic_timer *timer, uint64_t now);

/* Has it run out since it was last asked? Several periods at once count as one. Arms the next period. */
bool lapic_timer_expired(struct lapic_timer *timer, uint64_t now);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lapic_timer.c - the local APIC's timer; interface in lapic_timer.h.
 */
#include "io/lapic_timer.h"

/* Ticks since the start. */
static uint64_t elapsed(const struct lapic_timer *timer, uint64_t now)
{
    return (uint64_t)((int64_t)now - timer->start) >> timer->shift;
}

static uint64_t period_ns(const struct lapic_timer *timer)
{
    return (uint64_t)timer->initial << timer->shift;
}

void lapic_timer_start(struct lapic_timer *timer, uint32_t initial, uint64_t now)
{
    timer->initial = initial;
    timer->start = (int64_t)now;
    timer->expires = initial ? now + period_ns(timer) : UINT64_MAX;
}

uint32_t lapic_timer_current(const struct lapic_timer *timer, uint64_t now)
{
    if (timer->initial == 0 || timer->expires == UINT64_MAX)
        return 0;
    uint64_t ticks = elapsed(timer, now);
    if (timer->periodic)
        ticks %= timer->initial;
    return ticks >= timer->initial ? 0 : timer->initial - (uint32_t)ticks;
}

/* Makes `current` the count at `now`, whatever the divider was before. */
static void restart_at(struct lapic_timer *timer, uint32_t current, uint64_t now)
{
    if (timer->expires == UINT64_MAX)
        return; /* stopped, or a single shot that is over */
    timer->start = (int64_t)now - ((int64_t)(timer->initial - current) << timer->shift);
    timer->expires = now + ((uint64_t)current << timer->shift);
}

void lapic_timer_set_divider(struct lapic_timer *timer, unsigned shift, uint64_t now)
{
    if (shift == timer->shift)
        return;
    uint32_t current = lapic_timer_current(timer, now);
    timer->shift = shift;
    restart_at(timer, current, now);
}

void lapic_timer_set_periodic(struct lapic_timer *timer, bool periodic, uint64_t now)
{
    if (periodic == timer->periodic)
        return;
    uint32_t current = lapic_timer_current(timer, now);
    timer->periodic = periodic;
    restart_at(timer, current, now);
}

void lapic_timer_resume(struct lapic_timer *timer, uint32_t initial, uint32_t current, bool periodic, uint64_t now)
{
    lapic_timer_start(timer, initial, now);
    timer->periodic = periodic;
    if (current && current <= initial)
        restart_at(timer, current, now);
    else if (!periodic)
        timer->expires = UINT64_MAX;
}

bool lapic_timer_expired(struct lapic_timer *timer, uint64_t now)
{
    if (now < timer->expires)
        return false;
    if (timer->periodic) {
        uint64_t periods = elapsed(timer, now) / timer->initial;
        timer->expires = (uint64_t)(timer->start + (int64_t)((periods + 1) * period_ns(timer)));
    } else {
        timer->expires = UINT64_MAX;
    }
    return true;
}

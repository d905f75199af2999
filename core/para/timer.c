/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * timer.c - the guest's one-shot timer: an event on port PARA_PORT_TIMER at a time of the guest's clock.
 *
 * A timer of the host's kicks whatever guest code runs; what is due is decided by the TSC alone. A machine that is
 * blocked waits here while a timer is set, because the machine's own idling knows nothing of it.
 */
#include "para/direct.h"

#include <errno.h>
#include <signal.h>
#include <x86intrin.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_MAX   (UINT64_C(1) << 60) /* 36 years: no product overflows */
#define NAP_NS   5000000             /* how long a kick from another thread may go unnoticed */

static void ring(union sigval engine)
{
    struct engine *e = engine.sival_ptr;

    world_kick(e->pool);
}

static uint64_t tsc_of(const struct engine *e, uint64_t ns)
{
    const struct para_time *clock = &e->clock;

    return clock->tsc + (uint64_t)(((unsigned __int128)(ns - clock->ns) << clock->shift) / clock->mul);
}

static int64_t ns_left(const struct engine *e)
{
    int64_t ticks = (int64_t)(e->timer_at - __rdtsc());

    return ticks <= 0 ? 0 : (int64_t)(((unsigned __int128)(uint64_t)ticks * e->clock.mul) >> e->clock.shift);
}

static bool make(struct engine *e)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_value.sival_ptr = e, .sigev_notify_function = ring};

    if (!e->timer_made)
        e->timer_made = timer_create(CLOCK_MONOTONIC, &event, &e->timer) == 0;
    return e->timer_made;
}

int64_t timer_set(struct engine *e, const uint64_t *args)
{
    struct itimerspec when = {0};
    int64_t left;

    if (!e->clock.mul || !make(e))
        return -PARA_ENOSYS;
    if (args[0] > NS_MAX)
        return -PARA_EINVAL;
    e->timer_at = args[0] ? tsc_of(e, args[0]) : 0;
    if (e->timer_at) {
        left = ns_left(e);
        when.it_value.tv_sec = left / NS_PER_S;
        when.it_value.tv_nsec = left % NS_PER_S + (left == 0);
    }
    timer_settime(e->timer, 0, &when, NULL);
    return 0;
}

void timer_poll(struct engine *e)
{
    if (!e->timer_at || ns_left(e) > 0)
        return;
    e->timer_at = 0;
    e->shared->event_pending |= UINT64_C(1) << PARA_PORT_TIMER;
}

void timer_wait(struct engine *e)
{
    while (e->timer_at && !atomic_load(&e->kicked)) {
        int64_t left = ns_left(e);
        struct timespec nap = {.tv_nsec = left < NAP_NS ? left : NAP_NS};

        nanosleep(&nap, NULL); /* a signal ends it: then `kicked` tells */
        timer_poll(e);
    }
}

void timer_destroy(struct engine *e)
{
    if (e->timer_made)
        timer_delete(e->timer);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * timer.c - the guest's one-shot timer: an event on port PARA_PORT_TIMER at a time of the guest's clock.
 *
 * A thread kicks whatever guest code runs when the time has come; what is due is decided by the TSC alone. It is a
 * thread of our own, not one of timer_create's: those may still be on their way after timer_delete, when the engine is
 * gone. A machine that is blocked waits here while a timer is set, because the machine's own idling knows nothing of
 * it.
 */
#include "para/direct.h"

#include <errno.h>
#include <x86intrin.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_MAX   (UINT64_C(1) << 60) /* 36 years: no product overflows */
#define NAP_NS   5000000             /* how long a kick from another thread may go unnoticed */

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

static void *timer_thread(void *engine)
{
    struct engine *e = engine;
    struct timer *timer = &e->timer;

    pthread_mutex_lock(&timer->lock);
    while (!timer->quit) {
        if (!timer->set) {
            pthread_cond_wait(&timer->changed, &timer->lock);
        } else if (pthread_cond_timedwait(&timer->changed, &timer->lock, &timer->when) == ETIMEDOUT) {
            timer->set = false;
            world_kick(e->pool);
        }
    }
    pthread_mutex_unlock(&timer->lock);
    return NULL;
}

static bool make(struct engine *e)
{
    struct timer *timer = &e->timer;
    pthread_condattr_t attributes;

    if (timer->made)
        return true;
    pthread_mutex_init(&timer->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&timer->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    timer->made = pthread_create(&timer->thread, NULL, timer_thread, e) == 0;
    return timer->made;
}

/* The thread is to kick in `ns` nanoseconds; never, if there is no time set. */
static void arm(struct engine *e, int64_t ns)
{
    struct timer *timer = &e->timer;

    pthread_mutex_lock(&timer->lock);
    clock_gettime(CLOCK_MONOTONIC, &timer->when);
    ns += timer->when.tv_nsec;
    timer->when.tv_sec += ns / NS_PER_S;
    timer->when.tv_nsec = ns % NS_PER_S;
    timer->set = e->timer_at != 0;
    pthread_cond_signal(&timer->changed);
    pthread_mutex_unlock(&timer->lock);
}

int64_t timer_set(struct engine *e, const uint64_t *args)
{
    if (!e->clock.mul || !make(e))
        return -PARA_ENOSYS;
    if (args[0] > NS_MAX)
        return -PARA_EINVAL;
    e->timer_at = args[0] ? tsc_of(e, args[0]) : 0;
    arm(e, e->timer_at ? ns_left(e) : 0);
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
    struct timer *timer = &e->timer;

    if (!timer->made)
        return;
    pthread_mutex_lock(&timer->lock);
    timer->quit = true;
    pthread_cond_signal(&timer->changed);
    pthread_mutex_unlock(&timer->lock);
    pthread_join(timer->thread, NULL);
    pthread_cond_destroy(&timer->changed);
    pthread_mutex_destroy(&timer->lock);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock.c - guest time, real or virtual (clock.h), and how fast the host's time-stamp counter ticks.
 */
#include "machine/clock.h"

#include <cpuid.h>
#include <pthread.h>
#include <time.h>
#include <x86intrin.h>

#define NS_PER_S      UINT64_C(1000000000)
#define MEASURE_NS    1000000 /* two readings this far apart give the frequency to about 20 ppm, as good as a quartz */
#define VIRTUAL_TICKS NS_PER_S

static uint64_t monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/*
 * Time and TSC at one instant. An interrupt, or the outer hypervisor, may come in between the two readings, so the
 * pair whose readings lie closest together is taken.
 */
static void read_both(uint64_t *ns, uint64_t *tsc)
{
    uint64_t best = UINT64_MAX;

    for (int i = 0; i < 16; i++) {
        uint64_t before = __rdtsc(), now = monotonic_ns(), after = __rdtsc();

        if (after - before < best) {
            best = after - before;
            *ns = now;
            *tsc = before + best / 2;
        }
    }
}

static uint64_t measured_hz(void)
{
    struct timespec pause = {.tv_nsec = MEASURE_NS};
    uint64_t ns[2], tsc[2];

    read_both(&ns[0], &tsc[0]);
    nanosleep(&pause, NULL);
    read_both(&ns[1], &tsc[1]);
    if (ns[1] <= ns[0] || tsc[1] <= tsc[0])
        return NS_PER_S; /* a clock that stands still; nothing better is known */
    return (uint64_t)((unsigned __int128)(tsc[1] - tsc[0]) * NS_PER_S / (ns[1] - ns[0]));
}

/* What the CPU (leaf 0x15, SDM 2A) or the hypervisor (leaf 0x40000010) says the frequency is; 0 when it does not. */
static uint64_t stated_hz(void)
{
    unsigned a, b, c, d;

    if (__get_cpuid_count(0x15, 0, &a, &b, &c, &d) && a && b && c)
        return (uint64_t)c * b / a;
    if (__get_cpuid(1, &a, &b, &c, &d) && c >> 31) { /* there is a hypervisor */
        __cpuid(0x40000000, a, b, c, d);
        if (a >= 0x40000010 && a < 0x40010000) {
            __cpuid(0x40000010, a, b, c, d);
            return (uint64_t)a * 1000;
        }
    }
    return 0;
}

static uint64_t host_tsc_hz;
static pthread_once_t host_tsc_once = PTHREAD_ONCE_INIT;

/* What is stated is exact, when true; the measurement says whether it is. */
static void find_tsc_hz(void)
{
    uint64_t measured = measured_hz(), stated = stated_hz();

    host_tsc_hz = stated > measured - measured / 200 && stated < measured + measured / 200 ? stated : measured;
}

void clock_start(struct clock *clock, enum clock_mode mode, const struct stats *stats)
{
    *clock = (struct clock){.mode = mode, .stats = stats, .tsc_hz = VIRTUAL_TICKS};
    if (mode == CLOCK_REAL) {
        pthread_once(&host_tsc_once, find_tsc_hz);
        clock->tsc_hz = host_tsc_hz;
        read_both(&clock->start_ns, &clock->start_tsc);
    }
}

uint64_t clock_now(const struct clock *clock)
{
    if (clock->mode == CLOCK_VIRTUAL)
        return clock->stats->counter[COUNTER_INSTRUCTIONS] + clock->idle_ns;
    return monotonic_ns() - clock->start_ns;
}

uint64_t clock_tsc(const struct clock *clock, uint64_t retired)
{
    if (clock->mode == CLOCK_VIRTUAL)
        return retired + clock->idle_ns;
    return __rdtsc() - clock->start_tsc;
}

void clock_leap(struct clock *clock, uint64_t ns)
{
    uint64_t now = clock_now(clock);

    if (clock->mode == CLOCK_VIRTUAL && ns > now)
        clock->idle_ns += ns - now;
}

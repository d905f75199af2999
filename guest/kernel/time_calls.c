/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * time_calls.c [43]: system calls about time.  Sleeping ends with a tick, so it is up to 10 ms
 * too long.
 *
 * Next: proc_calls.c.
 */
#include <linux/time.h>

#include "clock.h"
#include "pv_ops.h"
#include "syscall.h"
#include "task.h"
#include "usercopy.h"

struct user_timespec {
    int64_t sec, nsec;
};

#define MAX_SECONDS 1000000000ll

/* Reads a timespec as nanoseconds; a very long time is cut. */
int get_timespec(uaddr_t at, u64 *ns)
{
    struct user_timespec t;

    if (copy_from_user(&t, at, sizeof(t)))
        return -EFAULT;
    if (t.sec < 0 || t.nsec < 0 || t.nsec >= (int64_t)NSEC_PER_SEC)
        return -EINVAL;
    *ns = (u64)MIN(t.sec, MAX_SECONDS) * NSEC_PER_SEC + (u64)t.nsec;
    return 0;
}

static int put_timespec(uaddr_t at, u64 ns)
{
    const struct user_timespec t = {(int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC)};

    return copy_to_user(at, &t, sizeof(t));
}

/* The boot date plus the TSC; CPU clocks count from the start of the task. */
static int read_clock(u64 id, u64 *ns)
{
    switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE: *ns = clock_boot_seconds() * NSEC_PER_SEC + clock_ns(); return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME: *ns = clock_ns(); return 0;
    case CLOCK_PROCESS_CPUTIME_ID:
    case CLOCK_THREAD_CPUTIME_ID: *ns = clock_ns() - current->start_ns; return 0;
    default: return -EINVAL;
    }
}

/* clock_gettime(clock, timespec) */
long sys_clock_gettime(const u64 *a)
{
    u64 ns;
    int r = read_clock(a[0], &ns);

    return r ? r : put_timespec(a[1], ns);
}

/* clock_getres(clock, timespec) */
long sys_clock_getres(const u64 *a)
{
    u64 ns;
    int r = read_clock(a[0], &ns);

    return r || !a[1] ? r : put_timespec(a[1], 1);
}

/* gettimeofday(timeval, timezone) */
long sys_gettimeofday(const u64 *a)
{
    u64 us = clock_boot_seconds() * 1000000 + clock_ns() / 1000;
    const int64_t tv[2] = {(int64_t)(us / 1000000), (int64_t)(us % 1000000)};

    return a[0] ? copy_to_user(a[0], tv, sizeof(tv)) : 0;
}

/* time(seconds) */
long sys_time(const u64 *a)
{
    u64 now = clock_boot_seconds() + clock_ns() / NSEC_PER_SEC;

    return a[0] && put_user64(a[0], now) ? -EFAULT : (long)now;
}

/* Not restarted after a signal: the time would start anew.  The caller learns what is left. */
static long sleep_until(u64 deadline, uaddr_t left)
{
    struct waitq nobody = {0};
    u64 now;
    int r = 0;

    while (!r)
        r = wait_on(&nobody, deadline);
    if (r == -ETIMEDOUT)
        return 0;
    now = clock_ns();
    if (left && put_timespec(left, deadline > now ? deadline - now : 0))
        return -EFAULT;
    return -EINTR;
}

/* nanosleep(time, left) */
long sys_nanosleep(const u64 *a)
{
    u64 ns;
    int r = get_timespec(a[0], &ns);

    return r || !ns ? r : sleep_until(clock_ns() + ns, a[1]);
}

/* clock_nanosleep(clock, flags, time, left) */
long sys_clock_nanosleep(const u64 *a)
{
    u64 ns, now;
    int r = get_timespec(a[2], &ns);

    if (r || (r = read_clock(a[0], &now)))
        return r;
    if (!(a[1] & TIMER_ABSTIME))
        return ns ? sleep_until(clock_ns() + ns, a[3]) : 0;
    return ns > now ? sleep_until(clock_ns() + (ns - now), 0) : 0;
}

static u64 set_alarm(u64 ns, u64 interval)
{
    u64 now = clock_ns(), left = current->alarm_at > now ? current->alarm_at - now : 0;

    current->alarm_at = ns ? now + ns : 0;
    if (ns)
        pv_tick_request();
    current->alarm_interval = interval;
    return left;
}

/* alarm(seconds): how many were left of the last one */
long sys_alarm(const u64 *a)
{
    return (long)((set_alarm((u32)a[0] * NSEC_PER_SEC, 0) + NSEC_PER_SEC - 1) / NSEC_PER_SEC);
}

/* setitimer(which, new, old): real time only */
long sys_setitimer(const u64 *a)
{
    u64 it[4], old[4] = {0}, left; /* interval and value, as seconds and microseconds */

    if (a[0] != 0 || !a[1])
        return -EINVAL;
    if (copy_from_user(it, a[1], sizeof(it)))
        return -EFAULT;
    old[0] = current->alarm_interval / NSEC_PER_SEC;
    old[1] = current->alarm_interval % NSEC_PER_SEC / 1000;
    left = set_alarm(it[2] * NSEC_PER_SEC + it[3] * 1000, it[0] * NSEC_PER_SEC + it[1] * 1000);
    old[2] = left / NSEC_PER_SEC;
    old[3] = left % NSEC_PER_SEC / 1000;
    return a[2] ? copy_to_user(a[2], old, sizeof(old)) : 0;
}

/* times(buf): CPU time is not accounted */
long sys_times(const u64 *a)
{
    if (a[0] && clear_user(a[0], 4 * sizeof(u64)))
        return -EFAULT;
    return (long)(clock_ns() / (NSEC_PER_SEC / TICK_HZ));
}

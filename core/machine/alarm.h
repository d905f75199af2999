/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * alarm.h - takes the CPU back from the guest when a device is due, without a second thread.
 *
 * A POSIX timer sends a signal to the very thread that runs the guest; the handler kicks the engine, and run() returns.
 * Each machine has its own timer for as long as machine_run() runs, so several machines in several threads don't
 * disturb each other, and it works on a single core.
 */
#ifndef VIRTLAB_MACHINE_ALARM_H
#define VIRTLAB_MACHINE_ALARM_H

#include <signal.h>
#include <time.h>
#include <virtlab/engine.h>

#define ALARM_SIGNAL (SIGRTMIN + 1)

struct alarm {
    const struct engine_ops *ops;
    struct engine *engine;
    timer_t timer;
    sigset_t old_mask;          /* the thread's, to restore */
    volatile sig_atomic_t rang; /* set by the handler; whoever looks resets it */
};

/* Readies the alarm for the calling thread. The same thread must call alarm_stop(). */
int alarm_start(struct alarm *alarm, const struct engine_ops *ops, struct engine *engine,
                struct reason *why) MUST_CHECK;
void alarm_stop(struct alarm *alarm);

/* Rings at `ns` of CLOCK_MONOTONIC (at once when that is past); 0: never. Replaces what was set before. */
void alarm_set(struct alarm *alarm, uint64_t ns);

#endif

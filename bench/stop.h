/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stop.h - ends a run from outside: the time limit, a signal, or the quit key.
 *
 * Each asks the machine to stop, so that statistics are still written. A machine that does not obey within
 * STOP_GRACE seconds, or a second signal, ends the process at once.
 */
#ifndef BENCH_STOP_H
#define BENCH_STOP_H

#include <virtlab/machine.h>

#define STOP_GRACE 5

/* Why the run was stopped: a signal's number, or one of these. */
enum { STOP_NONE = 0, STOP_TIMEOUT = -1, STOP_QUIT = -2 };

/* From here on stops are passed to the machine. `timeout` in seconds, 0: none. -errno with why. */
int stop_watch(struct machine *machine, double timeout, struct reason *why) MUST_CHECK;

/* Stops the machine for this cause, unless one stands already. Any thread, any signal handler. */
void stop_for(int cause);

/* No more stops: the machine may be destroyed. Returns the cause of the stop, if there was one. */
int stop_unwatch(void);

#endif

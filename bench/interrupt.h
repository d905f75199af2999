/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * interrupt.h - Ctrl-C during a bench: noted by the handler, acted on where it is safe.
 *
 * SIGINT, SIGTERM and SIGHUP stay blocked except inside process_run()'s wait, so none is missed between a check and
 * the wait that follows it.
 */
#ifndef BENCH_INTERRUPT_H
#define BENCH_INTERRUPT_H

#include <signal.h>

void interrupt_install(void);

/* The signal that came, or 0. */
int interrupt_signal(void);

/* The mask to wait with (ppoll), and the one that a child should start with. */
const sigset_t *interrupt_wait_mask(void);

#endif

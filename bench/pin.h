/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pin.h - which cores this process may use, and binding to one: a migration in mid-measurement is noise. */
#ifndef BENCH_PIN_H
#define BENCH_PIN_H

/* How many cores this process may use. */
unsigned cores_allowed(void);

/* The core to measure on: the last allowed one (interrupts tend to go to the first), or -1 if there is only one. */
int core_to_measure_on(void);

/* Binds the calling process to the core; -1: to none. A refusal is no error: only the spread suffers. */
void pin_to(int core);

#endif

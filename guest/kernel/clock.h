/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clock.h: time: the TSC calibrated against the PIT, the PIT's tick, the CMOS date. */
#ifndef CLOCK_H
#define CLOCK_H

#include "kernel.h"

#define NSEC_PER_SEC 1000000000ull
#define TICK_HZ      100

void clock_init(void);
u64 clock_ns(void);           /* since boot, monotonic */
u64 clock_boot_seconds(void); /* the date at boot, seconds since 1970 */

/* pit.c */
#define PIT_HZ 1193182
void pit_start_tick(void);
u64 pit_measure_tsc_hz(void); /* 0: there is no working PIT */

#endif

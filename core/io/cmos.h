/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmos.h - the MC146818 real-time clock with its 128 bytes of battery-backed RAM, ports 0x70/0x71.
 *
 * The time of day runs with guest time from where it was when the machine was made, and the guest may set it.
 * Periodic, alarm and update-ended interrupts on IRQ 8. The RAM holds the memory sizes that firmware would leave there.
 */
#ifndef VIRTLAB_IO_CMOS_H
#define VIRTLAB_IO_CMOS_H

#include "io/device.h"

#define CMOS_HOST_TIME INT64_MIN /* as epoch: the host's wall clock (UTC) at creation */

struct cmos;

/*
 * `mem` is the RAM's size in bytes; `epoch` the time of day at guest time 0 in seconds since 1970 (for repeatable
 * runs), or CMOS_HOST_TIME. NULL with why.
 */
struct cmos *cmos_create(struct bus *ports, struct irq_line irq, const struct guest_clock *clock, uint64_t mem,
                         int64_t epoch, struct reason *why);

extern const struct device_ops cmos_ops;

#endif

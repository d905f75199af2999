/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pit.h - the 8254 interval timer, three channels at 1193182 Hz, and port 0x61 that gates channel 2.
 *
 * Ports 0x40-0x43 and 0x61. Channel 0's OUT drives IRQ 0; channel 2 is what operating systems calibrate against.
 * No channel counts before the guest has programmed it (firmware would have left channel 0 at 18.2 Hz; a machine
 * without firmware is better off without an interrupt that nobody asked for). Facts: Intel's 8254 data sheet.
 */
#ifndef VIRTLAB_IO_PIT_H
#define VIRTLAB_IO_PIT_H

#include "io/device.h"
#include <virtlab/chips.h>

#define PIT_HZ 1193182u

struct pit;

/* `irq` is channel 0's output line. `clock` must outlive the device. NULL with why. */
struct pit *pit_create(struct bus *ports, struct irq_line irq, const struct guest_clock *clock, struct reason *why);

/*
 * The three channels and port 0x61, out and in. What is not carried: a count that waits for the end of a period is
 * in force at once, and a channel that its gate had stopped on the way begins anew.
 */
void pit_save(struct pit *pit, struct pit_counter state[3], uint8_t *speaker);
void pit_restore(struct pit *pit, const struct pit_counter state[3], uint8_t speaker);

extern const struct device_ops pit_ops;

#endif

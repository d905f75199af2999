/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pic.h - the PC's pair of 8259A interrupt controllers, master and slave.
 *
 * Devices raise lines 0..15 with pic_set_irq() (its signature is that of irq_line.set); the pair drives one output,
 * INTR, and gives the vector when the CPU acknowledges. INTR reaches the CPU through the local APIC (lapic.h).
 * Ports 0x20/0x21, 0xa0/0xa1, and the edge/level registers 0x4d0/0x4d1. Facts: Intel's 8259A data sheet.
 */
#ifndef VIRTLAB_IO_PIC_H
#define VIRTLAB_IO_PIC_H

#include "io/device.h"
#include <virtlab/chips.h>

struct pic;

/* The two chips, uninitialised as after power-on (nothing is delivered before the guest's ICWs). NULL with why. */
struct pic *pic_create(struct bus *ports, struct reason *why);

/* Where INTR goes. The line is set to the present level at once. */
void pic_connect(struct pic *pic, struct irq_line intr);

/* Drives IRQ line 0..15; `pic` is a struct pic. Line 2 is the cascade and can't be driven. */
void pic_set_irq(void *pic, unsigned irq, bool level);

/* The level of INTR. */
bool pic_has_interrupt(const struct pic *pic);

/* The two INTA cycles: the vector to deliver. Without a request it is the spurious IRQ 7 (or 15), as the chip does. */
uint8_t pic_acknowledge(struct pic *pic);

/*
 * Master and slave, out and in. The lines stay as they are: they belong to the devices, which drive them on. Whoever
 * restores the devices too does that first, for a line that rises is a request.
 */
void pic_save(const struct pic *pic, struct pic_chip state[2]);
void pic_restore(struct pic *pic, const struct pic_chip state[2]);

extern const struct device_ops pic_ops;

#endif

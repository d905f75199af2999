/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reset.h - what the PC's keyboard controller does besides keyboards: it resets the machine. Ports 0x60, 0x64, 0x92.
 *
 * The keyboard itself is absent. (The other reset register, 0xcf9, lies among PCI's ports: pci.h.)
 */
#ifndef VIRTLAB_IO_RESET_H
#define VIRTLAB_IO_RESET_H

#include "io/device.h"

struct reset;

/* `requested` is called when the guest pulses the CPU's reset line, from within bus_write(). NULL with why. */
struct reset *reset_create(struct bus *ports, void (*requested)(void *context), void *context, struct reason *why);

extern const struct device_ops reset_ops;

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci.h - the PCI configuration ports 0xcf8-0xcff of a machine that has no PCI bus, so that probes end at once; and the
 * chipset's reset control register 0xcf9 in their midst, which operating systems use to reboot.
 */
#ifndef VIRTLAB_IO_PCI_H
#define VIRTLAB_IO_PCI_H

#include "io/device.h"

struct pci;

/* `requested` is called when the guest resets the machine by 0xcf9, from within bus_write(). NULL with why. */
struct pci *pci_create(struct bus *ports, void (*requested)(void *context), void *context, struct reason *why);

extern const struct device_ops pci_ops;

#endif

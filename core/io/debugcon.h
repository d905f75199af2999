/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debugcon.h - the debug console of Bochs and QEMU: each byte written to port 0xe9 comes out, and a read gives 0xe9,
 * which tells the guest that it is there.
 */
#ifndef VIRTLAB_IO_DEBUGCON_H
#define VIRTLAB_IO_DEBUGCON_H

#include "io/device.h"
#include "io/sink.h"

struct debugcon;

/* `sink` takes the bytes and must outlive the device. NULL with why. */
struct debugcon *debugcon_create(struct bus *ports, struct sink *sink, struct reason *why);

extern const struct device_ops debugcon_ops;

#endif

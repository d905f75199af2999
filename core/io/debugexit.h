/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debugexit.h - QEMU's isa-debug-exit at port 0xf4: a write ends the machine.
 *
 * QEMU's process would exit with status (value << 1) | 1; the callback gets the bare value.
 */
#ifndef VIRTLAB_IO_DEBUGEXIT_H
#define VIRTLAB_IO_DEBUGEXIT_H

#include "io/device.h"

struct debugexit;

struct debugexit *debugexit_create(struct bus *ports, void (*exited)(void *context, uint32_t value), void *context,
                                   struct reason *why);

extern const struct device_ops debugexit_ops;

#endif

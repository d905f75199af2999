/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service.h - virtlab's own port, 0xf8 (machine.h, SERVICE_PORT): a 32-bit OUT of (command << 16) | argument marks the
 * region that is measured, or powers the machine off. Accesses of other sizes do nothing.
 */
#ifndef VIRTLAB_IO_SERVICE_H
#define VIRTLAB_IO_SERVICE_H

#include "io/device.h"

struct service;

struct service *service_create(struct bus *ports, void (*call)(void *context, unsigned command, unsigned argument),
                               void *context, struct reason *why);

extern const struct device_ops service_ops;

#endif

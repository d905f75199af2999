/* SPDX-License-Identifier: GPL-2.0-or-later */
/* service.c - virtlab's service port, 0xf8; see service.h, and machine.h for the commands. */
#include "io/service.h"
#include <errno.h>
#include <stdlib.h>
#include <virtlab/machine.h>

#define SERVICE_BYTES 4

struct service {
    void (*call)(void *context, unsigned command, unsigned argument);
    void *context;
};

static uint64_t service_read(void *device, uint64_t offset, unsigned size)
{
    (void)device, (void)offset, (void)size;
    return UINT64_MAX;
}

static void service_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct service *service = device;
    if (offset == 0 && size == SERVICE_BYTES)
        service->call(service->context, (unsigned)(value >> 16) & 0xffff, (unsigned)value & 0xffff);
}

static const struct bus_ops service_port = {service_read, service_write, .byte_wide = false};

struct service *service_create(struct bus *ports, void (*call)(void *context, unsigned command, unsigned argument),
                               void *context, struct reason *why)
{
    struct service *service = calloc(1, sizeof *service);
    if (!service) {
        fail(why, ENOMEM, "service: out of memory");
        return NULL;
    }
    service->call = call;
    service->context = context;
    if (bus_claim(ports, "service", SERVICE_PORT, SERVICE_BYTES, &service_port, service, why)) {
        free(service);
        return NULL;
    }
    return service;
}

const struct device_ops service_ops = {.name = "service", .destroy = free};

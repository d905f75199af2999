/* SPDX-License-Identifier: GPL-2.0-or-later */
/* debugcon.c - the debug console, port 0xe9; see debugcon.h. */
#include "io/debugcon.h"
#include <errno.h>
#include <stdlib.h>

#define DEBUGCON_PORT 0xe9

struct debugcon {
    struct sink *sink;
};

static uint64_t debugcon_read(void *device, uint64_t offset, unsigned size)
{
    (void)device, (void)offset, (void)size;
    return DEBUGCON_PORT;
}

static void debugcon_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct debugcon *debugcon = device;
    (void)offset, (void)size;
    sink_put(debugcon->sink, (uint8_t)value);
}

static const struct bus_ops debugcon_port = {debugcon_read, debugcon_write, .byte_wide = true};

struct debugcon *debugcon_create(struct bus *ports, struct sink *sink, struct reason *why)
{
    struct debugcon *debugcon = calloc(1, sizeof *debugcon);
    if (!debugcon) {
        fail(why, ENOMEM, "debugcon: out of memory");
        return NULL;
    }
    debugcon->sink = sink;
    if (bus_claim(ports, "debugcon", DEBUGCON_PORT, 1, &debugcon_port, debugcon, why)) {
        free(debugcon);
        return NULL;
    }
    return debugcon;
}

const struct device_ops debugcon_ops = {.name = "debugcon", .destroy = free};

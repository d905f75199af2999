/* SPDX-License-Identifier: GPL-2.0-or-later */
/* debugexit.c - QEMU's debug-exit device, port 0xf4; see debugexit.h. */
#include "io/debugexit.h"
#include <errno.h>
#include <stdlib.h>

#define DEBUGEXIT_PORT  0xf4
#define DEBUGEXIT_BYTES 4

struct debugexit {
    void (*exited)(void *context, uint32_t value);
    void *context;
};

static uint64_t debugexit_read(void *device, uint64_t offset, unsigned size)
{
    (void)device, (void)offset, (void)size;
    return 0;
}

/* Like QEMU, it looks neither at the offset nor at the size. */
static void debugexit_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct debugexit *debugexit = device;
    (void)offset, (void)size;
    debugexit->exited(debugexit->context, (uint32_t)value);
}

static const struct bus_ops debugexit_port = {debugexit_read, debugexit_write, .byte_wide = false};

struct debugexit *debugexit_create(struct bus *ports, void (*exited)(void *context, uint32_t value), void *context,
                                   struct reason *why)
{
    struct debugexit *debugexit = calloc(1, sizeof *debugexit);
    if (!debugexit) {
        fail(why, ENOMEM, "debugexit: out of memory");
        return NULL;
    }
    debugexit->exited = exited;
    debugexit->context = context;
    if (bus_claim(ports, "debugexit", DEBUGEXIT_PORT, DEBUGEXIT_BYTES, &debugexit_port, debugexit, why)) {
        free(debugexit);
        return NULL;
    }
    return debugexit;
}

const struct device_ops debugexit_ops = {.name = "debugexit", .destroy = free};

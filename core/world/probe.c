/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe.c - can worlds be made on this host? By making one: the step that fails names itself (space.c, start.c).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "world/private.h"

int world_probe(struct reason *why)
{
    struct world_options options = {.ram_size = PAGE_SIZE, .max_spaces = 1, .wait = WORLD_WAIT_SLEEP};
    struct world_pool *pool = NULL;

    options.ram_fd = memfd_create("virtlab-probe", MFD_CLOEXEC);
    if (options.ram_fd < 0)
        return fail(why, errno, "world: memfd_create: %s", strerror(errno));
    if (ftruncate(options.ram_fd, PAGE_SIZE) == 0)
        pool = world_create(&options, why); /* maps, runs and leaves, to measure */
    close(options.ram_fd);
    if (!pool)
        return fail(why, ENOTSUP, "world: no space could be made");
    world_destroy(pool);
    return 0;
}

void world_log(const char *format, ...)
{
    va_list args;

    if (!getenv("VIRTLAB_WORLD_DEBUG"))
        return;
    va_start(args, format);
    fprintf(stderr, "world: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
}

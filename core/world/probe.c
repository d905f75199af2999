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

/* Once it has worked it does, in this process: a run asks three times, and each answer costs making a process. */
static _Atomic pid_t proven;

int world_probe(struct reason *why)
{
    struct world_options options = {.ram_size = PAGE_SIZE, .max_spaces = 1};
    struct world_pool *pool = NULL;
    struct world_space *space = NULL;
    bool fresh;

    if (proven == getpid())
        return 0;
    options.ram_fd = memfd_create("virtlab-probe", MFD_CLOEXEC);
    if (options.ram_fd < 0)
        return fail(why, errno, "world: memfd_create: %s", strerror(errno));
    if (ftruncate(options.ram_fd, PAGE_SIZE) == 0)
        pool = world_create(&options, why); /* the first time in this process: maps, runs and leaves, to measure */
    close(options.ram_fd);
    if (pool)
        space = world_space_get(pool, 1, &fresh, why);
    world_destroy(pool);
    if (!space)
        return fail(why, ENOTSUP, "world: no space could be made");
    proven = getpid();
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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ram_image.c - lets core/machine's loader load, then writes down the result. Used by peer_bochs.c. */
#include "ram_image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool page_is_zero(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, PAGE_SIZE - 1) == 0;
}

/* Zero pages are left as holes of the file: nearly all of RAM is zero. */
static int write_pages(int fd, const uint8_t *from, uint64_t length)
{
    for (uint64_t at = 0; at < length; at += PAGE_SIZE) {
        if (!page_is_zero(from + at) && pwrite(fd, from + at, PAGE_SIZE, (off_t)at) != (ssize_t)PAGE_SIZE)
            return errno ? errno : EIO;
    }
    return ftruncate(fd, (off_t)length) < 0 ? errno : 0;
}

static int write_part(const struct ram *ram, uint64_t first, uint64_t end, const char *folder, const char *name,
                      struct reason *why)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return fail(why, ENAMETOOLONG, "%s: too long a path", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int err = fd < 0 ? errno : write_pages(fd, ram->base + first, end - first);
    if (fd >= 0 && close(fd) < 0 && !err)
        err = errno;
    return err ? fail(why, err, "%s: %s", path, strerror(err)) : 0;
}

/* What lies in the hole would be lost. */
static int check_hole(const struct ram *ram, struct reason *why)
{
    for (uint64_t at = RAM_HOLE_FIRST; at < RAM_HOLE_END; at += PAGE_SIZE) {
        if (!page_is_zero(ram->base + at))
            return fail(why, EINVAL, "the loaded guest uses RAM at %#llx, where a PC has none",
                        (unsigned long long)at);
    }
    return 0;
}

static const struct engine_ops *any_engine(struct reason *why)
{
    for (unsigned i = 0; engines[i]; i++) {
        if ((engines[i]->capabilities & ENGINE_OS) && engines[i]->probe(NULL) == 0)
            return engines[i];
    }
    fail(why, ENOENT, "no engine is there to load the guest with");
    return NULL;
}

int ram_image_make(const char *kernel, const char *initrd, const char *line, const char *folder,
                   struct cpu_state *start, struct reason *why)
{
    struct machine_config config = {.mem = UINT64_C(128) << 20, .console_in = -1, .console_out = -1};
    const struct engine_ops *engine = any_engine(why);
    struct machine *machine = engine ? machine_create(&config, engine, why) : NULL;
    if (!machine)
        return fail(why, EINVAL, "no machine to load the guest with");
    int err = machine_load(machine, kernel, initrd, line, why);
    const struct ram *ram = machine_ram(machine);
    if (!err)
        err = check_hole(ram, why);
    if (!err)
        err = write_part(ram, 0, RAM_HOLE_FIRST, folder, RAM_IMAGE_LOW, why);
    if (!err)
        err = write_part(ram, RAM_HOLE_END, ram->size, folder, RAM_IMAGE_HIGH, why);
    machine_get_state(machine, start);
    machine_destroy(machine);
    return err;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bench_setup.c - folder, files, disks and core of a bench. Called by cmd_bench.c. */
#include "bench_setup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pin.h"
#include "scratch.h"

enum { DISK_BLOCKS = 4096 /* of 4 KiB: 16 MiB */ };

/* mkdir -p */
static int make_folder(const char *path, struct reason *why)
{
    char part[PATH_MAX];
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return fail(why, ENAMETOOLONG, "%s: too long a path", path);
    for (char *slash = part + 1;; slash++) {
        slash += strcspn(slash, "/");
        bool last = !*slash;
        *slash = '\0';
        if (mkdir(part, 0777) < 0 && errno != EEXIST)
            return fail(why, errno, "%s: %s", part, strerror(errno));
        if (last)
            return 0;
        *slash = '/';
    }
}

static int name_in_folder(char path[PATH_MAX], const char *folder, const char *name, struct reason *why)
{
    if (snprintf(path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
        return fail(why, ENAMETOOLONG, "%s: too long a path", folder);
    return 0;
}

int bench_setup_make(struct bench_setup *setup, const char *out, enum workload_size size, double timeout,
                     struct reason *why)
{
    setup->size = size;
    setup->timeout = timeout > 0 ? timeout : size == SIZE_FULL ? 60 : 30;
    setup->core = core_to_measure_on();
    int err = guest_file(GUEST_KERNEL, setup->kernel, why);
    if (!err)
        err = guest_file(GUEST_INITRD, setup->initrd, why);
    if (!err)
        err = guest_file(GUEST_TEXT, setup->text, why);
    if (!err)
        err = make_folder(out, why);
    if (err)
        return err;
    /* Children run in other folders, and follow links to these files: all paths are absolute. */
    if (!realpath(out, setup->folder))
        return fail(why, errno, "%s: %s", out, strerror(errno));
    char *paths[] = {setup->kernel, setup->initrd, setup->text};
    for (unsigned i = 0; i < ARRAY_SIZE(paths); i++) {
        char absolute[PATH_MAX];
        if (!realpath(paths[i], absolute))
            return fail(why, errno, "%s: %s", paths[i], strerror(errno));
        strcpy(paths[i], absolute);
    }
    err = name_in_folder(setup->native_disk, setup->folder, ".disk-native.img", why);
    return err ? err : name_in_folder(setup->guest_disk, setup->folder, ".disk-guest.img", why);
}

int bench_setup_disks(struct bench_setup *setup, struct reason *why)
{
    int err = scratch_disk(setup->native_disk, DISK_BLOCKS, why);
    return err ? err : scratch_disk(setup->guest_disk, DISK_BLOCKS, why);
}

void bench_setup_remove(const struct bench_setup *setup)
{
    unlink(setup->native_disk);
    unlink(setup->guest_disk);
}

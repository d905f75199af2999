/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scratch.c - makes and removes what measurements need beside them. Used by cmd_bench.c, measure_peer.c. */
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest_files.h"
#include "process.h"

int scratch_make(const char *parent, char folder[PATH_MAX], struct reason *why)
{
    if (snprintf(folder, PATH_MAX, "%s/.scratch-XXXXXX", parent) >= PATH_MAX)
        return fail(why, ENAMETOOLONG, "%s: too long a path", parent);
    return mkdtemp(folder) ? 0 : fail(why, errno, "%s: %s", folder, strerror(errno));
}

void scratch_remove(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        unlinkat(dirfd(dir), entry->d_name, 0); /* "." and ".." are refused, and there are no folders in it */
    if (dir)
        closedir(dir);
    rmdir(folder);
}

int scratch_disk(const char *path, unsigned blocks, struct reason *why)
{
    char program[PATH_MAX], count[16];
    int err = guest_file("bin/disk", program, why);
    if (err)
        return err;
    snprintf(count, sizeof count, "%u", blocks);
    char *argv[] = {program, "prepare", (char *)path, count, NULL};
    struct process process = {.argv = argv, .timeout = 60, .core = -1};
    struct process_result result;
    err = process_run(&process, &result, why);
    if (err)
        return err;
    struct reason detail = {""};
    if (process_check(&process, &result, &detail) != 0)
        err = fail(why, EIO, "%s can't be prepared: %s", path, detail.text);
    process_result_free(&result);
    return err;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_files.c - finds the built guest relative to the running executable. Used by run, bench and the peers. */
#include "guest_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int guest_folder(char path[PATH_MAX], struct reason *why)
{
    const char *chosen = getenv("VIRTLAB_GUEST");
    if (chosen && *chosen) {
        if (strlen(chosen) >= PATH_MAX)
            return fail(why, ENAMETOOLONG, "VIRTLAB_GUEST is too long a path");
        strcpy(path, chosen);
        return 0;
    }
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - sizeof "/guest");
    if (length < 0)
        return fail(why, errno, "/proc/self/exe: %s", strerror(errno));
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    strcpy(slash ? slash : path, "/guest");
    return 0;
}

int check_readable(const char *path, struct reason *why)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(why, errno, "%s: %s", path, strerror(errno));
    int err = fstat(fd, &info) < 0 ? errno : S_ISDIR(info.st_mode) ? EISDIR : 0;
    close(fd);
    return err ? fail(why, err, "%s: %s", path, strerror(err)) : 0;
}

int guest_file(const char *name, char path[PATH_MAX], struct reason *why)
{
    char folder[PATH_MAX];
    int err = guest_folder(folder, why);
    if (err)
        return err;
    if (snprintf(path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
        return fail(why, ENAMETOOLONG, "%s/%s: too long a path", folder, name);
    struct reason detail = {""};
    err = check_readable(path, &detail);
    return err ? fail(why, -err, "%s (the guest isn't built? `make` builds it)", detail.text) : 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* peer.c - the table of peers. Read next: peer_qemu.c. */
#include "peer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct peer *const peers[] = {&peer_qemu_tcg, &peer_qemu_kvm, &peer_bochs, NULL};

/* Too many or too long arguments end the list early: the peer then refuses what it gets, and the row says so. */
void peer_arg(struct peer_launch *launch, const char *format, ...)
{
    va_list args;
    size_t room = sizeof launch->text - launch->used;
    char *at = launch->text + launch->used;
    va_start(args, format);
    int length = vsnprintf(at, room, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= room || launch->count + 1 >= PEER_ARGV_MAX)
        return;
    launch->used += (size_t)length + 1;
    launch->argv[launch->count++] = at;
    launch->argv[launch->count] = NULL;
}

int peer_link(const struct peer_launch *launch, const char *name, const char *to, struct reason *why)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", launch->folder, name) >= (int)sizeof path)
        return fail(why, ENAMETOOLONG, "%s: too long a path", launch->folder);
    return symlink(to, path) < 0 ? fail(why, errno, "%s: %s", path, strerror(errno)) : 0;
}

int peer_version(const struct peer *peer, char *const *argv, char *version, size_t size, struct reason *why)
{
    char path[512];
    if (!program_find(argv[0], path, sizeof path))
        return fail(why, ENOENT, "not installed: apt-get install %s", peer->package);
    program_first_line(argv, version, size);
    return 0;
}

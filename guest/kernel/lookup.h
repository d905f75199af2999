/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lookup.h: a path as a system call gets it: a string of the process, and a directory to start from (lookup.c). */
#ifndef LOOKUP_H
#define LOOKUP_H

#include "fs.h"

struct name {
    char path[PATH_MAX];
    struct inode *base;
};

int name_get(struct name *n, int dirfd, uaddr_t path) MUST_CHECK;
int name_lookup(int dirfd, uaddr_t path, bool follow, struct inode **out) MUST_CHECK;
/* Makes a file, directory or link in the tree, which holds the one reference. */
int name_create(struct name *n, u32 mode, struct inode **out) MUST_CHECK;

#endif

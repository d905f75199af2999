/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lookup.c [35]: the path argument of a system call, looked up or created.
 *
 * Next: open_calls.c.
 */
#include "lookup.h"

#include <linux/fcntl.h>

#include "file.h"
#include "task.h"
#include "usercopy.h"

/* Fetches a path and where it starts. */
int name_get(struct name *n, int dirfd, uaddr_t path)
{
    struct file *f;
    long len = copy_string_from_user(n->path, path, sizeof(n->path));

    if (len < 0)
        return (int)len;
    n->base = current->cwd;
    if (dirfd == AT_FDCWD || n->path[0] == '/')
        return 0;
    f = fd_get(dirfd);
    if (!f || !f->inode)
        return -EBADF;
    n->base = f->inode;
    return 0;
}

int name_lookup(int dirfd, uaddr_t path, bool follow, struct inode **out)
{
    struct name n;
    int r = name_get(&n, dirfd, path);

    return r ? r : path_find(n.base, n.path, follow, out);
}

int name_create(struct name *n, u32 mode, struct inode **out)
{
    struct inode *dir, *i;
    const char *last;
    size_t len;
    int r = path_parent(n->base, n->path, &dir, &last, &len);

    if (r)
        return r;
    if (dir_find(dir, last, len) || (last[0] == '.' && (len == 1 || (len == 2 && last[1] == '.'))))
        return -EEXIST;
    i = inode_new(mode);
    if (!i || (r = inode_set_name(i, last, len))) {
        if (i)
            inode_put(i);
        return -ENOSPC;
    }
    dir_add(dir, i);
    *out = i;
    return 0;
}

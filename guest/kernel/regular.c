/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * regular.c [34]: file operations of the tree's files and directories.
 *
 * Next: lookup.c.
 */
#include <linux/fcntl.h>

#include "file.h"
#include "fs.h"

static long regular_read(struct file *f, uaddr_t buf, size_t n, u64 *pos)
{
    long r = inode_read(f->inode, *pos, buf, n);

    if (r > 0)
        *pos += (u64)r;
    return r;
}

static long regular_write(struct file *f, uaddr_t buf, size_t n, u64 *pos)
{
    long r;

    if (f->flags & O_APPEND)
        *pos = f->inode->size;
    r = inode_write(f->inode, *pos, buf, n);
    if (r > 0)
        *pos += (u64)r;
    return r;
}

static const struct file_ops regular_ops = {
    .read = regular_read,
    .write = regular_write,
    .seekable = true,
};

static long directory_read(struct file *f, uaddr_t buf, size_t n, u64 *pos)
{
    (void)f;
    (void)buf;
    (void)n;
    (void)pos;
    return -EISDIR;
}

static const struct file_ops directory_ops = {
    .read = directory_read,
    .seekable = true,
};

struct file *inode_open(struct inode *i, u32 flags)
{
    const struct file_ops *ops = &regular_ops;

    if (S_ISDIR(i->mode))
        ops = &directory_ops;
    else if (i->dev_ops)
        ops = i->dev_ops;
    return file_new(ops, i, flags);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * file.h: open files and descriptors.
 *
 * A struct file is one opening, shared by descriptors that dup or fork made.  Its operations are
 * the only thing that tells a console from a pipe from a disk.
 */
#ifndef FILE_H
#define FILE_H

#include "kernel.h"

struct file;
struct files;
struct inode;

/* read and write move *pos themselves if they have a position; NULL: not possible. */
struct file_ops {
    long (*read)(struct file *f, uaddr_t buf, size_t n, u64 *pos);
    long (*write)(struct file *f, uaddr_t buf, size_t n, u64 *pos);
    u32 (*poll)(struct file *f); /* POLLIN etc.; NULL: always ready */
    long (*ioctl)(struct file *f, u32 request, uaddr_t arg);
    u64 (*size)(struct file *f); /* for SEEK_END; NULL: the inode's */
    int (*sync)(struct file *f);
    void (*release)(struct file *f);
    bool seekable;
};

struct file {
    const struct file_ops *ops;
    u32 refs, flags; /* O_* */
    u64 pos;
    struct inode *inode; /* NULL: a pipe */
    void *private;
};

/* fd.c */
struct file *file_new(const struct file_ops *ops, struct inode *inode, u32 flags) MUST_CHECK;
void file_put(struct file *f);
struct file *fd_get(int fd);                                      /* borrowed; NULL: not open */
int fd_install(struct file *f, int min, bool cloexec) MUST_CHECK; /* takes the reference over */
struct files *files_new(void) MUST_CHECK;
struct files *files_copy(const struct files *from) MUST_CHECK;
void files_put(struct files *files);
void files_close_on_exec(struct files *files);

/* regular.c: files and directories of the tree; inode_open also opens devices */
struct file *inode_open(struct inode *i, u32 flags) MUST_CHECK;

#endif

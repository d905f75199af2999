/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fd.c [33]: descriptors: a process's table of open files, and the calls that copy or close them.
 *
 * Next: regular.c.
 */
#include <linux/fcntl.h>

#include "file.h"
#include "fs.h"
#include "mm.h"
#include "syscall.h"
#include "task.h"

struct file *file_new(const struct file_ops *ops, struct inode *inode, u32 flags)
{
    struct file *f = kalloc(sizeof(*f));

    if (!f)
        return NULL;
    f->ops = ops;
    f->refs = 1;
    f->flags = flags;
    f->inode = inode;
    if (inode)
        inode_get(inode);
    return f;
}

void file_put(struct file *f)
{
    if (--f->refs)
        return;
    if (f->ops->release)
        f->ops->release(f);
    if (f->inode)
        inode_put(f->inode);
    kfree(f, sizeof(*f));
}

struct file *fd_get(int fd)
{
    return fd >= 0 && fd < NR_FDS ? current->files->file[fd] : NULL;
}

int fd_install(struct file *f, int min, bool cloexec)
{
    struct files *files = current->files;

    for (int fd = min; fd >= 0 && fd < NR_FDS; fd++)
        if (!files->file[fd]) {
            files->file[fd] = f;
            files->cloexec[fd] = cloexec;
            return fd;
        }
    file_put(f);
    return -EMFILE;
}

struct files *files_new(void)
{
    struct files *files = kalloc(sizeof(*files));

    if (files)
        files->refs = 1;
    return files;
}

struct files *files_copy(const struct files *from)
{
    struct files *files = kalloc(sizeof(*files));

    if (!files)
        return NULL;
    *files = *from;
    files->refs = 1;
    for (int fd = 0; fd < NR_FDS; fd++)
        if (files->file[fd])
            files->file[fd]->refs++;
    return files;
}

static int close_fd(struct files *files, int fd)
{
    struct file *f = files->file[fd];

    if (!f)
        return -EBADF;
    files->file[fd] = NULL;
    file_put(f);
    return 0;
}

void files_put(struct files *files)
{
    if (--files->refs)
        return;
    for (int fd = 0; fd < NR_FDS; fd++)
        close_fd(files, fd);
    kfree(files, sizeof(*files));
}

void files_close_on_exec(struct files *files)
{
    for (int fd = 0; fd < NR_FDS; fd++)
        if (files->cloexec[fd])
            close_fd(files, fd);
}

/* close(fd) */
long sys_close(const u64 *a)
{
    return a[0] < NR_FDS ? close_fd(current->files, (int)a[0]) : -EBADF;
}

/* close_range(first, last, flags) */
long sys_close_range(const u64 *a)
{
    u32 first = (u32)a[0], last = (u32)a[1];

    if (last < first || a[2])
        return -EINVAL;
    for (u32 fd = first; fd <= last && fd < NR_FDS; fd++)
        close_fd(current->files, (int)fd);
    return 0;
}

/* dup(fd) */
long sys_dup(const u64 *a)
{
    struct file *f = fd_get((int)a[0]);

    if (!f)
        return -EBADF;
    f->refs++;
    return fd_install(f, 0, false);
}

static long dup_to(int from, int to, bool cloexec)
{
    struct files *files = current->files;
    struct file *f = fd_get(from);

    if (!f || to < 0 || to >= NR_FDS)
        return -EBADF;
    f->refs++;
    close_fd(files, to);
    files->file[to] = f;
    files->cloexec[to] = cloexec;
    return to;
}

/* dup2(from, to) */
long sys_dup2(const u64 *a)
{
    if (a[0] == a[1])
        return fd_get((int)a[0]) ? (long)a[0] : -EBADF;
    return dup_to((int)a[0], (int)a[1], false);
}

/* dup3(from, to, flags) */
long sys_dup3(const u64 *a)
{
    if (a[0] == a[1] || (a[2] & ~(u64)O_CLOEXEC))
        return -EINVAL;
    return dup_to((int)a[0], (int)a[1], a[2] & O_CLOEXEC);
}

#define SETTABLE (O_APPEND | O_NONBLOCK | O_DIRECT)

/* fcntl(fd, command, argument) */
long sys_fcntl(const u64 *a)
{
    int fd = (int)a[0];
    struct file *f = fd_get(fd);

    if (!f)
        return -EBADF;
    switch (a[1]) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        if (a[2] >= NR_FDS)
            return -EINVAL;
        f->refs++;
        return fd_install(f, (int)a[2], a[1] == F_DUPFD_CLOEXEC);
    case F_GETFD: return current->files->cloexec[fd] ? FD_CLOEXEC : 0;
    case F_SETFD: current->files->cloexec[fd] = a[2] & FD_CLOEXEC; return 0;
    case F_GETFL: return f->flags & (O_ACCMODE | SETTABLE);
    case F_SETFL: f->flags = (f->flags & ~(u32)SETTABLE) | (a[2] & SETTABLE); return 0;
    default: return -EINVAL;
    }
}

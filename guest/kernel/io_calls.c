/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io_calls.c [38]: system calls on an open file: read, write, seek, list.
 *
 * Next: pipe.c.
 */
#include <linux/fcntl.h>

#include "file.h"
#include "fs.h"
#include "syscall.h"
#include "usercopy.h"

#define MAX_IO 0x7ffff000ull /* as Linux: counts fit an int */

typedef long io_fn(struct file *f, uaddr_t buf, size_t n, u64 *pos);

/* The operation behind a descriptor, if it is open for that. */
static int get_io(int fd, bool write, struct file **f, io_fn **io)
{
    u32 mode;

    *f = fd_get(fd);
    if (!*f)
        return -EBADF;
    mode = (*f)->flags & O_ACCMODE;
    if (mode == (write ? O_RDONLY : O_WRONLY))
        return -EBADF;
    *io = write ? (*f)->ops->write : (*f)->ops->read;
    return *io ? 0 : -EINVAL;
}

/* The file must outlive the call even if another thread closes it meanwhile. */
static long do_io(struct file *f, io_fn *io, uaddr_t buf, size_t n, u64 *pos)
{
    long r;

    f->refs++;
    r = io(f, buf, MIN(n, MAX_IO), pos);
    file_put(f);
    return r;
}

static long rw(int fd, bool write, uaddr_t buf, size_t n)
{
    struct file *f;
    io_fn *io;
    int r = get_io(fd, write, &f, &io);

    return r ? r : do_io(f, io, buf, n, &f->pos);
}

/* read(fd, buf, n) */
long sys_read(const u64 *a)
{
    return rw((int)a[0], false, a[1], a[2]);
}

/* write(fd, buf, n) */
long sys_write(const u64 *a)
{
    return rw((int)a[0], true, a[1], a[2]);
}

static long rw_at(int fd, bool write, uaddr_t buf, size_t n, u64 pos)
{
    struct file *f;
    io_fn *io;
    int r = get_io(fd, write, &f, &io);

    if (r)
        return r;
    if (!f->ops->seekable)
        return -ESPIPE;
    return (int64_t)pos < 0 ? -EINVAL : do_io(f, io, buf, n, &pos);
}

/* pread64(fd, buf, n, pos) */
long sys_pread64(const u64 *a)
{
    return rw_at((int)a[0], false, a[1], a[2], a[3]);
}

/* pwrite64(fd, buf, n, pos) */
long sys_pwrite64(const u64 *a)
{
    return rw_at((int)a[0], true, a[1], a[2], a[3]);
}

struct user_iovec {
    u64 base, len;
};

static long rwv(int fd, bool write, uaddr_t vec, u64 count)
{
    struct user_iovec v;
    long total = 0, r = 0;

    if (count > 1024)
        return -EINVAL;
    for (u64 i = 0; i < count; i++) {
        if (copy_from_user(&v, vec + i * sizeof(v), sizeof(v)))
            return total ? total : -EFAULT;
        if (!v.len)
            continue;
        r = rw(fd, write, v.base, v.len);
        if (r > 0)
            total += r;
        if (r < 0 || (u64)r < v.len)
            break;
    }
    return total ? total : r;
}

/* readv(fd, vec, count) */
long sys_readv(const u64 *a)
{
    return rwv((int)a[0], false, a[1], a[2]);
}

/* writev(fd, vec, count) */
long sys_writev(const u64 *a)
{
    return rwv((int)a[0], true, a[1], a[2]);
}

enum { SEEK_SET, SEEK_CUR, SEEK_END };

/* lseek(fd, offset, whence) */
long sys_lseek(const u64 *a)
{
    struct file *f = fd_get((int)a[0]);
    u64 pos = a[1];

    if (!f)
        return -EBADF;
    if (!f->ops->seekable)
        return -ESPIPE;
    if (a[2] == SEEK_CUR)
        pos += f->pos;
    else if (a[2] == SEEK_END)
        pos += f->ops->size ? f->ops->size(f) : f->inode->size;
    else if (a[2] != SEEK_SET)
        return -EINVAL;
    if ((int64_t)pos < 0)
        return -EINVAL;
    f->pos = pos;
    return (long)pos;
}

/* ftruncate(fd, size) */
long sys_ftruncate(const u64 *a)
{
    struct file *f = fd_get((int)a[0]);

    if (!f)
        return -EBADF;
    if (!f->inode || !S_ISREG(f->inode->mode) || (f->flags & O_ACCMODE) == O_RDONLY)
        return -EINVAL;
    return inode_truncate(f->inode, a[1]);
}

/* fsync(fd), fdatasync(fd) */
long sys_fsync(const u64 *a)
{
    struct file *f = fd_get((int)a[0]);

    if (!f)
        return -EBADF;
    return f->ops->sync ? f->ops->sync(f) : 0;
}

/* ioctl(fd, request, argument) */
long sys_ioctl(const u64 *a)
{
    struct file *f = fd_get((int)a[0]);

    if (!f)
        return -EBADF;
    return f->ops->ioctl ? f->ops->ioctl(f, (u32)a[1], a[2]) : -ENOTTY;
}

/* --- listing a directory ----------------------------------------------------------------- */

struct dirent {
    u64 ino, next;
    u16 reclen;
    u8 type;
    char name[NAME_MAX + 1];
} __attribute__((packed));

#define DIRENT_HEAD offsetof(struct dirent, name)

/* The entry at a position, and the position after it.  0 is `.`, 1 is `..`, 2 the first child; from
 * then on a position is the cookie of the entry before, which stays right when entries come or go
 * (a directory lists its children from the highest cookie down). */
static struct inode *entry_at(struct inode *dir, u64 *pos, const char **name)
{
    struct inode *i = dir->child;

    if (*pos < FIRST_COOKIE) {
        *name = *pos == 0 ? "." : "..";
        return (*pos)++ == 0 ? dir : dir->parent;
    }
    while (i && *pos > FIRST_COOKIE && i->cookie >= *pos)
        i = i->sibling;
    if (i) {
        *name = i->name;
        *pos = i->cookie;
    }
    return i;
}

/* getdents64(fd, buf, n) */
long sys_getdents64(const u64 *a)
{
    struct file *f = fd_get((int)a[0]);
    struct inode *i;
    struct dirent d;
    const char *name;
    size_t done = 0;
    u64 pos;

    if (!f)
        return -EBADF;
    if (!f->inode || !S_ISDIR(f->inode->mode))
        return -ENOTDIR;
    for (pos = f->pos; (i = entry_at(f->inode, &pos, &name)); f->pos = pos) {
        size_t len = strlen(name), size = (DIRENT_HEAD + len + 1 + 7) & ~7ull;

        if (done + size > a[2])
            return done ? (long)done : -EINVAL;
        memset(&d, 0, size);
        d.ino = i->ino;
        d.next = pos;
        d.reclen = (u16)size;
        d.type = (u8)(i->mode >> 12);
        memcpy(d.name, name, len);
        if (copy_to_user(a[1] + done, &d, size))
            return -EFAULT;
        done += size;
    }
    return (long)done;
}

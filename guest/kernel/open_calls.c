/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * open_calls.c [36]: system calls that open a named file or tell about it.
 *
 * Each old call and its ...at variant share one worker that takes a starting directory.
 *
 * Next: tree_calls.c.
 */
#include <asm/stat.h>
#include <linux/fcntl.h>

#include "file.h"
#include "lookup.h"
#include "syscall.h"
#include "task.h"
#include "usercopy.h"

/* --- open -------------------------------------------------------------------------------- */

static int open_inode(struct name *n, u32 flags, u32 mode, struct inode **out)
{
    int r = path_find(n->base, n->path, !(flags & O_NOFOLLOW), out);

    if (r == -ENOENT && (flags & O_CREAT))
        return name_create(n, S_IFREG | (mode & 07777 & ~current->umask), out);
    if (r)
        return r;
    if ((flags & O_CREAT) && (flags & O_EXCL))
        return -EEXIST;
    if (S_ISLNK((*out)->mode))
        return -ELOOP;
    if (S_ISDIR((*out)->mode) && (flags & O_ACCMODE) != O_RDONLY)
        return -EISDIR;
    if ((flags & O_DIRECTORY) && !S_ISDIR((*out)->mode))
        return -ENOTDIR;
    if ((flags & O_TRUNC) && S_ISREG((*out)->mode))
        return inode_truncate(*out, 0);
    return 0;
}

static long open_at(int dirfd, uaddr_t path, u32 flags, u32 mode)
{
    struct name n;
    struct inode *i;
    struct file *f;
    int r = name_get(&n, dirfd, path);

    if (r || (r = open_inode(&n, flags, mode, &i)))
        return r;
    f = inode_open(i, flags);
    return f ? fd_install(f, 0, flags & O_CLOEXEC) : -ENOMEM;
}

/* open(path, flags, mode) */
long sys_open(const u64 *a)
{
    return open_at(AT_FDCWD, a[0], (u32)a[1], (u32)a[2]);
}

/* openat(dirfd, path, flags, mode) */
long sys_openat(const u64 *a)
{
    return open_at((int)a[0], a[1], (u32)a[2], (u32)a[3]);
}

/* creat(path, mode) */
long sys_creat(const u64 *a)
{
    return open_at(AT_FDCWD, a[0], O_CREAT | O_WRONLY | O_TRUNC, (u32)a[1]);
}

/* --- stat -------------------------------------------------------------------------------- */

static int put_stat(const struct inode *i, struct file *f, uaddr_t buf)
{
    struct stat st = {.st_dev = 1, .st_nlink = 1, .st_blksize = PAGE_SIZE};

    if (i) {
        st.st_ino = i->ino;
        st.st_nlink = i->nlink;
        st.st_mode = i->mode;
        st.st_rdev = i->rdev;
        st.st_size = (long)i->size;
        st.st_blocks = (long)((i->size + 511) / 512);
        st.st_atime = st.st_mtime = st.st_ctime = i->mtime;
    } else {
        st.st_ino = (u64)f;
        st.st_mode = S_IFIFO | 0600;
    }
    return copy_to_user(buf, &st, sizeof(st));
}

static long stat_at(int dirfd, uaddr_t path, uaddr_t buf, bool follow)
{
    struct inode *i;
    int r = name_lookup(dirfd, path, follow, &i);

    return r ? r : put_stat(i, NULL, buf);
}

static long stat_fd(int fd, uaddr_t buf)
{
    struct file *f = fd_get(fd);

    return f ? put_stat(f->inode, f, buf) : -EBADF;
}

/* stat(path, buf) */
long sys_stat(const u64 *a)
{
    return stat_at(AT_FDCWD, a[0], a[1], true);
}

/* lstat(path, buf) */
long sys_lstat(const u64 *a)
{
    return stat_at(AT_FDCWD, a[0], a[1], false);
}

/* fstat(fd, buf) */
long sys_fstat(const u64 *a)
{
    return stat_fd((int)a[0], a[1]);
}

/* newfstatat(dirfd, path, buf, flags) */
long sys_newfstatat(const u64 *a)
{
    char first;

    if (a[3] & AT_EMPTY_PATH) {
        if (copy_from_user(&first, a[1], 1))
            return -EFAULT;
        if (!first)
            return stat_fd((int)a[0], a[2]);
    }
    return stat_at((int)a[0], a[1], a[2], !(a[3] & AT_SYMLINK_NOFOLLOW));
}

/* Everybody is root: what exists is accessible, but running needs an x bit. */
static long access_at(int dirfd, uaddr_t path, u64 mode)
{
    struct inode *i;
    int r = name_lookup(dirfd, path, true, &i);

    if (r)
        return r;
    return (mode & 1) && S_ISREG(i->mode) && !(i->mode & 0111) ? -EACCES : 0;
}

/* access(path, mode) */
long sys_access(const u64 *a)
{
    return access_at(AT_FDCWD, a[0], a[1]);
}

/* faccessat(dirfd, path, mode), faccessat2(..., flags) */
long sys_faccessat(const u64 *a)
{
    return access_at((int)a[0], a[1], a[2]);
}

static long readlink_at(int dirfd, uaddr_t path, uaddr_t buf, size_t n)
{
    char target[PATH_MAX];
    struct inode *i;
    int r = name_lookup(dirfd, path, false, &i);

    if (r)
        return r;
    if (!S_ISLNK(i->mode))
        return -EINVAL;
    if (i->is_self_link) {
        r = path_of(current->exe, target, sizeof(target));
        if (r < 0)
            return r;
        n = MIN(n, sizeof(target) - 1 - (size_t)r);
        return copy_to_user(buf, target + r, n) ? -EFAULT : (long)n;
    }
    n = MIN(n, i->data_size);
    return copy_to_user(buf, i->data, n) ? -EFAULT : (long)n;
}

/* readlink(path, buf, size) */
long sys_readlink(const u64 *a)
{
    return readlink_at(AT_FDCWD, a[0], a[1], a[2]);
}

/* readlinkat(dirfd, path, buf, size) */
long sys_readlinkat(const u64 *a)
{
    return readlink_at((int)a[0], a[1], a[2], a[3]);
}

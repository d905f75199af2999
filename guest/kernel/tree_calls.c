/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tree_calls.c [37]: system calls that change the tree of files, or where one stands in it.
 *
 * Next: io_calls.c.
 */
#include <linux/fcntl.h>

#include "clock.h"
#include "file.h"
#include "lookup.h"
#include "mm.h"
#include "syscall.h"
#include "task.h"
#include "usercopy.h"

/* --- changes to the tree ----------------------------------------------------------------- */

static long mkdir_at(int dirfd, uaddr_t path, u32 mode)
{
    struct name n;
    struct inode *i;
    int r = name_get(&n, dirfd, path);

    return r ? r : name_create(&n, S_IFDIR | (mode & 07777 & ~current->umask), &i);
}

/* mkdir(path, mode) */
long sys_mkdir(const u64 *a)
{
    return mkdir_at(AT_FDCWD, a[0], (u32)a[1]);
}

/* mkdirat(dirfd, path, mode) */
long sys_mkdirat(const u64 *a)
{
    return mkdir_at((int)a[0], a[1], (u32)a[2]);
}

static long symlink_at(uaddr_t target, int dirfd, uaddr_t path)
{
    char *copy = kalloc(LINK_MAX);
    struct name n;
    struct inode *i;
    long len;
    int r;

    if (!copy)
        return -ENOMEM;
    len = copy_string_from_user(copy, target, LINK_MAX);
    r = len < 0 ? (int)len : name_get(&n, dirfd, path);
    if (!r)
        r = name_create(&n, S_IFLNK | 0777, &i);
    if (r) {
        kfree(copy, LINK_MAX);
        return r;
    }
    i->data = (u8 *)copy;
    i->data_owned = true;
    i->data_size = i->size = (u64)len;
    return 0;
}

/* symlink(target, path) */
long sys_symlink(const u64 *a)
{
    return symlink_at(a[0], AT_FDCWD, a[1]);
}

/* symlinkat(target, dirfd, path) */
long sys_symlinkat(const u64 *a)
{
    return symlink_at(a[0], (int)a[1], a[2]);
}

static long unlink_at(int dirfd, uaddr_t path, bool directory)
{
    struct inode *i;
    int r = name_lookup(dirfd, path, false, &i);

    if (r)
        return r;
    if (directory && !S_ISDIR(i->mode))
        return -ENOTDIR;
    if (!directory && S_ISDIR(i->mode))
        return -EISDIR;
    if (i == fs_root)
        return -EBUSY;
    if (i->child)
        return -ENOTEMPTY;
    dir_remove(i);
    return 0;
}

/* unlink(path) */
long sys_unlink(const u64 *a)
{
    return unlink_at(AT_FDCWD, a[0], false);
}

/* rmdir(path) */
long sys_rmdir(const u64 *a)
{
    return unlink_at(AT_FDCWD, a[0], true);
}

/* unlinkat(dirfd, path, flags) */
long sys_unlinkat(const u64 *a)
{
    return unlink_at((int)a[0], a[1], a[2] & AT_REMOVEDIR);
}

static bool is_below(const struct inode *i, const struct inode *ancestor)
{
    for (; i != fs_root; i = i->parent)
        if (i == ancestor)
            return true;
    return i == ancestor;
}

/* Room for the new name: an existing file there goes, if it is of the same kind. */
static int make_room(struct inode *dir, const char *last, size_t len, struct inode *moved)
{
    struct inode *old = dir_find(dir, last, len);

    if (!old)
        return 0;
    if (S_ISDIR(old->mode) != S_ISDIR(moved->mode))
        return S_ISDIR(old->mode) ? -EISDIR : -ENOTDIR;
    if (old->child)
        return -ENOTEMPTY;
    dir_remove(old);
    return 0;
}

static long rename_at(int from_fd, uaddr_t from, int to_fd, uaddr_t to)
{
    struct inode *i, *dir;
    struct name n;
    const char *last;
    size_t len;
    int r = name_lookup(from_fd, from, false, &i);

    if (r || (r = name_get(&n, to_fd, to)) || (r = path_parent(n.base, n.path, &dir, &last, &len)))
        return r;
    if (is_below(dir, i))
        return -EINVAL;
    if (dir_find(dir, last, len) == i)
        return 0;
    r = make_room(dir, last, len, i);
    if (r)
        return r;
    r = inode_set_name(i, last, len);
    if (r)
        return r;
    inode_get(i);
    dir_remove(i);
    i->nlink = 1;
    dir_add(dir, i);
    return 0;
}

/* rename(from, to) */
long sys_rename(const u64 *a)
{
    return rename_at(AT_FDCWD, a[0], AT_FDCWD, a[1]);
}

/* renameat(from dirfd, from, to dirfd, to), renameat2(..., flags) */
long sys_renameat(const u64 *a)
{
    return rename_at((int)a[0], a[1], (int)a[2], a[3]);
}

/* truncate(path, size) */
long sys_truncate(const u64 *a)
{
    struct inode *i;
    int r = name_lookup(AT_FDCWD, a[0], true, &i);

    if (r)
        return r;
    return S_ISREG(i->mode) ? inode_truncate(i, a[1]) : -EINVAL;
}

/* --- attributes -------------------------------------------------------------------------- */

static long chmod_inode(struct inode *i, u64 mode)
{
    i->mode = (i->mode & S_IFMT) | (mode & 07777);
    return 0;
}

/* chmod(path, mode) */
long sys_chmod(const u64 *a)
{
    struct inode *i;
    int r = name_lookup(AT_FDCWD, a[0], true, &i);

    return r ? r : chmod_inode(i, a[1]);
}

/* fchmod(fd, mode) */
long sys_fchmod(const u64 *a)
{
    struct file *f = fd_get((int)a[0]);

    return f && f->inode ? chmod_inode(f->inode, a[1]) : -EBADF;
}

/* fchmodat(dirfd, path, mode) */
long sys_fchmodat(const u64 *a)
{
    struct inode *i;
    int r = name_lookup((int)a[0], a[1], true, &i);

    return r ? r : chmod_inode(i, a[2]);
}

struct user_timespec {
    int64_t sec, nsec;
};

/* utimensat(dirfd, path or NULL, times[2] or NULL, flags): the access time is not kept */
long sys_utimensat(const u64 *a)
{
    struct user_timespec times[2];
    struct inode *i;
    struct file *f;
    int r;

    if (a[1]) {
        r = name_lookup((int)a[0], a[1], true, &i);
        if (r)
            return r;
    } else {
        f = fd_get((int)a[0]);
        if (!f || !f->inode)
            return -EBADF;
        i = f->inode;
    }
    if (!a[2]) {
        i->mtime = clock_boot_seconds() + clock_ns() / NSEC_PER_SEC;
        return 0;
    }
    if (copy_from_user(times, a[2], sizeof(times)))
        return -EFAULT;
    if (times[1].nsec == 0x3fffffff) /* UTIME_NOW */
        i->mtime = clock_boot_seconds() + clock_ns() / NSEC_PER_SEC;
    else if (times[1].nsec != 0x3ffffffe) /* UTIME_OMIT */
        i->mtime = (u64)times[1].sec;
    return 0;
}

/* --- the working directory --------------------------------------------------------------- */

static long change_dir(struct inode *i)
{
    if (!S_ISDIR(i->mode))
        return -ENOTDIR;
    inode_get(i);
    inode_put(current->cwd);
    current->cwd = i;
    return 0;
}

/* chdir(path) */
long sys_chdir(const u64 *a)
{
    struct inode *i;
    int r = name_lookup(AT_FDCWD, a[0], true, &i);

    return r ? r : change_dir(i);
}

/* fchdir(fd) */
long sys_fchdir(const u64 *a)
{
    struct file *f = fd_get((int)a[0]);

    return f && f->inode ? change_dir(f->inode) : -EBADF;
}

/* getcwd(buf, size): the length with its NUL */
long sys_getcwd(const u64 *a)
{
    char path[PATH_MAX];
    int at = path_of(current->cwd, path, sizeof(path));
    size_t len;

    if (at < 0)
        return at;
    len = sizeof(path) - (size_t)at;
    if (len > a[1])
        return -ERANGE;
    return copy_to_user(a[0], path + at, len) ? -EFAULT : (long)len;
}

/* umask(mask) */
long sys_umask(const u64 *a)
{
    u32 old = current->umask;

    current->umask = a[0] & 0777;
    return old;
}

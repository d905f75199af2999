/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fs.h: the file tree.
 *
 * There is one kind of file: an inode in memory.  What came with the boot archive is read in place;
 * a page that is written, mapped or new lives in the inode's page cache, which shadows the archive.
 * So everything is writable and nothing survives the power switch.
 */
#ifndef FS_H
#define FS_H

#include <linux/stat.h>

#include "kernel.h"

#define PATH_MAX 1024 /* of a path handed to the kernel */
#define NAME_MAX 255
#define LINK_MAX 256 /* bytes of a symbolic link's target */

#define FIRST_COOKIE 2 /* directory positions up to here are special: see io_calls.c */

struct file_ops;

struct inode {
    u32 mode, ino, refs, nlink;
    u64 size;
    u64 mtime; /* seconds */

    const char *name; /* one name only: there are no hard links */
    u32 name_hash;
    bool name_owned; /* kalloc'ed; else it lies in the archive or the image */
    struct inode *parent, *child, *sibling;
    u64 cookie; /* its place in the directory, for getdents64: later entries have higher ones */

    const u8 *data; /* in the archive: a file's first data_size bytes, or a symlink's target */
    u64 data_size;
    bool data_owned; /* kalloc'ed: a symlink made at run time */
    void ***pages;   /* two levels of page tables of our own: pages[i][j] is a page or NULL */

    const struct file_ops *dev_ops; /* character devices */
    u32 rdev;
    bool dev_is_zero;  /* mapping it gives anonymous memory */
    bool is_self_link; /* /proc/self/exe */
};

/* inode.c: the tree */
extern struct inode *fs_root;
struct inode *inode_new(u32 mode) MUST_CHECK;
void inode_set_fixed_name(struct inode *i, const char *name);
int inode_set_name(struct inode *i, const char *name, size_t len) MUST_CHECK;
void inode_get(struct inode *i);
void inode_put(struct inode *i);
void dir_add(struct inode *dir, struct inode *i);
void dir_remove(struct inode *i);
struct inode *dir_find(struct inode *dir, const char *name, size_t len);
int fs_init(void) MUST_CHECK;

/* path.c: borrowed references, good until the caller sleeps */
int path_find(struct inode *base, const char *path, bool follow, struct inode **out) MUST_CHECK;
/* The directory and the last name, for what is to be created, renamed or removed. */
int path_parent(struct inode *base, const char *path, struct inode **dir, const char **name, size_t *len) MUST_CHECK;
int path_of(struct inode *i, char *buf, size_t size) MUST_CHECK; /* the string's start in buf */

/* pagecache.c: a file's contents */
int inode_page(struct inode *i, u64 index, bool create, void **page) MUST_CHECK;
long inode_read(struct inode *i, u64 pos, uaddr_t buf, size_t n) MUST_CHECK;
int inode_read_kernel(struct inode *i, u64 pos, void *buf, size_t n) MUST_CHECK; /* all or error */
long inode_write(struct inode *i, u64 pos, uaddr_t buf, size_t n) MUST_CHECK;
int inode_truncate(struct inode *i, u64 size) MUST_CHECK;
void inode_drop_pages(struct inode *i, u64 from_index);

/* archive.c */
void archive_unpack(const u8 *start, u64 size);

/* dev.c */
void dev_init(void);

#endif

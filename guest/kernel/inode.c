/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inode.c [29]: the tree of files.
 *
 * Being in the tree holds one reference, each open file, mapping or working directory another; the
 * last one frees.  A directory is a list of its children, newest first.
 *
 * Next: path.c.
 */
#include "clock.h"
#include "fs.h"
#include "mm.h"

struct inode *fs_root;
static u32 last_ino;
static u64 last_cookie = FIRST_COOKIE;

static u32 hash_name(const char *name, size_t len)
{
    u32 h = 2166136261u; /* FNV-1a */

    while (len--)
        h = (h ^ (u8)*name++) * 16777619u;
    return h;
}

struct inode *inode_new(u32 mode)
{
    struct inode *i = kalloc(sizeof(*i));

    if (!i)
        return NULL;
    i->mode = mode;
    i->ino = ++last_ino;
    i->refs = 1;
    i->nlink = S_ISDIR(mode) ? 2 : 1;
    i->mtime = clock_boot_seconds();
    i->name = "";
    return i;
}

/* A name that lies in the image or the archive: it outlives every inode. */
void inode_set_fixed_name(struct inode *i, const char *name)
{
    i->name = name;
    i->name_hash = hash_name(name, strlen(name));
}

int inode_set_name(struct inode *i, const char *name, size_t len)
{
    char *copy = kalloc(NAME_MAX + 1);

    if (!copy)
        return -ENOMEM;
    memcpy(copy, name, len);
    if (i->name_owned)
        kfree((void *)i->name, NAME_MAX + 1);
    i->name = copy;
    i->name_owned = true;
    i->name_hash = hash_name(name, len);
    return 0;
}

void inode_get(struct inode *i)
{
    i->refs++;
}

void inode_put(struct inode *i)
{
    if (--i->refs)
        return;
    inode_drop_pages(i, 0);
    if (i->name_owned)
        kfree((void *)i->name, NAME_MAX + 1);
    if (i->data_owned)
        kfree((void *)i->data, LINK_MAX);
    kfree(i, sizeof(*i));
}

/* The tree takes over the caller's reference. */
void dir_add(struct inode *dir, struct inode *i)
{
    i->parent = dir;
    i->cookie = ++last_cookie;
    i->sibling = dir->child;
    dir->child = i;
}

void dir_remove(struct inode *i)
{
    struct inode **link = &i->parent->child;

    while (*link != i)
        link = &(*link)->sibling;
    *link = i->sibling;
    i->nlink = 0;
    i->parent = fs_root; /* for those who still stand in it */
    inode_put(i);
}

struct inode *dir_find(struct inode *dir, const char *name, size_t len)
{
    u32 hash = hash_name(name, len);

    for (struct inode *i = dir->child; i; i = i->sibling)
        if (i->name_hash == hash && !strncmp(i->name, name, len) && !i->name[len])
            return i;
    return NULL;
}

int fs_init(void)
{
    fs_root = inode_new(S_IFDIR | 0755);
    if (!fs_root)
        return -ENOMEM;
    fs_root->parent = fs_root;
    return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path.c [30]: from names to inodes.
 *
 * Next: archive.c, which fills the tree at boot.
 */
#include "fs.h"
#include "task.h"

#define MAX_LINKS 8

/* Cuts the next component off *path; false when there is none left. */
static bool next_component(const char **path, const char **name, size_t *len)
{
    const char *p = *path;

    while (*p == '/')
        p++;
    *name = p;
    while (*p && *p != '/')
        p++;
    *len = (size_t)(p - *name);
    *path = p;
    return *len != 0;
}

static bool is_last(const char *rest)
{
    while (*rest == '/')
        rest++;
    return !*rest;
}

/* One step from dir. */
static int step(struct inode *dir, const char *name, size_t len, struct inode **out)
{
    if (!S_ISDIR(dir->mode))
        return -ENOTDIR;
    if (len > NAME_MAX)
        return -ENAMETOOLONG;
    if (len == 1 && name[0] == '.')
        *out = dir;
    else if (len == 2 && name[0] == '.' && name[1] == '.')
        *out = dir->parent;
    else
        *out = dir_find(dir, name, len);
    return *out ? 0 : -ENOENT;
}

static int find(struct inode *base, const char *path, bool follow, int links, struct inode **out);

/* Where a symbolic link in dir leads. */
static int follow_link(struct inode *dir, const struct inode *link, int links, struct inode **out)
{
    char target[LINK_MAX];
    size_t n = MIN(link->data_size, LINK_MAX - 1);

    if (link->is_self_link) {
        *out = current->exe;
        return *out ? 0 : -ENOENT;
    }
    if (links == MAX_LINKS)
        return -ELOOP;
    memcpy(target, link->data, n); /* the archive does not terminate it */
    target[n] = '\0';
    return find(dir, target, true, links + 1, out);
}

static int find(struct inode *base, const char *path, bool follow, int links, struct inode **out)
{
    struct inode *at = *path == '/' ? fs_root : base, *dir;
    const char *name;
    size_t len;
    int r;

    if (!*path)
        return -ENOENT;
    while (next_component(&path, &name, &len)) {
        dir = at;
        r = step(dir, name, len, &at);
        if (!r && S_ISLNK(at->mode) && (follow || *path))
            r = follow_link(dir, at, links, &at);
        if (r)
            return r;
    }
    if (path[-1] == '/' && !S_ISDIR(at->mode))
        return -ENOTDIR;
    *out = at;
    return 0;
}

int path_find(struct inode *base, const char *path, bool follow, struct inode **out)
{
    return find(base, path, follow, 0, out);
}

int path_parent(struct inode *base, const char *path, struct inode **dir, const char **name, size_t *len)
{
    struct inode *at = *path == '/' ? fs_root : base, *next;
    int r;

    if (!*path)
        return -ENOENT;
    if (!next_component(&path, name, len))
        return -EEXIST; /* the root itself */
    while (!is_last(path)) {
        r = step(at, *name, *len, &next);
        if (!r && S_ISLNK(next->mode))
            r = follow_link(at, next, 0, &next);
        if (r)
            return r;
        at = next;
        if (!next_component(&path, name, len))
            break;
    }
    if (!S_ISDIR(at->mode))
        return -ENOTDIR;
    *dir = at;
    return *len > NAME_MAX ? -ENAMETOOLONG : 0;
}

/* Writes the absolute path to the end of buf; returns where it starts. */
int path_of(struct inode *i, char *buf, size_t size)
{
    size_t at = size;

    buf[--at] = '\0';
    if (i == fs_root)
        buf[--at] = '/';
    for (; i != fs_root; i = i->parent) {
        size_t len = strlen(i->name);

        if (at < len + 1)
            return -ERANGE;
        at -= len;
        memcpy(buf + at, i->name, len);
        buf[--at] = '/';
    }
    return (int)at;
}

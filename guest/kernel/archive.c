/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * archive.c [31]: the boot archive, a cpio in "newc" format, becomes the file tree.
 *
 * Only inodes are made; names and contents stay where the boot loader put them.  A member is a
 * header of ASCII hexadecimal fields, the name, and the data, the latter two padded to 4 bytes.
 * Archives may be concatenated; a later file of the same name wins.
 *
 * Next: pagecache.c.
 */
#include "fs.h"

struct member {
    char magic[6];
    char field[13][8];
};
enum { F_MODE = 1, F_MTIME = 5, F_SIZE = 6, F_RDEV_MAJOR = 9, F_RDEV_MINOR = 10, F_NAME_LEN = 11 };

static u32 hex(const char *digits)
{
    u32 v = 0;

    for (int i = 0; i < 8; i++) {
        u32 c = (u8)digits[i], low = c | 0x20;

        v = v << 4 | (c <= '9' ? c - '0' : low - 'a' + 10);
    }
    return v;
}

static struct inode *parent_of(const char *path, const char **name, size_t *len)
{
    struct inode *dir;

    if (path_parent(fs_root, path, &dir, name, len))
        return NULL;
    return dir;
}

static void add_member(const struct member *m, const char *path, const u8 *data, u64 size)
{
    u32 mode = hex(m->field[F_MODE]);
    struct inode *dir, *i;
    const char *name;
    size_t len;

    if (!S_ISDIR(mode) && !S_ISREG(mode) && !S_ISLNK(mode))
        return; /* device nodes are ours to make (dev.c) */
    dir = parent_of(path, &name, &len);
    if (!dir || (len == 1 && name[0] == '.') || (S_ISDIR(mode) && dir_find(dir, name, len)))
        return;
    i = inode_new(mode);
    if (!i || name[len]) /* a directory's name may end in a slash; no archiver writes that */
        return;
    inode_set_fixed_name(i, name);
    i->mtime = hex(m->field[F_MTIME]);
    i->data = data;
    i->data_size = i->size = S_ISDIR(mode) ? 0 : size;
    dir_add(dir, i);
}

void archive_unpack(const u8 *start, u64 size)
{
    u64 at = 0, name_at, data_at, end;

    while (at + sizeof(struct member) <= size) {
        const struct member *m = (const void *)(start + at);
        u64 name_len, data_size;

        if (memcmp(m->magic, "070701", 6) && memcmp(m->magic, "070702", 6))
            break;
        name_len = hex(m->field[F_NAME_LEN]);
        data_size = hex(m->field[F_SIZE]);
        name_at = at + sizeof(*m);
        data_at = (name_at + name_len + 3) & ~3ull;
        end = (data_at + data_size + 3) & ~3ull;
        if (!name_len || data_at > size || data_size > size - data_at || start[data_at - 1])
            break; /* cut off */
        if (strcmp((const char *)start + name_at, "TRAILER!!!"))
            add_member(m, (const char *)start + name_at, start + data_at, data_size);
        else /* another archive may follow, after zeros */
            while (end + 4 <= size && !memcmp(start + end, "\0\0\0\0", 4))
                end += 4;
        at = end;
    }
    if (at == 0 && size)
        printk("virtlab: the archive is not a newc cpio\n");
}

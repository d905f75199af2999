/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dev.c [42]: the device nodes: console, tty, null, zero, random, disk; and /proc/self/exe.
 *
 * Next: time_calls.c.
 */
#include "ata.h"
#include "console.h"
#include "file.h"
#include "fs.h"
#include "mm.h"
#include "random.h"
#include "usercopy.h"

/* --- null and zero ----------------------------------------------------------------------- */

static long null_read(struct file *f, uaddr_t buf, size_t n, u64 *pos)
{
    (void)f;
    (void)buf;
    (void)n;
    (void)pos;
    return 0;
}

static long null_write(struct file *f, uaddr_t buf, size_t n, u64 *pos)
{
    (void)f;
    (void)buf;
    (void)pos;
    return (long)n;
}

static long zero_read(struct file *f, uaddr_t buf, size_t n, u64 *pos)
{
    (void)f;
    (void)pos;
    for (size_t done = 0; done < n; done += PAGE_SIZE)
        if (copy_to_user(buf + done, zero_page, MIN(n - done, PAGE_SIZE)))
            return done ? (long)done : -EFAULT;
    return (long)n;
}

static long random_read(struct file *f, uaddr_t buf, size_t n, u64 *pos)
{
    (void)f;
    (void)pos;
    return random_to_user(buf, n);
}

static const struct file_ops null_ops = {.read = null_read, .write = null_write, .seekable = true};
static const struct file_ops zero_ops = {.read = zero_read, .write = null_write, .seekable = true};
static const struct file_ops random_ops = {.read = random_read, .write = null_write};

/* --- the raw disk ------------------------------------------------------------------------ */

/* A transfer of n bytes from byte pos on. */
struct transfer {
    uaddr_t buf;
    u64 pos, n;
};

/* What a block of the disk and the transfer have in common. */
struct overlap {
    u8 *in_block;
    uaddr_t in_buffer;
    size_t len;
};

static struct overlap overlap(const struct transfer *t, u8 *block, u64 index, u32 sectors)
{
    u64 first = (t->pos / SECTOR_SIZE + index) * SECTOR_SIZE;
    u64 start = MAX(first, t->pos), end = MIN(first + sectors * SECTOR_SIZE, t->pos + t->n);

    return (struct overlap){block + (start - first), t->buf + (start - t->pos), end - start};
}

static int take_block(u8 *block, u64 index, u32 n, void *arg)
{
    struct overlap o = overlap(arg, block, index, n);

    return copy_to_user(o.in_buffer, o.in_block, o.len);
}

static int fill_block(u8 *block, u64 index, u32 n, void *arg)
{
    struct overlap o = overlap(arg, block, index, n);

    return copy_from_user(o.in_block, o.in_buffer, o.len);
}

static int keep_sector(u8 *block, u64 index, u32 n, void *arg)
{
    (void)index;
    (void)n;
    memcpy(arg, block, SECTOR_SIZE);
    return 0;
}

struct patch {
    struct transfer t;
    u8 old[SECTOR_SIZE];
};

static int fill_patched(u8 *block, u64 index, u32 n, void *arg)
{
    struct patch *p = arg;

    memcpy(block, p->old, SECTOR_SIZE);
    return fill_block(block, index, n, &p->t);
}

/* Limits a transfer to the disk; how many sectors it touches. */
static u64 clip(struct transfer *t)
{
    u64 size = ata_sectors() * SECTOR_SIZE;

    if (t->pos >= size)
        t->n = 0;
    else
        t->n = MIN(t->n, size - t->pos);
    return t->n ? (t->pos + t->n - 1) / SECTOR_SIZE - t->pos / SECTOR_SIZE + 1 : 0;
}

static long disk_read(struct file *f, uaddr_t buf, size_t n, u64 *pos)
{
    struct transfer t = {buf, *pos, n};
    u64 sectors = clip(&t);
    int r = sectors ? ata_read(t.pos / SECTOR_SIZE, sectors, take_block, &t) : 0;

    (void)f;
    if (r)
        return r;
    *pos += t.n;
    return (long)t.n;
}

/* A write of a part of one sector: the rest of it is read first. */
static int write_part(const struct transfer *t)
{
    struct patch p = {.t = *t};
    int r = ata_read(t->pos / SECTOR_SIZE, 1, keep_sector, p.old);

    return r ? r : ata_write(t->pos / SECTOR_SIZE, 1, fill_patched, &p);
}

/* Writes the next piece: up to a sector's border, then whole sectors, then the rest. */
static int write_piece(struct transfer *t, u64 left)
{
    u64 offset = t->pos % SECTOR_SIZE;

    if (offset || left < SECTOR_SIZE) {
        t->n = MIN(left, SECTOR_SIZE - offset);
        return write_part(t);
    }
    t->n = left - left % SECTOR_SIZE;
    return ata_write(t->pos / SECTOR_SIZE, t->n / SECTOR_SIZE, fill_block, t);
}

static long disk_write(struct file *f, uaddr_t buf, size_t n, u64 *pos)
{
    struct transfer t = {buf, *pos, n};
    u64 done = 0, total;
    int r = 0;

    (void)f;
    if (!clip(&t))
        return n ? -ENOSPC : 0;
    for (total = t.n; done < total && !r; done += r ? 0 : t.n) {
        t.buf = buf + done;
        t.pos = *pos + done;
        r = write_piece(&t, total - done);
    }
    *pos += done;
    return done ? (long)done : r;
}

static u64 disk_size(struct file *f)
{
    (void)f;
    return ata_sectors() * SECTOR_SIZE;
}

static int disk_sync(struct file *f)
{
    (void)f;
    return ata_flush();
}

#define BLKGETSIZE64 0x80081272u
#define BLKSSZGET    0x1268u

static long disk_ioctl(struct file *f, u32 request, uaddr_t arg)
{
    if (request == BLKGETSIZE64)
        return put_user64(arg, disk_size(f));
    return request == BLKSSZGET ? put_user32(arg, SECTOR_SIZE) : -ENOTTY;
}

static const struct file_ops disk_ops = {
    .read = disk_read,
    .write = disk_write,
    .size = disk_size,
    .sync = disk_sync,
    .ioctl = disk_ioctl,
    .seekable = true,
};

/* --- the nodes --------------------------------------------------------------------------- */

static struct inode *node(struct inode *dir, const char *name, u32 mode)
{
    struct inode *i = dir_find(dir, name, strlen(name));

    if (i)
        return i;
    i = inode_new(mode);
    if (!i)
        panic("no memory for /%s", name);
    inode_set_fixed_name(i, name);
    dir_add(dir, i);
    return i;
}

static struct inode *device(struct inode *dir, const char *name, const struct file_ops *ops, u32 major, u32 minor)
{
    struct inode *i = node(dir, name, S_IFCHR | 0666);

    i->mode = S_IFCHR | 0666;
    i->dev_ops = ops;
    i->rdev = major << 8 | minor;
    return i;
}

/* Numbers as Linux has them, for programs that look. */
void dev_init(void)
{
    struct inode *dev = node(fs_root, "dev", S_IFDIR | 0755), *self;

    device(dev, "console", &console_ops, 5, 1);
    device(dev, "tty", &console_ops, 5, 0);
    device(dev, "null", &null_ops, 1, 3);
    device(dev, "zero", &zero_ops, 1, 5)->dev_is_zero = true;
    device(dev, "random", &random_ops, 1, 8);
    device(dev, "urandom", &random_ops, 1, 9);
    if (ata_sectors())
        device(dev, "disk", &disk_ops, 3, 0);
    node(fs_root, "tmp", S_IFDIR | 01777);
    self = node(node(fs_root, "proc", S_IFDIR | 0555), "self", S_IFDIR | 0555);
    node(self, "exe", S_IFLNK | 0777)->is_self_link = true;
}

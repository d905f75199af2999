/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pagecache.c [32]: a file's contents: pages, and below them the archive.
 *
 * Page k of a file is, in this order: the page in the cache; the archive's bytes; zeros.  Reading
 * copies straight from the archive, only mapping and writing make pages.
 *
 * Next: file.h, then fd.c.
 */
#include "clock.h"
#include "fs.h"
#include "mm.h"
#include "usercopy.h"

#define PER_TABLE 512
#define MAX_SIZE  ((u64)PER_TABLE * PER_TABLE * PAGE_SIZE)

static void *cached(const struct inode *i, u64 index)
{
    void **table;

    if (!i->pages || index >= (u64)PER_TABLE * PER_TABLE)
        return NULL;
    table = i->pages[index / PER_TABLE];
    return table ? table[index % PER_TABLE] : NULL;
}

/* The slot for a page of the cache, with the tables above it; NULL without memory. */
static void **slot_for(struct inode *i, u64 index)
{
    void ***top = i->pages;

    if (!top && !(top = page_alloc_zeroed()))
        return NULL;
    i->pages = top;
    if (!top[index / PER_TABLE] && !(top[index / PER_TABLE] = page_alloc_zeroed()))
        return NULL;
    return &top[index / PER_TABLE][index % PER_TABLE];
}

/* The page's address, brought into the cache if need be.  Beyond the end: -ENXIO, unless create. */
int inode_page(struct inode *i, u64 index, bool create, void **page)
{
    u64 pos = index * PAGE_SIZE;
    void **slot;

    if (!create && pos >= i->size)
        return -ENXIO;
    if (index >= MAX_SIZE / PAGE_SIZE)
        return -EFBIG;
    slot = slot_for(i, index);
    if (!slot)
        return -ENOMEM;
    if (!*slot) {
        u8 *fresh = page_alloc();
        u64 n = pos < i->data_size ? MIN(i->data_size - pos, PAGE_SIZE) : 0;

        if (!fresh)
            return -ENOMEM;
        memcpy(fresh, i->data + (n ? pos : 0), n);
        memset(fresh + n, 0, PAGE_SIZE - n);
        *slot = fresh;
    }
    *page = *slot;
    return 0;
}

/* What can be read at pos in one piece: its address and length. */
static const u8 *piece_at(const struct inode *i, u64 pos, size_t *n)
{
    u64 offset = pos & PAGE_MASK;
    const u8 *page;

    if (!i->pages && pos < i->data_size) {
        *n = MIN(*n, i->data_size - pos);
        return i->data + pos;
    }
    *n = MIN(*n, PAGE_SIZE - offset);
    page = cached(i, pos / PAGE_SIZE);
    if (page)
        return page + offset;
    if (pos < i->data_size) {
        *n = MIN(*n, i->data_size - pos);
        return i->data + pos;
    }
    return zero_page + offset;
}

long inode_read(struct inode *i, u64 pos, uaddr_t buf, size_t n)
{
    size_t done = 0;

    if (pos >= i->size)
        return 0;
    n = MIN(n, i->size - pos);
    while (done < n) {
        size_t part = n - done;
        const u8 *from = piece_at(i, pos + done, &part);

        if (copy_to_user(buf + done, from, part))
            return done ? (long)done : -EFAULT;
        done += part;
    }
    return (long)done;
}

int inode_read_kernel(struct inode *i, u64 pos, void *buf, size_t n)
{
    size_t done = 0;

    if (pos > i->size || n > i->size - pos)
        return -EIO;
    while (done < n) {
        size_t part = n - done;
        const u8 *from = piece_at(i, pos + done, &part);

        memcpy((u8 *)buf + done, from, part);
        done += part;
    }
    return 0;
}

long inode_write(struct inode *i, u64 pos, uaddr_t buf, size_t n)
{
    size_t done = 0;
    int r = 0;

    if (pos > MAX_SIZE || n > MAX_SIZE - pos)
        return -EFBIG;
    while (done < n) {
        u64 at = pos + done, offset = at & PAGE_MASK;
        size_t part = MIN(n - done, PAGE_SIZE - offset);
        void *page;

        r = inode_page(i, at / PAGE_SIZE, true, &page);
        if (!r)
            r = copy_from_user((u8 *)page + offset, buf + done, part);
        if (r)
            break;
        done += part;
    }
    i->size = MAX(i->size, pos + done);
    i->mtime = clock_boot_seconds() + clock_ns() / NSEC_PER_SEC;
    if (r == -ENOMEM)
        r = -ENOSPC;
    return done ? (long)done : r;
}

void inode_drop_pages(struct inode *i, u64 from_index)
{
    bool keep = from_index > 0;

    for (u64 t = 0; i->pages && t < PER_TABLE; t++) {
        void **table = i->pages[t];

        for (u64 k = 0; table && k < PER_TABLE; k++)
            if (table[k] && t * PER_TABLE + k >= from_index) {
                page_unref(table[k]);
                table[k] = NULL;
            }
        if (table && !keep)
            page_unref(table);
    }
    if (i->pages && !keep) {
        page_unref(i->pages);
        i->pages = NULL;
    }
}

int inode_truncate(struct inode *i, u64 size)
{
    u64 tail = size & PAGE_MASK;
    u8 *page;

    if (size > MAX_SIZE)
        return -EFBIG;
    if (size < i->size) {
        inode_drop_pages(i, PAGE_UP(size) / PAGE_SIZE);
        i->data_size = MIN(i->data_size, size);
        page = tail ? cached(i, size / PAGE_SIZE) : NULL;
        if (page) /* what lies behind the end must read as zero when the file grows again */
            memset(page + tail, 0, PAGE_SIZE - tail);
    }
    i->size = size;
    return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * heap.c [15]: small kernel objects.
 *
 * One free list for each power of two from 32 to 2048 bytes, filled a page at a time.  Objects are
 * aligned to their size class (FXSAVE areas rely on 16) and come zeroed.
 *
 * Next: pagetable.c.
 */
#include "mm.h"

#define MIN_SHIFT 5
#define CLASSES   7

static void *free_objects[CLASSES];

static unsigned class_of(size_t size)
{
    unsigned c = 0;

    while (((size_t)1 << (c + MIN_SHIFT)) < size)
        c++;
    return c;
}

static bool refill(unsigned c)
{
    size_t size = (size_t)1 << (c + MIN_SHIFT);
    u8 *page = page_alloc();

    if (!page)
        return false;
    for (size_t at = 0; at < PAGE_SIZE; at += size)
        kfree(page + at, size);
    return true;
}

void *kalloc(size_t size)
{
    unsigned c = class_of(size);
    void **object;

    if (size > KALLOC_MAX || (!free_objects[c] && !refill(c)))
        return NULL;
    object = free_objects[c];
    free_objects[c] = *object;
    return memset(object, 0, size);
}

void kfree(void *p, size_t size)
{
    unsigned c = class_of(size);

    if (!p)
        return;
    *(void **)p = free_objects[c];
    free_objects[c] = p;
}

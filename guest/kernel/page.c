/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * page.c [14]: the frame allocator.
 *
 * Fresh memory is taken from the loader's RAM ranges by moving a pointer up, so that boot touches
 * nothing; freed pages go onto a list threaded through the pages themselves.  A table of reference
 * counts makes copy-on-write and the page cache possible; a count is meaningful only below the
 * moving pointer, so the table needs no clearing.
 *
 * Next: heap.c.
 */
#include "bootinfo.h"
#include "mm.h"

#define LOW_RESERVED 0x100000 /* the first MiB belongs to the BIOS and the boot loader */

static struct {
    struct phys_range range[2 * MAX_RAM_RANGES]; /* range[i].start moves up */
    int nr_ranges, at;
    u64 limit; /* end of the highest range */
    u32 *refs; /* by frame number */
    void *free_list;
    u64 total, free;
} frames;

extern u8 kernel_end[];
u8 zero_page[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

static void add_range(u64 start, u64 end)
{
    start = PAGE_UP(start);
    end = PAGE_DOWN(end);
    if (start >= end || frames.nr_ranges == (int)ARRAY_SIZE(frames.range))
        return;
    frames.range[frames.nr_ranges++] = (struct phys_range){start, end};
    frames.limit = MAX(frames.limit, end);
    frames.total += (end - start) / PAGE_SIZE;
}

/* RAM that is neither low, nor the kernel's image, nor the archive. */
static void add_usable(const struct bootinfo *bi, struct phys_range ram)
{
    u64 image_end = virt_to_phys(kernel_end);

    if (ram.start < LOW_RESERVED)
        ram.start = LOW_RESERVED;
    if (ram.start < image_end)
        ram.start = image_end;
    if (bi->initrd.end <= ram.start || bi->initrd.start >= ram.end) {
        add_range(ram.start, ram.end);
    } else {
        add_range(ram.start, bi->initrd.start);
        add_range(bi->initrd.end, ram.end);
    }
}

/* Moves on to the next range that holds `pages` contiguous fresh pages; false when none does. */
static bool find_fresh(unsigned pages)
{
    int i = frames.at;

    while (i < frames.nr_ranges && frames.range[i].end - frames.range[i].start < (u64)pages * PAGE_SIZE)
        i++;
    if (i == frames.nr_ranges)
        return false;
    frames.at = i;
    return true;
}

/* The rest of a range that is left behind would be lost: put it on the free list. */
static void retire_ranges(int until)
{
    for (int i = 0; i < until; i++) {
        struct phys_range *r = &frames.range[i];

        for (; r->start < r->end; r->start += PAGE_SIZE) {
            void **page = phys_to_virt(r->start);

            *page = frames.free_list;
            frames.free_list = page;
        }
    }
}

void *page_alloc_run(unsigned pages)
{
    struct phys_range *r;
    u64 pa;

    if (!find_fresh(pages))
        return NULL;
    retire_ranges(frames.at);
    r = &frames.range[frames.at];
    pa = r->start;
    r->start += (u64)pages * PAGE_SIZE;
    frames.free -= pages;
    for (unsigned i = 0; frames.refs && i < pages; i++)
        frames.refs[pa / PAGE_SIZE + i] = 1;
    return phys_to_virt(pa);
}

void page_init(const struct bootinfo *bi)
{
    for (int i = 0; i < bi->nr_ram; i++)
        add_usable(bi, bi->ram[i]);
    frames.free = frames.total;
    frames.refs = page_alloc_run(PAGE_UP(frames.limit / PAGE_SIZE * sizeof(u32)) / PAGE_SIZE);
    if (!frames.refs)
        panic("no memory: the boot loader reported %lu KiB of RAM", frames.total * 4);
}

void *page_alloc(void)
{
    void **page = frames.free_list;

    if (!page)
        return page_alloc_run(1);
    frames.free_list = *page;
    frames.refs[virt_to_phys(page) / PAGE_SIZE] = 1;
    frames.free--;
    return page;
}

void *page_alloc_zeroed(void)
{
    void *page = page_alloc();

    return page ? memset(page, 0, PAGE_SIZE) : NULL;
}

/* The image (zero_page) has no counts. */
static bool counted(const void *page)
{
    return (const u8 *)page >= kernel_end;
}

void page_ref(void *page)
{
    if (counted(page))
        frames.refs[virt_to_phys(page) / PAGE_SIZE]++;
}

void page_unref(void *page)
{
    if (!counted(page) || --frames.refs[virt_to_phys(page) / PAGE_SIZE])
        return;
    *(void **)page = frames.free_list;
    frames.free_list = page;
    frames.free++;
}

u32 page_refs(const void *page)
{
    return counted(page) ? frames.refs[virt_to_phys(page) / PAGE_SIZE] : UINT32_MAX;
}

u64 page_total(void)
{
    return frames.total;
}

u64 page_free_count(void)
{
    return frames.free;
}

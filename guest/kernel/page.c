/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * page.c [14]: the frame allocator.
 *
 * A map has a bit for each frame that is free; the lowest is taken first.  A table of reference counts makes
 * copy-on-write and the page cache possible; a count is meaningful only while its frame is in use, so the table needs
 * no clearing, and boot touches none of the pages themselves.
 *
 * Next: heap.c.
 */
#include "bootinfo.h"
#include "mm.h"

#define LOW_RESERVED 0x100000 /* the first MiB belongs to the BIOS and the boot loader */
#define BITS         64
#define SHORT        4 /* when less than one frame in so many is free, nothing is taken ahead */

static struct {
    struct phys_range range[2 * MAX_RAM_RANGES];
    int nr_ranges;
    u64 *map; /* by frame number: 1 is free */
    u32 *refs;
    u64 end;    /* of the highest range, a frame number like the next one */
    u64 lowest; /* no frame below is free */
    u64 total, free;
} frames;

extern u8 kernel_end[];
u8 zero_page[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

/* --- what the loader reported ------------------------------------------------------------ */

static void add_range(u64 start, u64 end)
{
    start = PAGE_UP(start) / PAGE_SIZE;
    end = end / PAGE_SIZE;
    if (start >= end || frames.nr_ranges == (int)ARRAY_SIZE(frames.range))
        return;
    frames.range[frames.nr_ranges++] = (struct phys_range){start, end};
    frames.end = MAX(frames.end, end);
    frames.total += end - start;
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

static u64 *map_word(u64 frame)
{
    return &frames.map[frame / BITS];
}

/* Sets or clears the bits of [at, at + n). */
static void mark(u64 at, u64 n, bool free)
{
    while (n) {
        u64 bit = at % BITS, part = MIN(n, BITS - bit);
        u64 bits = (part == BITS ? ~0ull : (1ull << part) - 1) << bit;

        *map_word(at) = free ? *map_word(at) | bits : *map_word(at) & ~bits;
        at += part;
        n -= part;
    }
}

/* The two tables take the first range that holds them. */
static void place_tables(void)
{
    u64 map_size = (frames.end / BITS + 1) * sizeof(u64);
    u64 pages = PAGE_UP(map_size + frames.end * sizeof(u32)) / PAGE_SIZE;

    for (int i = 0; i < frames.nr_ranges && !frames.map; i++) {
        struct phys_range *r = &frames.range[i];

        if (r->end - r->start < pages)
            continue;
        frames.map = phys_to_virt(r->start * PAGE_SIZE);
        frames.refs = (u32 *)((u8 *)frames.map + map_size);
        r->start += pages;
    }
    if (!frames.map)
        panic("no memory: the boot loader reported %lu KiB of RAM", frames.total * 4);
    memset(frames.map, 0, map_size);
}

void page_init(const struct bootinfo *bi)
{
    for (int i = 0; i < bi->nr_ram; i++)
        add_usable(bi, bi->ram[i]);
    place_tables();
    for (int i = 0; i < frames.nr_ranges; i++) {
        const struct phys_range *r = &frames.range[i];

        mark(r->start, r->end - r->start, true);
        frames.free += r->end - r->start;
    }
}

/* --- allocating -------------------------------------------------------------------------- */

/* The first frame of [at, end) that is free, or, with flip = ~0, that isn't; `end` when there is none. */
static u64 next_frame(u64 at, u64 end, u64 flip)
{
    u64 word;

    if (at >= end)
        return end;
    word = (*map_word(at) ^ flip) & ~0ull << at % BITS;
    while (!word) {
        at = (at / BITS + 1) * BITS;
        if (at >= end)
            return end;
        word = *map_word(at) ^ flip;
    }
    return MIN(at / BITS * BITS + (u64)__builtin_ctzll(word), end);
}

static void *take(u64 at, u64 n)
{
    mark(at, n, false);
    if (at == frames.lowest)
        frames.lowest = at + n;
    frames.free -= n;
    for (u64 i = 0; i < n; i++)
        frames.refs[at + i] = 1;
    return phys_to_virt(at * PAGE_SIZE);
}

void *page_alloc(void)
{
    u64 at = frames.lowest;

    if (at < frames.end && !(*map_word(at) >> at % BITS & 1))
        frames.lowest = at = next_frame(at, frames.end, 0);
    if (at == frames.end)
        return NULL;
    *map_word(at) &= ~(1ull << at % BITS);
    frames.lowest++;
    frames.free--;
    frames.refs[at] = 1;
    return phys_to_virt(at * PAGE_SIZE);
}

void *page_alloc_zeroed(void)
{
    void *page = page_alloc();

    return page ? memset(page, 0, PAGE_SIZE) : NULL;
}

/* The first run of `wanted` free frames, or the longest that there is. */
static u64 find_run(u64 wanted, u64 *length)
{
    u64 best = 0, end;

    *length = 0;
    for (u64 at = frames.lowest; *length < wanted; at = end) {
        at = next_frame(at, frames.end, 0);
        if (at == frames.end)
            break;
        end = next_frame(at, MIN(at + wanted, frames.end), ~0ull);
        if (end - at > *length) {
            best = at;
            *length = end - at;
        }
    }
    return best;
}

void *page_alloc_run(unsigned pages)
{
    u64 length, at = find_run(pages, &length);

    return length == pages ? take(at, pages) : NULL;
}

bool page_plenty(void)
{
    return frames.free > frames.total / SHORT;
}

void *page_run_next(struct page_run *run)
{
    u8 *page = run->next;
    u64 length, at;

    if (!run->left) {
        if (run->ahead <= 1 || !page_plenty())
            return page_alloc();
        at = find_run(run->ahead, &length);
        if (!length)
            return NULL;
        page = take(at, length);
        run->left = (unsigned)length;
    }
    run->next = page + PAGE_SIZE;
    run->left--;
    return page;
}

void page_run_end(struct page_run *run)
{
    for (; run->left; run->left--, run->next += PAGE_SIZE)
        page_unref(run->next);
}

/* --- references -------------------------------------------------------------------------- */

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
    u64 frame = virt_to_phys(page) / PAGE_SIZE;

    if (!counted(page) || --frames.refs[frame])
        return;
    *map_word(frame) |= 1ull << frame % BITS;
    frames.lowest = MIN(frames.lowest, frame);
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

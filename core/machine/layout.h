/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * layout.h - who lies where in guest RAM at start: kernel segments where they ask to be, the rest where there is room.
 */
#ifndef VIRTLAB_MACHINE_LAYOUT_H
#define VIRTLAB_MACHINE_LAYOUT_H

#include <virtlab/ram.h>

#include "machine/image.h"

#define LOW_START  UINT64_C(0x1000)   /* nothing is placed in page 0: null pointers, interrupt vectors */
#define LOW_END    UINT64_C(0x9fc00)  /* here the extended BIOS data area of a PC begins, then video memory and ROMs */
#define HIGH_START UINT64_C(0x100000) /* 1 MiB */

#define LAYOUT_SPANS 128

struct span {
    const char *what; /* a constant string */
    uint64_t first, end;
};

struct layout {
    const struct image *kernel; /* whose name goes into errors */
    uint64_t ram_size;
    struct span span[LAYOUT_SPANS];
    unsigned count;
};

void layout_init(struct layout *layout, const struct ram *ram, const struct image *kernel);

/* Claims [first, first + len). Fails, naming both sides, when it leaves RAM or overlaps what is claimed already. */
int layout_claim(struct layout *layout, const char *what, uint64_t first, uint64_t len, struct reason *why) MUST_CHECK;

/* Finds and claims the lowest free place at or above `from`. `align` is a power of two. */
int layout_place_low(struct layout *layout, const char *what, uint64_t from, uint64_t len, uint64_t align, uint64_t *at,
                     struct reason *why) MUST_CHECK;

/* Finds and claims the highest free place that ends at or below `limit`. */
int layout_place_high(struct layout *layout, const char *what, uint64_t limit, uint64_t len, uint64_t align,
                      uint64_t *at, struct reason *why) MUST_CHECK;

/* The end of the highest thing claimed so far. */
uint64_t layout_end(const struct layout *layout);

/* The map of memory that every boot protocol passes on in its own format; types as in E820. */
enum { MEMORY_USABLE = 1, MEMORY_RESERVED = 2 };

struct memory_area {
    uint64_t base, length;
    uint32_t type;
};

#define MEMORY_AREAS 3

void layout_memory_map(const struct ram *ram, struct memory_area map[MEMORY_AREAS]);

#endif

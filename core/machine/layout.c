/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * layout.c - keeps what the loaders put into RAM from overlapping (layout.h).
 */
#include "machine/layout.h"

typedef unsigned long long ull; /* what printf calls 64 bits */

void layout_init(struct layout *layout, const struct ram *ram, const struct image *kernel)
{
    *layout = (struct layout){.kernel = kernel, .ram_size = ram->size};
    layout->span[layout->count++] =
        (struct span){.what = "the PC's reserved area below 1 MiB", .first = LOW_END, .end = HIGH_START};
}

/* The first span that shares a byte with [first, end), or NULL. */
static const struct span *overlapping(const struct layout *layout, uint64_t first, uint64_t end)
{
    for (unsigned i = 0; i < layout->count; i++)
        if (first < layout->span[i].end && layout->span[i].first < end)
            return &layout->span[i];
    return NULL;
}

int layout_claim(struct layout *layout, const char *what, uint64_t first, uint64_t len, struct reason *why)
{
    const struct span *other;

    if (first >= layout->ram_size || len > layout->ram_size - first)
        return image_bad(layout->kernel, why, "%s at %#llx (%#llx bytes) lies outside RAM, which ends at %#llx", what,
                         (ull)first, (ull)len, (ull)layout->ram_size);
    other = overlapping(layout, first, first + len);
    if (other)
        return image_bad(layout->kernel, why, "%s at %#llx (%#llx bytes) overlaps %s at %#llx..%#llx", what, (ull)first,
                         (ull)len, other->what, (ull)other->first, (ull)other->end);
    if (layout->count == LAYOUT_SPANS)
        return image_bad(layout->kernel, why, "%s: more than %u pieces to load", what, LAYOUT_SPANS);
    layout->span[layout->count++] = (struct span){.what = what, .first = first, .end = first + len};
    return 0;
}

static int no_room(const struct layout *layout, const char *what, uint64_t len, uint64_t limit, struct reason *why)
{
    return image_bad(layout->kernel, why,
                     "%s (%#llx bytes): no room for it in RAM below %#llx; give the machine more memory", what,
                     (ull)len, (ull)limit);
}

int layout_place_low(struct layout *layout, const char *what, uint64_t from, uint64_t len, uint64_t align, uint64_t *at,
                     struct reason *why)
{
    uint64_t limit = layout->ram_size;
    const struct span *other;

    for (;;) { /* each turn steps over one span for good, so that it ends */
        from = (from + align - 1) & ~(align - 1);
        if (from > limit || len > limit - from)
            return no_room(layout, what, len, limit, why);
        other = overlapping(layout, from, from + len);
        if (!other)
            break;
        from = other->end;
    }
    *at = from;
    return layout_claim(layout, what, from, len, why);
}

int layout_place_high(struct layout *layout, const char *what, uint64_t limit, uint64_t len, uint64_t align,
                      uint64_t *at, struct reason *why)
{
    uint64_t end = limit < layout->ram_size ? limit : layout->ram_size, first;
    const struct span *other;

    for (;;) {
        if (end < LOW_START || len > end - LOW_START)
            return no_room(layout, what, len, limit, why);
        first = (end - len) & ~(align - 1);
        other = overlapping(layout, first, first + len);
        if (!other)
            break;
        end = other->first;
    }
    if (first < LOW_START)
        return no_room(layout, what, len, limit, why);
    *at = first;
    return layout_claim(layout, what, first, len, why);
}

uint64_t layout_end(const struct layout *layout)
{
    uint64_t end = HIGH_START;

    for (unsigned i = 0; i < layout->count; i++)
        if (layout->span[i].end > end)
            end = layout->span[i].end;
    return end;
}

void layout_memory_map(const struct ram *ram, struct memory_area map[MEMORY_AREAS])
{
    map[0] = (struct memory_area){.base = 0, .length = LOW_END, .type = MEMORY_USABLE};
    map[1] = (struct memory_area){.base = LOW_END, .length = HIGH_START - LOW_END, .type = MEMORY_RESERVED};
    map[2] = (struct memory_area){.base = HIGH_START, .length = ram->size - HIGH_START, .type = MEMORY_USABLE};
}

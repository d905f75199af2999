/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep_ram.c - RAM is a memfd (core/machine/ram.c), and a file knows its holes: lseek() with SEEK_DATA and
 * SEEK_HOLE finds the pages that exist. Reading the others would make them.
 */
#include "lockstep_ram.h"

#include <string.h>
#include <unistd.h>

/* A run of pages that exist, at or behind `at`; first == size when there is none. */
struct extent {
    uint64_t first, end;
};

static struct extent extent_from(const struct ram *ram, uint64_t at)
{
    off_t first = lseek(ram->fd, (off_t)at, SEEK_DATA);
    off_t end = first < 0 ? -1 : lseek(ram->fd, first, SEEK_HOLE);

    if (first < 0) /* ENXIO: only a hole is left */
        return (struct extent){ram->size, ram->size};
    return (struct extent){(uint64_t)first, end < 0 ? ram->size : (uint64_t)end};
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void ram_pieces(const struct ram *a, const struct ram *b, gpa_t at, uint64_t len,
                bool (*visit)(void *context, uint64_t at, uint64_t len), void *context)
{
    uint64_t here = at.v, end = at.v + len;
    struct extent in_a = {0, 0}, in_b = {0, 0};

    while (here < end) {
        if (in_a.end <= here)
            in_a = extent_from(a, here);
        if (in_b.end <= here)
            in_b = extent_from(b, here);
        uint64_t first = least(in_a.first, in_b.first);
        if (first > here)
            here = first;
        if (here >= end)
            return;
        uint64_t stop = end;
        if (in_a.first <= here)
            stop = least(stop, in_a.end);
        if (in_b.first <= here)
            stop = least(stop, in_b.end);
        if (!visit(context, here, stop - here))
            return;
        here = stop;
    }
}

struct two_rams {
    const struct ram *a, *b;
    bool differ;
};

static bool compare_piece(void *context, uint64_t at, uint64_t len)
{
    struct two_rams *two = context;

    two->differ = memcmp(two->a->base + at, two->b->base + at, len) != 0;
    return !two->differ;
}

bool rams_differ(const struct ram *a, const struct ram *b)
{
    struct two_rams two = {a, b, false};

    ram_pieces(a, b, gpa(0), a->size, compare_piece, &two);
    return two.differ;
}

static bool copy_piece(void *context, uint64_t at, uint64_t len)
{
    struct two_rams *two = context;

    memcpy(two->b->base + at, two->a->base + at, len);
    return true;
}

void ram_copy(const struct ram *from, const struct ram *to, gpa_t at, uint64_t len)
{
    struct two_rams two = {from, to, false};

    ram_pieces(from, to, at, len, copy_piece, &two);
}

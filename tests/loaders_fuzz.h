/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loaders_fuzz.h - random damage to a kernel image, the same at every run.
 */
#ifndef VIRTLAB_TESTS_LOADERS_FUZZ_H
#define VIRTLAB_TESTS_LOADERS_FUZZ_H

#include "loaders_images.h"

/* xorshift64*: good enough to break files with, and repeatable. */
static uint64_t fuzz_random(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * UINT64_C(0x2545f4914f6cdd1d);
}

/* Numbers that sizes and addresses go wrong at. */
static uint64_t fuzz_number(uint64_t *seed)
{
    static const uint64_t edges[] = {
        0,       1,        3,         4,        0x7fffffff, 0x80000000, 0xffffffff,         0xfffffffc,        0x9fc00,
        0xfffff, 0x100000, 0x1000000, 0xffffff, 0xfffff000, UINT64_MAX, UINT64_MAX - 0xfff, UINT64_MAX / 2 + 1};
    uint64_t r = fuzz_random(seed);

    if (r & 1)
        return edges[(r >> 1) % (sizeof(edges) / sizeof(edges[0]))];
    return fuzz_random(seed) >> (r >> 1) % 64;
}

/* One to eight wrong numbers, mostly in the first 1 KiB where the headers are; now and then a cut. */
static void fuzz_damage(struct blob *blob, uint64_t *seed)
{
    unsigned count = 1 + fuzz_random(seed) % 8;

    for (unsigned i = 0; i < count; i++) {
        uint64_t range = fuzz_random(seed) % 8 ? 0x400 : blob->size;
        unsigned size = 1u << fuzz_random(seed) % 4;
        uint64_t at = fuzz_random(seed) % (range < blob->size ? range : blob->size), value = fuzz_number(seed);

        if (fuzz_random(seed) % 2)
            at &= ~(uint64_t)(size - 1);
        if (at + size <= blob->size)
            put_number(blob, at, size, value);
    }
    if (fuzz_random(seed) % 4 == 0)
        blob->size = fuzz_random(seed) % blob->size;
}

#endif

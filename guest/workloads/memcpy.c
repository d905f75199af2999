/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The C library's memcpy in pieces from 16 bytes to 64 KiB, aligned and not (with musl: REP MOVSQ).
 * Each pass copies a buffer to another in pieces of one size and rotates it by some bytes on the
 * way; right if the buffer at the end is the first one rotated by the sum. Contract: workload.h.
 */
#include "workload.h"

enum { LENGTH = 1024 * 1024 };

static const struct {
    size_t piece, rotation;
} passes[] = {
    {16, 64}, {64, 13}, {256, 4096}, {1024, 1}, {4096, 8192}, {16384, 24}, {65536, 4095},
};
enum { PASSES = sizeof passes / sizeof passes[0] };

static _Alignas(PAGE) unsigned char first[LENGTH], second[LENGTH];
static unsigned char *source = first, *target = second;
static size_t rotated;

static unsigned char original(size_t i)
{
    return (unsigned char)(i * 131 + (i >> 8) * 17 + (i >> 16));
}

static void copy_in_pieces(unsigned char *to, const unsigned char *from, size_t length, size_t piece)
{
    for (; length > piece; length -= piece, to += piece, from += piece)
        memcpy(to, from, piece);
    memcpy(to, from, length);
}

static uint64_t work(unsigned n)
{
    uint64_t check = 0;
    while (n-- > 0) {
        for (int i = 0; i < PASSES; i++) {
            size_t piece = passes[i].piece, rotation = passes[i].rotation;
            copy_in_pieces(target, source + rotation, LENGTH - rotation, piece);
            copy_in_pieces(target + LENGTH - rotation, source, rotation, piece);
            rotated = (rotated + rotation) % LENGTH;

            unsigned char *t = source;
            source = target;
            target = t;
            check = mix(check, source[LENGTH / 2]);
        }
    }
    return check;
}

static void setup(void)
{
    use_small_pages(first, LENGTH);
    use_small_pages(second, LENGTH);
    for (size_t i = 0; i < LENGTH; i++)
        first[i] = original(i);
    memset(second, 0, LENGTH);
}

static void finish(void)
{
    for (size_t i = 0; i < LENGTH; i++) {
        if (source[i] != original((i + rotated) % LENGTH))
            fail("byte %zu is wrong after a rotation by %zu", i, rotated);
    }
}

const struct workload workload = {
    .name = "memcpy",
    .args = "",
    .unit = "seven copies of 1 MiB, in pieces of 16 bytes to 64 KiB",
    .default_n = 20,
    .setup = setup,
    .work = work,
    .finish = finish,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The four loops of McCalpin's STREAM over three arrays of doubles: copy, scale, add, triad. A
 * compiler makes packed SSE2 of them, and of the copy (gcc does) a call of memcpy.
 * Every element starts from one of a few values and meets the same operations, so the result is
 * known from those values alone, to the last bit. Contract: workload.h.
 */
#include "workload.h"

enum { LENGTH = 128 * 1024 /* 1 MiB an array */, KINDS = 8 };

/* One round multiplies a by 2s + s^2, which is 1 (or nearly) for this s: values neither grow nor
 * vanish, however many rounds are run. */
static const double scalar = 0.41421356237309503;

static _Alignas(PAGE) double a[LENGTH], b[LENGTH], c[LENGTH];
static unsigned rounds;

static double start_value(size_t i)
{
    return 1.0 + (double)(i % KINDS) / KINDS;
}

static uint64_t work(unsigned n)
{
    uint64_t check = 0;
    for (; rounds < n; rounds++) {
        for (size_t i = 0; i < LENGTH; i++)
            c[i] = a[i];
        for (size_t i = 0; i < LENGTH; i++)
            b[i] = scalar * c[i];
        for (size_t i = 0; i < LENGTH; i++)
            c[i] = a[i] + b[i];
        for (size_t i = 0; i < LENGTH; i++)
            a[i] = b[i] + scalar * c[i];

        uint64_t bits;
        memcpy(&bits, &a[LENGTH - 1], sizeof bits);
        check = mix(check, bits);
    }
    return check;
}

static void finish(void)
{
    for (size_t kind = 0; kind < KINDS; kind++) {
        double x = start_value(kind), y = 0, z = 0;
        for (unsigned round = 0; round < rounds; round++) {
            z = x;
            y = scalar * z;
            z = x + y;
            x = y + scalar * z;
        }
        for (size_t i = kind; i < LENGTH; i += KINDS) {
            if (a[i] != x || b[i] != y || c[i] != z)
                fail("element %zu is %g, %g, %g, not %g, %g, %g", i, a[i], b[i], c[i], x, y, z);
        }
    }
}

static void setup(void)
{
    use_small_pages(a, sizeof a);
    use_small_pages(b, sizeof b);
    use_small_pages(c, sizeof c);
    for (size_t i = 0; i < LENGTH; i++) {
        a[i] = start_value(i);
        b[i] = c[i] = 0;
    }
}

const struct workload workload = {
    .name = "stream",
    .args = "",
    .unit = "copy, scale, add and triad over three arrays of 1 MiB (10 MiB of traffic)",
    .default_n = 20,
    .setup = setup,
    .work = work,
    .finish = finish,
};

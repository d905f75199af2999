/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmap, touch, munmap: page faults on fresh memory, and the page table entries made and cleared for
 * them. Right if every page comes zeroed and keeps what is written. Contract: workload.h.
 */
#include "workload.h"

enum { ROUNDS = 4, PAGES = 64, WORDS = PAGE / sizeof(uint64_t) };

static uint64_t touch_fresh_pages(uint64_t round)
{
    size_t length = PAGES * PAGE;
    volatile uint64_t *p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        fail("mmap: %s", strerror(errno));

    for (size_t page = 0; page < PAGES; page++)
        p[page * WORDS + page] = round + page;
    uint64_t sum = 0;
    for (size_t page = 0; page < PAGES; page++) {
        volatile uint64_t *words = p + page * WORDS;
        if (words[page] != round + page || words[WORDS - 1] != 0 || words[256 + page] != 0)
            fail("fresh page %zu of round %llu holds other data", page, (unsigned long long)round);
        sum += words[page];
    }
    if (munmap((void *)p, length) != 0)
        fail("munmap: %s", strerror(errno));
    return sum;
}

static uint64_t work(unsigned n)
{
    uint64_t check = 0;
    for (uint64_t round = 0; round < (uint64_t)n * ROUNDS; round++)
        check = mix(check, touch_fresh_pages(round + 1));
    return check;
}

const struct workload workload = {
    .name = "mmaptouch",
    .args = "",
    .unit = "4 times: 64 fresh pages mapped, touched and unmapped",
    .default_n = 50,
    .work = work,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * heap.c - malloc() for programs that allocate once and never free.
 */
#include <stdlib.h>

#include "runtime.h"

#define ALIGNMENT 16

extern char program_end[]; /* flat.lds */

static uint64_t free_from, free_to;

void heap_init(uint64_t memory_size)
{
    free_from = ((uint64_t)program_end + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
    free_to = memory_size > free_from ? memory_size : free_from;
}

void *malloc(size_t size)
{
    uint64_t at = free_from;

    if (size > free_to - at || free_to - at - size < ALIGNMENT)
        return NULL;
    free_from = (at + size + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
    return (void *)at;
}

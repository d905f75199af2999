/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * walk_cache.h - what a processor remembers of walks beside their results: parts of the way (SDM 3, 4.10.3 and 30.4.1).
 *
 *  - The page-directory cache: for each 2 MiB of linear addresses, which page table maps them, and with which rights.
 *    A walk that finds it reads one entry instead of four.
 *  - The nested cache, with EPT: where in host-physical memory a page of the guest's tables lies. A walk that finds it
 *    saves four EPT entries for each entry of the guest's.
 *
 * Both hold only what was permitted and accessed. They are emptied whenever the software TLB is flushed, be it in part,
 * and by a walk that fails, which is then made anew: so that no fault is due to what was remembered.
 *
 * struct paging names one, or none: without it walk.c counts every entry that the architecture's walk has.
 */
#ifndef VIRTLAB_MMU_WALK_CACHE_H
#define VIRTLAB_MMU_WALK_CACHE_H

#include <virtlab/types.h>

#define WALK_CACHE_DIRECTORIES 32 /* about what processors have */
#define WALK_CACHE_NESTED      32

struct cached_directory {
    uint64_t region; /* linear address >> 21; UINT64_MAX: empty */
    uint64_t entry;  /* the PDE, which points to the page table */
    bool user, writable, noexec;
};

struct cached_nested {
    uint64_t page; /* guest-physical address >> 12; UINT64_MAX: empty */
    uint64_t host; /* host-physical page */
    unsigned permitted;
};

struct walk_cache {
    bool used; /* something is in it */
    struct cached_directory directory[WALK_CACHE_DIRECTORIES];
    struct cached_nested nested[WALK_CACHE_NESTED];
};

static inline void walk_cache_clear(struct walk_cache *cache)
{
    for (unsigned i = 0; i < WALK_CACHE_DIRECTORIES; i++)
        cache->directory[i].region = UINT64_MAX;
    for (unsigned i = 0; i < WALK_CACHE_NESTED; i++)
        cache->nested[i].page = UINT64_MAX;
    cache->used = false;
}

/* The place of a region or page; compare its tag. */
static inline struct cached_directory *walk_cache_directory(struct walk_cache *cache, uint64_t region)
{
    return &cache->directory[(region ^ region >> 9) % WALK_CACHE_DIRECTORIES];
}
static inline struct cached_nested *walk_cache_nested(struct walk_cache *cache, uint64_t page)
{
    return &cache->nested[page % WALK_CACHE_NESTED];
}

#endif

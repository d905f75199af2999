/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shadow_private.h - the books of the shadow page tables, shared by shadow*.c.
 *
 * A shadow is made of *regions*, 2 MiB of guest-virtual space each: what one leaf table can map. A region remembers the
 * way down to its leaf table, what stood in it, and what of it is mapped. For each frame of RAM a record tells which
 * pages map it writable or executable (so that watch_add() can take that away) and whether it is a page table.
 *
 *     A region is right with respect to one of its tables, if the table is traced, and no trace on it has begun or
 *     ended since the region was held against it: region.way[].checked == frame.stamp.
 */
#ifndef VIRTLAB_MMU_SHADOW_PRIVATE_H
#define VIRTLAB_MMU_SHADOW_PRIVATE_H

#include "mmu/shadow.h"

#define REGION_PAGES 512
#define REGION_SHIFT 21
#define REGIONS_MAX  8192 /* 16 GiB of guest-virtual space that is in use at once */
#define BUCKETS      4096
#define QUIET_CHECKS 32 /* so often an unsync table was found unchanged: trace it again */
#define AROUND_PAGES 32 /* fault-around in a region that has been looked at as a whole before */
#define LEAF_TABLE   3  /* index in region.way */
#define NO_SLOT      UINT32_MAX

/* A page of a region, as a number: region * REGION_PAGES + page. */
typedef uint32_t slot_t;

struct region {
    struct shadow *shadow; /* NULL: free */
    uint64_t base;         /* guest-virtual, 2 MiB aligned */
    struct region *bucket_next;
    struct region *next, **link; /* of the same shadow */
    unsigned tables;             /* on the way: 4, or fewer above a large page */
    struct {
        gpa_t frame, at; /* the table, and the entry in it (not for the leaf table) */
        uint64_t entry;  /* as seen */
        uint64_t checked;
    } way[MMU_LEVELS_MAX];
    bool seen_whole; /* fault-around has looked at all entries */
    unsigned mapped; /* pages */
    uint8_t prot[REGION_PAGES];
    uint32_t frame[REGION_PAGES];                            /* number of the mapped frame */
    uint64_t seen[REGION_PAGES];                             /* leaf entries as they were when last looked at */
    slot_t next_slot[REGION_PAGES], prev_slot[REGION_PAGES]; /* chain of the frame's writable or executable mappings */
};

struct shadow {
    struct shadow_set *set;
    bool used;
    uint64_t key, rights; /* rights: what beside the tables decided permissions, see rights_now() */
    uint64_t got;         /* when, for LRU */
    uint64_t synced;      /* set->flushes then */
    uint64_t lost;        /* how often the space was found empty: who holds a region across an op looks */
    struct region *regions;
};

struct frame {
    uint64_t stamp;  /* when a trace last began or ended here */
    slot_t mappings; /* chain, + 1; 0: none */
    uint32_t tables; /* regions that go through it as a table (any level) */
    uint8_t quiet;   /* checks without change, since the trace was taken off */
    bool runnable;   /* while WATCH_EXEC: may_execute has said yes */
};

struct shadow_set {
    const struct ram *ram;
    const struct paging *paging;
    struct stats *stats;
    struct shadow_ops ops;
    struct watch watch;
    uint64_t flushes, clock, stamp;
    struct frame *frame; /* one for each frame of RAM */
    struct region *region;
    unsigned regions_made;
    struct region *free;
    struct region *bucket[BUCKETS];
    struct shadow shadow[SHADOWS_MAX];
};

static inline bool shadow_user(const struct shadow *shadow)
{
    return shadow->key & 1;
}
static inline struct access_rights shadow_accessor(const struct shadow *shadow)
{
    return (struct access_rights){.user = shadow_user(shadow)};
}
static inline struct frame *frame_at(struct shadow_set *set, gpa_t at)
{
    return &set->frame[at.v >> PAGE_SHIFT];
}
static inline gva_t page_at(const struct region *region, unsigned page)
{
    return gva(region->base + ((uint64_t)page << PAGE_SHIFT));
}

/* ---- shadow_region.c ---- */

struct region *region_find(const struct shadow *shadow, gva_t at);
/*
 * The region of `at`, made if need be, that goes the way `path` and is right about it: one that went another way is
 * emptied first. NULL with *err 0 when mappings had to be given up on the way (try again), else with *err and why.
 */
struct region *region_get(struct shadow *shadow, gva_t at, const struct mmu_path *path, int *err, struct reason *why);
/* Takes a region that has nothing mapped any more, or whose space is empty, out of the books. */
void region_release(struct region *region);
/* Holds the region against the guest's tables and unmaps what they no longer say. May release it. */
int region_check(struct region *region, struct reason *why) MUST_CHECK;
/* May it be wrong? */
bool region_doubtful(struct shadow_set *set, const struct region *region);

/* Maps pages [first, first + count) of the region, frames from `frame` on; or unmaps them. Books and space. */
int region_map(struct region *region, unsigned first, unsigned count, gpa_t frame, int prot,
               struct reason *why) MUST_CHECK;
int region_unmap(struct region *region, unsigned first, unsigned count, struct reason *why) MUST_CHECK;

/* ---- shadow.c ---- */

/* The space is empty: so are the books. */
void shadow_lose(struct shadow *shadow);
/* The answer of an op: -ENOMEM is forgiven, the space is empty and fills again. */
int shadow_op_failed(struct shadow *shadow, int err);
/* Gives up mappings of some shadow, so that regions become free. */
int shadow_make_room(struct shadow *shadow, struct reason *why) MUST_CHECK;
/* Empties the shadow when CR0.WP and the like have changed since it was filled. */
int shadow_check_rights(struct shadow *shadow, struct reason *why) MUST_CHECK;

#endif

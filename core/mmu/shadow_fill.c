/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shadow_fill.c - a page fault in the world: whose is it, and what should have been mapped?
 *
 * Read shadow_region.c first. Next: shadow.c.
 */
#include "mmu/shadow_private.h"
#include <sys/mman.h>

/* May code of the frame run directly, from `entry` on? It is watched before it is looked at. */
static bool may_execute(struct shadow_set *set, gpa_t frame, gva_t entry)
{
    watch_add(&set->watch, frame, WATCH_EXEC);
    return frame_at(set, frame)->runnable = set->ops.may_execute(set->ops.context, frame, entry);
}

/*
 * What may be mapped of a page with these rights. Never both writable and executable: an executable frame is watched.
 * Executable only where somebody has looked at the code.
 */
static int prot_of(struct shadow_set *set, const struct translation *t)
{
    gpa_t frame = gpa(t->gpa.v & PAGE_MASK);
    unsigned watchers = watch_of(&set->watch, frame);
    int prot = PROT_READ;
    if (t->writable && !watchers)
        prot |= PROT_WRITE;
    if (t->executable && (watchers & WATCH_EXEC) && frame_at(set, frame)->runnable)
        prot |= PROT_EXEC;
    return prot;
}

/* ---- fault-around ---- */

struct run {
    unsigned first, count;
    gpa_t frame;
    int prot;
};

static int map_run(struct region *region, struct run *run, struct reason *why)
{
    unsigned count = run->count;
    run->count = 0;
    region->shadow->set->stats->counter[COUNTER_SHADOW_FILLS] += count;
    return region_map(region, run->first, count, run->frame, run->prot, why);
}

/* What page `i` of the region may be mapped as; false: not at all, or not without setting A. */
static bool look_at(struct region *region, const struct mmu_path *path, unsigned i, struct run *page)
{
    struct shadow_set *set = region->shadow->set;
    struct translation t;
    gva_t at = page_at(region, i);
    if (!mmu_region_page(set->paging, path, at, region->seen[i], shadow_accessor(region->shadow), &t) ||
        !ram_at(set->ram, t.gpa, PAGE_SIZE) || !set->ops.mappable(set->ops.context, at, PAGE_SIZE))
        return false;
    *page = (struct run){i, 1, t.gpa, prot_of(set, &t)};
    return true;
}

/*
 * Maps the pages [first, last) that aren't mapped and may be, and page `wanted` in any case; neighbours in one command,
 * if their frames are neighbours too.
 */
static int map_around(struct region *region, const struct mmu_path *path, unsigned first, unsigned last,
                      unsigned wanted, struct reason *why)
{
    struct shadow *shadow = region->shadow;
    const uint64_t *leafs =
        path->page_shift ? NULL : ram_at(shadow->set->ram, region->way[LEAF_TABLE].frame, PAGE_SIZE);
    struct run run = {0}, page;
    uint64_t lost = shadow->lost;
    for (unsigned i = first; i < last; i++) {
        if (region->prot[i] && i != wanted)
            continue;
        if (leafs)
            region->seen[i] = __atomic_load_n(&leafs[i], __ATOMIC_RELAXED);
        if (!look_at(region, path, i, &page))
            continue;
        if (run.count && page.first == run.first + run.count && page.prot == run.prot &&
            page.frame.v == run.frame.v + ((uint64_t)run.count << PAGE_SHIFT)) {
            run.count++;
            continue;
        }
        int err = run.count ? map_run(region, &run, why) : 0;
        if (err || shadow->lost != lost)
            return err;
        run = page;
    }
    return run.count ? map_run(region, &run, why) : 0;
}

static int fill(struct region *region, const struct mmu_path *path, unsigned wanted, struct reason *why)
{
    unsigned first = 0, last = REGION_PAGES;
    if (region->seen_whole) {
        first = wanted & ~(AROUND_PAGES - 1u);
        last = first + AROUND_PAGES;
    }
    region->seen_whole = true;
    return map_around(region, path, first, last, wanted, why);
}

/* ---- the fault ---- */

static int prot_needed(enum access access)
{
    return access == ACCESS_WRITE ? PROT_WRITE : access == ACCESS_FETCH ? PROT_EXEC : PROT_READ;
}

/* Who watches the frame gets to know of the write, if he needs to know no more than that there was one. */
static bool unwatched(struct shadow_set *set, gpa_t frame)
{
    unsigned watchers = watch_of(&set->watch, frame);
    if (watchers == WATCH_TABLE)
        shadow_frame_written(set, frame, watchers);
    return !watch_of(&set->watch, frame);
}

/* One that was seen coming isn't a fault. */
static void count_hidden(struct stats *stats, bool ahead)
{
    if (ahead) {
        COUNT_AVOIDED(stats, HIDDEN_FAULT);
        return;
    }
    COUNT(stats, HIDDEN_FAULTS);
    COUNT_TAKEN(stats, HIDDEN_FAULT);
}

/* An access has faulted, or (ahead) would. */
static int handle(struct shadow *shadow, gva_t at, enum access access, bool ahead, struct reason *why)
{
    struct shadow_set *set = shadow->set;
    struct translation t;
    struct mmu_path path;
    gva_t page = gva(at.v & PAGE_MASK);
    int err = shadow_check_rights(shadow, why);
    if (err)
        return err;
    if (!set->ops.mappable(set->ops.context, page, PAGE_SIZE))
        return SHADOW_EMULATE;
    if (!mmu_walk(set->paging, set->ram, at, access, shadow_accessor(shadow), &t))
        return SHADOW_TRUE_FAULT;
    set->stats->counter[COUNTER_WALK_REFS] += t.refs;
    gpa_t frame = gpa(t.gpa.v & PAGE_MASK);
    if (!t.readable || !ram_at(set->ram, frame, PAGE_SIZE) || !mmu_region(set->paging, set->ram, at, &path))
        return SHADOW_EMULATE;
    if (access == ACCESS_FETCH && !may_execute(set, frame, at))
        return SHADOW_SENSITIVE;

    struct region *region = region_get(shadow, at, &path, &err, why);
    if (!region)
        return err ? err : SHADOW_MAPPED; /* nothing is: the fault comes again */
    if (access == ACCESS_WRITE && !unwatched(set, frame))
        return SHADOW_EMULATE;
    unsigned i = at.v >> PAGE_SHIFT & (REGION_PAGES - 1);
    bool same = region->frame[i] == frame.v >> PAGE_SHIFT && (region->prot[i] & prot_needed(access));
    if (same)
        return SHADOW_EMULATE;

    count_hidden(set->stats, ahead);
    uint64_t lost = shadow->lost;
    err = fill(region, &path, i, why);
    if (err)
        return err;
    return shadow->lost != lost || (region->prot[i] & prot_needed(access)) ? SHADOW_MAPPED : SHADOW_EMULATE;
}

int shadow_fault(struct shadow *shadow, gva_t at, enum access access, struct reason *why)
{
    return handle(shadow, at, access, false, why);
}

int shadow_fill_ahead(struct shadow *shadow, gva_t at, enum access access, struct reason *why)
{
    return handle(shadow, at, access, true, why);
}

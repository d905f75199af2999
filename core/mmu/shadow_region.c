/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shadow_region.c - the parts of a shadow: what is mapped in 2 MiB, from which tables, and is that still so?
 *
 * Read shadow_private.h first. Next: shadow_fill.c.
 */
#include "mmu/shadow_private.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define ENTRY_D UINT64_C(0x40)

/* ---- which pages map a frame writable or executable ---- */

static slot_t slot_of(const struct shadow_set *set, const struct region *region, unsigned page)
{
    return (slot_t)((size_t)(region - set->region) * REGION_PAGES + page);
}
static struct region *region_of(struct shadow_set *set, slot_t slot)
{
    return &set->region[slot / REGION_PAGES];
}

static void chain(struct shadow_set *set, struct region *region, unsigned page)
{
    struct frame *frame = &set->frame[region->frame[page]];
    slot_t slot = slot_of(set, region, page);
    region->prev_slot[page] = NO_SLOT;
    region->next_slot[page] = frame->mappings - 1; /* NO_SLOT when there is none */
    if (frame->mappings)
        region_of(set, frame->mappings - 1)->prev_slot[(frame->mappings - 1) % REGION_PAGES] = slot;
    frame->mappings = slot + 1;
}

static void unchain(struct shadow_set *set, struct region *region, unsigned page)
{
    slot_t next = region->next_slot[page], prev = region->prev_slot[page];
    if (next != NO_SLOT)
        region_of(set, next)->prev_slot[next % REGION_PAGES] = prev;
    if (prev != NO_SLOT)
        region_of(set, prev)->next_slot[prev % REGION_PAGES] = next;
    else
        set->frame[region->frame[page]].mappings = next + 1;
}

/* The one place that changes what the books say of a page. prot 0: not mapped. */
static void note(struct region *region, unsigned page, uint32_t frame, int prot)
{
    struct shadow_set *set = region->shadow->set;
    if (region->prot[page] & (PROT_WRITE | PROT_EXEC))
        unchain(set, region, page);
    region->mapped += (prot != 0) - (region->prot[page] != 0);
    region->prot[page] = (uint8_t)prot;
    region->frame[page] = frame;
    if (prot & (PROT_WRITE | PROT_EXEC))
        chain(set, region, page);
}

/* ---- mapping and unmapping ---- */

int region_map(struct region *region, unsigned first, unsigned count, gpa_t frame, int prot, struct reason *why)
{
    struct shadow *shadow = region->shadow;
    struct shadow_set *set = shadow->set;
    for (unsigned i = 0; i < count; i++)
        note(region, first + i, (uint32_t)(frame.v >> PAGE_SHIFT) + i, prot);
    return shadow_op_failed(shadow, set->ops.map(set->ops.context, shadow->key, page_at(region, first), frame,
                                                 (uint64_t)count << PAGE_SHIFT, prot, why));
}

int region_unmap(struct region *region, unsigned first, unsigned count, struct reason *why)
{
    struct shadow *shadow = region->shadow;
    struct shadow_set *set = shadow->set;
    for (unsigned i = 0; i < count; i++)
        note(region, first + i, 0, 0);
    return shadow_op_failed(shadow, set->ops.unmap(set->ops.context, shadow->key, page_at(region, first),
                                                   (uint64_t)count << PAGE_SHIFT, why));
}

/* In one go, where the host's own pages aren't in between. */
static int unmap_all(struct region *region, struct reason *why)
{
    struct shadow *shadow = region->shadow;
    const struct shadow_ops *ops = &shadow->set->ops;
    uint64_t lost = shadow->lost;
    int err = 0;
    if (!region->mapped)
        return 0;
    if (ops->mappable(ops->context, gva(region->base), REGION_PAGES * PAGE_SIZE))
        return region_unmap(region, 0, REGION_PAGES, why);
    for (unsigned page = 0; !err && shadow->lost == lost && page < REGION_PAGES; page++)
        if (region->prot[page])
            err = region_unmap(region, page, 1, why);
    return err;
}

/*
 * Takes PROT_WRITE or PROT_EXEC away wherever the frame is mapped with it, in any shadow. An op that fails leaves its
 * space empty, which serves as well: the reason is of no use.
 */
static void take_away(struct shadow_set *set, gpa_t at, int prot)
{
    struct frame *frame = frame_at(set, at);
    slot_t slot = frame->mappings - 1;
    while (slot != NO_SLOT) {
        struct region *region = region_of(set, slot);
        unsigned page = slot % REGION_PAGES;
        slot_t next = region->next_slot[page];
        struct shadow *shadow = region->shadow;
        uint64_t lost = shadow->lost;
        struct reason why = {0};
        if (region->prot[page] & prot) {
            int err = region_map(region, page, 1, at, region->prot[page] & ~prot, &why);
            if (err || shadow->lost != lost)
                next = frame->mappings - 1; /* the chain has lost more than this: begin again */
        }
        slot = next;
    }
}

void shadow_protect_frame(struct shadow_set *set, gpa_t frame)
{
    take_away(set, frame, PROT_WRITE);
}

/* ---- traces ---- */

static void trace(struct shadow_set *set, gpa_t table)
{
    frame_at(set, table)->stamp = ++set->stamp;
    frame_at(set, table)->quiet = 0;
    watch_add(&set->watch, table, WATCH_TABLE);
}

static void table_get(struct shadow_set *set, gpa_t table)
{
    if (!frame_at(set, table)->tables++)
        trace(set, table);
}

static void table_put(struct shadow_set *set, gpa_t table)
{
    if (!--frame_at(set, table)->tables)
        watch_remove(&set->watch, table, WATCH_TABLE);
}

static bool traced(const struct shadow_set *set, gpa_t table)
{
    return watch_of(&set->watch, table) & WATCH_TABLE;
}

void shadow_frame_written(struct shadow_set *set, gpa_t at, unsigned watchers)
{
    struct frame *frame = frame_at(set, at);
    if (watchers & WATCH_TABLE) {
        watch_remove(&set->watch, at, WATCH_TABLE);
        frame->stamp = ++set->stamp;
        frame->quiet = 0;
        COUNT(set->stats, PT_WRITES);
        COUNT_TAKEN(set->stats, PT_WRITE);
    }
    if (watchers & WATCH_EXEC) {
        watch_remove(&set->watch, at, WATCH_EXEC);
        frame->runnable = false;
        take_away(set, gpa(at.v & PAGE_MASK), PROT_EXEC);
        set->ops.code_written(set->ops.context, gpa(at.v & PAGE_MASK));
        COUNT_TAKEN(set->stats, CODE_WRITE);
    }
}

/* ---- life ---- */

static struct region **bucket_of(struct shadow_set *set, uint64_t key, uint64_t base)
{
    uint64_t hash = (base >> REGION_SHIFT ^ key >> PAGE_SHIFT ^ (key & 1)) * UINT64_C(0x9e3779b97f4a7c15);
    return &set->bucket[hash >> 52];
}

struct region *region_find(const struct shadow *shadow, gva_t at)
{
    uint64_t base = at.v >> REGION_SHIFT << REGION_SHIFT;
    struct region *region = *bucket_of(shadow->set, shadow->key, base);
    while (region && (region->shadow != shadow || region->base != base))
        region = region->bucket_next;
    return region;
}

static struct region *region_create(struct shadow *shadow, gva_t at)
{
    struct shadow_set *set = shadow->set;
    struct region *region = set->free;
    if (region)
        set->free = region->next;
    else if (set->regions_made < REGIONS_MAX)
        region = &set->region[set->regions_made++];
    else
        return NULL;
    region->shadow = shadow;
    region->base = at.v >> REGION_SHIFT << REGION_SHIFT;
    region->tables = 0;
    region->seen_whole = false;
    struct region **bucket = bucket_of(set, shadow->key, region->base);
    region->bucket_next = *bucket;
    *bucket = region;
    region->next = shadow->regions;
    region->link = &shadow->regions;
    if (region->next)
        region->next->link = &region->next;
    shadow->regions = region;
    return region;
}

static void leave_way(struct region *region)
{
    for (unsigned i = 0; i < region->tables; i++)
        table_put(region->shadow->set, region->way[i].frame);
    region->tables = 0;
}

void region_release(struct region *region)
{
    struct shadow_set *set = region->shadow->set;
    for (unsigned page = 0; region->mapped; page++)
        note(region, page, 0, 0);
    leave_way(region);
    struct region **from = bucket_of(set, region->shadow->key, region->base);
    while (*from != region)
        from = &(*from)->bucket_next;
    *from = region->bucket_next;
    *region->link = region->next;
    if (region->next)
        region->next->link = region->link;
    region->shadow = NULL;
    region->next = set->free;
    set->free = region;
}

/* ---- is it still so? ---- */

/*
 * Does an entry that pages were mapped from still say the same? It was accessed then. D may have been set since; it may
 * have been cleared, if nothing is mapped writable.
 */
static bool same_entry(uint64_t seen, uint64_t now, bool writable)
{
    return !((seen ^ now) & ~ENTRY_D) && (!writable || (now & ENTRY_D));
}

static uint64_t entry_at(const struct shadow_set *set, gpa_t at)
{
    const uint64_t *entry = ram_at(set->ram, at, sizeof(*entry));
    return __atomic_load_n(entry, __ATOMIC_RELAXED);
}

static bool any_writable(const struct region *region)
{
    for (unsigned page = 0; page < REGION_PAGES; page++)
        if (region->prot[page] & PROT_WRITE)
            return true;
    return false;
}

/* The entries above the leaf table. */
static bool same_way(struct region *region)
{
    for (unsigned i = 0; i < region->tables && i < LEAF_TABLE; i++) {
        bool page = i + 1 == region->tables; /* a large one */
        uint64_t now = entry_at(region->shadow->set, region->way[i].at);
        if (now == region->way[i].entry)
            continue;
        if (!page || !same_entry(region->way[i].entry, now, any_writable(region)))
            return false;
        region->way[i].entry = now;
    }
    return true;
}

static bool stale(const struct region *region, unsigned page, uint64_t now)
{
    return region->prot[page] && !same_entry(region->seen[page], now, region->prot[page] & PROT_WRITE);
}

/* Unmaps pages whose leaf entries say something else now. *changed tells whether any entry does. */
static int check_leafs(struct region *region, bool *changed, struct reason *why)
{
    const uint64_t *leafs = ram_at(region->shadow->set->ram, region->way[LEAF_TABLE].frame, PAGE_SIZE);
    *changed = memcmp(leafs, region->seen, PAGE_SIZE) != 0;
    if (!*changed)
        return 0;
    for (unsigned page = 0; page < REGION_PAGES; page++) {
        unsigned first = page;
        while (page < REGION_PAGES && stale(region, page, leafs[page]))
            page++;
        if (page == first)
            continue;
        struct shadow *shadow = region->shadow;
        uint64_t lost = shadow->lost;
        int err = region_unmap(region, first, page - first, why);
        if (err || shadow->lost != lost)
            return err;
    }
    memcpy(region->seen, leafs, PAGE_SIZE);
    region->seen_whole = false;
    return 0;
}

bool region_doubtful(struct shadow_set *set, const struct region *region)
{
    for (unsigned i = 0; i < region->tables; i++) {
        gpa_t table = region->way[i].frame;
        if (!traced(set, table) || region->way[i].checked != frame_at(set, table)->stamp)
            return true;
    }
    return false;
}

/* The region has just been held against its tables: those that have become quiet are traced again. */
static void settle(struct region *region, bool changed)
{
    struct shadow_set *set = region->shadow->set;
    uint64_t lost = region->shadow->lost;
    for (unsigned i = 0; i < region->tables; i++) {
        gpa_t table = region->way[i].frame;
        struct frame *frame = frame_at(set, table);
        if (!traced(set, table)) {
            frame->quiet = changed && i == LEAF_TABLE ? 0 : frame->quiet + 1;
            if (frame->quiet >= QUIET_CHECKS)
                trace(set, table); /* other regions now have an old stamp, and will be held against it once more */
        }
        if (region->shadow == NULL || region->shadow->lost != lost)
            return; /* the trace took a writable mapping away, and that failed: the region is no more */
        region->way[i].checked = frame->stamp;
    }
}

int region_check(struct region *region, struct reason *why)
{
    struct shadow *shadow = region->shadow;
    uint64_t lost = shadow->lost;
    bool changed = false;
    int err = 0;
    if (!same_way(region)) {
        err = unmap_all(region, why);
        if (!err && shadow->lost == lost)
            region_release(region);
        return err;
    }
    if (region->tables > LEAF_TABLE)
        err = check_leafs(region, &changed, why);
    if (!err && shadow->lost == lost)
        settle(region, changed);
    return err;
}

/* ---- the way ---- */

static gpa_t table_on(const struct mmu_path *path, unsigned i)
{
    uint64_t at = i < path->steps ? path->step[i].at.v : path->step[i - 1].entry & UINT64_C(0x000ffffffffff000);
    return gpa(at & PAGE_MASK);
}

static bool goes(const struct region *region, const struct mmu_path *path)
{
    unsigned tables = path->steps + !path->page_shift;
    if (region->tables != tables)
        return false;
    for (unsigned i = 0; i < tables; i++)
        if (region->way[i].frame.v != table_on(path, i).v)
            return false;
    for (unsigned i = 0; i < path->steps; i++)
        if ((region->way[i].entry ^ path->step[i].entry) & ~ENTRY_D)
            return false;
    return true;
}

static void set_way(struct region *region, const struct mmu_path *path)
{
    struct shadow_set *set = region->shadow->set;
    unsigned tables = path->steps + !path->page_shift;
    for (unsigned i = 0; i < tables; i++) {
        gpa_t table = table_on(path, i);
        region->way[i].frame = table;
        region->way[i].at = i < path->steps ? path->step[i].at : table;
        region->way[i].entry = i < path->steps ? path->step[i].entry : 0;
        region->tables = i + 1;
        table_get(set, table);
        if (!region->shadow)
            return;
        region->way[i].checked = frame_at(set, table)->stamp;
    }
    if (!path->page_shift)
        memcpy(region->seen, ram_at(set->ram, region->way[LEAF_TABLE].frame, PAGE_SIZE), PAGE_SIZE);
}

struct region *region_get(struct shadow *shadow, gva_t at, const struct mmu_path *path, int *err, struct reason *why)
{
    uint64_t lost = shadow->lost;
    struct region *region = region_find(shadow, at);
    *err = 0;
    if (region && goes(region, path)) {
        if (path->page_shift) /* D may have been set */
            region->way[path->steps - 1].entry = path->step[path->steps - 1].entry;
        return region;
    }
    if (region) {
        *err = unmap_all(region, why);
        if (*err || shadow->lost != lost)
            return NULL;
        region_release(region);
    }
    region = region_create(shadow, at);
    if (!region) {
        *err = shadow_make_room(shadow, why);
        return NULL;
    }
    set_way(region, path);
    return shadow->lost == lost ? region : NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spaces.c - the spaces that guest code runs in: the kernel's window, and user spaces, filled from the guest's tables.
 *
 * A new address space is filled before its first use, not page by page as it is touched: an exit costs more than many
 * pages. Pages side by side in memory are a *run*, and take one command.
 *
 * When an address space goes, its space is kept as it is, for the next process is often much like the last one (a
 * shell's children, a server's): of that only what differs is mapped and unmapped. Nobody can run in a space that is
 * kept, and as soon as something it maps becomes a page table it is emptied after all.
 *
 * Next: calls.c.
 */
#include <stdlib.h>
#include <string.h>

#include "para/direct.h"
#include "para/gate.h"
#include "para/tables.h"

#define GIB      (UINT64_C(1) << 30)
#define FILL_MAX 4096 /* entries and tables looked at to fill a space; more would keep it waiting */
#define RUNS_MAX 64
#define KNOWN    64 /* spaces whose contents are known */
#define KEPT_MAX 4

struct run {
    uint64_t va, at, size; /* RAM from `at` on */
    uint64_t prot;
};

struct filled {
    uint64_t key;  /* of the space; 0: this record is free */
    uint64_t kept; /* its address space has gone: a number that counts such; 0: it is in use */
    uint64_t gate; /* the gate is mapped, and the trampolines of the GiB of this address; 0: perhaps not */
    unsigned count;
    struct run run[RUNS_MAX]; /* all else that is mapped, by address */
};

struct spaces {
    struct filled filled[KNOWN];
    uint64_t gone;
};

/* ---- what is known ---- */

static struct filled *known(struct engine *e, uint64_t key)
{
    for (unsigned i = 0; e->spaces && i < KNOWN; i++) {
        if (e->spaces->filled[i].key == key)
            return &e->spaces->filled[i];
    }
    return NULL;
}

void spaces_changed(struct engine *e, uint64_t cr3)
{
    struct filled *filled = known(e, cr3);

    if (filled)
        filled->key = 0;
}

struct world_space *spaces_live(struct engine *e, uint64_t cr3)
{
    const struct filled *filled = known(e, cr3);

    return filled && filled->kept ? NULL : world_space_find(e->pool, cr3);
}

static void drop(struct engine *e, uint64_t cr3)
{
    struct world_space *space = world_space_find(e->pool, cr3);

    spaces_changed(e, cr3);
    if (space)
        world_space_drop(space);
}

void spaces_retire(struct engine *e, uint64_t cr3)
{
    struct filled *filled = known(e, cr3);
    unsigned others = 0;

    for (unsigned i = 0; filled && i < KNOWN; i++)
        others += e->spaces->filled[i].key && e->spaces->filled[i].kept;
    if (filled && others < KEPT_MAX)
        filled->kept = ++e->spaces->gone;
    else
        drop(e, cr3);
}

void spaces_becomes_table(struct engine *e, uint64_t frame)
{
    for (unsigned i = 0; e->spaces && i < KNOWN; i++) {
        struct filled *filled = &e->spaces->filled[i];

        for (unsigned k = 0; filled->key && filled->kept && k < filled->count; k++) {
            if (filled->run[k].prot & PROT_WRITE && (frame << PAGE_SHIFT) - filled->run[k].at < filled->run[k].size)
                drop(e, filled->key);
        }
    }
}

/* One that was kept for nothing makes room: its process is used again. */
static bool drop_oldest(struct engine *e)
{
    struct filled *oldest = NULL;

    for (unsigned i = 0; e->spaces && i < KNOWN; i++) {
        struct filled *filled = &e->spaces->filled[i];

        if (filled->key && filled->kept && (!oldest || filled->kept < oldest->kept))
            oldest = filled;
    }
    if (oldest)
        drop(e, oldest->key);
    return oldest != NULL;
}

void update_empty_spaces(struct engine *e)
{
    while (drop_oldest(e))
        ;
    for (uint64_t frame = 0; frame < e->frames; frame++) {
        struct world_space *space =
            e->frame[frame].type == FRAME_L4 ? world_space_find(e->pool, frame << PAGE_SHIFT) : NULL;

        if (!space)
            continue;
        spaces_changed(e, frame << PAGE_SHIFT);
        if (world_unmap_all(space, NULL))
            continue; /* then it is lost, and will be made anew */
    }
}

/* ---- from tables to runs ---- */

struct fill {
    struct engine *e;
    unsigned left; /* entries and tables that may still be looked at: a table may be referred to more than once */
    struct filled *to;
};

static void fill_entry(struct fill *fill, uint64_t va, uint64_t above, uint64_t entry)
{
    struct engine *e = fill->e;
    int prot = user_rights(above, entry);
    uint64_t frame = seen_frame(e, entry, prot), at = frame << PAGE_SHIFT;
    struct run *last = fill->to->count ? &fill->to->run[fill->to->count - 1] : NULL;

    if (!prot || !world_mappable(e->pool, gva(va), PAGE_SIZE))
        return;
    patch_give_way(e, va);
    if (frame != frame_of(entry))
        fill->to->gate = va | (GIB - 1); /* its calls will need the way out, and their trampolines */
    if (last && last->prot == (unsigned)prot && last->va + last->size == va && last->at + last->size == at)
        last->size += PAGE_SIZE;
    else if (fill->to->count < RUNS_MAX)
        fill->to->run[fill->to->count++] = (struct run){va, at, PAGE_SIZE, (unsigned)prot};
    else
        fill->left = 1; /* the rest is filled in when it is touched */
}

static void fill_table(struct fill *fill, uint64_t table, unsigned level, uint64_t va, uint64_t above)
{
    unsigned slots = level == FRAME_L4 ? USER_SLOTS : ENTRIES;

    for (unsigned slot = 0; slot < slots && fill->left; slot++) {
        uint64_t entry = *entry_at(fill->e, table, slot), at = va + ((uint64_t)slot << (PAGE_SHIFT + 9 * (level - 1)));

        if (!(entry & PTE_P))
            continue;
        if (level == FRAME_L1)
            fill_entry(fill, at, above, entry);
        else
            fill_table(fill, frame_of(entry), level - 1, at, rights_below(above, entry));
        fill->left -= fill->left != 0;
    }
}

/* ---- from runs to commands ---- */

/* Is `run` in the list? Both are sorted: *from is where to go on looking. */
static bool holds(const struct filled *list, const struct run *run, unsigned *from)
{
    while (*from < list->count && list->run[*from].va < run->va)
        ++*from;
    return *from < list->count && !memcmp(&list->run[*from], run, sizeof *run);
}

/* First what goes, then what comes: the other way round, what comes might go. */
static int replace(struct engine *e, struct world_space *space, const struct filled *old, const struct filled *new)
{
    unsigned at = 0;
    int err = 0;

    for (unsigned i = 0; i < old->count && !err; i++) {
        if (!holds(new, &old->run[i], &at))
            err = world_unmap(space, gva(old->run[i].va), old->run[i].size, NULL);
    }
    at = 0;
    for (unsigned i = 0; i < new->count && !err; i++) {
        const struct run *run = &new->run[i];

        if (holds(old, run, &at))
            continue;
        e->host->stats->counter[COUNTER_SHADOW_FILLS] += run->size >> PAGE_SHIFT;
        err = world_map(space, gva(run->va), run->at, run->size, (int)run->prot, WORLD_POPULATE, NULL);
    }
    return err;
}

int spaces_fill_table(struct engine *e, struct world_space *space, uint64_t table, uint64_t va, uint64_t above)
{
    struct filled nothing = {0}, all = {0};
    struct fill fill = {.e = e, .left = ENTRIES + 1, .to = &all};

    fill_table(&fill, table, FRAME_L1, va & -(ENTRIES * PAGE_SIZE), above);
    return replace(e, space, &nothing, &all);
}

/* Fills the space of e->cr3, which holds what `old` says, and remembers that. */
static void refill(struct engine *e, struct world_space *space, const struct filled *old)
{
    struct filled all = {.key = e->cr3}, *record;
    struct fill fill = {.e = e, .left = FILL_MAX, .to = &all};

    fill_table(&fill, e->cr3 >> PAGE_SHIFT, FRAME_L4, 0, ALL_RIGHTS);
    spaces_changed(e, e->cr3);
    if (replace(e, space, old, &all)) /* nothing is mapped now: it is filled in when it is touched */
        return;
    if (all.gate && all.gate != old->gate && !(gate_fault(e, GATE_VA) && patch_fault(e, all.gate)))
        all.gate = 0;
    if (!e->spaces)
        e->spaces = calloc(1, sizeof *e->spaces);
    record = known(e, 0);
    if (record)
        *record = all;
}

struct world_space *update_user_space(struct engine *e, struct reason *why)
{
    const struct filled *record = known(e, e->cr3);
    struct filled old = {0};
    struct world_space *space;
    bool fresh;

    if (!world_space_find(e->pool, e->cr3))
        drop_oldest(e);
    space = world_space_get(e->pool, e->cr3, &fresh, why);
    if (!space || !update_is_root(e, e->cr3) || (!fresh && !(record && record->kept)))
        return space;
    if (!fresh)
        old = *record;
    refill(e, space, &old);
    return space;
}

void spaces_destroy(struct engine *e)
{
    free(e->spaces);
}

/* ---- the kernel's ---- */

/* Maps all RAM with the rights that frames have, run by run. */
static int map_window(struct engine *e, struct world_space *space, struct reason *why)
{
    uint64_t first = 0, frame;
    int err = 0;

    for (frame = 1; frame <= e->frames && !err; frame++) {
        int rights = frame_window_rights(e, first);

        if (frame < e->frames && frame_window_rights(e, frame) == rights)
            continue;
        err = world_map(space, gva(PARA_WINDOW + (first << PAGE_SHIFT)), first << PAGE_SHIFT,
                        (frame - first) << PAGE_SHIFT, rights, 0, why);
        first = frame;
    }
    return err;
}

struct world_space *update_kernel_space(struct engine *e, struct reason *why)
{
    bool fresh;
    struct world_space *space = world_space_get(e->pool, KERNEL_KEY, &fresh, why);

    if (!space)
        return NULL;
    if (fresh || !e->kernel_mapped) {
        if (map_window(e, space, why))
            return NULL;
        e->kernel_mapped = true;
    }
    return space;
}

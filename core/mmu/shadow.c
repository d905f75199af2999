/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shadow.c - shadows: a cache of address spaces, and keeping them up to date.
 *
 * Read shadow.h first; the pieces are shadow_region.c and shadow_fill.c.
 */
#include "mmu/shadow_private.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define REGION_BYTES (REGIONS_MAX * sizeof(struct region))

struct watch *shadow_watch(struct shadow_set *set)
{
    return &set->watch;
}

struct shadow_set *shadow_create(const struct ram *ram, const struct paging *paging, struct tlb *tlb,
                                 struct stats *stats, const struct shadow_ops *ops, struct reason *why)
{
    uint64_t frames = ram->size >> PAGE_SHIFT;
    struct shadow_set *set = calloc(1, sizeof(*set));
    if (!set)
        goto no_memory;
    set->ram = ram;
    set->paging = paging;
    set->stats = stats;
    set->ops = *ops;
    set->frame = calloc(frames, sizeof(*set->frame));
    set->watch = (struct watch){.frame = calloc(frames, 1), .frames = frames, .tlb = tlb, .shadows = set};
    set->region = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (!set->frame || !set->watch.frame || set->region == MAP_FAILED)
        goto no_memory;
    for (unsigned i = 0; i < SHADOWS_MAX; i++)
        set->shadow[i].set = set;
    return set;

no_memory:
    if (set && set->region == MAP_FAILED)
        set->region = NULL;
    shadow_destroy(set);
    fail(why, ENOMEM, "not enough memory for the books of shadow page tables");
    return NULL;
}

void shadow_destroy(struct shadow_set *set)
{
    if (!set)
        return;
    if (set->region)
        munmap(set->region, REGION_BYTES);
    free(set->watch.frame);
    free(set->frame);
    free(set);
}

/* ---- losing everything ---- */

void shadow_lose(struct shadow *shadow)
{
    shadow->lost++;
    while (shadow->regions)
        region_release(shadow->regions);
}

int shadow_op_failed(struct shadow *shadow, int err)
{
    if (err)
        shadow_lose(shadow);
    return err == -ENOMEM ? 0 : err;
}

static int clear(struct shadow *shadow, struct reason *why)
{
    struct shadow_set *set = shadow->set;
    if (!shadow->regions)
        return 0;
    shadow_lose(shadow);
    return shadow_op_failed(shadow, set->ops.clear(set->ops.context, shadow->key, why));
}

int shadow_drop(struct shadow *shadow, struct reason *why)
{
    int err = clear(shadow, why);
    shadow->used = false;
    return err;
}

static struct shadow *find(const struct shadow_set *set, uint64_t key)
{
    for (unsigned i = 0; i < SHADOWS_MAX; i++)
        if (set->shadow[i].used && set->shadow[i].key == key)
            return (struct shadow *)&set->shadow[i];
    return NULL;
}

void shadow_forget(struct shadow_set *set, uint64_t key)
{
    struct shadow *shadow = find(set, key);
    if (shadow)
        shadow_lose(shadow);
}

bool shadow_cached(const struct shadow_set *set, uint64_t key)
{
    return find(set, key) != NULL;
}

static struct shadow *oldest(struct shadow_set *set, const struct shadow *but, bool with_regions)
{
    struct shadow *found = NULL;
    for (unsigned i = 0; i < SHADOWS_MAX; i++) {
        struct shadow *s = &set->shadow[i];
        if (s != but && s->used && (s->regions || !with_regions) && (!found || s->got < found->got))
            found = s;
    }
    return found;
}

int shadow_make_room(struct shadow *shadow, struct reason *why)
{
    struct shadow *other = oldest(shadow->set, shadow, true);
    return clear(other ? other : shadow, why);
}

/* ---- getting one ---- */

/* Which bits beside the tables decide what is permitted. */
static uint64_t rights_now(const struct paging *paging)
{
    return (paging->cr0 & CR0_WP) | (paging->cr4 & (CR4_SMEP | CR4_SMAP)) | (paging->efer & EFER_NXE);
}

int shadow_check_rights(struct shadow *shadow, struct reason *why)
{
    uint64_t now = rights_now(shadow->set->paging);
    if (now == shadow->rights)
        return 0;
    shadow->rights = now;
    return clear(shadow, why);
}

uint64_t shadow_key(const struct shadow *shadow)
{
    return shadow->key;
}

static struct shadow *free_shadow(struct shadow_set *set, struct reason *why)
{
    for (unsigned i = 0; i < SHADOWS_MAX; i++)
        if (!set->shadow[i].used)
            return &set->shadow[i];
    struct shadow *shadow = oldest(set, NULL, false);
    return shadow_drop(shadow, why) ? NULL : shadow;
}

struct shadow *shadow_get(struct shadow_set *set, bool user, struct reason *why)
{
    uint64_t key = (set->paging->cr3 & PAGE_MASK) | user;
    struct shadow *shadow = find(set, key);
    if (!shadow) {
        shadow = free_shadow(set, why);
        if (!shadow)
            return NULL;
        shadow->used = true;
        shadow->key = key;
        shadow->rights = rights_now(set->paging);
        shadow->synced = set->flushes;
    }
    shadow->got = ++set->clock;
    return shadow;
}

/* ---- keeping it up to date ---- */

void shadow_flushed(struct shadow_set *set)
{
    set->flushes++;
}

int shadow_sync(struct shadow *shadow, struct reason *why)
{
    struct shadow_set *set = shadow->set;
    if (shadow->synced == set->flushes)
        return 0;
    shadow->synced = set->flushes;
    int err = shadow_check_rights(shadow, why);
    uint64_t lost = shadow->lost;
    for (struct region *region = shadow->regions, *next; !err && region; region = next) {
        next = region->next;
        if (region_doubtful(set, region))
            err = region_check(region, why);
        if (shadow->lost != lost)
            break; /* nothing is mapped any more */
    }
    return err;
}

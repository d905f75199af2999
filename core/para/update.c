/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * update.c - page-table entries: the guest asks, they are validated (frames.c), written, and the user spaces follow.
 *
 * The host's page tables are what the CPU uses; a world space mirrors a guest's tables there. A new one is filled from
 * the tables before its first use (spaces.c); from then on it follows each entry that is written, and what is missing
 * all the same is filled in when user code touches it, a table at a time. It is emptied where an entry goes. Where an
 * entry's address can't be told, because a table is referred to from several places, all spaces are emptied: rare, and
 * right.
 *
 * The hypervisor sets no Accessed and Dirty bits: nobody here looks at them.
 * Next: spaces.c.
 */
#include <string.h>

#include "para/direct.h"
#include "para/tables.h"

static unsigned slot_of(uint64_t va, unsigned level)
{
    return va >> (PAGE_SHIFT + 9 * (level - 1)) & (ENTRIES - 1);
}

/* ---- from an address to its entry ---- */

struct walk {
    uint64_t l1;     /* the lowest table's frame */
    uint64_t rights; /* PTE_P, W, U as all levels above allow; PTE_NX as any forbids */
};

static bool walk(const struct engine *e, uint64_t cr3, uint64_t va, struct walk *walk)
{
    uint64_t table = cr3 >> PAGE_SHIFT;

    *walk = (struct walk){.rights = ALL_RIGHTS};
    for (unsigned level = FRAME_L4; level > FRAME_L1; level--) {
        uint64_t entry = *entry_at(e, table, slot_of(va, level));

        if (!(entry & PTE_P))
            return false;
        walk->rights = rights_below(walk->rights, entry);
        table = (entry & PTE_ADDRESS) >> PAGE_SHIFT;
    }
    walk->l1 = table;
    return true;
}

/*
 * Mirrors one entry. Errors are left alone: after any, the page isn't mapped, and if it matters it is touched again.
 */
static int mirror(struct engine *e, struct world_space *space, uint64_t va, uint64_t above, uint64_t entry)
{
    int prot = user_rights(above, entry);
    struct reason unused = {""};

    if (!prot)
        return world_unmap(space, gva(va), PAGE_SIZE, &unused);
    COUNT(e->host->stats, SHADOW_FILLS);
    patch_give_way(e, va);
    return world_map(space, gva(va), seen_frame(e, entry, prot) << PAGE_SHIFT, PAGE_SIZE, prot, WORLD_POPULATE,
                     &unused);
}

bool update_fault(struct engine *e, uint64_t address, uint32_t *error)
{
    int need = *error & PF_FETCH ? PROT_EXEC : *error & PF_WRITE ? PROT_WRITE : PROT_READ;
    struct world_space *space = world_space_find(e->pool, e->cr3);
    struct walk above;
    uint64_t entry;

    *error &= ~(PF_PRESENT | PF_RSVD);
    *error |= PF_USER | (address - PARA_WINDOW < e->host->ram->size ? PF_PRESENT : 0);
    if (address >= PARA_WINDOW || !walk(e, e->cr3, address, &above))
        return false;
    entry = *entry_at(e, above.l1, slot_of(address, 1));
    if (!(entry & PTE_P))
        return false;
    *error |= PF_PRESENT;
    if (!(user_rights(above.rights, entry) & need) || !space)
        return false;
    spaces_changed(e, e->cr3);
    return spaces_fill_table(e, space, above.l1, address, above.rights) == 0;
}

int update_map_page(struct engine *e, struct world_space *space, uint64_t va)
{
    struct walk above;

    if (!walk(e, e->cr3, va, &above))
        return 0;
    spaces_changed(e, e->cr3);
    return mirror(e, space, va & PAGE_MASK, above.rights, *entry_at(e, above.l1, slot_of(va, 1)));
}

bool update_code_frame(const struct engine *e, uint64_t va, uint64_t *frame)
{
    struct walk above;
    uint64_t entry;

    if (va >= PARA_WINDOW || !walk(e, e->cr3, va, &above))
        return false;
    entry = *entry_at(e, above.l1, slot_of(va, 1));
    *frame = (entry & PTE_ADDRESS) >> PAGE_SHIFT;
    return (user_rights(above.rights, entry) & (PROT_EXEC | PROT_WRITE)) == PROT_EXEC;
}

/* ---- from an entry to its address ---- */

/* The one address space that a table belongs to, and the address that its first entry stands for. */
static bool locate(const struct engine *e, uint64_t table, uint64_t *cr3, uint64_t *va)
{
    *va = 0;
    for (unsigned level = e->frame[table].type; level < FRAME_L4; level++) {
        const struct frame *frame = &e->frame[table];

        if (frame->parent == NO_PARENT)
            return false;
        *va |= (uint64_t)frame->slot << (PAGE_SHIFT + 9 * level);
        table = frame->parent;
    }
    *cr3 = table << PAGE_SHIFT;
    return true;
}

/* Where a list is at work: what is known of the last table of level 1, for the next entry is probably its neighbour. */
struct place {
    uint64_t table; /* NO_TABLE: nothing is known */
    uint64_t va, rights;
    struct world_space *space; /* NULL: the table can't be reached from user code */
};
#define NO_TABLE UINT64_MAX

/* Finds out where `table` is seen; false: in several places. */
static bool find_place(struct engine *e, uint64_t table, struct place *place)
{
    uint64_t cr3;
    struct walk above;

    if (place->table == table)
        return true;
    if (!locate(e, table, &cr3, &place->va))
        return false;
    place->space = spaces_live(e, cr3);
    spaces_changed(e, cr3);
    if (e->frame[table].type > FRAME_L1)
        return true;
    place->table = table;
    if (place->space && walk(e, cr3, place->va, &above))
        place->rights = above.rights;
    else
        place->space = NULL;
    return true;
}

/* Entry `slot` of `table` has changed from `before`: no space may go on using the old one. */
static void follow(struct engine *e, uint64_t table, unsigned slot, uint64_t before, uint64_t now, struct place *place)
{
    unsigned level = e->frame[table].type;
    uint64_t va, span = PAGE_SIZE << (9 * (level - 1));

    if (level > FRAME_L1)
        place->table = NO_TABLE;
    if (!((before | now) & PTE_P))
        return;
    if (!find_place(e, table, place)) {
        if (before & PTE_P)
            update_empty_spaces(e);
        return;
    }
    va = place->va + slot * span;
    if (!place->space || !world_mappable(e->pool, gva(va), span))
        return;
    if (level > FRAME_L1) {
        if (before & PTE_P && world_unmap(place->space, gva(va), span, NULL))
            return;
    } else if (mirror(e, place->space, va, place->rights, now)) {
        return;
    }
}

/* ---- the calls ---- */

static int update_entry(struct engine *e, uint64_t at, uint64_t value, struct place *place)
{
    uint64_t table = at >> PAGE_SHIFT, before;
    unsigned slot = (unsigned)(at & ~PAGE_MASK) / 8, level;
    uint64_t *entry;
    int err;

    if (at % 8 || table >= e->frames)
        return -PARA_EINVAL;
    level = e->frame[table].type;
    if (level < FRAME_L1 || level > FRAME_L4)
        return -PARA_EINVAL;
    entry = entry_at(e, table, slot);
    before = *entry;
    err = entry_get(e, level, value, (uint32_t)table, (uint16_t)slot);
    if (err)
        return err;
    *entry = value;
    follow(e, table, slot, before, value, place);
    entry_put(e, level, before);
    return 0;
}

static int update_one(struct engine *e, const struct para_mmu_update *update, struct place *place)
{
    const uint64_t root = update->entry - PARA_UPDATE_UNPIN;

    if (update->entry % 8 != PARA_UPDATE_UNPIN)
        return update_entry(e, update->entry, update->value, place);
    place->table = NO_TABLE;
    return (int)update_unpin(e, &root);
}

int64_t update_list(struct engine *e, const uint64_t *args)
{
    struct place place = {.table = NO_TABLE};
    uint64_t count = args[1];
    const uint8_t *list;

    if (count > PARA_LIST_MAX)
        return -PARA_EINVAL;
    list = guest_at(e, args[0], count * sizeof(struct para_mmu_update), false);
    if (!list && count)
        return -PARA_EFAULT;
    e->shared->done = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct para_mmu_update update; /* copied once: the list is the guest's, and need not be aligned */
        int err;

        memcpy(&update, list + i * sizeof update, sizeof update);
        err = update_one(e, &update, &place);

        COUNT(e->host->stats, HYPERCALL_ENTRIES);
        COUNT(e->host->stats, PT_WRITES);
        if (err)
            return err;
        e->shared->done = i + 1;
    }
    return 0;
}

int64_t update_pin(struct engine *e, const uint64_t *args)
{
    uint64_t frame = args[0] >> PAGE_SHIFT;
    int err;

    if (args[0] & ~PAGE_MASK || frame >= e->frames || e->frame[frame].pinned)
        return -PARA_EINVAL;
    err = frame_get_table(e, frame, FRAME_L4, NO_PARENT, 0);
    if (err)
        return err;
    e->frame[frame].pinned = true;
    return 0;
}

int64_t update_unpin(struct engine *e, const uint64_t *args)
{
    uint64_t frame = args[0] >> PAGE_SHIFT;

    if (args[0] & ~PAGE_MASK || frame >= e->frames || !e->frame[frame].pinned)
        return -PARA_EINVAL;
    spaces_retire(e, args[0]);
    if (e->cr3 == args[0])
        e->cr3 = 0;
    e->frame[frame].pinned = false;
    frame_put_table(e, frame);
    return 0;
}

bool update_is_root(const struct engine *e, uint64_t cr3)
{
    uint64_t frame = cr3 >> PAGE_SHIFT;

    return !(cr3 & ~PAGE_MASK) && frame < e->frames && e->frame[frame].pinned;
}

bool update_before_user(struct engine *e)
{
    struct para_shared *shared = e->shared;
    const uint64_t list[] = {shared->updates, shared->update_count}, cr3 = shared->cr3;
    int64_t err = list[1] ? update_list(e, list) : 0;

    shared->update_count = 0;
    if (err) {
        direct_die(e, "entry %llu of the list of page-table updates is refused: error %lld",
                   (unsigned long long)shared->done, (long long)-err);
        return false;
    }
    err = update_is_root(e, cr3) ? 0 : update_pin(e, &cr3);
    if (err) {
        direct_die(e, "a return to user mode, but 0x%llx is no page table: error %lld", (unsigned long long)cr3,
                   (long long)-err);
        return false;
    }
    e->cr3 = cr3;
    if (!update_user_space(e, NULL))
        return true; /* the loop will try it again, and say why not */
    return true;
}

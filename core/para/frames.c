/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frames.c - what each frame of guest memory is, and how often it is used as that: Xen's page types.
 *
 * The rule that all safety of direct paging rests on: no frame is a page table and writable by the guest at the same
 * time. A frame becomes a table of level n when an entry of level n + 1 refers to it (or, level 4, when it is pinned),
 * provided that no entry maps it writable; at that moment it becomes read-only in the kernel's window, and only then
 * are its entries looked at. It is a page again when the last reference has gone.
 *
 * The order matters: the window is changed first, because that stops kernel code for sure (world.h); what is looked at
 * after that can't change between the look and the use.
 *
 * Next: update.c.
 */
#include "para/direct.h"
#include "para/gate.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

int frames_create(struct engine *e, struct reason *why)
{
    e->frames = e->host->ram->size >> PAGE_SHIFT;
    e->frame = calloc(e->frames, sizeof *e->frame);
    return e->frame ? 0 : fail(why, ENOMEM, "para/direct: no memory to keep account of guest RAM");
}

int frame_window_rights(const struct engine *e, uint64_t frame)
{
    if (frame == e->info.shared >> PAGE_SHIFT)
        return PROT_READ | PROT_WRITE;
    if (frame == e->info.hypercall_page >> PAGE_SHIFT)
        return PROT_READ | PROT_EXEC;
    if (frame == (e->info.gate + GATE_IN_AT) >> PAGE_SHIFT)
        return PROT_READ | PROT_WRITE;
    if (e->frame[frame].type != FRAME_PAGE || patch_has(e, frame))
        return PROT_READ | (frame < e->info.image_end >> PAGE_SHIFT ? PROT_EXEC : 0);
    return PROT_READ | PROT_WRITE | (frame < e->info.image_end >> PAGE_SHIFT ? PROT_EXEC : 0);
}

/* The frame is another thing now: the window, and the map that the guest reads, follow. */
static void set_type(struct engine *e, uint64_t frame, enum frame_type type)
{
    struct world_space *kernel = world_space_find(e->pool, KERNEL_KEY);
    uint8_t bit = (uint8_t)(1u << (frame % 8));

    e->frame[frame].type = (uint8_t)type;
    if (type == FRAME_PAGE)
        e->table_map[frame / 8] &= (uint8_t)~bit;
    else
        e->table_map[frame / 8] |= bit;
    if (!e->kernel_mapped || !kernel)
        return;
    /* When that fails the whole space is empty, or lost; the next entry maps all of it again. */
    if (world_protect(kernel, gva(PARA_WINDOW + (frame << PAGE_SHIFT)), PAGE_SIZE, frame_window_rights(e, frame), NULL))
        e->kernel_mapped = false;
}

static uint64_t *table_at(struct engine *e, uint64_t frame)
{
    return ram_at(e->host->ram, gpa(frame << PAGE_SHIFT), PAGE_SIZE);
}

/* Top-level slots from the window on are not the guest's to fill. */
static bool slot_is_users(unsigned level, unsigned slot)
{
    return level < FRAME_L4 || slot < USER_SLOTS;
}

int entry_get(struct engine *e, unsigned level, uint64_t value, uint32_t table, uint16_t slot)
{
    uint64_t frame = (value & PTE_ADDRESS) >> PAGE_SHIFT;

    if (!(value & PTE_P))
        return slot_is_users(level, slot) || !value ? 0 : -PARA_EPERM;
    if (!slot_is_users(level, slot))
        return -PARA_EPERM;
    if (frame >= e->frames)
        return -PARA_EINVAL;
    if (level > FRAME_L1)
        return value & PTE_PS ? -PARA_EINVAL : frame_get_table(e, frame, level - 1, table, slot);
    if (e->frame[frame].type == FRAME_HYPERVISOR)
        return -PARA_EPERM;
    if (!(value & PTE_W))
        return 0;
    if (e->frame[frame].type != FRAME_PAGE)
        return -PARA_EPERM;
    if (e->frame[frame].writable == UINT32_MAX)
        return -PARA_EBUSY;
    patch_drop(e, frame);
    e->frame[frame].writable++;
    return 0;
}

void entry_put(struct engine *e, unsigned level, uint64_t value)
{
    uint64_t frame = (value & PTE_ADDRESS) >> PAGE_SHIFT;

    if (!(value & PTE_P))
        return;
    if (level > FRAME_L1)
        frame_put_table(e, frame);
    else if (value & PTE_W)
        e->frame[frame].writable--;
}

/* A page becomes a table, with all that it refers to; or nothing happens. */
static int promote(struct engine *e, uint64_t frame, unsigned level)
{
    uint64_t *table = table_at(e, frame);
    int err = 0;
    unsigned i;

    if (e->frame[frame].writable)
        return -PARA_EBUSY;
    patch_drop(e, frame);
    spaces_becomes_table(e, frame);
    set_type(e, frame, (enum frame_type)level);
    for (i = 0; i < ENTRIES && !err; i++) {
        if (table[i])
            err = entry_get(e, level, table[i], (uint32_t)frame, (uint16_t)i);
    }
    if (!err)
        return 0;
    for (i--; i-- > 0;)
        entry_put(e, level, table[i]);
    set_type(e, frame, FRAME_PAGE);
    return err;
}

int frame_get_table(struct engine *e, uint64_t number, unsigned level, uint32_t parent, uint16_t slot)
{
    struct frame *frame = &e->frame[number];

    if (frame->type == FRAME_PAGE) {
        int err = promote(e, number, level);

        if (err)
            return err;
        frame->uses = 1;
        frame->parent = parent;
        frame->slot = slot;
        return 0;
    }
    if (frame->type != level)
        return -PARA_EPERM;
    if (frame->uses == UINT32_MAX)
        return -PARA_EBUSY;
    frame->uses++;
    frame->parent = NO_PARENT;
    return 0;
}

void frame_put_table(struct engine *e, uint64_t number)
{
    struct frame *frame = &e->frame[number];
    unsigned level = frame->type;
    uint64_t *table = table_at(e, number);

    if (--frame->uses)
        return;
    /* The kernel stands still, so its entries don't change yet. Tables made one after the other go in the same order:
       side by side in memory, their pages take one command. */
    set_type(e, number, FRAME_PAGE);
    for (unsigned i = 0; i < ENTRIES; i++)
        entry_put(e, level, table[i]);
}

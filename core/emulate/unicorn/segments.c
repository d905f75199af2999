/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * segments.c - segment registers with their hidden parts, GDTR and IDTR, in and out of the library.
 *
 * The library takes a selector only by loading it from a GDT. So one is made that holds the wanted hidden parts, where
 * no guest sees it, and GDTR is set afterwards.
 */
#include "emulate/unicorn/parts.h"
#include <errno.h>
#include <stdlib.h>

#define GDT_AT    (UINT64_C(1) << 40) /* of the made GDT: above all RAM and devices */
#define GDT_BYTES UINT64_C(0x10000)
#define SELECTORS 6
#define TI        4 /* in a selector: the LDT's, not the GDT's */

static const int selector_id[SELECTORS] = {UC_X86_REG_ES, UC_X86_REG_CS, UC_X86_REG_SS,
                                           UC_X86_REG_DS, UC_X86_REG_FS, UC_X86_REG_GS};

/* A descriptor (SDM 3, 3.4.5) and our hidden part, each way. Bases above 4 GiB (FS, GS) don't fit: set apart. */
static uint64_t descriptor_of(const struct segment_reg *seg)
{
    uint64_t limit = seg->attr & ATTR_G ? seg->limit >> 12 : seg->limit, base = (uint32_t)seg->base;

    return (limit & 0xffff) | (base & 0xffffff) << 16 | (uint64_t)(seg->attr & 0xf0ff) << 40 |
           (limit >> 16 & 0xf) << 48 | base >> 24 << 56;
}

static void segment_from(struct segment_reg *seg, uint64_t descriptor)
{
    seg->attr = (uint32_t)(descriptor >> 40) & 0xf0ff;
    seg->limit = (uint32_t)((descriptor & 0xffff) | (descriptor >> 48 & 0xf) << 16);
    if (seg->attr & ATTR_G)
        seg->limit = seg->limit << 12 | 0xfff;
    seg->base = (descriptor >> 16 & 0xffffff) | descriptor >> 56 << 24;
}

static bool in_table(uint16_t selector, uint32_t limit)
{
    return (selector & ~7u) && !(selector & TI) && (selector | 7u) <= limit;
}

/* Loads all six selectors out of a GDT made for them. */
int selectors_put(struct engine *e, const struct cpu_state *state, struct reason *why)
{
    uc_x86_mmr gdtr = {.base = GDT_AT, .limit = GDT_BYTES - 1};
    uint64_t *gdt = aligned_alloc(PAGE_SIZE, GDT_BYTES);
    uc_err err;

    if (!gdt)
        return fail(why, ENOMEM, "not enough memory for a descriptor table");
    memset(gdt, 0, GDT_BYTES);
    for (unsigned i = 0; i < SELECTORS; i++)
        gdt[state->seg[i].selector >> 3] = descriptor_of(&state->seg[i]);
    err = uc_mem_map_ptr(e->uc, GDT_AT, GDT_BYTES, UC_PROT_ALL, gdt);
    if (!err)
        err = uc_reg_write(e->uc, UC_X86_REG_GDTR, &gdtr);
    for (unsigned i = 0; i < SELECTORS && !err; i++)
        if (in_table(state->seg[i].selector, gdtr.limit)) {
            uint64_t selector = state->seg[i].selector;

            err = uc_reg_write(e->uc, selector_id[i], &selector);
        }
    (void)uc_mem_unmap(e->uc, GDT_AT, GDT_BYTES);
    free(gdt);
    return err ? fail(why, EINVAL, "state refused: Unicorn can't load its segments: %s", uc_strerror(err)) : 0;
}

/* A selector that isn't the one we set was loaded by the guest, from its GDT. */
void segments_get(struct engine *e, struct cpu_state *state)
{
    for (unsigned i = 0; i < SELECTORS; i++) {
        uint16_t selector = (uint16_t)reg_get(e, selector_id[i]);
        struct segment_reg *seg = &state->seg[i];
        uint64_t descriptor = 0;
        const void *at;

        if (selector == seg->selector || (!in_table(seg->selector, GDT_BYTES - 1) && !selector))
            continue;
        seg->selector = selector;
        at = ram_at(e->host->ram, gpa(state->gdtr.base + (selector & ~7u)), sizeof(descriptor));
        if (at && in_table(selector, state->gdtr.limit)) {
            memcpy(&descriptor, at, sizeof(descriptor));
            segment_from(seg, descriptor);
        } else {
            *seg = (struct segment_reg){.selector = selector, .attr = ATTR_UNUSABLE};
        }
    }
}

/* LDTR and TR: the library's `flags` are the descriptor's upper word, ours without the limit's bits, 8 further down. */
void system_segment_put(struct engine *e, int id, const struct segment_reg *seg)
{
    uc_x86_mmr mmr = {.selector = seg->selector, .base = seg->base, .limit = seg->limit};

    if (!(seg->attr & ATTR_UNUSABLE))
        mmr.flags = (seg->attr & 0xf0ff) << 8;
    (void)uc_reg_write(e->uc, id, &mmr);
}

void system_segment_get(struct engine *e, int id, struct segment_reg *seg)
{
    uc_x86_mmr mmr = {0};
    uint32_t attr;

    (void)uc_reg_read(e->uc, id, &mmr);
    attr = mmr.flags >> 8 & 0xf0ff;
    if (!attr && (seg->attr & ATTR_UNUSABLE) && mmr.selector == seg->selector)
        attr = seg->attr; /* as it was set */
    *seg = (struct segment_reg){.selector = mmr.selector, .base = mmr.base, .limit = mmr.limit, .attr = attr};
}

void table_put(struct engine *e, int id, const struct table_reg *table)
{
    uc_x86_mmr mmr = {.base = table->base, .limit = table->limit};

    (void)uc_reg_write(e->uc, id, &mmr);
}

struct table_reg table_get(struct engine *e, int id)
{
    uc_x86_mmr mmr = {0};

    (void)uc_reg_read(e->uc, id, &mmr);
    return (struct table_reg){.base = mmr.base, .limit = (uint16_t)mmr.limit};
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * install.c - at run time: a block that the CPU meets for the first time gets the native code that was made of it.
 *
 * The interpreter has just decoded the block. If the translation has one at this guest-physical address, made of the
 * very same bytes, then its records are the same too, and its code fits; it is copied into the code cache and
 * relocated. From then on it is a block like any other: linked, counted, killed when its code is written.
 *
 * Read next: docs/static.md.
 */
#include "full/bt/bt.h"
#include "full/static/static.h"

static const struct static_block *find(const struct static_translation *t, gpa_t at)
{
    unsigned low = 0, high = t->header ? t->header->blocks : 0;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (t->block[middle].gpa == at.v)
            return &t->block[middle];
        if (t->block[middle].gpa < at.v)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool same_code(const struct static_translation *t, const struct static_block *b, const struct cpu *cpu,
                      const struct block *block)
{
    const uint8_t *now = ram_at(cpu->host->ram, block->gpa, b->guest_size);
    return now && b->count == block->count && !memcmp(now, t->guest + b->guest_at, b->guest_size);
}

static void relocate(struct bt *bt, struct block *block, uint8_t *code, const struct static_relocation *r)
{
    uint8_t *at = code + r->at;
    const void *pointer = r->kind == RELOC_RECORD ? (const void *)&block->insn[r->value]
                                                  : (const void *)&bt->link[bt->link_count + r->value];
    if (r->kind == RELOC_ROUTINE)
        emit_patch(at, bt->memory + r->value);
    else
        memcpy(at, &pointer, sizeof(pointer));
}

static void install(struct bt *bt, const struct static_translation *t, const struct static_block *b,
                    struct block *block)
{
    uint8_t *code = bt->code.at;
    memcpy(code, t->code + b->code_at, b->code_size);
    for (unsigned i = 0; i < b->relocations; i++)
        relocate(bt, block, code, &t->relocation[b->relocation + i]);
    for (unsigned i = 0; i < b->links; i++) {
        const struct static_link *from = &t->link[b->link + i];
        bt->link[bt->link_count + i] = (struct link){.jump = code + from->jump,
                                                     .from = block,
                                                     .record = &block->insn[from->record],
                                                     .flags = from->flags,
                                                     .shadowed = from->shadowed};
    }
    for (unsigned i = 0; i < b->count; i++)
        block->insn[i + 1].flags |= b->left >> i & 1 ? INSN_LEFT : 0;
    bt->link_count += b->links;
    bt->code.at += b->code_size;
    block->native = code + b->native;
    block->native_flags = code + b->native_flags;
    block->insn[0].fn = op_enter_native;
}

/* A code cache without room: the block goes the dynamic way, which empties the cache when it gets there. */
static bool has_room(const struct bt *bt)
{
    return bt->code.end - bt->code.at >= CODE_RESERVE && bt->link_count + LINKS_RESERVE <= LINKS_MAX;
}

void static_block_made(struct cpu *cpu, struct block *block)
{
    struct bt *bt = bt_of(cpu);
    const struct static_block *b = find(bt->kept, block->gpa);
    if (b && has_room(bt) && same_code(bt->kept, b, cpu, block)) {
        if (b->code_size)
            install(bt, bt->kept, b, block);
        COUNT(cpu->stats, STATIC_BLOCKS);
        return;
    }
    COUNT(cpu->stats, DYNAMIC_BLOCKS);
    if (cpu->cpl == 0)
        COUNT(cpu->stats, DYNAMIC_KERNEL_BLOCKS);
}

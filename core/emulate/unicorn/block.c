/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block.c - what is known of the library's translated blocks, and the addresses that it is to stop at.
 *
 * A block is decoded once, by Zydis and without operands, and remembered by address and size. The library says when it
 * translates a block anew (exits.c, on_translation), so what is remembered is never of older code.
 *
 * In long mode without translation a virtual address is a physical one: code is read through ram_at().
 */
#include "emulate/unicorn/parts.h"
#include <stdio.h>

bool insn_at(const struct engine *e, uint64_t address, ZydisDecodedInstruction *insn)
{
    uint64_t ram = e->host->ram->size, left = address < ram ? ram - address : 0;
    const uint8_t *code = ram_at(e->host->ram, gpa(address), left < INSN_MAX ? left : INSN_MAX);

    return code && left &&
           ZYAN_SUCCESS(
               ZydisDecoderDecodeInstruction(&e->decoder, NULL, code, left < INSN_MAX ? left : INSN_MAX, insn));
}

static void disassemble(const struct engine *e, const uint8_t *code, uint64_t address, char *text, size_t room)
{
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecodedInstruction insn;
    ZydisFormatter formatter;

    if (!ZYAN_SUCCESS(ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL)) ||
        !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&e->decoder, code, INSN_MAX, &insn, operands)) ||
        !ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&formatter, &insn, operands, insn.operand_count_visible, text,
                                                      room, address, NULL)))
        snprintf(text, room, "(no instruction)");
}

void insn_text(const struct engine *e, uint64_t address, char *text, size_t room)
{
    uint64_t ram = e->host->ram->size, left = address < ram ? ram - address : 0;
    uint8_t code[INSN_MAX] = {0};
    ZydisDecodedInstruction insn;
    size_t length, used = 0;

    if (!left) {
        snprintf(text, room, "outside RAM");
        return;
    }
    memcpy(code, e->host->ram->base + address, left < INSN_MAX ? left : INSN_MAX);
    length = insn_at(e, address, &insn) ? insn.length : 4;
    for (size_t i = 0; i < length && used + 3 < room; i++)
        used += (size_t)snprintf(text + used, room - used, "%02x ", code[i]);
    disassemble(e, code, address, text + used, room - used);
}

/* ---- blocks ---- */

static bool repeats(const ZydisDecodedInstruction *insn)
{
    return insn->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
}

/* The slot of an address. Code is dense: its low bits tell blocks apart best. */
static struct block *slot_of(struct engine *e, uint64_t address)
{
    return &e->block[(address ^ address >> 12) % BLOCKS];
}

static void decode(struct engine *e, struct block *block)
{
    uint64_t at = block->address, end = at + block->size;
    ZydisDecodedInstruction insn;

    block->count = 0;
    block->rep_at = 0;
    block->ours = false;
    for (; at < end; at += insn.length) {
        block->count++;
        if (!insn_at(e, at, &insn))
            break; /* the library will find it invalid, or knows more than Zydis: one instruction, the last */
        block->ours |= is_ours(&insn);
        if (repeats(&insn))
            block->rep_at = at;
    }
}

const struct block *block_known(struct engine *e, uint64_t address, uint32_t size)
{
    struct block *block = slot_of(e, address);

    if (unlikely(block->address != address || block->size != size)) {
        block->address = address;
        block->size = size;
        decode(e, block);
    }
    return block;
}

void block_forget(struct engine *e, uint64_t address)
{
    slot_of(e, address)->address = UINT64_MAX;
}

unsigned count_between(const struct engine *e, uint64_t address, uint64_t end)
{
    ZydisDecodedInstruction insn;
    unsigned count = 0;

    for (; address < end; address += insn.length) {
        count++;
        if (!insn_at(e, address, &insn))
            break;
    }
    return count;
}

uint64_t nth_insn(const struct engine *e, uint64_t address, uint64_t index)
{
    ZydisDecodedInstruction insn;

    for (; index > 0 && insn_at(e, address, &insn); index--)
        address += insn.length;
    return address;
}

void translation_drop(struct engine *e, uint64_t at, uint64_t end)
{
    (void)uc_ctl_remove_cache(e->uc, at, end); /* fails only when there is nothing to drop */
}

/* ---- addresses to stop at ---- */

bool point_has(const struct engine *e, uint64_t address)
{
    for (unsigned i = 0; i < e->points; i++)
        if (e->point[i] == address)
            return true;
    return false;
}

void point_add_all(struct engine *e, uint64_t address, uint32_t size)
{
    ZydisDecodedInstruction insn;

    for (uint64_t at = address; at < address + size && insn_at(e, at, &insn); at += insn.length) {
        if (!is_ours(&insn) || point_has(e, at))
            continue;
        if (e->points == POINTS_MAX)
            e->points = 0; /* those that are still in use will be met again */
        e->point[e->points++] = at;
        e->points_changed = true;
    }
}

void point_remove(struct engine *e, uint64_t address)
{
    for (unsigned i = 0; i < e->points; i++)
        if (e->point[i] == address) {
            e->point[i] = e->point[--e->points];
            e->points_changed = true;
            return;
        }
}

uc_err points_tell(struct engine *e, uint64_t without, uint64_t extra)
{
    uint64_t list[POINTS_MAX + 1];
    size_t count = 0;

    if (!e->points_changed && !without && !extra)
        return UC_ERR_OK;
    for (unsigned i = 0; i < e->points; i++)
        if (e->point[i] != without)
            list[count++] = e->point[i];
    if (extra)
        list[count++] = extra;
    e->points_changed = without || extra;
    return uc_ctl_set_exits(e->uc, list, count);
}

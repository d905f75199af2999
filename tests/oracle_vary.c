/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle_vary.c - other bytes that mean the same instruction.
 *
 * An encoder picks one of the encodings that an instruction has; CPUs must know them all. So the bytes are altered by
 * chance: the opcode's direction bit, a count of 1 as an immediate, a REX prefix that says nothing, segment prefixes
 * that 64-bit mode ignores. Decoding tells whether they still mean the same.
 *
 * Read next: oracle_input.c.
 */
#include "oracle.h"
#include <string.h>

static bool same_operand(const ZydisDecodedOperand *a, const ZydisDecodedOperand *b)
{
    if (a->type != b->type || a->size != b->size)
        return false;
    switch (a->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER: return a->reg.value == b->reg.value;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE: return a->imm.value.u == b->imm.value.u;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        return a->mem.base == b->mem.base && a->mem.index == b->mem.index && a->mem.scale == b->mem.scale &&
               a->mem.disp.value == b->mem.disp.value;
    default: return true;
    }
}

static bool same_meaning(const struct oracle_decoded *a, const struct oracle_decoded *b)
{
    bool same = a->z.mnemonic == b->z.mnemonic && a->z.operand_count_visible == b->z.operand_count_visible &&
                a->z.operand_width == b->z.operand_width && a->z.address_width == b->z.address_width;
    for (unsigned i = 0; same && i < a->z.operand_count_visible; i++)
        same = same_operand(&a->operand[i], &b->operand[i]);
    return same;
}

static size_t turn_direction(const struct oracle_decoded *d, uint8_t *bytes, size_t length)
{
    unsigned modrm = d->z.raw.modrm.offset;
    if (!modrm || d->z.raw.modrm.mod != 3)
        return 0;
    bytes[modrm - 1] ^= 2;
    bytes[modrm] = (uint8_t)(0xc0 | (bytes[modrm] & 7) << 3 | ((bytes[modrm] >> 3) & 7));
    if (d->z.attributes & ZYDIS_ATTRIB_HAS_REX) {
        uint8_t *rex = &bytes[d->z.raw.rex.offset];
        *rex = (uint8_t)((*rex & ~5) | (*rex & 1) << 2 | ((*rex >> 2) & 1));
    }
    return length;
}

static size_t immediate_one(const struct oracle_decoded *d, uint8_t *bytes, size_t length)
{
    unsigned modrm = d->z.raw.modrm.offset;
    if (!modrm || (bytes[modrm - 1] & 0xfe) != 0xd0)
        return 0;
    bytes[modrm - 1] = (uint8_t)(0xc0 | (bytes[modrm - 1] & 1));
    bytes[length] = 1;
    return length + 1;
}

static size_t insert(uint8_t *bytes, size_t length, size_t at, uint8_t byte)
{
    memmove(bytes + at + 1, bytes + at, length - at);
    bytes[at] = byte;
    return length + 1;
}

static size_t empty_rex(const struct oracle_decoded *d, uint8_t *bytes, size_t length)
{
    return d->z.attributes & ZYDIS_ATTRIB_HAS_REX ? 0 : insert(bytes, length, d->z.raw.prefix_count, 0x40);
}

static size_t ignored_segment(const struct oracle_decoded *d, uint8_t *bytes, size_t length, struct oracle_random *r)
{
    static const uint8_t prefix[] = {0x26, 0x2e, 0x36, 0x3e};
    return d->z.attributes & ZYDIS_ATTRIB_HAS_SEGMENT ? 0 : insert(bytes, length, 0, prefix[oracle_below(r, 4)]);
}

void oracle_vary(struct oracle_insn *insn, struct oracle_random *r)
{
    struct oracle_decoded before, after;
    uint8_t bytes[ORACLE_INSN_LENGTH + 1] = {0};
    size_t length = insn->length;
    unsigned how = oracle_below(r, 8);
    if (how > 3 || length > 13 || !oracle_decode(insn->bytes, length, &before))
        return;
    memcpy(bytes, insn->bytes, length);
    switch (how) {
    case 0: length = turn_direction(&before, bytes, length); break;
    case 1: length = immediate_one(&before, bytes, length); break;
    case 2: length = empty_rex(&before, bytes, length); break;
    default: length = ignored_segment(&before, bytes, length, r); break;
    }
    if (length && oracle_decode(bytes, length, &after) && after.z.length == length && same_meaning(&before, &after)) {
        memcpy(insn->bytes, bytes, length);
        insn->length = (uint8_t)length;
    }
}

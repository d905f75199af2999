/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sse_string.c - SSE4.2: PCMPISTRI, PCMPISTRM, PCMPESTRI, PCMPESTRM (SDM 2B, 4.1) and CRC32.
 *
 * A string comparison goes in four steps, each one function: how long the two strings are, which elements of the first
 * agree with which of the second, how that is aggregated to one bit an element of the second, and what becomes of
 * those bits. The names (IntRes1, IntRes2, polarity) are the manual's.
 */
#include "x86/sse.h"

/* The immediate's fields. */
enum { IMM_WORDS = 1, IMM_SIGNED = 2, IMM_NEGATE = 0x10, IMM_MASKED = 0x20, IMM_HIGH = 0x40 };
enum aggregation { EQUAL_ANY, RANGES, EQUAL_EACH, EQUAL_ORDERED };

/* in->op: which of the four. */
enum { STRING_EXPLICIT = 1, STRING_MASK = 2, STRING_REX_W = 4 };

static int element(const xmm_t *v, unsigned i, unsigned imm)
{
    if (imm & IMM_WORDS)
        return imm & IMM_SIGNED ? v->i16[i] : v->u16[i];
    return imm & IMM_SIGNED ? v->i8[i] : v->u8[i];
}

static unsigned elements(unsigned imm)
{
    return imm & IMM_WORDS ? 8 : 16;
}

/* Up to the first zero element. */
static unsigned implicit_length(const xmm_t *v, unsigned imm)
{
    unsigned n = 0;
    while (n < elements(imm) && element(v, n, imm))
        n++;
    return n;
}

/* |RAX| or |RDX|, saturated; the 32-bit registers without REX.W. */
static unsigned explicit_length(uint64_t reg, bool rex_w, unsigned imm)
{
    int64_t n = rex_w ? (int64_t)reg : (int32_t)reg;
    uint64_t magnitude = n < 0 ? -(uint64_t)n : (uint64_t)n;
    return magnitude < elements(imm) ? (unsigned)magnitude : elements(imm);
}

/* IntRes1: one bit for each element of b. Elements behind a string's end agree or not as table 4-7 forces them to. */
static unsigned aggregate(const xmm_t *a, unsigned a_len, const xmm_t *b, unsigned b_len, unsigned imm)
{
    unsigned n = elements(imm), result = 0;
    for (unsigned j = 0; j < n; j++) {
        bool bit = false;
        switch ((imm >> 2) & 3) {
        case EQUAL_ANY: /* is b[j] one of the set a? */
            for (unsigned i = 0; i < a_len && j < b_len && !bit; i++)
                bit = element(a, i, imm) == element(b, j, imm);
            break;
        case RANGES: /* is it in one of the ranges a[0]..a[1], a[2]..a[3]? */
            for (unsigned i = 0; i + 1 < a_len && j < b_len && !bit; i += 2)
                bit = element(a, i, imm) <= element(b, j, imm) && element(b, j, imm) <= element(a, i + 1, imm);
            break;
        case EQUAL_EACH: /* equal at the same place, or both at their end */
            bit = j < a_len && j < b_len ? element(a, j, imm) == element(b, j, imm) : j >= a_len && j >= b_len;
            break;
        case EQUAL_ORDERED: /* does the string a begin at b[j], as far as b goes? */
            bit = true;
            for (unsigned i = 0; i < a_len && i + j < n && bit; i++)
                bit = i + j < b_len && element(a, i, imm) == element(b, i + j, imm);
            break;
        }
        result |= (unsigned)bit << j;
    }
    return result;
}

/* IntRes2: perhaps inverted, perhaps only where b is valid. */
static unsigned polarity(unsigned bits, unsigned b_len, unsigned imm)
{
    unsigned all = (1u << elements(imm)) - 1;
    if (!(imm & IMM_NEGATE))
        return bits;
    return bits ^ (imm & IMM_MASKED ? (1u << b_len) - 1 : all);
}

static uint64_t index_of(unsigned bits, unsigned imm)
{
    if (!bits)
        return elements(imm);
    return (unsigned)(imm & IMM_HIGH ? 31 - __builtin_clz(bits) : __builtin_ctz(bits));
}

static xmm_t mask_of(unsigned bits, unsigned imm)
{
    xmm_t mask = {0};
    if (!(imm & IMM_HIGH)) {
        mask.u16[0] = (uint16_t)bits;
        return mask;
    }
    for (unsigned i = 0; i < 16; i++)
        mask.u8[i] = bits >> (imm & IMM_WORDS ? i / 2 : i) & 1 ? 0xff : 0;
    return mask;
}

static const struct insn *string_compare(struct cpu *cpu, const struct insn *in)
{
    sse_ready(cpu, in);
    unsigned imm = in->imm & 0x7f;
    xmm_t a = cpu->xmm[in->reg], b;
    if (in->flags & INSN_MEM) /* the one kind of 16-byte operand that need not be aligned */
        b = ld128(cpu, in, operand_address(cpu, in, 16, ACCESS_READ));
    else
        b = cpu->xmm[in->rm];

    unsigned a_len, b_len;
    if (in->op & STRING_EXPLICIT) {
        a_len = explicit_length(cpu->gpr[RAX], in->op & STRING_REX_W, imm);
        b_len = explicit_length(cpu->gpr[RDX], in->op & STRING_REX_W, imm);
    } else {
        a_len = implicit_length(&a, imm);
        b_len = implicit_length(&b, imm);
    }
    unsigned bits = polarity(aggregate(&a, a_len, &b, b_len, imm), b_len, imm);
    if (in->op & STRING_MASK)
        cpu->xmm[0] = mask_of(bits, imm);
    else
        cpu->gpr[RCX] = index_of(bits, imm);
    flags_set(&cpu->lf, (bits ? FLAG_CF : 0) | (b_len < elements(imm) ? FLAG_ZF : 0) |
                            (a_len < elements(imm) ? FLAG_SF : 0) | (bits & 1 ? FLAG_OF : 0));
    return in + 1;
}

bool select_string_compare(const struct decoded *d, struct insn *in)
{
    in->fn = string_compare;
    in->op = 0;
    if (d->z.mnemonic == ZYDIS_MNEMONIC_PCMPESTRI || d->z.mnemonic == ZYDIS_MNEMONIC_PCMPESTRM)
        in->op |= STRING_EXPLICIT;
    if (d->z.mnemonic == ZYDIS_MNEMONIC_PCMPISTRM || d->z.mnemonic == ZYDIS_MNEMONIC_PCMPESTRM)
        in->op |= STRING_MASK;
    if (d->z.raw.rex.W)
        in->op |= STRING_REX_W;
    return true;
}

/* ---- CRC32 of a general register or memory: no SSE state, so none of its conditions ---- */

#define CRC32(bits, suffix, type)                                                  \
    static const struct insn *crc32_##bits(struct cpu *cpu, const struct insn *in) \
    {                                                                              \
        type value = (type)rm_read(cpu, in, bits / 8);                             \
        uint64_t crc = R32(cpu, in->reg);                                          \
        asm("crc32" suffix : "+r"(crc) : "r"(value));                              \
        R64(cpu, in->reg) = (uint32_t)crc;                                         \
        return in + 1;                                                             \
    }
CRC32(8, "b %b1, %k0", uint8_t)
CRC32(16, "w %w1, %k0", uint16_t)
CRC32(32, "l %k1, %k0", uint32_t)
CRC32(64, "q %1, %0", uint64_t)

bool select_crc32(const struct decoded *d, struct insn *in)
{
    switch (operand_bytes(d, 1)) {
    case 1: return handled_by(in, crc32_8);
    case 2: return handled_by(in, crc32_16);
    case 4: return handled_by(in, crc32_32);
    default: return handled_by(in, crc32_64);
    }
}

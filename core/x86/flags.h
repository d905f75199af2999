/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flags.h - the six status flags, kept lazily. The one flags module.
 *
 * Most instructions write all status flags, and most of those are overwritten unread. So an instruction stores what the
 * flags can be computed from, three words, and whoever reads a flag computes just that one, without a branch:
 *
 *   result  the result, sign-extended to 64 bits:   ZF = (result == 0)
 *   carry   the carry-out (for SUB: borrow) of each bit position. Bit 63 holds the carry out of the operand's top bit,
 * bit 62 the one below it, bit 3 the one out of bit 3:   CF = bit 63, OF = bit 63 ^ bit 62, AF = bit 3 delta   zero,
 * but where flags were set to something that no result has (POPF, COMISD): SF = sign of (result ^ delta), PF = parity
 * of the low byte of (result ^ delta)
 *
 * The carry vector of a + b is (a & b) | ((a | b) & ~sum): a carry leaves bit i when both bits are set, or when one is
 * and the sum's bit is not, having been carried over.
 */
#ifndef VIRTLAB_X86_FLAGS_H
#define VIRTLAB_X86_FLAGS_H

#include <virtlab/cpu_state.h>

struct lazy_flags {
    int64_t result;
    uint64_t carry;
    uint64_t delta;
};

/* Aligns a carry vector of an operation on `bits` bits as struct lazy_flags wants it. */
static inline uint64_t flags_align(uint64_t carries, unsigned bits)
{
    return carries << (64 - bits) | (carries & 8);
}

static inline int64_t flags_sign_extend(uint64_t value, unsigned bits)
{
    return (int64_t)(value << (64 - bits)) >> (64 - bits);
}

/* After sum = a + b (+ carry in). */
static inline void flags_add(struct lazy_flags *f, uint64_t a, uint64_t b, uint64_t sum, unsigned bits)
{
    f->result = flags_sign_extend(sum, bits);
    f->carry = flags_align((a & b) | ((a | b) & ~sum), bits);
    f->delta = 0;
}

/* After difference = a - b (- borrow in). */
static inline void flags_sub(struct lazy_flags *f, uint64_t a, uint64_t b, uint64_t difference, unsigned bits)
{
    f->result = flags_sign_extend(difference, bits);
    f->carry = flags_align((~a & b) | ((~a | b) & difference), bits);
    f->delta = 0;
}

/* After AND, OR, XOR, TEST: CF and OF are zero, AF is undefined (zero here). */
static inline void flags_logic(struct lazy_flags *f, uint64_t result, unsigned bits)
{
    f->result = flags_sign_extend(result, bits);
    f->carry = 0;
    f->delta = 0;
}

/* The single flags, as 0 or 1. */
static inline unsigned flag_cf(const struct lazy_flags *f)
{
    return f->carry >> 63;
}
static inline unsigned flag_of(const struct lazy_flags *f)
{
    return (f->carry ^ (f->carry << 1)) >> 63;
}
static inline unsigned flag_af(const struct lazy_flags *f)
{
    return (f->carry >> 3) & 1;
}
static inline unsigned flag_zf(const struct lazy_flags *f)
{
    return f->result == 0;
}
static inline unsigned flag_sf(const struct lazy_flags *f)
{
    return ((uint64_t)f->result ^ f->delta) >> 63;
}
static inline unsigned flag_pf(const struct lazy_flags *f)
{
    return !__builtin_parity((unsigned)((uint64_t)f->result ^ f->delta) & 0xff);
}

/* All six, in their RFLAGS positions. */
static inline uint32_t flags_get(const struct lazy_flags *f)
{
    return flag_cf(f) * FLAG_CF | flag_pf(f) * FLAG_PF | flag_af(f) * FLAG_AF | flag_zf(f) * FLAG_ZF |
           flag_sf(f) * FLAG_SF | flag_of(f) * FLAG_OF;
}

/* Sets all six from their RFLAGS positions. */
static inline void flags_set(struct lazy_flags *f, uint32_t rflags)
{
    uint64_t cf = !!(rflags & FLAG_CF), of = !!(rflags & FLAG_OF), af = !!(rflags & FLAG_AF);
    uint64_t sf = !!(rflags & FLAG_SF), pf = !!(rflags & FLAG_PF), zf = !!(rflags & FLAG_ZF);
    f->result = !zf; /* 0 or 1: positive, and the parity of its low byte is even exactly when ZF */
    f->carry = cf << 63 | (cf ^ of) << 62 | af << 3;
    f->delta = sf << 63 | (pf ^ zf);
}

/* Sets CF (and OF) alone; the others keep their values. */
static inline void flags_set_cf_of(struct lazy_flags *f, uint64_t cf, uint64_t of)
{
    f->carry = (f->carry & 8) | cf << 63 | (cf ^ of) << 62;
}
static inline void flags_set_cf(struct lazy_flags *f, uint64_t cf)
{
    flags_set_cf_of(f, cf, flag_of(f));
}

/* The sixteen conditions of Jcc, SETcc and CMOVcc, by the low four bits of the opcode (SDM 1, appendix B). */
static inline unsigned flags_condition(const struct lazy_flags *f, unsigned condition)
{
    unsigned value;
    switch (condition >> 1) {
    case 0: value = flag_of(f); break;
    case 1: value = flag_cf(f); break;
    case 2: value = flag_zf(f); break;
    case 3: value = flag_cf(f) | flag_zf(f); break;
    case 4: value = flag_sf(f); break;
    case 5: value = flag_pf(f); break;
    case 6: value = flag_sf(f) ^ flag_of(f); break;
    default: value = (flag_sf(f) ^ flag_of(f)) | flag_zf(f); break;
    }
    return value ^ (condition & 1);
}

#endif

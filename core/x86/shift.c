/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shift.c - SHL, SHR, SAR, ROL, ROR, RCL, RCR, SHLD, SHRD.
 *
 * The count is masked to 5 bits (6 for 64-bit operands). With a count of zero no flag changes; rotates change CF and OF
 * only. OF is defined for a count of 1; for others this CPU computes it as the hardware at hand does, which the manuals
 * allow. AF is undefined after shifts and zero here.
 */
#include "x86/operands.h"

enum shift { SHL, SHR, SAR, ROL, ROR, RCL, RCR };

struct shifted {
    uint64_t value;
    struct lazy_flags f;
};

static inline uint64_t low_bits(unsigned bits)
{
    return UINT64_MAX >> (64 - bits);
}

/* a and the result have no bits above `bits`; count is 1..63, and may exceed `bits`. */
static void shift_linear(struct shifted *s, enum shift kind, uint64_t a, unsigned count, unsigned bits)
{
    uint64_t cf, top = (uint64_t)1 << (bits - 1), of;
    if (kind == SHL) {
        cf = count <= bits ? (a >> (bits - count)) & 1 : 0;
        s->value = (a << count) & low_bits(bits);
        of = !!(s->value & top) ^ cf;
    } else if (kind == SHR) {
        cf = (a >> (count - 1)) & 1;
        s->value = a >> count;
        of = count == 1 ? !!(a & top) : !!(s->value & top) ^ !!(s->value & (top >> 1));
    } else {
        int64_t value = flags_sign_extend(a, bits);
        cf = (uint64_t)(value >> (count - 1)) & 1;
        s->value = (uint64_t)(value >> count) & low_bits(bits);
        of = 0;
    }
    flags_logic(&s->f, s->value, bits);
    flags_set_cf_of(&s->f, cf, of);
}

static void rotate(struct shifted *s, enum shift kind, uint64_t a, unsigned count, unsigned bits)
{
    unsigned n = count % bits;
    if (kind == ROR)
        n = (bits - n) % bits;
    s->value = n ? ((a << n) | (a >> (bits - n))) & low_bits(bits) : a;
    uint64_t top = s->value >> (bits - 1), next = (s->value >> (bits - 2)) & 1, low = s->value & 1;
    if (kind == ROL)
        flags_set_cf_of(&s->f, low, top ^ low);
    else
        flags_set_cf_of(&s->f, top, top ^ next);
}

/* Rotates the operand with CF as one more bit at its top. */
static void rotate_through_carry(struct shifted *s, enum shift kind, uint64_t a, unsigned count, unsigned bits)
{
    uint64_t cf = flag_cf(&s->f);
    count %= bits + 1;
    for (unsigned i = 0; i < count; i++) {
        if (kind == RCL) {
            uint64_t out = a >> (bits - 1);
            a = ((a << 1) | cf) & low_bits(bits);
            cf = out;
        } else {
            uint64_t out = a & 1;
            a = (a >> 1) | (cf << (bits - 1));
            cf = out;
        }
    }
    s->value = a;
    uint64_t top = a >> (bits - 1);
    flags_set_cf_of(&s->f, cf, kind == RCL ? top ^ cf : top ^ ((a >> (bits - 2)) & 1));
}

static void shift(struct shifted *s, enum shift kind, uint64_t a, unsigned count, unsigned bits)
{
    if (kind <= SAR)
        shift_linear(s, kind, a, count, bits);
    else if (kind <= ROR)
        rotate(s, kind, a, count, bits);
    else
        rotate_through_carry(s, kind, a, count, bits);
}

static const struct insn *shift_by(struct cpu *cpu, const struct insn *in, unsigned count)
{
    count &= in->opsize == 8 ? 63 : 31;
    struct shifted s = {.f = cpu->lf};
    unsigned size = in->opsize;
    uint64_t at = 0, a;
    if (in->flags & INSN_MEM) {
        at = operand_address(cpu, in, size, ACCESS_WRITE);
        a = mem_load_modify(cpu, in, at, size);
    } else {
        a = reg_read(cpu, in->rm, size);
    }
    s.value = a;
    if (count)
        shift(&s, in->op, a, count, size * 8);
    if (in->flags & INSN_MEM)
        mem_store(cpu, in, at, size, s.value);
    else
        reg_write(cpu, in->rm, size, s.value);
    cpu->lf = s.f;
    return in + 1;
}

static const struct insn *op_shift_imm(struct cpu *cpu, const struct insn *in)
{
    return shift_by(cpu, in, (unsigned)in->imm);
}
static const struct insn *op_shift_cl(struct cpu *cpu, const struct insn *in)
{
    return shift_by(cpu, in, (uint8_t)cpu->gpr[RCX]);
}

/* The hot ones: a register of 32 or 64 bits by a constant that isn't zero. */
#define SHIFT_CONSTANT(name, kind, bits)                                                          \
    static const struct insn *name##bits(struct cpu *cpu, const struct insn *in)                  \
    {                                                                                             \
        uint64_t a = R##bits(cpu, in->rm);                                                        \
        unsigned n = (unsigned)in->imm;                                                           \
        uint64_t cf, of, value;                                                                   \
        if (kind == SHL) {                                                                        \
            value = (uint##bits##_t)(a << n);                                                     \
            cf = (a >> (bits - n)) & 1;                                                           \
            of = (value >> (bits - 1)) ^ cf;                                                      \
        } else {                                                                                  \
            value = a >> n;                                                                       \
            cf = (a >> (n - 1)) & 1;                                                              \
            of = n == 1 ? a >> (bits - 1) : 0;                                                    \
        }                                                                                         \
        W##bits(cpu, in->rm, value);                                                              \
        flags_logic(&cpu->lf, value, bits);                                                       \
        cpu->lf.carry = cf << 63 | (cf ^ of) << 62;                                               \
        NEXT(cpu, in);                                                                            \
    }                                                                                             \
    static const struct insn *rotate_##name##bits(struct cpu *cpu, const struct insn *in)         \
    {                                                                                             \
        uint64_t a = R##bits(cpu, in->rm);                                                        \
        unsigned n = kind == SHL ? (unsigned)in->imm : bits - (unsigned)in->imm;                  \
        uint64_t value = (uint##bits##_t)(a << n | a >> (bits - n));                              \
        W##bits(cpu, in->rm, value);                                                              \
        uint64_t top = value >> (bits - 1), low = value & 1, next = (value >> (bits - 2)) & 1;    \
        flags_set_cf_of(&cpu->lf, kind == SHL ? low : top, kind == SHL ? top ^ low : top ^ next); \
        NEXT(cpu, in);                                                                            \
    }
SHIFT_CONSTANT(left, SHL, 32)
SHIFT_CONSTANT(left, SHL, 64)
SHIFT_CONSTANT(right, SHR, 32)
SHIFT_CONSTANT(right, SHR, 64)

static insn_fn *hot_shift(const struct insn *in)
{
    bool wide = in->opsize == 8;
    if (in->flags & INSN_MEM || in->opsize < 4 || !(in->imm & (wide ? 63 : 31)))
        return NULL;
    switch (in->op) {
    case SHL: return wide ? left64 : left32;
    case SHR: return wide ? right64 : right32;
    case ROL: return wide ? rotate_left64 : rotate_left32;
    case ROR: return wide ? rotate_right64 : rotate_right32;
    default: return NULL;
    }
}

static bool select_shift(const struct decoded *d, struct insn *in)
{
    in->op = (uint8_t)d->arg;
    if (!is_imm(d, 1)) {
        in->fn = op_shift_cl;
        return true;
    }
    in->fn = hot_shift(in);
    if (in->fn)
        in->imm &= in->opsize == 8 ? 63 : 31;
    else
        in->fn = op_shift_imm;
    return true;
}

/* ---- SHLD, SHRD ---- */

/*
 * For 16-bit operands a count above 16 leaves result and flags undefined: this CPU goes on shifting in the bits of
 * destination:source:destination, as CPUs do.
 */
static uint64_t double_shift(uint64_t a, uint64_t b, unsigned count, unsigned bits, bool left, uint64_t *cf)
{
    if (bits == 16) {
        uint64_t wide = a << 32 | b << 16 | a;
        if (left) {
            *cf = (wide >> (48 - count)) & 1;
            return (wide << count) >> 32 & 0xffff;
        }
        *cf = (wide >> (count - 1)) & 1;
        return (wide >> count) & 0xffff;
    }
    if (left) {
        *cf = (a >> (bits - count)) & 1;
        return (a << count | b >> (bits - count)) & low_bits(bits);
    }
    *cf = (a >> (count - 1)) & 1;
    return (a >> count | b << (bits - count)) & low_bits(bits);
}

static const struct insn *op_double_shift(struct cpu *cpu, const struct insn *in)
{
    unsigned bits = in->opsize * 8u, mask = bits == 64 ? 63 : 31;
    unsigned count = (unsigned)(in->op & 2 ? cpu->gpr[RCX] : in->imm) & mask;
    bool left = in->op & 1, memory = in->flags & INSN_MEM;
    uint64_t at = memory ? operand_address(cpu, in, in->opsize, ACCESS_WRITE) : 0;
    uint64_t a = memory ? mem_load_modify(cpu, in, at, in->opsize) : reg_read(cpu, in->rm, in->opsize);
    uint64_t value = a, cf = 0;
    struct lazy_flags f = cpu->lf;
    if (count) {
        value = double_shift(a, reg_read(cpu, in->reg, in->opsize), count, bits, left, &cf);
        flags_logic(&f, value, bits);
        flags_set_cf_of(&f, cf, (value ^ a) >> (bits - 1));
    }
    if (memory)
        mem_store(cpu, in, at, in->opsize, value);
    else
        reg_write(cpu, in->rm, in->opsize, value);
    cpu->lf = f;
    return in + 1;
}

static bool select_double_shift(const struct decoded *d, struct insn *in)
{
    in->op = (uint8_t)(d->arg | (is_imm(d, 2) ? 0 : 2));
    in->fn = op_double_shift;
    return true;
}

const struct family_row family_shift[] = {
    {ZYDIS_MNEMONIC_SHL, select_shift, SHL},       {ZYDIS_MNEMONIC_SHR, select_shift, SHR},
    {ZYDIS_MNEMONIC_SAR, select_shift, SAR},       {ZYDIS_MNEMONIC_ROL, select_shift, ROL},
    {ZYDIS_MNEMONIC_ROR, select_shift, ROR},       {ZYDIS_MNEMONIC_RCL, select_shift, RCL},
    {ZYDIS_MNEMONIC_RCR, select_shift, RCR},       {ZYDIS_MNEMONIC_SHLD, select_double_shift, 1},
    {ZYDIS_MNEMONIC_SHRD, select_double_shift, 0}, {0, NULL, 0},
};

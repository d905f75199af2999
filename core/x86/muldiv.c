/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * muldiv.c - MUL, IMUL, DIV, IDIV, and the decimal adjustments of 16- and 32-bit code.
 *
 * MUL and IMUL define CF and OF only: set when the upper half says something. SF, ZF, PF are computed from the lower
 * half, as some CPUs do; the manuals leave them undefined. DIV and IDIV leave all flags undefined: unchanged here.
 */
#include "x86/operands.h"

typedef unsigned __int128 u128;
typedef __int128 i128;

/* ---- multiplication ---- */

static void multiply_flags(struct cpu *cpu, uint64_t low, unsigned bits, bool overflow)
{
    flags_logic(&cpu->lf, low, bits);
    flags_set_cf_of(&cpu->lf, overflow, overflow);
}

/* RDX:RAX (AX for bytes) = a double-width product or quotient and remainder. */
static void write_pair(struct cpu *cpu, unsigned size, uint64_t high, uint64_t low)
{
    if (size == 1) {
        reg_write(cpu, RAX, 2, (high & 0xff) << 8 | (low & 0xff));
        return;
    }
    reg_write(cpu, RAX, size, low);
    reg_write(cpu, RDX, size, high);
}

static const struct insn *op_mul(struct cpu *cpu, const struct insn *in)
{
    unsigned bits = in->opsize * 8u;
    u128 product = (u128)reg_read(cpu, RAX * (in->opsize == 1 ? 8 : 1), in->opsize) * rm_read(cpu, in, in->opsize);
    uint64_t low = (uint64_t)product, high = (uint64_t)(product >> bits);
    write_pair(cpu, in->opsize, high, low);
    multiply_flags(cpu, low, bits, high != 0);
    return in + 1;
}

static const struct insn *op_imul1(struct cpu *cpu, const struct insn *in)
{
    unsigned bits = in->opsize * 8u;
    i128 product = (i128)flags_sign_extend(cpu->gpr[RAX], bits) * flags_sign_extend(rm_read(cpu, in, in->opsize), bits);
    uint64_t low = (uint64_t)product, high = (uint64_t)(product >> bits);
    write_pair(cpu, in->opsize, high, low);
    multiply_flags(cpu, low, bits, product != flags_sign_extend(low, bits));
    return in + 1;
}

/* reg = a * b, truncated. */
static inline void imul_to(struct cpu *cpu, const struct insn *in, uint64_t a, uint64_t b)
{
    unsigned bits = in->opsize * 8u;
    i128 product = (i128)flags_sign_extend(a, bits) * flags_sign_extend(b, bits);
    uint64_t low = (uint64_t)product;
    reg_write(cpu, in->reg, in->opsize, low);
    multiply_flags(cpu, low, bits, product != flags_sign_extend(low, bits));
}
static const struct insn *op_imul2(struct cpu *cpu, const struct insn *in)
{
    imul_to(cpu, in, cpu->gpr[in->reg], rm_read(cpu, in, in->opsize));
    return in + 1;
}
static const struct insn *op_imul3(struct cpu *cpu, const struct insn *in)
{
    imul_to(cpu, in, rm_read(cpu, in, in->opsize), in->imm);
    return in + 1;
}

/* ---- division: #DE when the divisor is zero or the quotient does not fit ---- */

static u128 dividend(const struct cpu *cpu, unsigned size)
{
    if (size == 1)
        return reg_read(cpu, RAX, 2);
    return (u128)reg_read(cpu, RDX, size) << (size * 8) | reg_read(cpu, RAX, size);
}

static const struct insn *op_div(struct cpu *cpu, const struct insn *in)
{
    uint64_t divisor = rm_read(cpu, in, in->opsize), most = UINT64_MAX >> (64 - in->opsize * 8);
    u128 value = dividend(cpu, in->opsize);
    if (!divisor || (uint64_t)(value >> (in->opsize * 8)) >= divisor)
        cpu_raise(cpu, in, VEC_DE);
    if (value <= UINT64_MAX) { /* far faster than 128-bit division */
        write_pair(cpu, in->opsize, (uint64_t)value % divisor & most, (uint64_t)value / divisor & most);
        return in + 1;
    }
    write_pair(cpu, in->opsize, (uint64_t)(value % divisor), (uint64_t)(value / divisor));
    return in + 1;
}

static const struct insn *op_idiv(struct cpu *cpu, const struct insn *in)
{
    unsigned bits = in->opsize * 8u;
    int64_t divisor = flags_sign_extend(rm_read(cpu, in, in->opsize), bits);
    /* Shifted to the top and back: sign-extends the double-width dividend. */
    unsigned spare = 128 - 2 * bits;
    i128 value = (i128)(dividend(cpu, in->opsize) << spare) >> spare;
    if (!divisor)
        cpu_raise(cpu, in, VEC_DE);
    if (divisor == -1 && value == (i128)((u128)1 << 127))
        cpu_raise(cpu, in, VEC_DE); /* the one case that C's own division can't do */
    i128 quotient = value / divisor;
    if (quotient != flags_sign_extend((uint64_t)quotient, bits))
        cpu_raise(cpu, in, VEC_DE);
    write_pair(cpu, in->opsize, (uint64_t)(value % divisor), (uint64_t)quotient);
    return in + 1;
}

static bool select_muldiv(const struct decoded *d, struct insn *in)
{
    static insn_fn *const fn[] = {op_mul, op_div, op_idiv, op_imul1};
    in->fn = fn[d->arg];
    return true;
}

static bool select_imul(const struct decoded *d, struct insn *in)
{
    unsigned explicit_operands = d->z.operand_count_visible;
    if (is_imm(d, 2))
        in->fn = op_imul3;
    else if (explicit_operands >= 2 && d->operand[1].visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT)
        in->fn = op_imul2;
    else
        in->fn = op_imul1;
    return true;
}

/* ---- decimal adjustments: not in 64-bit mode (SDM 2) ---- */

enum decimal { AAA, AAS, DAA, DAS, AAM, AAD };

static void set_flags_of_al(struct cpu *cpu, unsigned cf, unsigned af)
{
    flags_logic(&cpu->lf, (uint8_t)cpu->gpr[RAX], 8);
    cpu->lf.carry = (uint64_t)cf << 63 | (uint64_t)cf << 62 | (uint64_t)af << 3;
}

static void adjust_ascii(struct cpu *cpu, int direction)
{
    uint16_t ax = (uint16_t)cpu->gpr[RAX];
    unsigned adjust = (ax & 15) > 9 || flag_af(&cpu->lf);
    if (adjust)
        ax = (uint16_t)(direction > 0 ? ax + 0x106 : ax - 0x106);
    reg_write(cpu, RAX, 2, ax & 0xff0f);
    set_flags_of_al(cpu, adjust, adjust);
}

static void adjust_decimal(struct cpu *cpu, int direction)
{
    uint8_t old = (uint8_t)cpu->gpr[RAX], al = old;
    unsigned old_cf = flag_cf(&cpu->lf), cf = 0, af = 0;
    if ((al & 15) > 9 || flag_af(&cpu->lf)) {
        cf = old_cf | (direction > 0 ? al > 0xf9 : al < 6);
        al = (uint8_t)(al + 6 * direction);
        af = 1;
    }
    if (old > 0x99 || old_cf) {
        al = (uint8_t)(al + 0x60 * direction);
        cf = 1;
    } else if (direction > 0) {
        cf = 0;
    }
    reg_write(cpu, RAX * 8, 1, al);
    set_flags_of_al(cpu, cf, af);
}

static const struct insn *op_decimal(struct cpu *cpu, const struct insn *in)
{
    uint8_t al = (uint8_t)cpu->gpr[RAX], ah = (uint8_t)(cpu->gpr[RAX] >> 8), base = (uint8_t)in->imm;
    switch (in->op) {
    case AAA: adjust_ascii(cpu, 1); break;
    case AAS: adjust_ascii(cpu, -1); break;
    case DAA: adjust_decimal(cpu, 1); break;
    case DAS: adjust_decimal(cpu, -1); break;
    case AAM:
        if (!base)
            cpu_raise(cpu, in, VEC_DE);
        reg_write(cpu, RAX, 2, (uint64_t)(al / base) << 8 | al % base);
        set_flags_of_al(cpu, 0, 0);
        break;
    default: /* AAD */ reg_write(cpu, RAX, 2, (uint8_t)(al + ah * base)); set_flags_of_al(cpu, 0, 0);
    }
    return in + 1;
}

static bool select_decimal(const struct decoded *d, struct insn *in)
{
    in->op = (uint8_t)d->arg;
    in->fn = op_decimal;
    return true;
}

const struct family_row family_muldiv[] = {
    {ZYDIS_MNEMONIC_MUL, select_muldiv, 0},
    {ZYDIS_MNEMONIC_DIV, select_muldiv, 1},
    {ZYDIS_MNEMONIC_IDIV, select_muldiv, 2},
    {ZYDIS_MNEMONIC_IMUL, select_imul, 0},
    {ZYDIS_MNEMONIC_AAA, select_decimal, AAA},
    {ZYDIS_MNEMONIC_AAS, select_decimal, AAS},
    {ZYDIS_MNEMONIC_DAA, select_decimal, DAA},
    {ZYDIS_MNEMONIC_DAS, select_decimal, DAS},
    {ZYDIS_MNEMONIC_AAM, select_decimal, AAM},
    {ZYDIS_MNEMONIC_AAD, select_decimal, AAD},
    {0, NULL, 0},
};

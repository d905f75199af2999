/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * alu.c - ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST; INC, DEC, NEG, NOT.
 *
 * Each operation is written once (calc_*), and instantiated for each form of operands and each width. In a form with a
 * memory destination the flags are kept aside until the store has succeeded: a page fault must leave everything as it
 * was.
 */
#include "x86/operands.h"

typedef uint64_t calc_fn(const struct lazy_flags *old, struct lazy_flags *f, uint64_t a, uint64_t b, unsigned bits);

#define CALC(name)                               \
    static inline __attribute__((always_inline)) \
    uint64_t calc_##name(const struct lazy_flags *old, struct lazy_flags *f, uint64_t a, uint64_t b, unsigned bits)

CALC(add)
{
    (void)old;
    flags_add(f, a, b, a + b, bits);
    return a + b;
}
CALC(adc)
{
    uint64_t sum = a + b + flag_cf(old);
    flags_add(f, a, b, sum, bits);
    return sum;
}
CALC(sub)
{
    (void)old;
    flags_sub(f, a, b, a - b, bits);
    return a - b;
}
CALC(sbb)
{
    uint64_t difference = a - b - flag_cf(old);
    flags_sub(f, a, b, difference, bits);
    return difference;
}
CALC(and)
{
    (void)old;
    flags_logic(f, a & b, bits);
    return a & b;
}
CALC(or)
{
    (void)old;
    flags_logic(f, a | b, bits);
    return a | b;
}
CALC(xor)
{
    (void)old;
    flags_logic(f, a ^ b, bits);
    return a ^ b;
}
/* INC and DEC leave CF alone. */
CALC(inc)
{
    (void)b;
    flags_add(f, a, 1, a + 1, bits);
    flags_set_cf(f, flag_cf(old));
    return a + 1;
}
CALC(dec)
{
    (void)b;
    flags_sub(f, a, 1, a - 1, bits);
    flags_set_cf(f, flag_cf(old));
    return a - 1;
}
CALC(neg)
{
    (void)old, (void)b;
    flags_sub(f, 0, a, 0 - a, bits);
    return 0 - a;
}
CALC(not )
{
    (void)b, (void)bits;
    *f = *old;
    return ~a;
}

/* Register destination; `b` is an expression for the second operand. */
#define TO_REGISTER(handler, calc, bits, dst, b)                                               \
    static const struct insn *handler(struct cpu *cpu, const struct insn *in)                  \
    {                                                                                          \
        uint64_t second = (uint##bits##_t)(b);                                                 \
        struct lazy_flags f;                                                                   \
        W##bits(cpu, in->dst, calc_##calc(&cpu->lf, &f, R##bits(cpu, in->dst), second, bits)); \
        cpu->lf = f;                                                                           \
        NEXT(cpu, in);                                                                         \
    }
/* Memory destination. */
#define TO_MEMORY(handler, calc, bits, b)                                                                   \
    static const struct insn *handler(struct cpu *cpu, const struct insn *in)                               \
    {                                                                                                       \
        struct lazy_flags f;                                                                                \
        uint64_t at = operand_address(cpu, in, bits / 8, ACCESS_WRITE);                                     \
        uint64_t first = lm##bits(cpu, in, at);                                                             \
        st##bits(cpu, in, at, (uint##bits##_t)calc_##calc(&cpu->lf, &f, first, (uint##bits##_t)(b), bits)); \
        cpu->lf = f;                                                                                        \
        NEXT(cpu, in);                                                                                      \
    }
/* No destination: CMP and TEST. */
#define TO_FLAGS(handler, calc, bits, a, b)                                   \
    static const struct insn *handler(struct cpu *cpu, const struct insn *in) \
    {                                                                         \
        uint64_t first = (a), second = (uint##bits##_t)(b);                   \
        struct lazy_flags f;                                                  \
        calc_##calc(&cpu->lf, &f, first, second, bits);                       \
        cpu->lf = f;                                                          \
        NEXT(cpu, in);                                                        \
    }

#define OPERAND(bits) ld##bits(cpu, in, operand_address(cpu, in, bits / 8, ACCESS_READ))

/* The five forms of a two-operand operation, named by destination and source: r register, m memory, i immediate. */
#define BINARY_WIDTH(bits, name)                                        \
    TO_REGISTER(name##_rr##bits, name, bits, rm, R##bits(cpu, in->reg)) \
    TO_REGISTER(name##_ri##bits, name, bits, rm, in->imm)               \
    TO_REGISTER(name##_rm##bits, name, bits, reg, OPERAND(bits))        \
    TO_MEMORY(name##_mr##bits, name, bits, R##bits(cpu, in->reg))       \
    TO_MEMORY(name##_mi##bits, name, bits, in->imm)
#define COMPARE_WIDTH(bits, name, calc)                                                \
    TO_FLAGS(name##_rr##bits, calc, bits, R##bits(cpu, in->rm), R##bits(cpu, in->reg)) \
    TO_FLAGS(name##_ri##bits, calc, bits, R##bits(cpu, in->rm), in->imm)               \
    TO_FLAGS(name##_rm##bits, calc, bits, R##bits(cpu, in->reg), OPERAND(bits))        \
    TO_FLAGS(name##_mr##bits, calc, bits, OPERAND(bits), R##bits(cpu, in->reg))        \
    TO_FLAGS(name##_mi##bits, calc, bits, OPERAND(bits), in->imm)
#define UNARY_WIDTH(bits, name)                    \
    TO_REGISTER(name##_r##bits, name, bits, rm, 0) \
    TO_MEMORY(name##_m##bits, name, bits, 0)

#define BINARY(name)        FOR_WIDTHS(BINARY_WIDTH, name)
#define COMPARE(name, calc) FOR_WIDTHS(COMPARE_WIDTH, name, calc)
#define UNARY(name)         FOR_WIDTHS(UNARY_WIDTH, name)

BINARY(add)
BINARY(or)
BINARY(adc)
BINARY(sbb)
BINARY(and)
BINARY(sub)
BINARY(xor)
COMPARE(cmp, sub)
COMPARE(test, and)
UNARY(inc)
UNARY(dec)
UNARY(neg)
UNARY(not )

/* ---- choosing ---- */

enum form { FORM_RR, FORM_RI, FORM_RM, FORM_MR, FORM_MI, FORM_COUNT };

#define FORMS(name)                                                                                             \
    {                                                                                                           \
        BY_WIDTH(name##_rr), BY_WIDTH(name##_ri), BY_WIDTH(name##_rm), BY_WIDTH(name##_mr), BY_WIDTH(name##_mi) \
    }

enum binary { ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST };
static const struct by_width binary[][FORM_COUNT] = {
    [ADD] = FORMS(add), [OR] = FORMS(or),   [ADC] = FORMS(adc), [SBB] = FORMS(sbb),   [AND] = FORMS(and),
    [SUB] = FORMS(sub), [XOR] = FORMS(xor), [CMP] = FORMS(cmp), [TEST] = FORMS(test),
};

enum unary { INC, DEC, NEG, NOT };
static const struct by_width unary[][2] = {
    [INC] = {BY_WIDTH(inc_r), BY_WIDTH(inc_m)},
    [DEC] = {BY_WIDTH(dec_r), BY_WIDTH(dec_m)},
    [NEG] = {BY_WIDTH(neg_r), BY_WIDTH(neg_m)},
    [NOT] = {BY_WIDTH(not_r), BY_WIDTH(not_m)},
};

static bool select_binary(const struct decoded *d, struct insn *in)
{
    enum form form;
    if (is_mem(d, 0)) {
        form = is_imm(d, 1) ? FORM_MI : FORM_MR;
    } else if (is_mem(d, 1)) {
        form = FORM_RM;
    } else if (is_imm(d, 1)) {
        form = FORM_RI;
    } else {
        form = FORM_RR;
        /* `add r, r/m` with a register for r/m: the destination is in `reg`. */
        if (d->operand[0].encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG) {
            uint8_t destination = in->reg;
            in->reg = in->rm;
            in->rm = destination;
        }
    }
    return use(in, &binary[d->arg][form]);
}

static bool select_unary(const struct decoded *d, struct insn *in)
{
    return use(in, &unary[d->arg][is_mem(d, 0)]);
}

const struct family_row family_alu[] = {
    {ZYDIS_MNEMONIC_ADD, select_binary, ADD},   {ZYDIS_MNEMONIC_OR, select_binary, OR},
    {ZYDIS_MNEMONIC_ADC, select_binary, ADC},   {ZYDIS_MNEMONIC_SBB, select_binary, SBB},
    {ZYDIS_MNEMONIC_AND, select_binary, AND},   {ZYDIS_MNEMONIC_SUB, select_binary, SUB},
    {ZYDIS_MNEMONIC_XOR, select_binary, XOR},   {ZYDIS_MNEMONIC_CMP, select_binary, CMP},
    {ZYDIS_MNEMONIC_TEST, select_binary, TEST}, {ZYDIS_MNEMONIC_INC, select_unary, INC},
    {ZYDIS_MNEMONIC_DEC, select_unary, DEC},    {ZYDIS_MNEMONIC_NEG, select_unary, NEG},
    {ZYDIS_MNEMONIC_NOT, select_unary, NOT},    {0, NULL, 0},
};

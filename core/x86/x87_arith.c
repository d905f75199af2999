/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87_arith.c - x87 arithmetic and comparisons: FADD, FMUL, FSUB(R), FDIV(R), FCOM, FUCOM, FCOMI and their kin.
 *
 * An operation has five forms, by its source: a register, or a float, double, word or doubleword in memory. Each form
 * is the host's own instruction, so that a conversion's exceptions are right, too. Handlers take the operation from
 * in->data.
 */
#include "x86/x87.h"

enum form { FORM_ST, FORM_F32, FORM_F64, FORM_I16, FORM_I32, FORMS };

/* An operation and the condition codes that it defines. */
struct operation {
    unsigned codes;
    x87_fn *form[FORMS];
};

/* in->op: ST(i) in bits 2:0, and: */
enum { OP_TO_STI = 8, OP_POP = 16, OP_POP_TWICE = 32 };

/* d = d OP s. With two registers the source is loaded first, so that ST is d and ST(1) is s. */
#define ST_FORM(name, host)                                                                     \
    static unsigned name##_st(long double *d, const void *s)                                    \
    {                                                                                           \
        uint16_t sw;                                                                            \
        asm volatile("fldt %2\n\tfldt %1\n\t" host "\n\t" X87_STATUS "fstpt %1\n\tfstp %%st(0)" \
                     : "=a"(sw), "+m"(*d)                                                       \
                     : "m"(*(const long double *)s));                                           \
        return sw;                                                                              \
    }
#define MEMORY_FORM(name, kind, host, type)                                                                            \
    static unsigned name##_##kind(long double *d, const void *s)                                                       \
    {                                                                                                                  \
        uint16_t sw;                                                                                                   \
        asm volatile("fldt %1\n\t" host " %2\n\t" X87_STATUS "fstpt %1" : "=a"(sw), "+m"(*d) : "m"(*(const type *)s)); \
        return sw;                                                                                                     \
    }

/* Types that may lie in a buffer of another. */
typedef float __attribute__((may_alias)) any_float;
typedef double __attribute__((may_alias)) any_double;
typedef int16_t __attribute__((may_alias)) any_int16;
typedef int32_t __attribute__((may_alias)) any_int32;

#define OPERATION(name, st_insn)                         \
    ST_FORM(f##name, st_insn)                            \
    MEMORY_FORM(f##name, f32, "f" #name "s", any_float)  \
    MEMORY_FORM(f##name, f64, "f" #name "l", any_double) \
    MEMORY_FORM(f##name, i16, "fi" #name "s", any_int16) \
    MEMORY_FORM(f##name, i32, "fi" #name "l", any_int32)
/* clang-format off */
#define ALL_FORMS(name, codes) {codes, {name##_st, name##_f32, name##_f64, name##_i16, name##_i32}}
/* clang-format on */

OPERATION(add, "fadd %%st(1), %%st")
OPERATION(mul, "fmul %%st(1), %%st")
OPERATION(sub, "fsub %%st(1), %%st")
OPERATION(subr, "fsubr %%st(1), %%st")
OPERATION(div, "fdiv %%st(1), %%st")
OPERATION(divr, "fdivr %%st(1), %%st")
OPERATION(com, "fcom %%st(1)")
ST_FORM(fucom, "fucom %%st(1)")

/* In the order of the table in x87.c. */
static const struct operation arith[] = {
    ALL_FORMS(fadd, FSW_C1),  ALL_FORMS(fmul, FSW_C1), ALL_FORMS(fsub, FSW_C1),
    ALL_FORMS(fsubr, FSW_C1), ALL_FORMS(fdiv, FSW_C1), ALL_FORMS(fdivr, FSW_C1),
};
static const struct operation ordered = ALL_FORMS(fcom, FSW_CC), unordered = {FSW_CC, {fucom_st}};

/* Executes the record's operation on `d`. True when it was done. */
static inline bool execute(struct cpu *cpu, const struct insn *in, enum form form, long double *d, const void *s)
{
    const struct operation *op = in->data;
    return x87_finish(cpu, op->form[form](d, s), op->codes);
}

static void pop_as_asked(struct cpu *cpu, const struct insn *in)
{
    if (in->op & (OP_POP | OP_POP_TWICE))
        x87_pop(cpu);
    if (in->op & OP_POP_TWICE)
        x87_pop(cpu);
}

static unsigned form_bytes(enum form form)
{
    return form == FORM_F64 ? 8 : form == FORM_I16 ? 2 : 4;
}

/* ---- arithmetic ---- */

static const struct insn *arith_st(struct cpu *cpu, const struct insn *in)
{
    x87_ready(cpu, in);
    unsigned i = in->op & 7, to = in->op & OP_TO_STI ? i : 0, from = i - to;
    bool done;
    if (unlikely(x87_empty(cpu, 0) || x87_empty(cpu, i))) {
        done = x87_stack_fault(cpu, false);
        if (done)
            x87_set(cpu, to, x87_indefinite());
    } else {
        done = execute(cpu, in, FORM_ST, x87_st(cpu, to), x87_st(cpu, from));
    }
    if (done)
        pop_as_asked(cpu, in);
    return x87_done(cpu, in);
}

static inline const struct insn *arith_mem(struct cpu *cpu, const struct insn *in, enum form form)
{
    x87_ready(cpu, in);
    unsigned bytes = form_bytes(form);
    uint64_t s = mem_load(cpu, in, operand_address(cpu, in, bytes, ACCESS_READ), bytes);
    if (unlikely(x87_empty(cpu, 0))) {
        if (x87_stack_fault(cpu, false))
            x87_set(cpu, 0, x87_indefinite());
    } else {
        execute(cpu, in, form, x87_st(cpu, 0), &s);
    }
    return x87_done_mem(cpu, in);
}

/* ---- comparisons that set C0, C2, C3 ---- */

#define UNORDERED (FSW_C0 | FSW_C2 | FSW_C3)

/* An empty register compares as unordered, even when the stack fault is unmasked. */
static bool compare_empty(struct cpu *cpu)
{
    bool done = x87_stack_fault(cpu, false);
    cpu->x87.fsw |= UNORDERED;
    return done;
}

static const struct insn *compare_st(struct cpu *cpu, const struct insn *in)
{
    x87_ready(cpu, in);
    unsigned i = in->op & 7;
    bool done;
    if (unlikely(x87_empty(cpu, 0) || x87_empty(cpu, i)))
        done = compare_empty(cpu);
    else
        done = execute(cpu, in, FORM_ST, x87_st(cpu, 0), x87_st(cpu, i));
    if (done)
        pop_as_asked(cpu, in);
    return x87_done(cpu, in);
}

static inline const struct insn *compare_mem(struct cpu *cpu, const struct insn *in, enum form form)
{
    x87_ready(cpu, in);
    unsigned bytes = form_bytes(form);
    uint64_t s = mem_load(cpu, in, operand_address(cpu, in, bytes, ACCESS_READ), bytes);
    bool done;
    if (unlikely(x87_empty(cpu, 0)))
        done = compare_empty(cpu);
    else
        done = execute(cpu, in, form, x87_st(cpu, 0), &s);
    if (done)
        pop_as_asked(cpu, in);
    return x87_done_mem(cpu, in);
}

/* ---- FCOMI, FUCOMI: C3, C2, C0 go to ZF, PF, CF instead, and C1 stays (Intel's clear it) ---- */

static const struct insn *compare_flags(struct cpu *cpu, const struct insn *in)
{
    x87_ready(cpu, in);
    const struct operation *op = in->data;
    unsigned i = in->op & 7, codes = UNORDERED;
    bool done;
    if (unlikely(x87_empty(cpu, 0) || x87_empty(cpu, i))) {
        done = x87_stack_fault(cpu, false);
    } else {
        codes = op->form[FORM_ST](x87_st(cpu, 0), x87_st(cpu, i));
        done = x87_finish(cpu, codes, 0);
    }
    flags_set(&cpu->lf,
              (codes & FSW_C3 ? FLAG_ZF : 0) | (codes & FSW_C2 ? FLAG_PF : 0) | (codes & FSW_C0 ? FLAG_CF : 0));
    if (done)
        pop_as_asked(cpu, in);
    return x87_done(cpu, in);
}

/* ---- choosing ---- */

#define MEM_HANDLERS(kind, form)                                                     \
    static const struct insn *arith_##kind(struct cpu *cpu, const struct insn *in)   \
    {                                                                                \
        return arith_mem(cpu, in, form);                                             \
    }                                                                                \
    static const struct insn *compare_##kind(struct cpu *cpu, const struct insn *in) \
    {                                                                                \
        return compare_mem(cpu, in, form);                                           \
    }
MEM_HANDLERS(f32, FORM_F32)
MEM_HANDLERS(f64, FORM_F64)
MEM_HANDLERS(i16, FORM_I16)
MEM_HANDLERS(i32, FORM_I32)

/* The memory forms by the opcode: D8 float, DA doubleword, DC double, DE word. */
static insn_fn *by_opcode(unsigned opcode, insn_fn *const handler[4])
{
    return handler[(opcode >> 1) & 3];
}

bool select_x87_arith(const struct decoded *d, struct insn *in)
{
    static insn_fn *const memory[] = {arith_f32, arith_i32, arith_f64, arith_i16};
    x87_take(d, in);
    in->data = &arith[d->arg];
    if (in->flags & INSN_MEM) {
        in->fn = by_opcode(d->z.opcode, memory);
        return true;
    }
    in->fn = arith_st;
    if (d->z.opcode != 0xd8)
        in->op |= OP_TO_STI;
    if (d->z.opcode == 0xde)
        in->op |= OP_POP;
    return true;
}

bool select_x87_compare(const struct decoded *d, struct insn *in)
{
    static insn_fn *const memory[] = {compare_f32, compare_i32, compare_f64, compare_i16};
    x87_take(d, in);
    in->data = &ordered;
    in->fn = in->flags & INSN_MEM ? by_opcode(d->z.opcode, memory) : compare_st;
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_FCOMP:
    case ZYDIS_MNEMONIC_FICOMP: in->op |= OP_POP; break;
    case ZYDIS_MNEMONIC_FCOMPP: in->op |= OP_POP_TWICE; break;
    case ZYDIS_MNEMONIC_FUCOM: in->data = &unordered; break;
    case ZYDIS_MNEMONIC_FUCOMP: in->data = &unordered, in->op |= OP_POP; break;
    case ZYDIS_MNEMONIC_FUCOMPP: in->data = &unordered, in->op |= OP_POP_TWICE; break;
    case ZYDIS_MNEMONIC_FCOMI: in->fn = compare_flags; break;
    case ZYDIS_MNEMONIC_FCOMIP: in->fn = compare_flags, in->op |= OP_POP; break;
    case ZYDIS_MNEMONIC_FUCOMI: in->fn = compare_flags, in->data = &unordered; break;
    case ZYDIS_MNEMONIC_FUCOMIP: in->fn = compare_flags, in->data = &unordered, in->op |= OP_POP; break;
    default: break;
    }
    return true;
}

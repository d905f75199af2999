/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87_math.c - x87 functions of the stack's top: square root, rounding, remainders, scaling, transcendental functions.
 *
 * Transcendental results differ in their last bit between makers of CPUs; the guest sees this host's.
 */
#include "x86/x87.h"

/* An operation and the condition codes that it defines. */
struct operation {
    unsigned codes;
    x87_fn *run;
};

/* ---- ST(0) = f(ST(0)) ---- */

#define UNARY(name)                                                                          \
    static unsigned do_##name(long double *d, const void *s)                                 \
    {                                                                                        \
        uint16_t sw;                                                                         \
        (void)s;                                                                             \
        asm volatile("fldt %1\n\t" #name "\n\t" X87_STATUS "fstpt %1" : "=a"(sw), "+m"(*d)); \
        return sw;                                                                           \
    }
UNARY(fchs)
UNARY(fabs)
UNARY(ftst)
UNARY(fxam)
UNARY(fsqrt)
UNARY(frndint)
UNARY(f2xm1)
UNARY(fsin)
UNARY(fcos)

/* ---- ST(0) = f(ST(0), ST(1)) ---- */

#define BINARY(name)                                                                             \
    static unsigned do_##name(long double *d, const void *s)                                     \
    {                                                                                            \
        uint16_t sw;                                                                             \
        asm volatile("fldt %2\n\tfldt %1\n\t" #name "\n\t" X87_STATUS "fstpt %1\n\tfstp %%st(0)" \
                     : "=a"(sw), "+m"(*d)                                                        \
                     : "m"(*(const long double *)s));                                            \
        return sw;                                                                               \
    }
BINARY(fprem)
BINARY(fprem1)
BINARY(fscale)

/* ---- ST(1) = f(ST(1), ST(0)), pop: here d is ST(1). The host's pop is undone by emptying its stack. ---- */

#define BINARY_POP(name)                                                                 \
    static unsigned do_##name(long double *d, const void *s)                             \
    {                                                                                    \
        uint16_t sw;                                                                     \
        asm volatile("fldt %1\n\tfldt %2\n\t" #name "\n\t" X87_STATUS "fstpt %1\n\temms" \
                     : "=a"(sw), "+m"(*d)                                                \
                     : "m"(*(const long double *)s));                                    \
        return sw;                                                                       \
    }
BINARY_POP(fyl2x)
BINARY_POP(fyl2xp1)
BINARY_POP(fpatan)

/*
 * ---- two results: ST(0) = the first, push the second ----
 * d points to both. A zero below the operand is there to be stored when nothing was pushed.
 */
#define UNARY_PUSH(name)                                                                          \
    static unsigned do_##name(long double *d, const void *s)                                      \
    {                                                                                             \
        uint16_t sw;                                                                              \
        asm volatile("fldz\n\tfldt %3\n\t" #name "\n\t" X87_STATUS "fstpt %2\n\tfstpt %1\n\temms" \
                     : "=a"(sw), "=m"(d[0]), "=m"(d[1])                                           \
                     : "m"(*(const long double *)s));                                             \
        return sw;                                                                                \
    }
UNARY_PUSH(fptan)
UNARY_PUSH(fsincos)
UNARY_PUSH(fxtract)

/* ---- handlers ---- */

static const struct operation *operation_of(const struct insn *in)
{
    return in->data;
}

/* After a stack fault: FTST says unordered, the others that define C2 say complete. */
static void fault_codes(struct cpu *cpu, const struct operation *op)
{
    if (op->run == do_ftst)
        cpu->x87.fsw |= FSW_C0 | FSW_C2 | FSW_C3;
    else
        cpu->x87.fsw &= (uint16_t) ~(op->codes & FSW_C2);
}

static const struct insn *unary(struct cpu *cpu, const struct insn *in)
{
    x87_ready(cpu, in);
    const struct operation *op = operation_of(in);
    if (unlikely(x87_empty(cpu, 0))) {
        if (x87_stack_fault(cpu, false) && op->run != do_ftst)
            x87_set(cpu, 0, x87_indefinite());
        fault_codes(cpu, op);
    } else {
        x87_finish(cpu, op->run(x87_st(cpu, 0), NULL), op->codes);
    }
    return x87_done(cpu, in);
}

/* FXAM looks at empty registers, too: C3 and C0 say so. */
static const struct insn *examine(struct cpu *cpu, const struct insn *in)
{
    x87_ready(cpu, in);
    unsigned sw = do_fxam(x87_st(cpu, 0), NULL);
    if (x87_empty(cpu, 0))
        sw = (sw & FSW_C1) | FSW_C3 | FSW_C0;
    x87_finish(cpu, sw & FSW_CC, FSW_CC);
    return x87_done(cpu, in);
}

static bool is_nan(const long double *value)
{
    uint64_t significand;
    uint16_t exponent;
    memcpy(&significand, value, 8);
    memcpy(&exponent, (const uint8_t *)value + 8, 2);
    return (exponent & 0x7fff) == 0x7fff && significand << 1;
}

/* A remainder that could not be computed leaves C0 and C3, bits of the quotient, as they were. */
static const struct insn *binary(struct cpu *cpu, const struct insn *in)
{
    x87_ready(cpu, in);
    const struct operation *op = operation_of(in);
    if (unlikely(x87_empty(cpu, 0) || x87_empty(cpu, 1))) {
        if (x87_stack_fault(cpu, false))
            x87_set(cpu, 0, x87_indefinite());
        fault_codes(cpu, op);
    } else {
        unsigned sw = op->run(x87_st(cpu, 0), x87_st(cpu, 1)), codes = op->codes;
        if ((sw & FSW_BEFORE & ~cpu->x87.fcw) || is_nan(x87_st(cpu, 0)))
            codes &= ~(FSW_C0 | FSW_C3);
        x87_finish(cpu, sw, codes);
    }
    return x87_done(cpu, in);
}

static const struct insn *binary_pop(struct cpu *cpu, const struct insn *in)
{
    x87_ready(cpu, in);
    long double result = *x87_st(cpu, 1);
    bool done;
    if (unlikely(x87_empty(cpu, 0) || x87_empty(cpu, 1))) {
        result = x87_indefinite();
        done = x87_stack_fault(cpu, false);
    } else {
        done = x87_finish(cpu, operation_of(in)->run(&result, x87_st(cpu, 0)), FSW_C1);
    }
    if (done) {
        x87_set(cpu, 1, result);
        x87_pop(cpu);
    }
    return x87_done(cpu, in);
}

static const struct insn *unary_push(struct cpu *cpu, const struct insn *in)
{
    x87_ready(cpu, in);
    const struct operation *op = operation_of(in);
    long double result[2];
    bool done, underflow = x87_empty(cpu, 0);
    if (unlikely(underflow || !x87_empty(cpu, 7))) {
        result[0] = result[1] = x87_indefinite();
        done = x87_stack_fault(cpu, !underflow);
        fault_codes(cpu, op);
    } else {
        unsigned sw = op->run(result, x87_st(cpu, 0));
        done = x87_finish(cpu, sw, op->codes);
        if (sw & op->codes & FSW_C2) /* the operand is out of range and stays */
            done = false;
    }
    if (done) {
        x87_set(cpu, 0, result[0]);
        x87_push(cpu, result[1]);
    }
    return x87_done(cpu, in);
}

/* ---- choosing ---- */

bool select_x87_math(const struct decoded *d, struct insn *in)
{
#define OPERATION(NAME, name, handler, defined)                         \
    case ZYDIS_MNEMONIC_##NAME: {                                       \
        static const struct operation operation = {defined, do_##name}; \
        in->data = &operation;                                          \
        in->fn = handler;                                               \
        return true;                                                    \
    }
    x87_take(d, in);
    switch (d->z.mnemonic) {
        OPERATION(FCHS, fchs, unary, FSW_C1)
        OPERATION(FABS, fabs, unary, FSW_C1)
        OPERATION(FTST, ftst, unary, FSW_CC)
        OPERATION(FXAM, fxam, examine, FSW_CC)
        OPERATION(FSQRT, fsqrt, unary, FSW_C1)
        OPERATION(FRNDINT, frndint, unary, FSW_C1)
        OPERATION(F2XM1, f2xm1, unary, FSW_C1)
        OPERATION(FSIN, fsin, unary, FSW_C1 | FSW_C2)
        OPERATION(FCOS, fcos, unary, FSW_C1 | FSW_C2)
        OPERATION(FPREM, fprem, binary, FSW_CC)
        OPERATION(FPREM1, fprem1, binary, FSW_CC)
        OPERATION(FSCALE, fscale, binary, FSW_C1)
        OPERATION(FYL2X, fyl2x, binary_pop, FSW_C1)
        OPERATION(FYL2XP1, fyl2xp1, binary_pop, FSW_C1)
        OPERATION(FPATAN, fpatan, binary_pop, FSW_C1)
        OPERATION(FPTAN, fptan, unary_push, FSW_C1 | FSW_C2)
        OPERATION(FSINCOS, fsincos, unary_push, FSW_C1 | FSW_C2)
        OPERATION(FXTRACT, fxtract, unary_push, FSW_C1)
    default: return false;
    }
#undef OPERATION
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87_move.c - x87 loads, stores, conversions to and from integers and BCD, constants, FXCH, FCMOVcc.
 */
#include "x86/x87.h"

/* A value of 10 bytes as it lies in memory. */
union extended {
    long double value;
    struct {
        uint64_t low;
        uint16_t high;
    };
};

typedef uint8_t bytes16[16];

/*
 * ---- loads: d = the value at s, converted ----
 * With an exception unmasked it may happen that nothing is loaded. Then the zero below is stored.
 */

#define LOAD(name, host)                                                  \
    static unsigned name(long double *d, const void *s)                   \
    {                                                                     \
        uint16_t sw;                                                      \
        asm volatile("fldz\n\t" host "\n\t" X87_STATUS "fstpt %1\n\temms" \
                     : "=a"(sw), "=m"(*d)                                 \
                     : "m"(*(const bytes16 *)s));                         \
        return sw;                                                        \
    }
LOAD(fld_m32, "flds %2")
LOAD(fld_m64, "fldl %2")
LOAD(fild_m16, "filds %2")
LOAD(fild_m32, "fildl %2")
LOAD(fild_m64, "fildq %2")
LOAD(fbld_m80, "fbld %2")
LOAD(fld1, "fld1")
LOAD(fldz, "fldz")
LOAD(fldpi, "fldpi")
LOAD(fldl2e, "fldl2e")
LOAD(fldl2t, "fldl2t")
LOAD(fldlg2, "fldlg2")
LOAD(fldln2, "fldln2")

struct load {
    unsigned bytes;
    x87_fn *run;
};

/* A load of nothing: x87_finish() needs no host for it. */
static unsigned fld_m80(long double *d, const void *s)
{
    memcpy(d, s, 10);
    return 0;
}

/* Only a NaN or a denormal number raises an exception when it is loaded, and CPUs differ in which they then load. */
static bool was_loaded(const long double *value)
{
    uint64_t significand;
    memcpy(&significand, value, sizeof(significand));
    return significand != 0;
}

static const struct insn *load(struct cpu *cpu, const struct insn *in)
{
    x87_ready(cpu, in);
    const struct load *op = in->data;
    bytes16 buffer = {0};
    if (in->flags & INSN_MEM) {
        uint64_t at = operand_address(cpu, in, op->bytes, ACCESS_READ);
        uint64_t low = mem_load(cpu, in, at, op->bytes < 8 ? op->bytes : 8);
        memcpy(buffer, &low, 8);
        if (op->bytes == 10) {
            uint16_t high = ld16(cpu, in, at + 8);
            memcpy(buffer + 8, &high, 2);
        }
    }
    long double value = x87_indefinite();
    bool done;
    if (unlikely(!x87_empty(cpu, 7)))
        done = x87_stack_fault(cpu, true);
    else
        done = x87_finish(cpu, op->run(&value, buffer), FSW_C1) || was_loaded(&value);
    if (done)
        x87_push(cpu, value);
    return in->flags & INSN_MEM ? x87_done_mem(cpu, in) : x87_done(cpu, in);
}

static const struct insn *load_st(struct cpu *cpu, const struct insn *in)
{
    x87_ready(cpu, in);
    unsigned i = in->op & 7;
    bool done = true;
    long double value = *x87_st(cpu, i);
    cpu->x87.fsw &= (uint16_t)~FSW_C1;
    if (unlikely(!x87_empty(cpu, 7) || x87_empty(cpu, i))) {
        done = x87_stack_fault(cpu, !x87_empty(cpu, i));
        value = x87_indefinite();
    }
    if (done)
        x87_push(cpu, value);
    return x87_done(cpu, in);
}

bool select_x87_load(const struct decoded *d, struct insn *in)
{
#define OPERATION(run, bytes)                              \
    do {                                                   \
        static const struct load operation = {bytes, run}; \
        in->data = &operation;                             \
        in->fn = load;                                     \
        return true;                                       \
    } while (0)
    x87_take(d, in);
    unsigned bytes = in->flags & INSN_MEM ? in->opsize : 0;
    for (unsigned i = 0; i < d->z.operand_count; i++)
        if (is_mem(d, i))
            bytes = operand_bytes(d, i);
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_FLD:
        if (bytes == 4)
            OPERATION(fld_m32, 4);
        if (bytes == 8)
            OPERATION(fld_m64, 8);
        if (bytes == 10)
            OPERATION(fld_m80, 10);
        in->fn = load_st;
        return true;
    case ZYDIS_MNEMONIC_FILD:
        if (bytes == 2)
            OPERATION(fild_m16, 2);
        if (bytes == 4)
            OPERATION(fild_m32, 4);
        OPERATION(fild_m64, 8);
    case ZYDIS_MNEMONIC_FBLD: OPERATION(fbld_m80, 10);
    case ZYDIS_MNEMONIC_FLD1: OPERATION(fld1, 0);
    case ZYDIS_MNEMONIC_FLDZ: OPERATION(fldz, 0);
    case ZYDIS_MNEMONIC_FLDPI: OPERATION(fldpi, 0);
    case ZYDIS_MNEMONIC_FLDL2E: OPERATION(fldl2e, 0);
    case ZYDIS_MNEMONIC_FLDL2T: OPERATION(fldl2t, 0);
    case ZYDIS_MNEMONIC_FLDLG2: OPERATION(fldlg2, 0);
    case ZYDIS_MNEMONIC_FLDLN2: OPERATION(fldln2, 0);
    default: return false;
    }
#undef OPERATION
}

/* ---- stores: the value s, converted, to d (here a buffer). Not done when an unmasked exception prevents it. ---- */

#define STORE(name, host)                                          \
    static unsigned name(long double *d, const void *s)            \
    {                                                              \
        uint16_t sw;                                               \
        asm volatile("fldt %2\n\t" host " %1\n\t" X87_STATUS_EMPTY \
                     : "=a"(sw), "+m"(*(bytes16 *)d)               \
                     : "m"(*(const long double *)s));              \
        return sw;                                                 \
    }
STORE(fst_m32, "fstps")
STORE(fst_m64, "fstpl")
STORE(fist_m16, "fistps")
STORE(fist_m32, "fistpl")
STORE(fist_m64, "fistpq")
STORE(fistt_m16, "fisttps")
STORE(fistt_m32, "fisttpl")
STORE(fistt_m64, "fisttpq")
STORE(fbst_m80, "fbstp")

static unsigned fst_m80(long double *d, const void *s)
{
    memcpy(d, s, 10);
    return 0;
}

/* With the masked answer to a stack underflow: the indefinite of the type. */
struct store {
    unsigned bytes;
    x87_fn *run;
    uint64_t indefinite;
    uint16_t indefinite_high;
};

enum { OP_POP = 8 };

static const struct insn *store(struct cpu *cpu, const struct insn *in)
{
    x87_ready(cpu, in);
    const struct store *op = in->data;
    uint64_t at = operand_address(cpu, in, op->bytes, ACCESS_WRITE);
    mem_probe_write(cpu, in, at, op->bytes); /* before the conversion leaves flags on the host */
    union extended buffer = {.low = op->indefinite, .high = op->indefinite_high};
    bool done;
    if (unlikely(x87_empty(cpu, 0))) {
        done = x87_stack_fault(cpu, false);
    } else {
        unsigned sw = op->run(&buffer.value, x87_st(cpu, 0));
        done = x87_finish(cpu, sw, FSW_C1) && !(sw & ~cpu->x87.fcw & (FSW_OE | FSW_UE));
    }
    if (done) {
        mem_store(cpu, in, at, op->bytes < 8 ? op->bytes : 8, buffer.low);
        if (op->bytes == 10)
            st16(cpu, in, at + 8, buffer.high);
        if (in->op & OP_POP)
            x87_pop(cpu);
    }
    return x87_done_mem(cpu, in);
}

static const struct insn *store_st(struct cpu *cpu, const struct insn *in)
{
    x87_ready(cpu, in);
    bool done = true;
    long double value = *x87_st(cpu, 0);
    cpu->x87.fsw &= (uint16_t)~FSW_C1;
    if (unlikely(x87_empty(cpu, 0))) {
        done = x87_stack_fault(cpu, false);
        value = x87_indefinite();
    }
    if (done) {
        x87_set(cpu, in->op & 7, value);
        if (in->op & OP_POP)
            x87_pop(cpu);
    }
    return x87_done(cpu, in);
}

static const struct store float_stores[] = {
    {4, fst_m32, 0xffc00000, 0},
    {8, fst_m64, UINT64_C(0xfff8000000000000), 0},
    {10, fst_m80, UINT64_C(0xc000000000000000), 0xffff},
};
static const struct store integer_stores[] = {
    {2, fist_m16, 0x8000, 0}, {4, fist_m32, 0x80000000, 0}, {8, fist_m64, UINT64_C(0x8000000000000000), 0}};
static const struct store truncating_stores[] = {
    {2, fistt_m16, 0x8000, 0}, {4, fistt_m32, 0x80000000, 0}, {8, fistt_m64, UINT64_C(0x8000000000000000), 0}};
static const struct store bcd_store = {10, fbst_m80, UINT64_C(0xc000000000000000), 0xffff};

static const struct store *store_of(const struct store *three, unsigned bytes)
{
    while (three->bytes != bytes)
        three++;
    return three;
}

/* D9 D8+i, undocumented: an FSTP that stores nothing from an empty register, instead of a stack fault. */
static const struct insn *store_st_unchecked(struct cpu *cpu, const struct insn *in)
{
    x87_ready(cpu, in);
    cpu->x87.fsw &= (uint16_t)~FSW_C1;
    if (!x87_empty(cpu, 0))
        x87_set(cpu, in->op & 7, *x87_st(cpu, 0));
    x87_pop(cpu);
    return x87_done(cpu, in);
}

bool select_x87_store(const struct decoded *d, struct insn *in)
{
    x87_take(d, in);
    bool pop = d->z.mnemonic != ZYDIS_MNEMONIC_FST && d->z.mnemonic != ZYDIS_MNEMONIC_FIST;
    in->op |= pop ? OP_POP : 0;
    if (!(in->flags & INSN_MEM)) {
        in->fn = d->z.mnemonic == ZYDIS_MNEMONIC_FSTPNCE ? store_st_unchecked : store_st;
        return true;
    }
    in->fn = store;
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_FST:
    case ZYDIS_MNEMONIC_FSTP: in->data = store_of(float_stores, operand_bytes(d, 0)); break;
    case ZYDIS_MNEMONIC_FISTTP: in->data = store_of(truncating_stores, operand_bytes(d, 0)); break;
    case ZYDIS_MNEMONIC_FBSTP: in->data = &bcd_store; break;
    default: in->data = store_of(integer_stores, operand_bytes(d, 0)); break;
    }
    return true;
}

/* ---- within the stack ---- */

static const struct insn *fxch(struct cpu *cpu, const struct insn *in)
{
    x87_ready(cpu, in);
    unsigned i = in->op & 7;
    cpu->x87.fsw &= (uint16_t)~FSW_C1;
    if (unlikely(x87_empty(cpu, 0) || x87_empty(cpu, i))) {
        if (!x87_stack_fault(cpu, false))
            return x87_done(cpu, in);
        if (x87_empty(cpu, 0))
            x87_set(cpu, 0, x87_indefinite());
        if (x87_empty(cpu, i))
            x87_set(cpu, i, x87_indefinite());
    }
    long double value = *x87_st(cpu, 0);
    *x87_st(cpu, 0) = *x87_st(cpu, i);
    *x87_st(cpu, i) = value;
    return x87_done(cpu, in);
}

/* in->imm2: the condition, as in flags_condition(). */
static const struct insn *fcmov(struct cpu *cpu, const struct insn *in)
{
    x87_ready(cpu, in);
    unsigned i = in->op & 7;
    if (unlikely(x87_empty(cpu, 0) || x87_empty(cpu, i))) {
        if (x87_stack_fault(cpu, false))
            x87_set(cpu, 0, x87_indefinite());
    } else if (flags_condition(&cpu->lf, in->imm2)) {
        *x87_st(cpu, 0) = *x87_st(cpu, i);
    }
    return x87_done(cpu, in);
}

/* FFREE; FFREEP, undocumented but everywhere, pops as well. */
static const struct insn *ffree(struct cpu *cpu, const struct insn *in)
{
    x87_ready(cpu, in);
    cpu->x87.fsw &= (uint16_t)~FSW_C1;
    cpu->x87.used &= (uint8_t) ~(1 << ((cpu->x87.top + in->op) & 7));
    if (in->op & OP_POP)
        x87_pop(cpu);
    return x87_done(cpu, in);
}

static const struct insn *fincstp(struct cpu *cpu, const struct insn *in)
{
    x87_ready(cpu, in);
    cpu->x87.fsw &= (uint16_t)~FSW_C1;
    cpu->x87.top = (cpu->x87.top + 1) & 7;
    return x87_done(cpu, in);
}

static const struct insn *fdecstp(struct cpu *cpu, const struct insn *in)
{
    x87_ready(cpu, in);
    cpu->x87.fsw &= (uint16_t)~FSW_C1;
    cpu->x87.top = (cpu->x87.top - 1) & 7;
    return x87_done(cpu, in);
}

bool select_x87_move(const struct decoded *d, struct insn *in)
{
    x87_take(d, in);
    in->imm2 = (uint8_t)d->arg;
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_FXCH: return handled_by(in, fxch);
    case ZYDIS_MNEMONIC_FFREE: return handled_by(in, ffree);
    case ZYDIS_MNEMONIC_FFREEP: in->op |= OP_POP; return handled_by(in, ffree);
    case ZYDIS_MNEMONIC_FINCSTP: return handled_by(in, fincstp);
    case ZYDIS_MNEMONIC_FDECSTP: return handled_by(in, fdecstp);
    default: return handled_by(in, fcmov);
    }
}

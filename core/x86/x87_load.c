/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87_load.c - what pushes a value: FLD, FILD, FBLD, and the constants.
 */
#include "x86/x87.h"

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

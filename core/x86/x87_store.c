/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87_store.c - FST, FIST, FISTTP, FBSTP: the top of the stack to memory or to another register.
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

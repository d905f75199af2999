/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87_move.c - moves within the x87's stack: FXCH, FCMOVcc, FFREE, FINCSTP, FDECSTP.
 */
#include "x86/x87.h"

/* in->op: ST(i) in bits 2:0, and: */
enum { OP_POP = 8 };

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

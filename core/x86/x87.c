/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87.c - the x87's common parts: exceptions that are pending, stack faults, and the family's table.
 *
 * CR0.NE is taken as set: an unmasked exception is #MF. The PC's other way, IRQ 13 through FERR#, is not modelled.
 */
#include "x86/x87.h"

long double x87_indefinite(void)
{
    static const union {
        uint64_t word[2];
        long double value;
    } indefinite = {.word = {UINT64_C(0xc000000000000000), 0xffff}};
    return indefinite.value;
}

void x87_not_ready(struct cpu *cpu, const struct insn *in)
{
    cpu_raise(cpu, in, cpu->paging.cr0 & (CR0_EM | CR0_TS) ? VEC_NM : VEC_MF);
}

void x87_update_pending(struct cpu *cpu)
{
    struct x87 *x = &cpu->x87;
    if (x->fsw & ~x->fcw & FSW_EXCEPTIONS)
        x->fsw |= FSW_ES | FSW_B;
    else
        x->fsw &= (uint16_t) ~(FSW_ES | FSW_B);
    fpu_mode_changed(cpu);
}

bool x87_stack_fault(struct cpu *cpu, bool overflow)
{
    struct x87 *x = &cpu->x87;
    x->fsw = (uint16_t)((x->fsw & ~FSW_C1) | FSW_IE | FSW_SF | (overflow ? FSW_C1 : 0));
    x87_update_pending(cpu);
    return x->fcw & FSW_IE;
}

void x87_control_changed(struct cpu *cpu)
{
    asm volatile("fnclex\n\tfldcw %0" : : "m"(cpu->x87.fcw));
    x87_update_pending(cpu);
}

void x87_init(struct cpu *cpu)
{
    struct x87 *x = &cpu->x87;
    x->fcw = FCW_RESET;
    x->fsw = x->fop = 0;
    x->fip = x->fdp = 0;
    x->top = x->used = 0;
}

/* Values of the third column: the files that read them name them. */
#define ARITH(name, n)                                                                               \
    {ZYDIS_MNEMONIC_F##name, select_x87_arith, n}, {ZYDIS_MNEMONIC_F##name##P, select_x87_arith, n}, \
        {ZYDIS_MNEMONIC_FI##name, select_x87_arith, n},
#define ROW(name, select) {ZYDIS_MNEMONIC_##name, select, 0},

const struct family_row family_x87[] = {
    /* clang-format off */
    ARITH(ADD, 0) ARITH(MUL, 1) ARITH(SUB, 2) ARITH(SUBR, 3) ARITH(DIV, 4) ARITH(DIVR, 5)
    ROW(FCOM, select_x87_compare) ROW(FCOMP, select_x87_compare) ROW(FCOMPP, select_x87_compare)
    ROW(FUCOM, select_x87_compare) ROW(FUCOMP, select_x87_compare) ROW(FUCOMPP, select_x87_compare)
    ROW(FCOMI, select_x87_compare) ROW(FCOMIP, select_x87_compare)
    ROW(FUCOMI, select_x87_compare) ROW(FUCOMIP, select_x87_compare)
    ROW(FICOM, select_x87_compare) ROW(FICOMP, select_x87_compare)
    ROW(FCHS, select_x87_math) ROW(FABS, select_x87_math) ROW(FTST, select_x87_math) ROW(FXAM, select_x87_math)
    ROW(FSQRT, select_x87_math) ROW(FRNDINT, select_x87_math) ROW(F2XM1, select_x87_math) ROW(FSIN, select_x87_math)
    ROW(FCOS, select_x87_math) ROW(FPREM, select_x87_math) ROW(FPREM1, select_x87_math) ROW(FSCALE, select_x87_math)
    ROW(FYL2X, select_x87_math) ROW(FYL2XP1, select_x87_math) ROW(FPATAN, select_x87_math)
    ROW(FPTAN, select_x87_math) ROW(FSINCOS, select_x87_math) ROW(FXTRACT, select_x87_math)
    ROW(FLD, select_x87_load) ROW(FILD, select_x87_load) ROW(FBLD, select_x87_load)
    ROW(FLD1, select_x87_load) ROW(FLDZ, select_x87_load) ROW(FLDPI, select_x87_load) ROW(FLDL2E, select_x87_load)
    ROW(FLDL2T, select_x87_load) ROW(FLDLG2, select_x87_load) ROW(FLDLN2, select_x87_load)
    ROW(FST, select_x87_store) ROW(FSTP, select_x87_store) ROW(FSTPNCE, select_x87_store) ROW(FIST, select_x87_store) ROW(FISTP, select_x87_store)
    ROW(FISTTP, select_x87_store) ROW(FBSTP, select_x87_store)
    ROW(FXCH, select_x87_move) ROW(FFREE, select_x87_move) ROW(FFREEP, select_x87_move)
    ROW(FINCSTP, select_x87_move) ROW(FDECSTP, select_x87_move)
    {ZYDIS_MNEMONIC_FCMOVB, select_x87_move, 0x2}, {ZYDIS_MNEMONIC_FCMOVNB, select_x87_move, 0x3},
    {ZYDIS_MNEMONIC_FCMOVE, select_x87_move, 0x4}, {ZYDIS_MNEMONIC_FCMOVNE, select_x87_move, 0x5},
    {ZYDIS_MNEMONIC_FCMOVBE, select_x87_move, 0x6}, {ZYDIS_MNEMONIC_FCMOVNBE, select_x87_move, 0x7},
    {ZYDIS_MNEMONIC_FCMOVU, select_x87_move, 0xa}, {ZYDIS_MNEMONIC_FCMOVNU, select_x87_move, 0xb},
    ROW(FNINIT, select_x87_control) ROW(FNCLEX, select_x87_control) ROW(FLDCW, select_x87_control)
    ROW(FNSTCW, select_x87_control) ROW(FNSTSW, select_x87_control) ROW(FWAIT, select_x87_control)
    ROW(FNOP, select_x87_control)
    ROW(FENI8087_NOP, select_x87_control) ROW(FDISI8087_NOP, select_x87_control) ROW(FSETPM287_NOP, select_x87_control)
    ROW(FNSTENV, select_x87_environment) ROW(FLDENV, select_x87_environment)
    ROW(FNSAVE, select_x87_environment) ROW(FRSTOR, select_x87_environment)
    ROW(FXSAVE, select_fxsave) ROW(FXSAVE64, select_fxsave) ROW(FXRSTOR, select_fxsave) ROW(FXRSTOR64, select_fxsave)
    {0, NULL, 0},
    /* clang-format on */
};

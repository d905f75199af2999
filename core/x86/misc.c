/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * misc.c - NOPs, and the instructions that touch single flags.
 */
#include "x86/operands.h"

static const struct insn *op_nop(struct cpu *cpu, const struct insn *in)
{
    (void)cpu;
    NEXT(cpu, in);
}

static bool select_nop(const struct decoded *d, struct insn *in)
{
    (void)d;
    in->refs = 0; /* a NOP with a memory operand doesn't access it */
    in->fn = op_nop;
    return true;
}

enum flag_op { CLC, STC, CMC, CLD, STD, LAHF, SAHF, SALC };

static const struct insn *op_flag(struct cpu *cpu, const struct insn *in)
{
    switch (in->op) {
    case CLC: flags_set_cf(&cpu->lf, 0); break;
    case STC: flags_set_cf(&cpu->lf, 1); break;
    case CMC: flags_set_cf(&cpu->lf, !flag_cf(&cpu->lf)); break;
    case CLD: cpu->sysflags &= ~FLAG_DF; break;
    case STD: cpu->sysflags |= FLAG_DF; break;
    case LAHF: reg_write(cpu, RAX * 8 + 1, 1, (flags_get(&cpu->lf) & 0xff) | FLAG_ONE); break;
    case SAHF: flags_set(&cpu->lf, (cpu->gpr[RAX] >> 8 & 0xff) | (flag_of(&cpu->lf) ? FLAG_OF : 0)); break;
    default: reg_write(cpu, RAX * 8, 1, flag_cf(&cpu->lf) ? 0xff : 0); break; /* SALC, undocumented */
    }
    NEXT(cpu, in);
}

static bool select_flag(const struct decoded *d, struct insn *in)
{
    in->op = (uint8_t)d->arg;
    in->fn = op_flag;
    return true;
}

const struct family_row family_misc[] = {
    {ZYDIS_MNEMONIC_NOP, select_nop, 0},      {ZYDIS_MNEMONIC_ENDBR64, select_nop, 0},
    {ZYDIS_MNEMONIC_ENDBR32, select_nop, 0},  {ZYDIS_MNEMONIC_RDSSPD, select_nop, 0},
    {ZYDIS_MNEMONIC_RDSSPQ, select_nop, 0},   {ZYDIS_MNEMONIC_CLC, select_flag, CLC},
    {ZYDIS_MNEMONIC_STC, select_flag, STC},   {ZYDIS_MNEMONIC_CMC, select_flag, CMC},
    {ZYDIS_MNEMONIC_CLD, select_flag, CLD},   {ZYDIS_MNEMONIC_STD, select_flag, STD},
    {ZYDIS_MNEMONIC_LAHF, select_flag, LAHF}, {ZYDIS_MNEMONIC_SAHF, select_flag, SAHF},
    {ZYDIS_MNEMONIC_SALC, select_flag, SALC}, {0, NULL, 0},
};

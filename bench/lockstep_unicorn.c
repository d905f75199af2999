/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep_unicorn.c - the known errors of the Unicorn library as rules of comparison. The errors themselves stand in
 * core/emulate/unicorn/errata.c, and only there.
 */
#include "emulate/unicorn/errata.h"

#include <string.h>

#include "lockstep_mask.h"

#define FSW_TOP        0x3800u
#define MXCSR_FLAGS    0x3fu
#define X87_UPPER_BITS 8 /* byte of a register at which sign and exponent begin */

static void ignore_parts(unsigned parts, struct cpu_state *ignore)
{
    if (parts & PART_MXCSR_FLAGS)
        ignore->fpu.mxcsr |= MXCSR_FLAGS;
    if (parts & PART_X87_POINTERS) {
        ignore->fpu.fop = UINT16_MAX;
        ignore->fpu.fip = ignore->fpu.fdp = UINT64_MAX;
    }
    if (parts & PART_X87_STATUS)
        ignore->fpu.fsw |= (uint16_t)~FSW_TOP;
    if (parts & PART_X87_TAGS)
        ignore->fpu.ftw = UINT8_MAX;
    if (parts & PART_X87_REGISTERS)
        memset(ignore->fpu.st, 0xff, sizeof ignore->fpu.st);
}

/* Rows that name no instruction: state that may differ at any time. */
static void always(const struct mask_point *point, struct mask *mask)
{
    struct unicorn_erratum sum = unicorn_errata_of("");

    (void)point;
    ignore_parts(sum.parts, &mask->ignore);
    for (unsigned i = 0; (sum.parts & PART_MMX_UPPER) && i < 8; i++)
        memset(&mask->ignore.fpu.st[i][X87_UPPER_BITS], 0xff, 2);
}

/* Rows that name the last instruction: its results are wrong once. */
static void behind_instruction(const struct mask_point *point, struct mask *mask)
{
    char mnemonic[CODE_MNEMONIC_MAX];
    struct cpu_state outputs = {0}, *carry = &mask->carry;

    if (!point->last || !code_mnemonic(point->last, mnemonic))
        return;
    struct unicorn_erratum sum = unicorn_errata_of(mnemonic), lasting = unicorn_errata_of("");
    unsigned parts = sum.parts & ~lasting.parts;

    code_ignore_outputs(point->last, &outputs);
    carry->rflags |= sum.flags;
    for (unsigned i = 0; i < GPR_COUNT; i++) {
        if (sum.gprs >> i & 1)
            carry->gpr[i] = UINT64_MAX;
        else if (sum.destination)
            carry->gpr[i] |= outputs.gpr[i];
    }
    if (parts & PART_XMM)
        memcpy(carry->fpu.xmm, outputs.fpu.xmm, sizeof carry->fpu.xmm);
    ignore_parts(parts, carry);
    mask->carry_ram |= !!(parts & PART_MEMORY);
}

const struct mask_rule unicorn_mask_rules[] = {
    {"emulate/unicorn", "state that the library does not keep as a CPU does (core/emulate/unicorn/errata.c)", always},
    {"emulate/unicorn", "results of instructions that it is known to get wrong (there, too)", behind_instruction},
    {0},
};

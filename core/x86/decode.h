/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decode.h - what a family's select function sees of an instruction, next to the half-filled record (see insn.h). */
#ifndef VIRTLAB_X86_DECODE_H
#define VIRTLAB_X86_DECODE_H

#include "x86/insn.h"
#include <Zydis/Zydis.h>

struct decoded {
    ZydisDecodedInstruction z;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT]; /* z.operand_count of them, explicit ones first */
    unsigned arg;                                         /* from the family's row */
    enum code_size code_size;
};

static inline bool is_reg(const struct decoded *d, unsigned i)
{
    return d->operand[i].type == ZYDIS_OPERAND_TYPE_REGISTER;
}
static inline bool is_mem(const struct decoded *d, unsigned i)
{
    return d->operand[i].type == ZYDIS_OPERAND_TYPE_MEMORY;
}
static inline bool is_imm(const struct decoded *d, unsigned i)
{
    return d->operand[i].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
}
/* An operand's size in bytes. */
static inline unsigned operand_bytes(const struct decoded *d, unsigned i)
{
    return d->operand[i].size / 8;
}

/*
 * Decodes one instruction of at most `avail` bytes into a record. Returns its length; 0 when the bytes are no
 * instruction (the record then raises #UD; in->len is 1); -1 when `avail` bytes don't suffice to tell.
 */
int decode_insn(const uint8_t *bytes, unsigned avail, enum code_size code_size, unsigned page_off, struct insn *in);

/* Has this CPU the instruction, in some form? */
bool decode_knows(ZydisMnemonic mnemonic);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep_code.c - fetches, prints and judges one instruction, with Zydis (lockstep_code.h).
 *
 * Flags: what Zydis knows of an instruction holds whatever its operands are. A shift by a count of 0, or a REP that
 * runs no round, writes no flag at all, and the meaning of some flags depends on the count; that is said here, after
 * the SDM's pages of these instructions.
 */
#include "lockstep_code.h"

#include <stdio.h>
#include <string.h>
#include <Zydis/Zydis.h>

#include "mmu/walk.h"

static unsigned code_bits(const struct cpu_state *state)
{
    uint32_t attr = state->seg[SEG_CS].attr;

    if ((state->efer & EFER_LMA) && (attr & ATTR_L))
        return 64;
    return attr & ATTR_DB ? 32 : 16;
}

void code_fetch(struct code *code, const struct cpu_state *state, const struct ram *ram)
{
    struct paging paging = {
        .cr0 = state->cr0, .cr3 = state->cr3, .cr4 = state->cr4, .efer = state->efer, .maxphyaddr = 40};

    *code = (struct code){.rip = state->rip, .bits = (uint8_t)code_bits(state)};
    uint64_t base = code->bits == 64 ? 0 : state->seg[SEG_CS].base;
    if ((state->cr0 & CR0_PG) && (state->cr4 & CR4_PAE) && !(state->efer & EFER_LMA) && !mmu_load_pdptes(&paging, ram))
        return;
    while (code->length < CODE_MAX) {
        uint64_t at = base + code->rip + code->length;
        struct translation to;

        if (code->bits != 64)
            at &= UINT32_MAX;
        if (!mmu_peek(&paging, ram, gva(at), &to))
            return;
        const uint8_t *byte = ram_at(ram, to.gpa, 1);
        if (!byte)
            return;
        code->bytes[code->length++] = *byte;
    }
}

static bool decode(const struct code *code, ZydisDecodedInstruction *in, ZydisDecodedOperand *operands)
{
    ZydisDecoder decoder;

    if (code->bits == 64)
        ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    else if (code->bits == 32)
        ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    else
        ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code->bytes, code->length, in, operands));
}

void code_text(const struct code *code, char *text, size_t size)
{
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecodedInstruction in;
    ZydisFormatter formatter;

    if (code->length == 0) {
        snprintf(text, size, "(nothing is mapped there)");
        return;
    }
    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
    if (!decode(code, &in, operands) ||
        !ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&formatter, &in, operands, in.operand_count_visible, text, size,
                                                      code->rip, NULL)))
        snprintf(text, size, "(no instruction: %02x %02x %02x ...)", code->bytes[0], code->bytes[1], code->bytes[2]);
}

bool code_mnemonic(const struct code *code, char mnemonic[CODE_MNEMONIC_MAX])
{
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecodedInstruction in;

    if (!decode(code, &in, operands))
        return false;
    snprintf(mnemonic, CODE_MNEMONIC_MAX, "%s", ZydisMnemonicGetString(in.mnemonic));
    return true;
}

/* ---- flags ---- */

/* The count of a shift or rotate, as the CPU masks it (SDM 2B, SAL/SAR/SHL/SHR). */
static unsigned shift_count(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *operands,
                            const struct cpu_state *before)
{
    const ZydisDecodedOperand *last = &operands[in->operand_count_visible - 1];
    uint64_t count = last->type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? last->imm.value.u : before->gpr[RCX];

    return (unsigned)count & (in->operand_width == 64 ? 63 : 31);
}

static uint32_t after_shift(const ZydisDecodedInstruction *in, unsigned count, uint32_t undefined)
{
    bool doubled = in->mnemonic == ZYDIS_MNEMONIC_SHLD || in->mnemonic == ZYDIS_MNEMONIC_SHRD;
    uint32_t open = FLAG_AF;

    if (count == 0)
        return undefined; /* no flag is written */
    if (count != 1)
        open |= FLAG_OF;
    if (count >= in->operand_width && in->mnemonic != ZYDIS_MNEMONIC_SAR)
        open |= FLAG_CF;
    return doubled && count > in->operand_width ? FLAGS_STATUS : open;
}

/* Rotates write CF and OF only. */
static uint32_t after_rotate(unsigned count, uint32_t undefined)
{
    if (count == 0)
        return undefined;
    undefined &= ~(FLAG_CF | FLAG_OF);
    return count == 1 ? undefined : undefined | FLAG_OF;
}

static bool repeats_no_round(const ZydisDecodedInstruction *in, const struct cpu_state *before)
{
    uint64_t mask = in->address_width == 64 ? UINT64_MAX : in->address_width == 32 ? UINT32_MAX : UINT16_MAX;

    return (in->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)) &&
           (before->gpr[RCX] & mask) == 0;
}

uint32_t code_undefined_flags(const struct code *code, const struct cpu_state *before, uint32_t undefined)
{
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecodedInstruction in;

    if (!decode(code, &in, operands) || !in.cpu_flags || repeats_no_round(&in, before))
        return undefined;
    switch (in.mnemonic) {
    case ZYDIS_MNEMONIC_SHL:
    case ZYDIS_MNEMONIC_SHR:
    case ZYDIS_MNEMONIC_SAR:
    case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHRD: return after_shift(&in, shift_count(&in, operands, before), undefined);
    case ZYDIS_MNEMONIC_ROL:
    case ZYDIS_MNEMONIC_ROR:
    case ZYDIS_MNEMONIC_RCL:
    case ZYDIS_MNEMONIC_RCR: return after_rotate(shift_count(&in, operands, before), undefined);
    default: break;
    }
    undefined &= ~(in.cpu_flags->modified | in.cpu_flags->set_0 | in.cpu_flags->set_1);
    return (undefined | in.cpu_flags->undefined) & FLAGS_STATUS;
}

/* ---- outputs ---- */

static void ignore_register(struct cpu_state *ignore, ZydisRegister reg)
{
    ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

    if (whole >= ZYDIS_REGISTER_RAX && whole <= ZYDIS_REGISTER_R15)
        ignore->gpr[whole - ZYDIS_REGISTER_RAX] = UINT64_MAX;
    ZyanI8 id = ZydisRegisterGetId(reg);
    if (reg >= ZYDIS_REGISTER_XMM0 && reg <= ZYDIS_REGISTER_XMM15 && id >= 0)
        memset(ignore->fpu.xmm[id], 0xff, sizeof ignore->fpu.xmm[id]);
}

bool code_ignore_outputs(const struct code *code, struct cpu_state *ignore)
{
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecodedInstruction in;

    if (!decode(code, &in, operands))
        return false;
    ignore->rip = UINT64_MAX;
    ignore->rflags |= FLAGS_STATUS | FLAG_RF;
    for (unsigned i = 0; i < in.operand_count; i++) {
        if (operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER && (operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
            ignore_register(ignore, operands[i].reg.value);
    }
    return true;
}

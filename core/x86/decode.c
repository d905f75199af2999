/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * decode.c - from instruction bytes to a decode record.
 *
 * Zydis says what the bytes mean; here its answer is packed into struct insn (insn.h): operands by role, address parts,
 * sizes. The family that knows the mnemonic then chooses the handler. What no family takes is #UD, and named in the
 * statistics.
 *
 * Read next: block.c, which decodes whole blocks.
 */
#include "x86/decode.h"
#include "x86/protect.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const struct family_row *const families[] = {
    family_alu,     family_mov,   family_shift, family_muldiv,   family_bit,     family_branch,
    family_string,  family_stack, family_io,    family_system,   family_segment, family_syscall,
    family_control, family_misc,  family_x87,   family_sse_move, family_sse_int, family_sse_float,
};

/*
 * Rows by mnemonic. Two instructions share a mnemonic here and there (MOVSD is a string move and a scalar one), so a
 * slot holds up to two rows, tried in the order of families[].
 */
static const struct family_row *rows[ZYDIS_MNEMONIC_MAX_VALUE + 1][2];
static ZydisDecoder decoders[3];

static void build_tables(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(families); i++)
        for (const struct family_row *row = families[i]; row->select; row++)
            rows[row->mnemonic][rows[row->mnemonic][0] != NULL] = row;
    ZydisDecoderInit(&decoders[CODE16], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
    ZydisDecoderInit(&decoders[CODE32], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    ZydisDecoderInit(&decoders[CODE64], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    /* Prefixed forms of older instructions that mean something new only on CPUs that say so in CPUID; this one doesn't.
     */
    static const ZydisDecoderMode absent[] = {ZYDIS_DECODER_MODE_MPX, ZYDIS_DECODER_MODE_LZCNT,
                                              ZYDIS_DECODER_MODE_TZCNT, ZYDIS_DECODER_MODE_WBNOINVD,
                                              ZYDIS_DECODER_MODE_CLDEMOTE};
    for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
        for (size_t size = 0; size < ARRAY_SIZE(decoders); size++)
            ZydisDecoderEnableMode(&decoders[size], absent[i], ZYAN_FALSE);
}

/* ---- handlers for bytes that are no instruction of this CPU ---- */

static const struct insn *op_ud(struct cpu *cpu, const struct insn *in)
{
    cpu_raise(cpu, in, VEC_UD);
}

/* Longer than 15 bytes (SDM 3, 6.15, #GP). */
static const struct insn *op_too_long(struct cpu *cpu, const struct insn *in)
{
    cpu_raise_error(cpu, in, VEC_GP, 0);
}

/* A real instruction, but one that this CPU lacks. */
static const struct insn *op_unknown(struct cpu *cpu, const struct insn *in)
{
    COUNT(cpu->stats, UNKNOWN_INSTRUCTIONS);
    if (!cpu->stats->unknown[0])
        snprintf(cpu->stats->unknown, sizeof(cpu->stats->unknown), "%s",
                 ZydisMnemonicGetString((ZydisMnemonic)in->imm));
    cpu_raise(cpu, in, VEC_UD);
}

/* ---- operands ---- */

static uint8_t segment_number(ZydisRegister segment)
{
    return (uint8_t)ZydisRegisterGetId(segment);
}

static uint8_t general_number(ZydisRegister reg)
{
    return reg == ZYDIS_REGISTER_NONE ? GPR_ZERO : (uint8_t)ZydisRegisterGetId(reg);
}

/* A register's number as insn.h defines it: a byte offset for 8-bit general registers. */
static uint8_t register_number(ZydisRegister reg)
{
    if (ZydisRegisterGetClass(reg) != ZYDIS_REGCLASS_GPR8)
        return (uint8_t)ZydisRegisterGetId(reg);
    if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH)
        return (uint8_t)((reg - ZYDIS_REGISTER_AH) * 8 + 1);
    if (reg <= ZYDIS_REGISTER_BL)
        return (uint8_t)((reg - ZYDIS_REGISTER_AL) * 8);
    return (uint8_t)((reg - ZYDIS_REGISTER_SPL + RSP) * 8);
}

static void take_memory(const struct decoded *d, const ZydisDecodedOperand *operand, struct insn *in)
{
    in->flags |= INSN_MEM;
    in->scale = (uint8_t)(operand->mem.scale ? __builtin_ctz(operand->mem.scale) : 0);
    in->disp = operand->mem.disp.has_displacement ? operand->mem.disp.value : 0;
    in->seg = segment_number(operand->mem.segment);
    in->index = general_number(operand->mem.index);
    if (operand->mem.base == ZYDIS_REGISTER_RIP || operand->mem.base == ZYDIS_REGISTER_EIP) {
        in->base = GPR_PAGE;
        in->disp += in->off + d->z.length;
    } else {
        in->base = general_number(operand->mem.base);
    }
}

static void take_register(const struct decoded *d, unsigned i, struct insn *in)
{
    const ZydisDecodedOperand *operand = &d->operand[i];
    uint8_t number = register_number(operand->reg.value);
    bool modrm = d->z.attributes & ZYDIS_ATTRIB_HAS_MODRM;
    bool is_rm = modrm ? operand->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM ||
                             (operand->encoding != ZYDIS_OPERAND_ENCODING_MODRM_REG && i == 0)
                       : i == 0;
    if (is_rm)
        in->rm = number;
    else if (!modrm || operand->encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG)
        in->reg = number;
}

static void take_immediate(const struct decoded *d, const ZydisDecodedOperand *operand, struct insn *in)
{
    if (in->flags & INSN_IMM2 || (operand != d->operand && (operand - 1)->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)) {
        in->imm2 = (uint8_t)operand->imm.value.u;
        in->flags |= INSN_IMM2;
    } else if (operand->imm.is_relative) {
        in->imm = (uint64_t)operand->imm.value.s + in->off + d->z.length;
    } else {
        in->imm = operand->imm.is_signed ? (uint64_t)operand->imm.value.s : operand->imm.value.u;
    }
}

static void take_operands(struct decoded *d, struct insn *in)
{
    for (unsigned i = 0; i < d->z.operand_count; i++) {
        const ZydisDecodedOperand *operand = &d->operand[i];
        if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY && operand->mem.type == ZYDIS_MEMOP_TYPE_MEM)
            in->refs += !!(operand->actions & ZYDIS_OPERAND_ACTION_MASK_READ) +
                        !!(operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE);
        if (operand->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
            continue;
        switch (operand->type) {
        case ZYDIS_OPERAND_TYPE_MEMORY: take_memory(d, operand, in); break;
        case ZYDIS_OPERAND_TYPE_REGISTER: take_register(d, i, in); break;
        case ZYDIS_OPERAND_TYPE_IMMEDIATE: take_immediate(d, operand, in); break;
        default: break;
        }
    }
}

static void take_prefixes(const struct decoded *d, struct insn *in)
{
    if (d->z.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE))
        in->flags |= INSN_REP;
    if (d->z.attributes & ZYDIS_ATTRIB_HAS_REPNE)
        in->flags |= INSN_REPNE;
}

static void choose_handler(struct decoded *d, struct insn *in)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct family_row *row = rows[d->z.mnemonic][i];
        if (!row)
            break;
        d->arg = row->arg;
        if (row->select(d, in))
            return;
    }
    in->imm = d->z.mnemonic;
    in->fn = op_unknown;
    in->flags |= INSN_LAST;
}

static void need_tables(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, build_tables);
}

bool decode_knows(ZydisMnemonic mnemonic)
{
    need_tables();
    return rows[mnemonic][0] != NULL;
}

int decode_insn(const uint8_t *bytes, unsigned avail, enum code_size code_size, unsigned page_off, struct insn *in)
{
    need_tables();
    struct decoded d = {.code_size = code_size};
    *in = (struct insn){.off = (uint16_t)page_off, .base = GPR_ZERO, .index = GPR_ZERO, .seg = SEG_DS, .len = 1};
    ZyanStatus status = ZydisDecoderDecodeFull(&decoders[code_size], bytes, avail, &d.z, d.operand);
    if (status == ZYDIS_STATUS_NO_MORE_DATA)
        return -1;
    if (!ZYAN_SUCCESS(status)) {
        in->fn = status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG ? op_too_long : op_ud;
        in->flags |= INSN_LAST;
        return 0;
    }
    in->len = d.z.length;
    in->opsize = (uint8_t)(d.z.operand_count ? operand_bytes(&d, 0) : d.z.operand_width / 8);
    in->addrsize = (uint8_t)(d.z.address_width / 8);
    if (code_size == CODE64)
        in->flags |= INSN_FLAT;
    take_prefixes(&d, in);
    take_operands(&d, in);
    choose_handler(&d, in);
    return d.z.length;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle_encode.c - a row of the tables becomes an instruction: random operands of the row's kinds, encoded by Zydis.
 *
 * Read next: oracle_vary.c, which knows other bytes for the same instruction; then oracle_input.c.
 */
#include "oracle.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct oracle_choice oracle_any_choice = {
    .written = 0xffff, .read = 0xffff, .base = 0xffff, .index = 0xffff, .bases = true};

bool oracle_decode(const uint8_t *bytes, size_t length, struct oracle_decoded *d)
{
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, length, &d->z, d->operand));
}

/* ---- registers ---- */

static unsigned pick_bit(uint32_t mask, struct oracle_random *r)
{
    unsigned skip = oracle_below(r, (unsigned)__builtin_popcount(mask));
    while (skip--)
        mask &= mask - 1;
    return (unsigned)__builtin_ctz(mask);
}

static ZydisRegister general(unsigned number, unsigned size)
{
    switch (size) {
    case 1: return number < 4 ? ZYDIS_REGISTER_AL + number : ZYDIS_REGISTER_SPL + number - 4;
    case 2: return ZYDIS_REGISTER_AX + number;
    case 4: return ZYDIS_REGISTER_EAX + number;
    default: return ZYDIS_REGISTER_RAX + number;
    }
}

/* Everything that is drawn while one instruction is made. */
struct making {
    const struct oracle_row *row;
    const struct oracle_choice *choice;
    struct oracle_random *r;
    struct oracle_insn *insn;
    ZydisEncoderRequest request;
    unsigned size_v, size_y;
    bool memory; /* its E or W operand is to be memory */
};

static void make_general(struct making *m, ZydisEncoderOperand *o, unsigned size)
{
    bool first = o == m->request.operands;
    uint32_t mask = first ? m->choice->written : m->choice->read;
    /* XCHG and XADD write both operands. */
    if (m->row->mnemonic == ZYDIS_MNEMONIC_XCHG || m->row->mnemonic == ZYDIS_MNEMONIC_XADD)
        mask &= m->choice->written;
    o->type = ZYDIS_OPERAND_TYPE_REGISTER;
    if (size == 1 && (mask & 0xf) && oracle_once_in(m->r, 3))
        o->reg.value = ZYDIS_REGISTER_AH + pick_bit(mask & 0xf, m->r);
    else
        o->reg.value = general(pick_bit(mask, m->r), size);
}

static void make_xmm(struct making *m, ZydisEncoderOperand *o)
{
    o->type = ZYDIS_OPERAND_TYPE_REGISTER;
    o->reg.value = ZYDIS_REGISTER_XMM0 + oracle_below(m->r, 16);
}

/* ---- memory ---- */

/* Where fixed addresses point: mostly into the data, sometimes across a page or out of it. */
static uint64_t fixed_target(struct oracle_random *r, bool aligned, bool calm)
{
    uint64_t at;
    switch (calm ? 3 : oracle_below(r, 12)) {
    case 0: at = ORACLE_DATA + PAGE_SIZE - oracle_below(r, 16); break;
    case 1: at = ORACLE_READONLY + oracle_below(r, PAGE_SIZE - 64); break;
    case 2: at = ORACLE_DATA + ORACLE_DATA_SIZE - oracle_below(r, 16); break;
    default: at = ORACLE_DATA + 64 + oracle_below(r, ORACLE_DATA_SIZE - 128); break;
    }
    return aligned ? at & ~UINT64_C(15) : at;
}

static int32_t displacement(struct oracle_random *r, bool calm)
{
    switch (oracle_below(r, 4)) {
    case 0: return 0;
    case 1: return (int8_t)oracle_random(r);
    case 2:
        if (calm)
            return (int32_t)oracle_below(r, 0x1000) - 0x800;
        /* fall through */
    default: return calm ? (int8_t)oracle_random(r) : (int32_t)oracle_random(r);
    }
}

static void make_memory(struct making *m, ZydisEncoderOperand *o, unsigned size)
{
    struct oracle_operand *mem = &m->insn->mem;
    struct oracle_random *r = m->r;
    bool registers = m->choice->base != 0;
    *mem = (struct oracle_operand){.present = true, .size = (uint8_t)size, .base = GPR_COUNT, .index = GPR_COUNT};
    mem->address_size = 8;
    mem->segment = SEG_DS;
    if (m->choice->bases && oracle_once_in(r, 8)) {
        mem->segment = oracle_once_in(r, 2) ? SEG_FS : SEG_GS;
        m->request.prefixes |= mem->segment == SEG_FS ? ZYDIS_ATTRIB_HAS_SEGMENT_FS : ZYDIS_ATTRIB_HAS_SEGMENT_GS;
    }
    unsigned kind = oracle_below(r, 8);
    mem->kind = kind == 0 ? BASE_RIP : kind == 1 || !registers ? BASE_ABSOLUTE : BASE_REGISTERS;
    o->type = ZYDIS_OPERAND_TYPE_MEMORY;
    o->mem.size = (ZyanU16)(size ? size : 8); /* LEA's is as wide as an address, for Zydis */
    if (mem->kind != BASE_REGISTERS) {
        mem->target = fixed_target(r, m->row->flags & ROW_ALIGNED, m->choice->calm);
        mem->disp = mem->kind == BASE_ABSOLUTE ? (int32_t)mem->target : 0x12345678; /* oracle_place() knows better */
        o->mem.base = mem->kind == BASE_RIP ? ZYDIS_REGISTER_RIP : ZYDIS_REGISTER_NONE;
        o->mem.displacement = mem->disp;
        return;
    }
    if (oracle_once_in(r, 6))
        mem->address_size = 4;
    bool aligned = m->choice->calm && (m->row->flags & ROW_ALIGNED) && !oracle_once_in(r, 16);
    if (m->choice->calm || !oracle_once_in(r, 8))
        mem->base = (uint8_t)pick_bit(m->choice->base, r);
    uint32_t indexes = m->choice->index & ~(1u << RSP);
    if (size && mem->base < GPR_COUNT) /* base == index: such an address can't be chosen freely (LEA's can) */
        indexes &= ~(1u << mem->base);
    if (indexes && !aligned && (mem->base == GPR_COUNT || oracle_once_in(r, 2)))
        mem->index = (uint8_t)pick_bit(indexes, r);
    mem->scale = (uint8_t)(1u << oracle_below(r, 4));
    mem->disp = displacement(r, m->choice->calm) & (aligned ? -16 : -1);
    o->mem.base = mem->base < GPR_COUNT ? general(mem->base, mem->address_size) : ZYDIS_REGISTER_NONE;
    if (mem->index < GPR_COUNT) {
        o->mem.index = general(mem->index, mem->address_size);
        o->mem.scale = mem->scale;
    }
    o->mem.displacement = mem->disp;
}

/* ---- one operand by its code ---- */

static unsigned size_of(const struct making *m, char code)
{
    switch (code) {
    case 'b':
    case 's': return 1;
    case 'w': return 2;
    case 'd': return 4;
    case 'q': return 8;
    case 'x': return 16;
    case 'v': return m->size_v;
    case 'y': return m->size_y;
    case 'z': return m->size_v == 2 ? 2 : 4;
    default: return 0;
    }
}

static void make_immediate(struct making *m, ZydisEncoderOperand *o, char code)
{
    unsigned size = size_of(m, code);
    uint64_t value = oracle_value(m->r, size);
    unsigned unused = 64 - 8 * size;
    o->type = ZYDIS_OPERAND_TYPE_IMMEDIATE;
    o->imm.s = (int64_t)(value << unused) >> unused;
}

/* The distance of a relative branch: near, far, rarely out of the code; never into itself. */
static void make_branch(struct making *m, ZydisEncoderOperand *o, unsigned size)
{
    m->insn->branch_size = (uint8_t)size;
    m->request.branch_type = size == 1 ? ZYDIS_BRANCH_TYPE_SHORT : ZYDIS_BRANCH_TYPE_NEAR;
    m->request.branch_width = size == 1 ? ZYDIS_BRANCH_WIDTH_8 : ZYDIS_BRANCH_WIDTH_32;
    o->type = ZYDIS_OPERAND_TYPE_IMMEDIATE;
    do {
        if (size == 1)
            o->imm.s = (int8_t)oracle_random(m->r);
        else if (!oracle_once_in(m->r, 8))
            o->imm.s = (int)oracle_below(m->r, 0xe00) - 0x700;
        else
            o->imm.s = oracle_once_in(m->r, 2) ? (int64_t)(ORACLE_DATA - ORACLE_CODE) : -0x2000;
    } while (o->imm.s < 0 && o->imm.s > -32);
}

static bool make_operand(struct making *m, const char *code, size_t length)
{
    ZydisEncoderOperand *o = &m->request.operands[m->request.operand_count];
    if (length == 1 && code[0] == '1') {
        o->type = ZYDIS_OPERAND_TYPE_IMMEDIATE;
        o->imm.u = 1;
    } else if (length == 2 && code[0] == 'C' && code[1] == 'L') {
        o->type = ZYDIS_OPERAND_TYPE_REGISTER;
        o->reg.value = ZYDIS_REGISTER_CL;
    } else if (length == 2) {
        unsigned size = size_of(m, code[1]);
        char method = code[0];
        if (method == 'E' || method == 'W')
            method = m->memory ? 'M' : method == 'E' ? 'R' : 'X';
        switch (method) {
        case 'G':
        case 'R': make_general(m, o, size); break;
        case 'A':
            o->type = ZYDIS_OPERAND_TYPE_REGISTER;
            o->reg.value = general(RAX, size);
            break;
        case 'M': make_memory(m, o, size); break;
        case 'V':
        case 'X': make_xmm(m, o); break;
        case 'I': make_immediate(m, o, code[1]); break;
        case 'J': make_branch(m, o, size); break;
        default: return false;
        }
    } else {
        return false;
    }
    m->request.operand_count++;
    return true;
}

static bool make_operands(struct making *m)
{
    for (const char *code = m->row->operands; *code;) {
        size_t length = strcspn(code, ",");
        if (!make_operand(m, code, length))
            return false;
        code += length + (code[length] == ',');
    }
    return true;
}

static void make_prefixes(struct making *m)
{
    unsigned flags = m->row->flags;
    if ((flags & ROW_LOCK) && m->request.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY && oracle_once_in(m->r, 3))
        m->request.prefixes |= ZYDIS_ATTRIB_HAS_LOCK;
    if ((flags & (ROW_REP | ROW_REPNE)) && !oracle_once_in(m->r, 4)) {
        if ((flags & ROW_REPNE) && oracle_once_in(m->r, 2))
            m->request.prefixes |= ZYDIS_ATTRIB_HAS_REPNE;
        else
            m->request.prefixes |= flags & ROW_REPNE ? ZYDIS_ATTRIB_HAS_REPE : ZYDIS_ATTRIB_HAS_REP;
    }
}

/* ---- the whole instruction ---- */

static bool take_literal_bytes(const char *text, struct oracle_insn *insn)
{
    char *end;
    for (;; text = end) {
        unsigned long byte = strtoul(text, &end, 16);
        if (end == text)
            return insn->length > 0;
        if (insn->length == ORACLE_INSN_LENGTH)
            return false;
        insn->bytes[insn->length++] = (uint8_t)byte;
    }
}

/* Zydis wants some immediates signed and some (counts) unsigned. */
static bool encode(ZydisEncoderRequest *request, uint8_t *bytes, ZyanUSize *length)
{
    ZyanUSize size = *length;
    if (ZYAN_SUCCESS(ZydisEncoderEncodeInstruction(request, bytes, length)))
        return true;
    for (unsigned i = 0; i < request->operand_count; i++)
        if (request->operands[i].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
            request->operands[i].imm.u &= 0xff;
    *length = size;
    return ZYAN_SUCCESS(ZydisEncoderEncodeInstruction(request, bytes, length));
}

static void describe(const struct oracle_decoded *d, struct oracle_insn *insn)
{
    insn->opsize = (uint8_t)(d->z.operand_count ? d->operand[0].size / 8 : d->z.operand_width / 8);
    for (unsigned i = 0; i < 2; i++) {
        const ZydisDecodedOperand *o = &d->operand[i];
        bool general_one = i < d->z.operand_count_visible && o->type == ZYDIS_OPERAND_TYPE_REGISTER &&
                           ZydisRegisterGetClass(o->reg.value) >= ZYDIS_REGCLASS_GPR16 &&
                           ZydisRegisterGetClass(o->reg.value) <= ZYDIS_REGCLASS_GPR64;
        insn->reg[i] = general_one ? (uint8_t)ZydisRegisterGetId(o->reg.value) : GPR_COUNT;
    }
}

/* Did the encoder do as it was told? (It doesn't refuse all combinations of AH..BH with REX.) */
static bool as_requested(const struct making *m, const struct oracle_decoded *d)
{
    if (d->z.length != m->insn->length || d->z.mnemonic != m->row->mnemonic)
        return false;
    for (unsigned i = 0; i < m->request.operand_count; i++)
        if (m->request.operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            d->operand[i].reg.value != m->request.operands[i].reg.value)
            return false;
    return true;
}

bool oracle_encode(const struct oracle_row *row, const struct oracle_choice *choice, struct oracle_random *r,
                   struct oracle_insn *insn)
{
    static const uint8_t sizes_v[] = {2, 4, 8};
    struct making m = {.row = row, .choice = choice, .r = r, .insn = insn};
    struct oracle_decoded d;
    ZyanUSize length = ORACLE_INSN_LENGTH - 1;
    *insn = (struct oracle_insn){.row = row};
    if (row->operands[0] == '=') {
        if (!take_literal_bytes(row->operands + 1, insn))
            return false;
        if (oracle_decode(insn->bytes, insn->length, &d))
            describe(&d, insn);
        return true;
    }

    m.request.machine_mode = ZYDIS_MACHINE_MODE_LONG_64;
    m.request.mnemonic = row->mnemonic;
    m.size_v = sizes_v[oracle_below(r, 3)];
    m.size_y = oracle_once_in(r, 2) ? 4 : 8;
    m.memory = choice->want_memory || (!choice->want_register && oracle_once_in(r, 2));
    if (!make_operands(&m))
        return false;
    make_prefixes(&m);
    if (!encode(&m.request, insn->bytes, &length))
        return false;
    insn->length = (uint8_t)length;
    oracle_vary(insn, r);
    if (!oracle_decode(insn->bytes, insn->length, &d) || !as_requested(&m, &d))
        return false;
    describe(&d, insn);
    if (insn->mem.present && insn->mem.kind == BASE_RIP)
        insn->rip_disp_at = d.z.raw.disp.offset;
    if (insn->branch_size)
        insn->branch_at = d.z.raw.imm[0].offset;
    return true;
}

void oracle_place(const struct oracle_insn *insn, uint64_t address, uint8_t *code)
{
    memcpy(code, insn->bytes, insn->length);
    if (insn->rip_disp_at) {
        int32_t disp = (int32_t)(insn->mem.target - (address + insn->length));
        memcpy(code + insn->rip_disp_at, &disp, sizeof(disp));
    }
}

void oracle_disassemble(const uint8_t *bytes, size_t length, uint64_t address, char *text, size_t size)
{
    ZydisFormatter formatter;
    struct oracle_decoded d;
    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
    if (!oracle_decode(bytes, length, &d) ||
        !ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&formatter, &d.z, d.operand, d.z.operand_count_visible, text,
                                                      size, address, NULL)))
        snprintf(text, size, "(no instruction)");
}

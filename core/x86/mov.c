/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mov.c - moving data between registers and memory: MOV, MOVZX, MOVSX, MOVSXD, LEA, XCHG, BSWAP, CMOVcc, CBW and its
 * kin, XLAT.
 */
#include "x86/operands.h"

/* ---- MOV ---- */

#define MOV_WIDTH(bits, ...)                                                                          \
    static const struct insn *mov_rr##bits(struct cpu *cpu, const struct insn *in)                    \
    {                                                                                                 \
        W##bits(cpu, in->rm, R##bits(cpu, in->reg));                                                  \
        NEXT(cpu, in);                                                                                \
    }                                                                                                 \
    static const struct insn *mov_ri##bits(struct cpu *cpu, const struct insn *in)                    \
    {                                                                                                 \
        W##bits(cpu, in->rm, in->imm);                                                                \
        NEXT(cpu, in);                                                                                \
    }                                                                                                 \
    static const struct insn *mov_rm##bits(struct cpu *cpu, const struct insn *in)                    \
    {                                                                                                 \
        W##bits(cpu, in->reg, ld##bits(cpu, in, operand_address(cpu, in, bits / 8, ACCESS_READ)));    \
        NEXT(cpu, in);                                                                                \
    }                                                                                                 \
    static const struct insn *mov_mr##bits(struct cpu *cpu, const struct insn *in)                    \
    {                                                                                                 \
        st##bits(cpu, in, operand_address(cpu, in, bits / 8, ACCESS_WRITE), R##bits(cpu, in->reg));   \
        NEXT(cpu, in);                                                                                \
    }                                                                                                 \
    static const struct insn *mov_mi##bits(struct cpu *cpu, const struct insn *in)                    \
    {                                                                                                 \
        st##bits(cpu, in, operand_address(cpu, in, bits / 8, ACCESS_WRITE), (uint##bits##_t)in->imm); \
        NEXT(cpu, in);                                                                                \
    }
FOR_WIDTHS(MOV_WIDTH, )

static bool select_mov(const struct decoded *d, struct insn *in)
{
    static const struct by_width rr = BY_WIDTH(mov_rr), ri = BY_WIDTH(mov_ri), rm = BY_WIDTH(mov_rm),
                                 mr = BY_WIDTH(mov_mr), mi = BY_WIDTH(mov_mi);
    for (unsigned i = 0; i < 2; i++) /* MOV of segment, control and debug registers belongs to other families */
        if (is_reg(d, i) && ZydisRegisterGetClass(d->operand[i].reg.value) > ZYDIS_REGCLASS_GPR64)
            return false;
    if (is_mem(d, 0)) {
        if (!is_imm(d, 1) && !(d->z.attributes & ZYDIS_ATTRIB_HAS_MODRM)) /* MOV moffs, AL: the register is implied */
            in->reg = RAX * 8;
        return use(in, is_imm(d, 1) ? &mi : &mr);
    }
    if (is_mem(d, 1)) {
        if (!(d->z.attributes & ZYDIS_ATTRIB_HAS_MODRM))
            in->reg = in->rm;
        return use(in, &rm);
    }
    if (is_imm(d, 1))
        return use(in, &ri);
    if (d->operand[0].encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG) {
        uint8_t destination = in->reg;
        in->reg = in->rm;
        in->rm = destination;
    }
    return use(in, &rr);
}

/* ---- MOVZX, MOVSX, MOVSXD: from a narrower operand ---- */

/* name of the type of the source, its width, width of the destination */
#define EXTEND(name, type, from, to)                                                                             \
    static const struct insn *name##_r##from##to(struct cpu *cpu, const struct insn *in)                         \
    {                                                                                                            \
        W##to(cpu, in->reg, (uint64_t)(type)R##from(cpu, in->rm));                                               \
        NEXT(cpu, in);                                                                                           \
    }                                                                                                            \
    static const struct insn *name##_m##from##to(struct cpu *cpu, const struct insn *in)                         \
    {                                                                                                            \
        W##to(cpu, in->reg, (uint64_t)(type)ld##from(cpu, in, operand_address(cpu, in, from / 8, ACCESS_READ))); \
        NEXT(cpu, in);                                                                                           \
    }
#define EXTEND_TO(name, type, from) \
    EXTEND(name, type, from, 16) EXTEND(name, type, from, 32) EXTEND(name, type, from, 64)
EXTEND_TO(zx, uint8_t, 8)
EXTEND_TO(zx, uint16_t, 16)
EXTEND_TO(zx, uint32_t, 32)
EXTEND_TO(sx, int8_t, 8)
EXTEND_TO(sx, int16_t, 16)
EXTEND_TO(sx, int32_t, 32)

static bool select_extend(const struct decoded *d, struct insn *in)
{
#define TO_ROW(name, rm, from)                                              \
    {                                                                       \
        name##_##rm##from##16, name##_##rm##from##32, name##_##rm##from##64 \
    }
#define FROM_ROWS(name, rm)                                             \
    {                                                                   \
        TO_ROW(name, rm, 8), TO_ROW(name, rm, 16), TO_ROW(name, rm, 32) \
    }
    static insn_fn *const fn[2][2][3][3] = {{FROM_ROWS(zx, r), FROM_ROWS(zx, m)}, {FROM_ROWS(sx, r), FROM_ROWS(sx, m)}};
    unsigned to = width_index(operand_bytes(d, 0)), from = width_index(operand_bytes(d, 1));
    if (to == 0 || from > 2)
        return false;
    in->fn = fn[d->arg][is_mem(d, 1)][from][to - 1];
    return true;
}

/* ---- LEA ---- */

#define LEA_WIDTH(bits, ...)                                                    \
    static const struct insn *lea##bits(struct cpu *cpu, const struct insn *in) \
    {                                                                           \
        W##bits(cpu, in->reg, effective_address(cpu, in));                      \
        NEXT(cpu, in);                                                          \
    }
FOR_WIDTHS(LEA_WIDTH, )

static bool select_lea(const struct decoded *d, struct insn *in)
{
    static const struct by_width lea = BY_WIDTH(lea);
    (void)d;
    return use(in, &lea);
}

/* ---- exchanges ---- */

static const struct insn *op_xchg(struct cpu *cpu, const struct insn *in)
{
    uint64_t theirs, ours = reg_read(cpu, in->reg, in->opsize);
    if (in->flags & INSN_MEM) {
        uint64_t at = operand_address(cpu, in, in->opsize, ACCESS_WRITE);
        theirs = mem_load_modify(cpu, in, at, in->opsize);
        mem_store(cpu, in, at, in->opsize, ours);
    } else {
        theirs = reg_read(cpu, in->rm, in->opsize);
        reg_write(cpu, in->rm, in->opsize, ours);
    }
    reg_write(cpu, in->reg, in->opsize, theirs);
    return in + 1;
}

static bool select_xchg(const struct decoded *d, struct insn *in)
{
    (void)d;
    in->fn = op_xchg;
    return true;
}

static const struct insn *op_bswap(struct cpu *cpu, const struct insn *in)
{
    uint64_t value = cpu->gpr[in->rm];
    /* Of a 16-bit register undefined (SDM 2, BSWAP); CPUs leave zero. */
    value = in->opsize == 8 ? __builtin_bswap64(value) : in->opsize == 4 ? __builtin_bswap32((uint32_t)value) : 0;
    reg_write(cpu, in->rm, in->opsize, value);
    NEXT(cpu, in);
}

static bool select_bswap(const struct decoded *d, struct insn *in)
{
    (void)d;
    in->fn = op_bswap;
    return true;
}

/* ---- CMOVcc: the load happens whether the condition holds or not ---- */

static const struct insn *op_cmov_r(struct cpu *cpu, const struct insn *in)
{
    unsigned from = flags_condition(&cpu->lf, in->op) ? in->rm : in->reg;
    reg_write(cpu, in->reg, in->opsize, cpu->gpr[from]);
    NEXT(cpu, in);
}

static const struct insn *op_cmov_m(struct cpu *cpu, const struct insn *in)
{
    uint64_t value = rm_read(cpu, in, in->opsize);
    if (!flags_condition(&cpu->lf, in->op))
        value = cpu->gpr[in->reg];
    reg_write(cpu, in->reg, in->opsize, value);
    return in + 1;
}

static bool select_cmov(const struct decoded *d, struct insn *in)
{
    in->op = d->z.opcode & 15;
    in->fn = is_mem(d, 1) ? op_cmov_m : op_cmov_r;
    return true;
}

/* ---- sign extension within the accumulator: CBW, CWDE, CDQE; CWD, CDQ, CQO ---- */

static const struct insn *op_extend_accumulator(struct cpu *cpu, const struct insn *in)
{
    unsigned half = in->opsize * 4;
    reg_write(cpu, RAX, in->opsize, (uint64_t)flags_sign_extend(cpu->gpr[RAX], half));
    NEXT(cpu, in);
}

static const struct insn *op_extend_into_dx(struct cpu *cpu, const struct insn *in)
{
    int64_t value = flags_sign_extend(cpu->gpr[RAX], in->opsize * 8);
    reg_write(cpu, RDX, in->opsize, (uint64_t)(value >> 63));
    NEXT(cpu, in);
}

static bool select_extend_accumulator(const struct decoded *d, struct insn *in)
{
    in->opsize = (uint8_t)(d->arg & 15);
    in->fn = d->arg & 16 ? op_extend_into_dx : op_extend_accumulator;
    return true;
}

/* ---- XLAT ---- */

static const struct insn *op_xlat(struct cpu *cpu, const struct insn *in)
{
    uint64_t offset = cpu->gpr[RBX] + (uint8_t)cpu->gpr[RAX];
    if (in->addrsize != 8)
        offset = in->addrsize == 4 ? (uint32_t)offset : (uint16_t)offset;
    R8(cpu, RAX * 8) = ld8(cpu, in, linear(cpu, in, in->seg, offset, 1, ACCESS_READ));
    return in + 1;
}

static bool select_xlat(const struct decoded *d, struct insn *in)
{
    for (unsigned i = 0; i < d->z.operand_count; i++)
        if (is_mem(d, i))
            in->seg = (uint8_t)ZydisRegisterGetId(d->operand[i].mem.segment);
    in->fn = op_xlat;
    return true;
}

#define CMOV(cc)                                \
    {                                           \
        ZYDIS_MNEMONIC_CMOV##cc, select_cmov, 0 \
    }
const struct family_row family_mov[] = {
    {ZYDIS_MNEMONIC_MOV, select_mov, 0},
    {ZYDIS_MNEMONIC_MOVZX, select_extend, 0},
    {ZYDIS_MNEMONIC_MOVSX, select_extend, 1},
    {ZYDIS_MNEMONIC_MOVSXD, select_extend, 1},
    {ZYDIS_MNEMONIC_LEA, select_lea, 0},
    {ZYDIS_MNEMONIC_XCHG, select_xchg, 0},
    {ZYDIS_MNEMONIC_BSWAP, select_bswap, 0},
    {ZYDIS_MNEMONIC_CBW, select_extend_accumulator, 2},
    {ZYDIS_MNEMONIC_CWDE, select_extend_accumulator, 4},
    {ZYDIS_MNEMONIC_CDQE, select_extend_accumulator, 8},
    {ZYDIS_MNEMONIC_CWD, select_extend_accumulator, 16 | 2},
    {ZYDIS_MNEMONIC_CDQ, select_extend_accumulator, 16 | 4},
    {ZYDIS_MNEMONIC_CQO, select_extend_accumulator, 16 | 8},
    {ZYDIS_MNEMONIC_XLAT, select_xlat, 0},
    CMOV(O),
    CMOV(NO),
    CMOV(B),
    CMOV(NB),
    CMOV(Z),
    CMOV(NZ),
    CMOV(BE),
    CMOV(NBE),
    CMOV(S),
    CMOV(NS),
    CMOV(P),
    CMOV(NP),
    CMOV(L),
    CMOV(NL),
    CMOV(LE),
    CMOV(NLE),
    {0, NULL, 0},
};

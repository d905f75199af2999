/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bit.c - BT, BTS, BTR, BTC, BSF, BSR, POPCNT, SETcc; XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B.
 *
 * One vCPU: a LOCK prefix asks for nothing that isn't so already.
 */
#include "x86/operands.h"

/* ---- bit tests ---- */

enum bit_test { BT, BTS, BTR, BTC };

static uint64_t bit_changed(unsigned op, uint64_t value, uint64_t mask)
{
    switch (op) {
    case BTS: return value | mask;
    case BTR: return value & ~mask;
    case BTC: return value ^ mask;
    default: return value;
    }
}

/* With a register for bit number and memory for bit string, the number is signed and reaches far (SDM 2, BT). */
static uint64_t bit_string_address(struct cpu *cpu, const struct insn *in)
{
    unsigned size = in->opsize, shift = 3 + (unsigned)__builtin_ctz(size);
    int64_t bit = flags_sign_extend(cpu->gpr[in->reg], size * 8);
    uint64_t offset = effective_address(cpu, in) + (uint64_t)((bit >> shift) * (int64_t)size);
    if (in->addrsize != 8)
        offset = in->addrsize == 4 ? (uint32_t)offset : (uint16_t)offset;
    return linear(cpu, in, in->seg, offset, size, in->op == BT ? ACCESS_READ : ACCESS_WRITE);
}

static void bit_test_memory(struct cpu *cpu, const struct insn *in, uint64_t at, uint64_t number)
{
    unsigned bit = number & (in->opsize * 8u - 1);
    uint64_t value = in->op == BT ? mem_load(cpu, in, at, in->opsize) : mem_load_modify(cpu, in, at, in->opsize);
    if (in->op != BT)
        mem_store(cpu, in, at, in->opsize, bit_changed(in->op, value, (uint64_t)1 << bit));
    flags_set_cf(&cpu->lf, (value >> bit) & 1);
}

static const struct insn *op_bit_test(struct cpu *cpu, const struct insn *in)
{
    uint64_t number = in->data ? in->imm : cpu->gpr[in->reg];
    if (in->flags & INSN_MEM) {
        enum access access = in->op == BT ? ACCESS_READ : ACCESS_WRITE;
        uint64_t at = in->data ? operand_address(cpu, in, in->opsize, access) : bit_string_address(cpu, in);
        bit_test_memory(cpu, in, at, number);
        return in + 1;
    }
    unsigned bit = number & (in->opsize * 8u - 1);
    uint64_t value = reg_read(cpu, in->rm, in->opsize);
    flags_set_cf(&cpu->lf, (value >> bit) & 1);
    if (in->op != BT)
        reg_write(cpu, in->rm, in->opsize, bit_changed(in->op, value, (uint64_t)1 << bit));
    return in + 1;
}

static bool select_bit_test(const struct decoded *d, struct insn *in)
{
    static const char immediate;
    in->op = (uint8_t)d->arg;
    in->data = is_imm(d, 1) ? &immediate : NULL;
    in->fn = op_bit_test;
    return true;
}

/* ---- bit scans: of zero, ZF is set and the destination stays as it was ---- */

static const struct insn *op_scan(struct cpu *cpu, const struct insn *in)
{
    uint64_t value = rm_read(cpu, in, in->opsize);
    /* AMD and Intel alike leave the destination untouched, whatever the manual calls undefined. */
    if (value)
        reg_write(cpu, in->reg, in->opsize, (uint64_t)(in->op ? 63 - __builtin_clzll(value) : __builtin_ctzll(value)));
    flags_logic(&cpu->lf, value, in->opsize * 8u);
    return in + 1;
}

static bool select_scan(const struct decoded *d, struct insn *in)
{
    in->op = (uint8_t)d->arg;
    in->fn = op_scan;
    return true;
}

static const struct insn *op_popcnt(struct cpu *cpu, const struct insn *in)
{
    uint64_t value = rm_read(cpu, in, in->opsize);
    reg_write(cpu, in->reg, in->opsize, (uint64_t)__builtin_popcountll(value));
    flags_set(&cpu->lf, value ? 0 : FLAG_ZF);
    return in + 1;
}

static bool select_popcnt(const struct decoded *d, struct insn *in)
{
    (void)d;
    in->fn = op_popcnt;
    return true;
}

/* ---- SETcc ---- */

static const struct insn *op_setcc_r(struct cpu *cpu, const struct insn *in)
{
    R8(cpu, in->rm) = (uint8_t)flags_condition(&cpu->lf, in->op);
    NEXT(cpu, in);
}
static const struct insn *op_setcc_m(struct cpu *cpu, const struct insn *in)
{
    st8(cpu, in, operand_address(cpu, in, 1, ACCESS_WRITE), (uint8_t)flags_condition(&cpu->lf, in->op));
    return in + 1;
}

static bool select_setcc(const struct decoded *d, struct insn *in)
{
    in->op = d->z.opcode & 15;
    in->fn = is_mem(d, 0) ? op_setcc_m : op_setcc_r;
    return true;
}

/* ---- read, compare, write ---- */

static const struct insn *op_xadd(struct cpu *cpu, const struct insn *in)
{
    unsigned size = in->opsize;
    uint64_t at = in->flags & INSN_MEM ? operand_address(cpu, in, size, ACCESS_WRITE) : 0;
    uint64_t a = in->flags & INSN_MEM ? mem_load_modify(cpu, in, at, size) : reg_read(cpu, in->rm, size);
    uint64_t b = reg_read(cpu, in->reg, size);
    if (in->flags & INSN_MEM)
        mem_store(cpu, in, at, size, a + b);
    reg_write(cpu, in->reg, size, a);
    if (!(in->flags & INSN_MEM))
        reg_write(cpu, in->rm, size, a + b); /* last, so that XADD r, r with one register leaves the sum */
    flags_add(&cpu->lf, a, b, a + b, size * 8);
    return in + 1;
}

static const struct insn *op_cmpxchg(struct cpu *cpu, const struct insn *in)
{
    unsigned size = in->opsize, accumulator = size == 1 ? RAX * 8 : RAX;
    bool memory = in->flags & INSN_MEM;
    uint64_t at = memory ? operand_address(cpu, in, size, ACCESS_WRITE) : 0;
    uint64_t found = memory ? mem_load_modify(cpu, in, at, size) : reg_read(cpu, in->rm, size);
    uint64_t expected = reg_read(cpu, accumulator, size);
    bool equal = found == expected;
    uint64_t stored = equal ? reg_read(cpu, in->reg, size) : found;
    if (memory)
        mem_store(cpu, in, at, size, stored); /* the store happens either way (SDM 2, CMPXCHG) */
    else if (equal)
        reg_write(cpu, in->rm, size, stored);
    if (!equal)
        reg_write(cpu, accumulator, size, found);
    flags_sub(&cpu->lf, expected, found, expected - found, size * 8);
    return in + 1;
}

/* Of the flags CMPXCHG8B and CMPXCHG16B change only ZF. */
static void set_zf(struct cpu *cpu, bool equal)
{
    uint32_t flags = flags_get(&cpu->lf) & ~FLAG_ZF;
    flags_set(&cpu->lf, flags | (equal ? FLAG_ZF : 0));
}

static const struct insn *op_cmpxchg8b(struct cpu *cpu, const struct insn *in)
{
    uint64_t at = operand_address(cpu, in, 8, ACCESS_WRITE), found = lm64(cpu, in, at);
    uint64_t expected = cpu->gpr[RDX] << 32 | (uint32_t)cpu->gpr[RAX];
    uint64_t wanted = cpu->gpr[RCX] << 32 | (uint32_t)cpu->gpr[RBX];
    bool equal = found == expected;
    st64(cpu, in, at, equal ? wanted : found);
    if (!equal) {
        reg_write(cpu, RAX, 4, found);
        reg_write(cpu, RDX, 4, found >> 32);
    }
    set_zf(cpu, equal);
    return in + 1;
}

/* Its operand is aligned, so that both halves lie in one page. */
static const struct insn *op_cmpxchg16b(struct cpu *cpu, const struct insn *in)
{
    uint64_t at = operand_address(cpu, in, 16, ACCESS_WRITE);
    if (at & 15)
        cpu_raise_error(cpu, in, VEC_GP, 0);
    uint64_t low = lm64(cpu, in, at), high = lm64(cpu, in, at + 8);
    bool equal = low == cpu->gpr[RAX] && high == cpu->gpr[RDX];
    st64(cpu, in, at, equal ? cpu->gpr[RBX] : low);
    st64(cpu, in, at + 8, equal ? cpu->gpr[RCX] : high);
    if (!equal) {
        cpu->gpr[RAX] = low;
        cpu->gpr[RDX] = high;
    }
    set_zf(cpu, equal);
    return in + 1;
}

static bool select_exchange(const struct decoded *d, struct insn *in)
{
    static insn_fn *const fn[] = {op_xadd, op_cmpxchg, op_cmpxchg8b, op_cmpxchg16b};
    in->fn = fn[d->arg];
    return true;
}

#define SET(cc)                                 \
    {                                           \
        ZYDIS_MNEMONIC_SET##cc, select_setcc, 0 \
    }
const struct family_row family_bit[] = {
    {ZYDIS_MNEMONIC_BT, select_bit_test, BT},
    {ZYDIS_MNEMONIC_BTS, select_bit_test, BTS},
    {ZYDIS_MNEMONIC_BTR, select_bit_test, BTR},
    {ZYDIS_MNEMONIC_BTC, select_bit_test, BTC},
    {ZYDIS_MNEMONIC_BSF, select_scan, 0},
    {ZYDIS_MNEMONIC_BSR, select_scan, 1},
    {ZYDIS_MNEMONIC_POPCNT, select_popcnt, 0},
    {ZYDIS_MNEMONIC_XADD, select_exchange, 0},
    {ZYDIS_MNEMONIC_CMPXCHG, select_exchange, 1},
    {ZYDIS_MNEMONIC_CMPXCHG8B, select_exchange, 2},
    {ZYDIS_MNEMONIC_CMPXCHG16B, select_exchange, 3},
    SET(O),
    SET(NO),
    SET(B),
    SET(NB),
    SET(Z),
    SET(NZ),
    SET(BE),
    SET(NBE),
    SET(S),
    SET(NS),
    SET(P),
    SET(NP),
    SET(L),
    SET(NL),
    SET(LE),
    SET(NLE),
    {0, NULL, 0},
};

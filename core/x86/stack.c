/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stack.c - PUSH, POP, PUSHA, POPA, PUSHF, POPF, ENTER, LEAVE.
 *
 * RSP moves last, so that a fault leaves it where it was.
 */
#include "x86/operands.h"
#include "x86/protect.h"

/* ---- PUSH, POP ---- */

static const struct insn *op_push_r64(struct cpu *cpu, const struct insn *in)
{
    uint64_t sp = cpu->gpr[RSP] - 8;
    ss64(cpu, in, sp, cpu->gpr[in->rm]);
    cpu->gpr[RSP] = sp;
    NEXT(cpu, in);
}

static const struct insn *op_pop_r64(struct cpu *cpu, const struct insn *in)
{
    uint64_t value = sl64(cpu, in, cpu->gpr[RSP]);
    cpu->gpr[RSP] += 8;
    cpu->gpr[in->rm] = value; /* last: POP RSP */
    NEXT(cpu, in);
}

static const struct insn *op_push(struct cpu *cpu, const struct insn *in)
{
    push(cpu, in, in->opsize, rm_read(cpu, in, in->opsize));
    return in + 1;
}

static const struct insn *op_push_imm(struct cpu *cpu, const struct insn *in)
{
    push(cpu, in, in->opsize, in->imm);
    return in + 1;
}

static const struct insn *op_pop_r(struct cpu *cpu, const struct insn *in)
{
    uint64_t value = pop(cpu, in, in->opsize);
    reg_write(cpu, in->rm, in->opsize, value);
    return in + 1;
}

/* The destination's address is computed with RSP already moved (SDM 2, POP), so RSP goes back if the store faults. */
static const struct insn *op_pop_m(struct cpu *cpu, const struct insn *in)
{
    uint64_t value = stack_load(cpu, in, 0, in->opsize), sp = cpu->gpr[RSP];
    stack_move(cpu, in->opsize);
    uint64_t offset = effective_address(cpu, in), moved = cpu->gpr[RSP];
    cpu->gpr[RSP] = sp;
    mem_store(cpu, in, linear(cpu, in, in->seg, offset, in->opsize, ACCESS_WRITE), in->opsize, value);
    cpu->gpr[RSP] = moved;
    return in + 1;
}

static bool is_segment(const struct decoded *d)
{
    return is_reg(d, 0) && ZydisRegisterGetClass(d->operand[0].reg.value) == ZYDIS_REGCLASS_SEGMENT;
}

static bool select_push(const struct decoded *d, struct insn *in)
{
    if (is_segment(d))
        return false;
    if (is_imm(d, 0)) {
        in->opsize = (uint8_t)(d->z.operand_width / 8);
        in->fn = op_push_imm;
    } else {
        in->fn = is_reg(d, 0) && in->opsize == 8 ? op_push_r64 : op_push;
    }
    return true;
}

static bool select_pop(const struct decoded *d, struct insn *in)
{
    if (is_segment(d))
        return false;
    in->fn = is_mem(d, 0) ? op_pop_m : in->opsize == 8 ? op_pop_r64 : op_pop_r;
    return true;
}

/* ---- PUSHA, POPA ---- */

static const struct insn *op_pusha(struct cpu *cpu, const struct insn *in)
{
    unsigned size = in->opsize;
    for (unsigned r = RAX; r <= RDI; r++)
        stack_store(cpu, in, -(int64_t)(size * (r + 1)), size, cpu->gpr[r]);
    stack_move(cpu, -(int64_t)(size * 8));
    return in + 1;
}

static const struct insn *op_popa(struct cpu *cpu, const struct insn *in)
{
    uint64_t value[8];
    for (unsigned r = RAX; r <= RDI; r++)
        value[r] = stack_load(cpu, in, in->opsize * (7 - r), in->opsize);
    for (unsigned r = RAX; r <= RDI; r++)
        if (r != RSP)
            reg_write(cpu, r, in->opsize, value[r]);
    stack_move(cpu, in->opsize * 8);
    return in + 1;
}

/* ---- PUSHF, POPF ---- */

/* In virtual-8086 mode both need IOPL 3. */
static void check_v86(struct cpu *cpu, const struct insn *in)
{
    if (cpu_v86(cpu) && cpu_iopl(cpu) < 3)
        cpu_raise_error(cpu, in, VEC_GP, 0);
}

static const struct insn *op_pushf(struct cpu *cpu, const struct insn *in)
{
    check_v86(cpu, in);
    cpu_sensitive(cpu, in, EXIT_INDEX_IF_CHANGE, 0);
    push(cpu, in, in->opsize, cpu_rflags(cpu) & ~(uint64_t)(FLAG_RF | FLAG_VM));
    return in + 1;
}

static const struct insn *op_popf(struct cpu *cpu, const struct insn *in)
{
    check_v86(cpu, in);
    cpu_sensitive(cpu, in, EXIT_INDEX_IF_CHANGE, 0);
    uint32_t may_change = FLAGS_STATUS | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID;
    if (cpu->cpl <= cpu_iopl(cpu))
        may_change |= FLAG_IF;
    if (cpu->cpl == 0)
        may_change |= FLAG_IOPL;
    if (in->opsize == 2)
        may_change &= 0xffff;
    uint64_t value = pop(cpu, in, in->opsize);
    cpu_set_rflags(cpu, (cpu_rflags(cpu) & ~(uint64_t)(may_change | FLAG_RF)) | (value & may_change));
    return end_block(cpu, cpu_next_rip(cpu, in));
}

/* ---- ENTER, LEAVE ---- */

static const struct insn *op_enter_frame(struct cpu *cpu, const struct insn *in)
{
    unsigned size = in->opsize, level = in->imm2 & 31;
    int64_t distance = -(int64_t)size;
    stack_store(cpu, in, distance, size, cpu->gpr[RBP]);
    uint64_t frame = stack_offset(cpu, distance);
    for (unsigned i = 1; i < level; i++) { /* copy the display of the enclosing procedures */
        uint64_t link = stack_load(cpu, in, (int64_t)(cpu->gpr[RBP] - i * size - cpu->gpr[RSP]), size);
        distance -= size;
        stack_store(cpu, in, distance, size, link);
    }
    if (level) {
        distance -= size;
        stack_store(cpu, in, distance, size, frame);
    }
    distance -= (uint16_t)in->imm;
    mem_probe_write(cpu, in, linear(cpu, in, SEG_SS, stack_offset(cpu, distance), size, ACCESS_WRITE), size);
    reg_write(cpu, RBP, cpu->stack64 ? 8 : size, frame);
    stack_move(cpu, distance);
    return in + 1;
}

static const struct insn *op_leave(struct cpu *cpu, const struct insn *in)
{
    uint64_t frame = cpu->gpr[RBP] & cpu->stack_mask;
    uint64_t value = stack_load(cpu, in, (int64_t)(frame - cpu->gpr[RSP]), in->opsize);
    cpu->gpr[RSP] = (cpu->gpr[RSP] & ~cpu->stack_mask) | ((frame + in->opsize) & cpu->stack_mask);
    reg_write(cpu, RBP, in->opsize, value);
    return in + 1;
}

static bool select_simple(const struct decoded *d, struct insn *in)
{
    static insn_fn *const fn[] = {op_pusha, op_popa, op_pushf, op_popf, op_enter_frame, op_leave};
    in->opsize = (uint8_t)(d->z.operand_width / 8);
    in->fn = fn[d->arg];
    if (in->fn == op_popf)
        in->flags |= INSN_LAST;
    return true;
}

const struct family_row family_stack[] = {
    {ZYDIS_MNEMONIC_PUSH, select_push, 0},
    {ZYDIS_MNEMONIC_POP, select_pop, 0},
    {ZYDIS_MNEMONIC_PUSHA, select_simple, 0},
    {ZYDIS_MNEMONIC_PUSHAD, select_simple, 0},
    {ZYDIS_MNEMONIC_POPA, select_simple, 1},
    {ZYDIS_MNEMONIC_POPAD, select_simple, 1},
    {ZYDIS_MNEMONIC_PUSHF, select_simple, 2},
    {ZYDIS_MNEMONIC_PUSHFD, select_simple, 2},
    {ZYDIS_MNEMONIC_PUSHFQ, select_simple, 2},
    {ZYDIS_MNEMONIC_POPF, select_simple, 3},
    {ZYDIS_MNEMONIC_POPFD, select_simple, 3},
    {ZYDIS_MNEMONIC_POPFQ, select_simple, 3},
    {ZYDIS_MNEMONIC_ENTER, select_simple, 4},
    {ZYDIS_MNEMONIC_LEAVE, select_simple, 5},
    {0, NULL, 0},
};

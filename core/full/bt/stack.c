/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stack.c - PUSH, POP, LEAVE of 64 bits; and division, whose faults the host must not see.
 *
 * Guest RSP is in R12, but not up to date: in a row of pushes, each would wait for the one before. PUSH, POP, CALL and
 * constants added to it change the unit's `lag` only, and accesses by RSP are made that much apart. It is settled in
 * front of an instruction that names RSP in another way, and whenever native code leaves the unit. It moves when
 * nothing can fault any more.
 *
 * Read next: branch.c.
 */
#include "full/bt/bt.h"

enum { GUEST_RSP = R12 };

#define LAG_MAX (1 << 20)

/* ---- the lag ---- */

static bool names_stack(const struct decoded *d)
{
    for (unsigned i = 0; i < d->z.operand_count; i++)
        if (is_reg(d, i) && d->operand[i].visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT &&
            ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, d->operand[i].reg.value) == ZYDIS_REGISTER_RSP)
            return true;
    return false;
}

/* Adds a constant to RSP: false for all others. */
static bool stack_constant(const struct decoded *d, int64_t *value)
{
    if (!is_reg(d, 0) || d->operand[0].reg.value != ZYDIS_REGISTER_RSP)
        return false;
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_ADD: *value = d->operand[1].imm.value.s; return is_imm(d, 1);
    case ZYDIS_MNEMONIC_SUB: *value = -d->operand[1].imm.value.s; return is_imm(d, 1);
    case ZYDIS_MNEMONIC_LEA:
        *value = d->operand[1].mem.disp.value;
        return d->operand[1].mem.base == ZYDIS_REGISTER_RSP && d->operand[1].mem.index == ZYDIS_REGISTER_NONE &&
               d->z.address_width == 64;
    default: return false;
    }
}

bool keeps_lag(const struct decoded *d)
{
    int64_t value;
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_INVALID: return false;
    case ZYDIS_MNEMONIC_PUSH:
    case ZYDIS_MNEMONIC_POP: return d->z.operand_width == 64 && !names_stack(d);
    case ZYDIS_MNEMONIC_CALL:
    case ZYDIS_MNEMONIC_RET: return d->z.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR && !names_stack(d);
    case ZYDIS_MNEMONIC_JMP:
    case ZYDIS_MNEMONIC_DIV:
    case ZYDIS_MNEMONIC_IDIV: return !names_stack(d);
    default: break;
    }
    if (stack_constant(d, &value))
        return value > -LAG_MAX && value < LAG_MAX;
    return (is_copied(d) || d->z.meta.category == ZYDIS_CATEGORY_COND_BR) && !names_stack(d);
}

void settle_stack(struct unit *t)
{
    if (!t->lag)
        return;
    emit_lea(t->e, GUEST_RSP, (struct host_mem){GUEST_RSP, NO_REG, 0, t->lag});
    if (t->window.base == GUEST_RSP) {
        t->window.low -= t->lag;
        t->window.high -= t->lag;
    }
    t->replay_lag -= t->lag;
    t->lag = 0;
}

void move_stack(struct unit *t, int32_t distance)
{
    t->lag += distance;
    if (t->lag <= -LAG_MAX || t->lag >= LAG_MAX)
        settle_stack(t);
}

/* ADD, SUB and LEA of a constant: nothing is executed, and flags are made when somebody wants them. */
static bool add_to_stack(struct unit *t, const struct decoded *d)
{
    int64_t value;
    if (!stack_constant(d, &value) || value <= -LAG_MAX || value >= LAG_MAX)
        return false;
    if (d->z.mnemonic != ZYDIS_MNEMONIC_LEA)
        flags_written_stack(t, d);
    move_stack(t, (int32_t)value);
    t->held_kept = true;
    return true;
}

/* ---- PUSH, POP, LEAVE ---- */

static bool push_register(struct unit *t, const struct insn *in, unsigned r)
{
    struct host_mem m = probe_stack(t, in, GUEST_RSP, -8, true);
    emit_store(t->e, m, guest_register(t, r, SCRATCH_A));
    move_stack(t, -8);
    return true;
}

static bool push_immediate(struct unit *t, const struct insn *in)
{
    struct host_mem m = probe_stack(t, in, GUEST_RSP, -8, true);
    (void)emit_mem(t->e, (struct host_op){.opcode = 0xc7, .w = true}, 0, m);
    emit32(t->e, (uint32_t)in->imm);
    move_stack(t, -8);
    return true;
}

static bool push_memory(struct unit *t, const struct insn *in)
{
    struct host_mem m;
    int free;
    if (!probe_operand(t, in, (struct probe){.size = 8}, &m, &free))
        return false;
    emit_load(t->e, SCRATCH_A, m);
    emit_store(t->e, CPU_FIELD(native.scratch), SCRATCH_A);
    m = probe_stack(t, in, GUEST_RSP, -8, true);
    emit_load(t->e, SCRATCH_A, CPU_FIELD(native.scratch));
    emit_store(t->e, m, SCRATCH_A);
    move_stack(t, -8);
    return true;
}

static bool pop_register(struct unit *t, const struct insn *in, unsigned r)
{
    struct host_mem m = probe_stack(t, in, GUEST_RSP, 0, false);
    bool direct = t->host[r] != NO_REG && r != RSP;
    emit_load(t->e, direct ? t->host[r] : SCRATCH_A, m);
    move_stack(t, 8);
    if (r == RSP) {
        emit_mov(t->e, GUEST_RSP, SCRATCH_A);
        t->lag = 0;
    } else if (!direct) {
        emit_store(t->e, cpu_gpr(r), SCRATCH_A);
    }
    return true;
}

static bool leave_frame(struct unit *t, const struct insn *in)
{
    struct host_mem m = probe_stack(t, in, RBP, 0, false);
    emit_load(t->e, SCRATCH_A, m);
    emit_lea(t->e, GUEST_RSP, (struct host_mem){RBP, NO_REG, 0, 8});
    emit_mov(t->e, RBP, SCRATCH_A);
    return true;
}

bool translate_stack(struct unit *t, const struct insn *in, const struct decoded *d)
{
    if (d->z.operand_width != 64)
        return false;
    bool general = is_reg(d, 0) && ZydisRegisterGetClass(d->operand[0].reg.value) == ZYDIS_REGCLASS_GPR64;
    unsigned r = general ? (unsigned)ZydisRegisterGetId(d->operand[0].reg.value) : 0;
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_PUSH:
        if (is_imm(d, 0))
            return push_immediate(t, in);
        return general ? push_register(t, in, r) : is_mem(d, 0) && push_memory(t, in);
    case ZYDIS_MNEMONIC_POP: return general && pop_register(t, in, r);
    case ZYDIS_MNEMONIC_LEAVE: return leave_frame(t, in);
    default: return add_to_stack(t, d);
    }
}

/* ---- DIV and IDIV of 32 and 64 bits ---- */

/* Leaves unless the quotient fits: the interpreter then raises #DE, or divides. The divisor is in SCRATCH_B. */
static void check_unsigned(struct unit *t, const struct insn *in, bool w)
{
    (void)emit_reg(t->e, (struct host_op){.opcode = 0x3b, .w = w}, RDX, SCRATCH_B); /* also for a divisor of 0 */
    add_stub(t, STUB_LEAVE, emit_jump(t->e, IF_AE), in);
}

/* Only the usual case stays: a dividend of one word (behind CDQ or CQO), a divisor that is neither 0 nor -1. */
static void check_signed(struct unit *t, const struct insn *in, bool w)
{
    struct emitter *e = t->e;
    emit_mov(e, SCRATCH_A, RAX);
    (void)emit_reg(e, (struct host_op){.opcode = 0xc1, .w = w}, SHIFT_SAR, SCRATCH_A);
    emit8(e, w ? 63 : 31);
    (void)emit_reg(e, (struct host_op){.opcode = 0x3b, .w = w}, SCRATCH_A, RDX);
    add_stub(t, STUB_LEAVE, emit_jump(e, IF_NE), in);
    (void)emit_mem(e, (struct host_op){.opcode = 0x8d, .w = w}, SCRATCH_A, (struct host_mem){SCRATCH_B, NO_REG, 0, 1});
    emit_alu_constant(e, ALU_CMP, SCRATCH_A, 1);
    add_stub(t, STUB_LEAVE, emit_jump(e, IF_BE), in);
}

bool translate_division(struct unit *t, const struct insn *in, const struct decoded *d)
{
    bool is_signed = d->z.mnemonic == ZYDIS_MNEMONIC_IDIV;
    if ((!is_signed && d->z.mnemonic != ZYDIS_MNEMONIC_DIV) || in->opsize < 4)
        return false;
    bool w = in->opsize == 8;
    struct host_op load = {.opcode = 0x8b, .w = w};
    save_flags(t);
    if (in->flags & INSN_MEM) {
        struct host_mem m;
        int free;
        if (!probe_operand(t, in, (struct probe){.size = in->opsize}, &m, &free))
            return false;
        (void)emit_mem(t->e, load, SCRATCH_B, m);
    } else {
        (void)emit_reg(t->e, load, SCRATCH_B, guest_register(t, in->rm, SCRATCH_A));
    }
    window_close(t);
    (is_signed ? check_signed : check_unsigned)(t, in, w);
    (void)emit_reg(t->e, (struct host_op){.opcode = 0xf7, .w = w}, is_signed ? 7 : 6, SCRATCH_B);
    t->flags = IN_MEMORY; /* unchanged, as the interpreter leaves them */
    return true;
}

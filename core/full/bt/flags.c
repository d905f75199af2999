/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flags.c - where the guest's status flags are while a block is translated.
 *
 * IN_HOST    in RFLAGS, where translated arithmetic leaves them and translated branches find them. A probe destroys
 * them. IN_MEMORY  saved in native.flags (LAHF, SETO: five instructions), for whoever reads them later; a fault does
 * too. IN_REPLAY  nowhere, but a short instruction makes them again: the comparison that made them, as long as its
 * operands are what they were; of AND, OR, XOR a TEST of the result; of ADD and SUB the same operation on the operands
 * before it. Most flags are never read, and these cost nothing then.
 *
 * Read next: stub.c.
 */
#include "full/bt/bt.h"

/* ---- what an instruction does with them ---- */

static bool is_shift(ZydisMnemonic m)
{
    return m == ZYDIS_MNEMONIC_SHL || m == ZYDIS_MNEMONIC_SHR || m == ZYDIS_MNEMONIC_SAR || m == ZYDIS_MNEMONIC_SHLD ||
           m == ZYDIS_MNEMONIC_SHRD;
}

struct flag_use flag_use(const struct decoded *d)
{
    const ZydisAccessedFlags *f = d->z.cpu_flags;
    if (!f)
        return (struct flag_use){0};
    uint32_t writes = (f->modified | f->set_0 | f->set_1 | f->undefined) & FLAGS_STATUS;
    bool partly = writes && writes != FLAGS_STATUS;
    if (is_shift(d->z.mnemonic)) { /* a count of 0 leaves them all; one in CL may be 0 */
        const ZydisDecodedOperand *count = &d->operand[d->z.operand_count_visible - 1];
        unsigned mask = d->z.operand_width == 64 ? 63 : 31;
        partly |= count->type != ZYDIS_OPERAND_TYPE_IMMEDIATE || !(count->imm.value.u & mask);
    }
    return (struct flag_use){.reads = (f->tested & FLAGS_STATUS) || partly, .writes = writes != 0};
}

/* ---- made again ---- */

static bool is_general(const ZydisDecodedOperand *o)
{
    if (o->type != ZYDIS_OPERAND_TYPE_REGISTER)
        return false;
    ZydisRegisterClass class = ZydisRegisterGetClass(o->reg.value);
    return class >= ZYDIS_REGCLASS_GPR8 && class <= ZYDIS_REGCLASS_GPR64;
}

/* The guest register that an operand is, or is a part of. */
static unsigned register_of(const ZydisDecodedOperand *o)
{
    return (unsigned)ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, o->reg.value));
}

/* An immediate, or a general register that is in a host register. */
static bool is_at_hand(const struct unit *t, const ZydisDecodedOperand *o)
{
    return o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE || (is_general(o) && t->host[register_of(o)] != NO_REG);
}

static bool can_replay(const struct unit *t, const struct decoded *d)
{
    const ZydisDecodedOperand *a = &d->operand[0], *b = &d->operand[1];
    if (d->z.operand_count_visible != 2 || !is_at_hand(t, a))
        return false;
    bool wide = a->size >= 32;
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_CMP:
    case ZYDIS_MNEMONIC_TEST: return is_at_hand(t, b);
    case ZYDIS_MNEMONIC_AND:
    case ZYDIS_MNEMONIC_OR:
    case ZYDIS_MNEMONIC_XOR: return wide; /* whatever the other operand was */
    case ZYDIS_MNEMONIC_ADD:
    case ZYDIS_MNEMONIC_SUB:
        return wide && is_at_hand(t, b) &&
               (is_general(b) ? register_of(a) != register_of(b) : b->imm.value.s > INT32_MIN);
    default: return false;
    }
}

/* How many operands it takes to do it again. */
static unsigned replay_operands(const struct decoded *d)
{
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_AND:
    case ZYDIS_MNEMONIC_OR:
    case ZYDIS_MNEMONIC_XOR: return 1; /* the result */
    default: return 2;
    }
}

/* ADD and SUB: the first operand as it was, in `scratch`; then the operation, or for SUB a comparison. */
static void replay_sum(struct unit *t, const struct decoded *d, int scratch)
{
    const ZydisDecodedOperand *a = &d->operand[0], *b = &d->operand[1];
    const bool add = d->z.mnemonic == ZYDIS_MNEMONIC_ADD, w = a->size == 64;
    const enum alu alu = add ? ALU_ADD : ALU_CMP;
    const int result = t->host[register_of(a)];
    if (is_general(b)) {
        const int other = t->host[register_of(b)];
        emit_mov(t->e, scratch, result);
        emit_alu(t->e, add ? ALU_SUB : ALU_ADD, scratch, other);
        (void)emit_reg(t->e, (struct host_op){.opcode = (uint8_t)(alu << 3 | 3), .w = w}, scratch, other);
    } else {
        const int32_t value = (int32_t)b->imm.value.s;
        emit_lea(t->e, scratch, (struct host_mem){result, NO_REG, 0, add ? -value : value});
        (void)emit_reg(t->e, (struct host_op){.opcode = 0x81, .w = w}, (int)alu, scratch);
        emit32(t->e, (uint32_t)value);
    }
}

/* The same to RSP, which was not executed. */
static void replay_stack(struct unit *t, const struct decoded *d, int scratch)
{
    const enum alu alu = d->z.mnemonic == ZYDIS_MNEMONIC_ADD ? ALU_ADD : ALU_CMP;
    emit_lea(t->e, scratch, (struct host_mem){t->host[RSP], NO_REG, 0, t->replay_lag});
    emit_alu_constant(t->e, alu, scratch, (int32_t)d->operand[1].imm.value.s);
    t->flags |= IN_HOST;
}

static void replay(struct unit *t, int scratch)
{
    const struct decoded *d = t->replay;
    lose_scratch(t, scratch);
    if (scratch == SCRATCH_B)
        window_close(t);
    if (t->replay_stack) {
        replay_stack(t, d, scratch);
        return;
    }
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_CMP:
    case ZYDIS_MNEMONIC_TEST: copy_again(t, d); break;
    case ZYDIS_MNEMONIC_ADD:
    case ZYDIS_MNEMONIC_SUB: replay_sum(t, d, scratch); break;
    default: {
        int result = t->host[register_of(&d->operand[0])];
        (void)emit_reg(t->e, (struct host_op){.opcode = 0x85, .w = d->operand[0].size == 64}, result,
                       result); /* TEST */
        break;
    }
    }
    t->flags |= IN_HOST;
}

static bool changes(const struct decoded *d, unsigned r)
{
    for (unsigned i = 0; i < d->z.operand_count; i++)
        if (is_general(&d->operand[i]) && register_of(&d->operand[i]) == r &&
            (d->operand[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
            return true;
    return false;
}

void flags_before(struct unit *t, const struct insn *in, const struct decoded *d)
{
    if (!(t->flags & IN_REPLAY))
        return;
    bool lost = d->z.mnemonic == ZYDIS_MNEMONIC_INVALID;
    if (t->replay_stack)
        lost |= changes(d, RSP) && !keeps_lag(d);
    for (unsigned i = 0; i < replay_operands(t->replay) && !lost && !t->replay_stack; i++)
        lost = is_general(&t->replay->operand[i]) && changes(d, register_of(&t->replay->operand[i]));
    struct flag_use use = flag_use(d);
    if (!lost || (is_plain(d, in) && use.writes && !use.reads))
        return; /* or nobody can want them any more */
    if (t->flags == IN_REPLAY)
        replay(t, SCRATCH_A);
    t->flags &= ~(unsigned)IN_REPLAY;
}

void flags_written_stack(struct unit *t, const struct decoded *d)
{
    t->flags = IN_REPLAY;
    t->replay = d;
    t->replay_stack = true;
    t->replay_lag = t->lag;
}

void flags_written(struct unit *t, const struct decoded *d)
{
    t->flags = IN_HOST;
    t->replay_stack = false;
    if (can_replay(t, d)) {
        t->flags |= IN_REPLAY;
        t->replay = d;
    }
}

/* ---- moved ---- */

void save_flags(struct unit *t)
{
    if (t->flags & IN_MEMORY)
        return;
    if (!(t->flags & IN_HOST))
        replay(t, SCRATCH_A);
    struct emitter *e = t->e;
    lose_scratch(t, SCRATCH_A);
    emit_mov(e, SCRATCH_A, RAX);
    emit8(e, 0x9f);                                                             /* LAHF */
    (void)emit_reg(e, (struct host_op){.map = MAP_0F, .opcode = 0x90}, 0, RAX); /* SETO AL */
    (void)emit_mem(e, (struct host_op){.prefix = {0x66}, .opcode = 0x89}, RAX, CPU_FIELD(native.flags));
    emit_mov(e, RAX, SCRATCH_A);
    t->flags |= IN_MEMORY;
}

void restore_flags(struct unit *t, int scratch)
{
    if (t->flags & IN_HOST)
        return;
    if (t->flags & IN_REPLAY) {
        replay(t, scratch);
        return;
    }
    struct emitter *e = t->e;
    lose_scratch(t, scratch);
    if (scratch == SCRATCH_B)
        window_close(t);
    emit_mov(e, scratch, RAX);
    (void)emit_mem(e, (struct host_op){.map = MAP_0F, .opcode = 0xb7}, RAX, CPU_FIELD(native.flags)); /* MOVZX */
    emit8(e, 0x04); /* ADD AL, 127: overflows when AL is 1 */
    emit8(e, 0x7f);
    emit8(e, 0x9e); /* SAHF */
    emit_mov(e, RAX, scratch);
    t->flags |= IN_HOST;
}

void lose_host_flags(struct unit *t)
{
    if (!(t->flags & (IN_MEMORY | IN_REPLAY)))
        save_flags(t);
    t->flags &= ~(unsigned)IN_HOST;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * branch.c - near jumps, calls and returns. (Far ones change CS: far.c.)
 *
 * A direct branch within its page remembers its target's block in the record; all others look into the jump table
 * (block.h). What is found nowhere goes through the run loop, which decodes it.
 */
#include "x86/block.h"
#include "x86/operands.h"

const struct insn *op_branch(struct cpu *cpu, const struct insn *in)
{
    GO(cpu, branch_to(cpu, in));
}

/* ---- Jcc: one handler a condition; not taken, the next record goes on behind the block ---- */

#define JCC(n)                                                                  \
    static const struct insn *op_jcc##n(struct cpu *cpu, const struct insn *in) \
    {                                                                           \
        if (flags_condition(&cpu->lf, n))                                       \
            GO(cpu, branch_to(cpu, in));                                        \
        NEXT(cpu, in);                                                          \
    }
/* clang-format off */
JCC(0) JCC(1) JCC(2) JCC(3) JCC(4) JCC(5) JCC(6) JCC(7)
JCC(8) JCC(9) JCC(10) JCC(11) JCC(12) JCC(13) JCC(14) JCC(15)
    /* clang-format on */

    static bool select_jcc(const struct decoded *d, struct insn *in)
{
    static insn_fn *const fn[] = {op_jcc0, op_jcc1, op_jcc2,  op_jcc3,  op_jcc4,  op_jcc5,  op_jcc6,  op_jcc7,
                                  op_jcc8, op_jcc9, op_jcc10, op_jcc11, op_jcc12, op_jcc13, op_jcc14, op_jcc15};
    in->fn = fn[d->z.opcode & 15];
    in->flags |= INSN_LAST;
    return true;
}

/* ---- JMP, CALL, RET ---- */

/* A target that the instruction pointer can't take is the branch's own fault, found before anything has changed. */
static inline bool fits(const struct cpu *cpu, uint64_t target)
{
    return cpu->code_size == CODE64 ? canonical(target) : target <= cpu->seg[SEG_CS].limit;
}
static inline void check_target(struct cpu *cpu, const struct insn *in, uint64_t target)
{
    if (unlikely(!fits(cpu, target)))
        cpu_raise_error(cpu, in, VEC_GP, 0);
}

/* The target of an indirect branch, as wide as the operand. */
static const struct insn *op_jmp_rm(struct cpu *cpu, const struct insn *in)
{
    uint64_t target = rm_read(cpu, in, in->opsize);
    check_target(cpu, in, target);
    GO(cpu, jump_to(cpu, target));
}

/* The usual CALL and RET, of 64-bit code, and all others. */
static const struct insn *op_call64(struct cpu *cpu, const struct insn *in)
{
    uint64_t sp = cpu->gpr[RSP] - 8;
    check_target(cpu, in, cpu->gpr[GPR_PAGE] + in->imm);
    ss64(cpu, in, sp, cpu->gpr[GPR_PAGE] + in->off + in->len);
    cpu->gpr[RSP] = sp;
    GO(cpu, branch_to(cpu, in));
}
static const struct insn *op_call(struct cpu *cpu, const struct insn *in)
{
    check_target(cpu, in, cpu_wrap_rip(cpu, cpu->gpr[GPR_PAGE] + in->imm));
    push(cpu, in, in->opsize, cpu_next_rip(cpu, in));
    GO(cpu, branch_to(cpu, in));
}
static const struct insn *op_call_rm(struct cpu *cpu, const struct insn *in)
{
    uint64_t target = rm_read(cpu, in, in->opsize);
    if (unlikely(!fits(cpu, target)))
        mem_probe_push(cpu, in, in->opsize); /* of the two faults the stack's comes first */
    check_target(cpu, in, target);
    push(cpu, in, in->opsize, cpu_next_rip(cpu, in));
    GO(cpu, jump_to(cpu, target));
}

static const struct insn *op_ret64(struct cpu *cpu, const struct insn *in)
{
    uint64_t target = sl64(cpu, in, cpu->gpr[RSP]);
    check_target(cpu, in, target);
    cpu->gpr[RSP] += 8 + in->imm;
    GO(cpu, jump_to(cpu, target));
}
static const struct insn *op_ret(struct cpu *cpu, const struct insn *in)
{
    uint64_t target = stack_load(cpu, in, 0, in->opsize);
    check_target(cpu, in, target);
    stack_move(cpu, (int64_t)(in->opsize + in->imm));
    GO(cpu, jump_to(cpu, target));
}

/*
 * Near branches push and pop 64 bits in 64-bit mode whatever the prefixes say (SDM 2, appendix A, "f64"); elsewhere the
 * operand size.
 */
static unsigned branch_size(const struct decoded *d)
{
    return d->code_size == CODE64 ? 8 : d->z.operand_width / 8u;
}

static void select_near(const struct decoded *d, struct insn *in)
{
    in->opsize = (uint8_t)branch_size(d);
    in->flags |= INSN_LAST;
}

static bool is_far(const struct decoded *d)
{
    return d->z.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
}

static bool select_jmp(const struct decoded *d, struct insn *in)
{
    if (is_far(d))
        return false;
    select_near(d, in);
    in->fn = is_imm(d, 0) ? op_branch : op_jmp_rm;
    return true;
}

static bool select_call(const struct decoded *d, struct insn *in)
{
    if (is_far(d))
        return false;
    select_near(d, in);
    in->fn = !is_imm(d, 0) ? op_call_rm : d->code_size == CODE64 ? op_call64 : op_call;
    return true;
}

static bool select_ret(const struct decoded *d, struct insn *in)
{
    if (is_far(d))
        return false;
    select_near(d, in);
    in->imm = (uint16_t)in->imm;
    in->fn = d->code_size == CODE64 ? op_ret64 : op_ret;
    return true;
}

/* ---- LOOP, LOOPE, LOOPNE, JrCXZ: a counter as wide as the address size ---- */

static uint64_t count_register(const struct cpu *cpu, const struct insn *in)
{
    return reg_read(cpu, RCX, in->addrsize);
}

static const struct insn *op_loop(struct cpu *cpu, const struct insn *in)
{
    uint64_t count = count_register(cpu, in) - 1;
    reg_write(cpu, RCX, in->addrsize, count);
    bool zf = flag_zf(&cpu->lf), wanted = in->op == 2 || zf == in->op;
    return count_register(cpu, in) && wanted ? branch_to(cpu, in) : in + 1;
}
static const struct insn *op_jcxz(struct cpu *cpu, const struct insn *in)
{
    return count_register(cpu, in) ? in + 1 : branch_to(cpu, in);
}

static bool select_loop(const struct decoded *d, struct insn *in)
{
    in->op = (uint8_t)d->arg;
    in->flags |= INSN_LAST;
    in->fn = d->arg == 3 ? op_jcxz : op_loop;
    return true;
}

#define J(cc)                               \
    {                                       \
        ZYDIS_MNEMONIC_J##cc, select_jcc, 0 \
    }
const struct family_row family_branch[] = {
    J(O),
    J(NO),
    J(B),
    J(NB),
    J(Z),
    J(NZ),
    J(BE),
    J(NBE),
    J(S),
    J(NS),
    J(P),
    J(NP),
    J(L),
    J(NL),
    J(LE),
    J(NLE),
    {ZYDIS_MNEMONIC_JMP, select_jmp, 0},
    {ZYDIS_MNEMONIC_CALL, select_call, 0},
    {ZYDIS_MNEMONIC_RET, select_ret, 0},
    {ZYDIS_MNEMONIC_LOOPNE, select_loop, 0},
    {ZYDIS_MNEMONIC_LOOPE, select_loop, 1},
    {ZYDIS_MNEMONIC_LOOP, select_loop, 2},
    {ZYDIS_MNEMONIC_JCXZ, select_loop, 3},
    {ZYDIS_MNEMONIC_JECXZ, select_loop, 3},
    {ZYDIS_MNEMONIC_JRCXZ, select_loop, 3},
    {0, NULL, 0},
};

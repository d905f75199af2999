/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * branch.c - jumps, calls and returns: how native blocks go on in each other.
 *
 * A direct branch within its page is a host jump, once its target has native code; both die together when the page is
 * written. All others look into the interpreter's jump table (x86/block.h), which holds for one translation regime, and
 * jump where the block's `native` points to.
 *
 * Read next: docs/translator.md.
 */
#include "full/bt/bt.h"

enum { GUEST_RSP = R12 };

_Static_assert(offsetof(struct block_cache, jump) == 0 && sizeof(struct jump_entry) == 32, "jump_through_table");

#define ENTRY(field) ((struct host_mem){SCRATCH_B, NO_REG, 0, (int32_t)offsetof(struct jump_entry, field)})

void emit_jump_slot(struct emitter *e)
{
    emit_mov(e, SCRATCH_B, SCRATCH_A);
    emit_shift(e, SHIFT_SHR, SCRATCH_B, JUMP_BITS);
    emit_alu(e, ALU_XOR, SCRATCH_B, SCRATCH_A);
    emit_alu_constant(e, ALU_AND, SCRATCH_B, (1 << JUMP_BITS) - 1);
    emit_shift(e, SHIFT_SHL, SCRATCH_B, 5);
    emit_alu_mem(e, ALU_ADD, SCRATCH_B, CPU_FIELD(blocks));
}

/*
 * Goes on at the address in SCRATCH_A: jump_to(), as host code. `pop` is added to RSP when the target is found; when it
 * isn't, a stub of kind `missed` follows, with nothing changed.
 */
static void jump_through_table(struct unit *t, enum stub_kind missed, const struct insn *in, int32_t pop)
{
    struct emitter *e = t->e;
    t->flags = IN_MEMORY;
    emit_jump_slot(e);
    emit_alu_mem(e, ALU_CMP, SCRATCH_A, ENTRY(rip));
    add_stub(t, missed, emit_jump(e, IF_NE), in);
    emit_load(e, SCRATCH_A, CPU_FIELD(blocks));
    emit_load(e, SCRATCH_A, (struct host_mem){SCRATCH_A, NO_REG, 0, (int32_t)offsetof(struct block_cache, regime)});
    emit_alu_mem(e, ALU_CMP, SCRATCH_A, ENTRY(regime));
    add_stub(t, missed, emit_jump(e, IF_NE), in);
    emit_load(e, SCRATCH_A, ENTRY(page_base));
    emit_store(e, cpu_gpr(GPR_PAGE), SCRATCH_A);
    emit_load(e, SCRATCH_B, ENTRY(block));
    if (pop)
        emit_lea(e, GUEST_RSP, (struct host_mem){GUEST_RSP, NO_REG, 0, pop});
    emit_jump_mem(e, (struct host_mem){SCRATCH_B, NO_REG, 0, (int32_t)offsetof(struct block, native)});
}

void code_address(struct unit *t, uint64_t distance)
{
    emit_load(t->e, SCRATCH_A, cpu_gpr(GPR_PAGE));
    emit_lea(t->e, SCRATCH_A, (struct host_mem){SCRATCH_A, NO_REG, 0, (int32_t)distance});
}

void translate_far(struct unit *t, const struct insn *in)
{
    save_flags(t);
    go_home(t);
    code_address(t, in->imm);
    jump_through_table(t, STUB_FAR_MISSED, in, 0);
}

/* Back to the block's own top, with flags that can be made again there? */
static bool goes_round(const struct unit *t, const struct insn *in)
{
    return in->imm == (t->block->gpa.v & ~PAGE_MASK) && (t->flags & IN_REPLAY) && !t->replay_stack &&
           (t->loop_top ? t->loop_replay == t->replay : !t->loop_jump);
}

static void jump_to_loop(struct unit *t, unsigned condition)
{
    if (t->loop_top) {
        emit_jump_to(t->e, condition, t->loop_top);
        return;
    }
    t->loop_jump = emit_jump(t->e, condition);
    t->loop_replay = t->replay;
}

/* Does the target reach over the page's end? Its other page may be mapped anew, which only the jump table learns of. */
static bool may_cross(const struct insn *in)
{
    return in->link ? in->link->crossing : in->imm > PAGE_SIZE - 15;
}

void jump_within_page(struct unit *t, unsigned condition, const struct insn *in)
{
    if (may_cross(in)) {
        if (condition == ALWAYS)
            translate_far(t, in);
        else
            add_stub(t, STUB_FAR, emit_jump(t->e, condition), in);
        return;
    }
    if (!(t->flags & (IN_HOST | IN_MEMORY)))
        restore_flags(t, SCRATCH_A);
    if (goes_round(t, in)) {
        jump_to_loop(t, condition);
        return;
    }
    if (t->swaps && condition != ALWAYS) {
        add_stub(t, STUB_EXIT, emit_jump(t->e, condition), in);
        return;
    }
    if (t->swaps && in->imm == (t->block->gpa.v & ~PAGE_MASK)) {
        save_flags(t);
        emit_jump_to(t->e, ALWAYS, t->top);
        return;
    }
    go_home(t);
    const struct block *target = in->imm == (t->block->gpa.v & ~PAGE_MASK) ? t->block : in->link;
    if (target && target->native != t->bt->translator.cold)
        emit_jump_to(t->e, condition, t->flags & IN_MEMORY ? target->native : target->native_flags);
    else
        add_stub(t, STUB_LINK, emit_jump(t->e, condition), in);
}

void translate_end(struct unit *t, const struct insn *end)
{
    settle_stack(t);
    if (end->imm < PAGE_SIZE)
        jump_within_page(t, ALWAYS, end);
    else
        translate_far(t, end);
}

void translate_shadowed(struct unit *t, const struct insn *end)
{
    add_stub(t, STUB_SHADOWED, emit_jump(t->e, ALWAYS), end);
}

static bool reachable(const struct insn *in)
{
    return (int64_t)in->imm == (int32_t)in->imm;
}

/* A conditional jump inside a trace: out of line where it leaves the trace. */
static void leave_trace(struct unit *t, unsigned condition, const struct insn *in)
{
    const bool taken = next_in_unit(t)->gpa.v % PAGE_SIZE == in->imm;
    const struct insn *out = taken ? in + 1 : in;
    add_stub(t, out->imm < PAGE_SIZE ? STUB_EXIT : STUB_FAR, emit_jump(t->e, taken ? condition ^ 1 : condition), out);
}

static bool translate_jcc(struct unit *t, const struct insn *in, const struct decoded *d)
{
    unsigned condition = d->z.opcode & 15;
    if (!reachable(in))
        return false;
    if (!goes_on_in_unit(t))
        settle_stack(t);
    restore_flags(t, SCRATCH_A);
    if (goes_on_in_unit(t)) {
        leave_trace(t, condition, in);
        return true;
    }
    if (in->imm < PAGE_SIZE)
        jump_within_page(t, condition, in);
    else
        add_stub(t, STUB_FAR, emit_jump(t->e, condition), in);
    translate_end(t, in + 1);
    return true;
}

/* The target of an indirect branch comes into SCRATCH_A; flags are saved. */
static bool load_target(struct unit *t, const struct insn *in)
{
    save_flags(t);
    settle_stack(t);
    if (in->flags & INSN_MEM) {
        struct host_mem m;
        int free;
        if (!probe_operand(t, in, (struct probe){.size = 8}, &m, &free))
            return false;
        emit_load(t->e, SCRATCH_A, m);
        return true;
    }
    emit_mov(t->e, SCRATCH_A, guest_register(t, in->rm, SCRATCH_A));
    return true;
}

static bool translate_jmp(struct unit *t, const struct insn *in, const struct decoded *d)
{
    if (is_imm(d, 0)) {
        if (!reachable(in))
            return false;
        if (!goes_on_in_unit(t))
            translate_end(t, in);
        return true;
    }
    if (!load_target(t, in))
        return false;
    jump_through_table(t, STUB_LEAVE, in, 0);
    return true;
}

/*
 * The return cache is a ring of return addresses with the native code that goes on there: code of the calling block, so
 * that it is good as long as no block is killed and the regime stays (run.c). CALL writes, RET compares.
 *
 * RET then is a host RET and CALL a host CALL, because nothing else makes the host's CPU predict where a return goes.
 * Neither needs the host's stack for more than this: CALL's push is undone at once (RSP is struct cpu *), and RET pops
 * what has just been pushed.
 */
#define RETURN(field) ((struct host_mem){SCRATCH_B, NO_REG, 0, (int32_t)offsetof(struct native_return, field)})

/* The return address is in SCRATCH_A. Behind the host's CALL is where the return goes on. */
static void remember_return(struct unit *t, const struct insn *in)
{
    struct emitter *e = t->e;
    if (in[1].imm >= PAGE_SIZE)
        return; /* it goes on in another page */
    const unsigned flags = t->flags;
    const int32_t lag = t->lag;
    if (t->window.open)
        emit_store(e, CPU_FIELD(native.kept), SCRATCH_B);
    emit_load(e, SCRATCH_B, CPU_FIELD(native.top));
    emit_byte(e, ALU_ADD, SCRATCH_B, sizeof(struct native_return));
    emit_store(e, CPU_FIELD(native.top), SCRATCH_B);
    emit_store(e, RETURN(rip), SCRATCH_A);
    uint8_t *landing = emit_lea_code(e, SCRATCH_A);
    emit_store(e, RETURN(code), SCRATCH_A);
    uint8_t *call = emit_call(e);
    emit_patch(landing, e->at);
    t->flags = IN_MEMORY; /* as RET leaves it */
    t->lag = 0;
    jump_within_page(t, ALWAYS, in + 1);
    t->flags = flags;
    t->lag = lag;
    emit_patch(call, e->at);
    emit_lea(e, HOST_CPU, (struct host_mem){HOST_CPU, NO_REG, 0, 8});
    if (t->window.open)
        emit_load(e, SCRATCH_B, CPU_FIELD(native.kept));
}

static void push_return_address(struct unit *t, const struct insn *in)
{
    lose_host_flags(t);
    struct host_mem m = probe_stack(t, in, GUEST_RSP, -8, true);
    code_address(t, in->off + in->len);
    emit_store(t->e, m, SCRATCH_A);
    move_stack(t, -8);
    if (!goes_on_in_unit(t))
        settle_stack(t);
    remember_return(t, in);
}

static bool translate_call(struct unit *t, const struct insn *in, const struct decoded *d)
{
    if (!is_imm(d, 0)) {
        if (!load_target(t, in))
            return false;
        emit_store(t->e, CPU_FIELD(native.scratch), SCRATCH_A);
        push_return_address(t, in);
        emit_load(t->e, SCRATCH_A, CPU_FIELD(native.scratch));
        jump_through_table(t, STUB_CALL_MISSED, in, 0);
        return true;
    }
    if (!reachable(in))
        return false;
    if (goes_on_in_unit(t)) {
        push_return_address(t, in);
        return true;
    }
    save_flags(t);
    push_return_address(t, in);
    if (in->imm < PAGE_SIZE) {
        jump_within_page(t, ALWAYS, in);
        return true;
    }
    code_address(t, in->imm);
    emit_store(t->e, CPU_FIELD(native.scratch), SCRATCH_A);
    jump_through_table(t, STUB_CALL_MISSED, in, 0);
    return true;
}

static bool translate_ret(struct unit *t, const struct insn *in)
{
    struct emitter *e = t->e;
    save_flags(t);
    struct host_mem m = probe_stack(t, in, GUEST_RSP, 0, false);
    t->flags = IN_MEMORY;
    emit_load(e, SCRATCH_A, m);
    emit_load(e, SCRATCH_B, CPU_FIELD(native.top));
    emit_alu_mem(e, ALU_CMP, SCRATCH_A, RETURN(rip));
    add_stub(t, STUB_RETURN, emit_jump(e, IF_NE), in);
    emit_alu_constant(e, ALU_AND, SCRATCH_A, (int32_t)PAGE_MASK);
    emit_store(e, cpu_gpr(GPR_PAGE), SCRATCH_A);
    emit_lea(e, GUEST_RSP, (struct host_mem){GUEST_RSP, NO_REG, 0, t->lag + (int32_t)(8 + in->imm)});
    emit_mov(e, SCRATCH_A, SCRATCH_B);
    emit_byte(e, ALU_SUB, SCRATCH_A, sizeof(struct native_return));
    emit_store(e, CPU_FIELD(native.top), SCRATCH_A);
    emit_push_return(e, RETURN(code));
    return true;
}

void translate_return_missed(struct unit *t, const struct insn *in)
{
    jump_through_table(t, STUB_LEAVE, in, t->lag + (int32_t)(8 + in->imm));
}

bool translate_branch(struct unit *t, const struct insn *in, const struct decoded *d)
{
    if (d->z.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
        return false;
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_JMP: return translate_jmp(t, in, d);
    case ZYDIS_MNEMONIC_CALL: return translate_call(t, in, d);
    case ZYDIS_MNEMONIC_RET: return translate_ret(t, in);
    case ZYDIS_MNEMONIC_LOOP:
    case ZYDIS_MNEMONIC_LOOPE:
    case ZYDIS_MNEMONIC_LOOPNE:
    case ZYDIS_MNEMONIC_JCXZ:
    case ZYDIS_MNEMONIC_JECXZ:
    case ZYDIS_MNEMONIC_JRCXZ: return false;
    default:
        return d->z.meta.category == ZYDIS_CATEGORY_COND_BR && d->z.cpu_flags && flag_use(d).reads &&
               translate_jcc(t, in, d);
    }
}

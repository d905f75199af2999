/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stub.c - a block's code out of line: where it leaves for the interpreter, and where it goes on afterwards.
 *
 * Whatever is not the common case jumps to a stub behind the block. Most stubs leave in front of an instruction: they
 * tell which one, and where native code goes on when the interpreter has executed it. There the state of translation
 * behind the instruction is made again: XMM registers, an open window, the status flags in RFLAGS.
 *
 * Read before: translate.c. Read next: memory.c.
 */
#include "full/bt/bt.h"
#include "x86/fpu.h"

struct stub *add_stub(struct unit *t, enum stub_kind kind, uint8_t *jump, const struct insn *record)
{
    t->failed |= t->stub_count == STUBS_MAX;
    struct stub *stub = &t->stub[t->failed ? 0 : t->stub_count++];
    *stub = (struct stub){.kind = kind,
                          .jump = {jump},
                          .back = t->e->at,
                          .record = record,
                          .step = t->now,
                          .flags = t->flags,
                          .replay = t->replay,
                          .replay_stack = t->replay_stack,
                          .replay_lag = t->replay_lag,
                          .lag = t->lag};
    return stub;
}

/* ---- what is accounted of a unit's further blocks ---- */

static unsigned blocks_behind(const struct unit *t)
{
    return t->count - t->step[t->now].through;
}

void give_back(struct unit *t)
{
    const unsigned behind = blocks_behind(t);
    if (!behind)
        return;
    emit_load(t->e, SCRATCH_A, CPU_FIELD(native.budget));
    emit_lea(t->e, SCRATCH_A, (struct host_mem){SCRATCH_A, NO_REG, 0, (int32_t)behind});
    emit_store(t->e, CPU_FIELD(native.budget), SCRATCH_A);
}

void take_again(struct unit *t)
{
    const unsigned behind = blocks_behind(t);
    if (!behind)
        return;
    (void)emit_mem(t->e, (struct host_op){.opcode = 0x83, .w = true}, ALU_SUB, CPU_FIELD(native.budget));
    emit8(t->e, (uint8_t)behind);
}

static void emit_leave(struct unit *t, unsigned why, const void *what)
{
    emit_pointer(t->e, SCRATCH_A, what);
    emit_jump_to(t->e, ALWAYS, t->bt->leave[why]);
}

/* ---- in front of an instruction ---- */

/* The last of the instructions that the interpreter executes when native code leaves in front of the present one. */
static unsigned last_left(const struct unit *t)
{
    unsigned i = t->now;
    while (i + 1 < t->count && (t->step[i + 1].in->flags & INSN_LEFT))
        i++;
    return i;
}

/* native.resume = where native code goes on behind the present one. One that ends its block isn't come back from. */
static void tell_resume(struct unit *t)
{
    const unsigned last = last_left(t);
    if (t->step[last].in->flags & INSN_LAST)
        return;
    add_stub(t, STUB_RESUME, emit_lea_code(t->e, SCRATCH_B), t->step[last].in)->step = last;
    emit_store(t->e, CPU_FIELD(native.resume), SCRATCH_B);
}

static void leave_before(struct unit *t, enum leave why, const struct insn *in)
{
    save_flags(t);
    give_back(t);
    go_home(t);
    tell_resume(t);
    emit_leave(t, why, in);
}

void emit_xmm_check(struct unit *t, const struct insn *in)
{
    (void)emit_mem(t->e, (struct host_op){.opcode = 0x83}, ALU_CMP, CPU_FIELD(native.xmm_absent));
    emit8(t->e, 0);
    add_stub(t, STUB_XMM, emit_jump(t->e, IF_NE), in);
}

/* The guest's XMM registers are to be loaded, if its SSE instructions may go ahead at all. */
static void load_xmm(struct unit *t, const struct stub *stub)
{
    struct emitter *e = t->e;
    (void)emit_mem(e, (struct host_op){.opcode = 0xf7}, 0, CPU_FIELD(fpu_guard)); /* TEST */
    emit32(e, ~(uint32_t)GUARD_X87);
    uint8_t *fine = emit_jump(e, IF_E);
    leave_before(t, LEAVE_RECORD, stub->record);
    emit_patch(fine, e->at);
    emit_patch(emit_lea_code(e, SCRATCH_A), stub->back);
    emit_jump_to(e, ALWAYS, t->bt->load_xmm);
}

/* A probe found nothing: the page (SCRATCH_A) and slot (SCRATCH_B) that it looked at, and where to begin it anew. */
static void leave_missed(struct unit *t, const struct stub *stub)
{
    struct emitter *e = t->e;
    emit_store(e, CPU_FIELD(native.missed_page), SCRATCH_A);
    emit_store(e, CPU_FIELD(native.missed_slot), SCRATCH_B);
    save_flags(t);
    give_back(t);
    go_home(t);
    emit_pointer(e, SCRATCH_A, t->block->insn);
    emit_store(e, CPU_FIELD(native.unit), SCRATCH_A);
    uint8_t *retry = emit_lea_code(e, SCRATCH_B);
    emit_store(e, CPU_FIELD(native.retry), SCRATCH_B);
    tell_resume(t);
    emit_leave(t, LEAVE_MISS + stub->miss, stub->record);
    emit_patch(retry, e->at);
    come_back(t);
    take_again(t);
    if (t->xmm)
        emit_xmm_check(t, stub->record);
    emit_patch(emit_jump(e, ALWAYS), stub->back);
}

/* ---- behind an instruction ---- */

static void resume_behind(struct unit *t)
{
    const struct point *p = &t->behind[t->now];
    t->flags = IN_MEMORY;
    t->lag = p->lag;
    come_back(t);
    take_again(t);
    if (t->now + 1 < t->count) {
        const struct insn *next = t->step[++t->now].in;
        if (t->xmm)
            emit_xmm_check(t, next);
        if (p->window.open)
            probe_again(t, next, p->window);
    }
    if (p->flags & IN_HOST)
        restore_flags(t, SCRATCH_A);
    for (unsigned i = 0; i < 2; i++)
        if (p->held[i] != NO_REG)
            emit_load(t->e, i ? SCRATCH_B : SCRATCH_A, cpu_gpr((unsigned)p->held[i]));
    emit_patch(emit_jump(t->e, ALWAYS), p->at);
}

static void emit_resume(struct unit *t, const struct stub *stub)
{
    const uint8_t **made = &t->resume[stub->step];
    if (!*made) {
        *made = t->e->at;
        t->now = stub->step;
        resume_behind(t);
    }
    emit_patch(stub->jump[0], *made);
}

/* ---- branches ---- */

static void emit_link(struct unit *t, const struct stub *stub)
{
    struct link *link = &t->bt->link[t->bt->link_count++];
    *link = (struct link){.jump = stub->jump[0],
                          .from = t->step[stub->step].block,
                          .record = stub->record,
                          .flags = !(stub->flags & IN_MEMORY),
                          .shadowed = stub->kind == STUB_SHADOWED};
    save_flags(t);
    emit_leave(t, LEAVE_LINK, link);
}

static void leave_to_target(struct unit *t, const struct insn *in)
{
    emit_load(t->e, SCRATCH_A, cpu_gpr(GPR_PAGE));
    emit_lea(t->e, SCRATCH_A, (struct host_mem){SCRATCH_A, NO_REG, 0, (int32_t)in->imm});
    emit_jump_to(t->e, ALWAYS, t->bt->leave[LEAVE_RIP]);
}

static void leave_paused(struct unit *t, const struct stub *stub)
{
    save_flags(t);
    give_back(t);
    go_home(t);
    uint8_t *retry = emit_lea_code(t->e, SCRATCH_B);
    emit_store(t->e, CPU_FIELD(native.retry), SCRATCH_B);
    emit_leave(t, LEAVE_PAUSE, stub->record);
    if (!blocks_behind(t) && !t->swaps && !t->lag) {
        emit_patch(retry, stub->back);
        return;
    }
    emit_patch(retry, t->e->at);
    come_back(t);
    take_again(t);
    emit_patch(emit_jump(t->e, ALWAYS), stub->back);
}

static void emit_stub(struct unit *t, const struct stub *stub)
{
    if (stub->kind == STUB_RESUME) { /* the code may be there already */
        emit_resume(t, stub);
        return;
    }
    for (unsigned i = 0; i < STUB_JUMPS; i++)
        if (stub->jump[i])
            emit_patch(stub->jump[i], t->e->at);
    t->flags = stub->flags;
    t->replay = stub->replay;
    t->replay_stack = stub->replay_stack;
    t->replay_lag = stub->replay_lag;
    t->lag = stub->lag;
    t->now = stub->step;
    switch (stub->kind) {
    case STUB_LEAVE: leave_before(t, LEAVE_RECORD, stub->record); break;
    case STUB_SYSTEM: leave_before(t, LEAVE_SYSTEM, stub->record); break;
    case STUB_PAUSE: leave_paused(t, stub); break;
    case STUB_TLB: probe_tlb(t, stub); break;
    case STUB_STRAYED: probe_strayed(t, stub); break;
    case STUB_MISS: leave_missed(t, stub); break;
    case STUB_LINK:
    case STUB_SHADOWED: emit_link(t, stub); break;
    case STUB_EXIT:
        give_back(t);
        settle_stack(t);
        jump_within_page(t, ALWAYS, stub->record);
        break;
    case STUB_FAR:
        give_back(t);
        settle_stack(t);
        translate_far(t, stub->record);
        break;
    case STUB_FAR_MISSED: leave_to_target(t, stub->record); break;
    case STUB_RETURN: translate_return_missed(t, stub->record); break;
    case STUB_CALL_MISSED: emit_leave(t, LEAVE_CALL, stub->record); break;
    default: load_xmm(t, stub); break;
    }
}

void emit_stubs(struct unit *t)
{
    for (unsigned i = 0; i < t->stub_count && !t->failed; i++) { /* a stub may add others */
        const struct stub stub = t->stub[i];
        emit_stub(t, &stub);
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * far.c - JMP, CALL and RET far: to another code segment, through call gates, to other rings (SDM 3, 5.8).
 *
 * Read next: transfer.c for the parts, interrupt.c for the way that systems really use today.
 */
#include "x86/protect.h"

struct far_pointer {
    uint16_t selector;
    uint64_t offset;
};

/* The target: in the instruction itself (imm: offset and selector), or in memory. */
static struct far_pointer far_operand(struct cpu *cpu, const struct insn *in)
{
    if (!(in->flags & INSN_MEM))
        return (struct far_pointer){.selector = (uint16_t)(in->imm >> 32), .offset = (uint32_t)in->imm};
    uint64_t at = effective_address(cpu, in);
    uint64_t offset = mem_load(cpu, in, linear(cpu, in, in->seg, at, in->opsize, ACCESS_READ), in->opsize);
    uint64_t selector = mem_load(cpu, in, linear(cpu, in, in->seg, at + in->opsize, 2, ACCESS_READ), 2);
    return (struct far_pointer){.selector = (uint16_t)selector, .offset = offset};
}

/* Behind a far transfer: the block is over, cpu->rip is set. */
static const struct insn *gone(void)
{
    return NULL;
}

/* ---- real and virtual-8086 mode ---- */

static struct entry_point paragraph_entry(struct cpu *cpu, const struct insn *in, struct far_pointer to)
{
    struct entry_point entry = {.cs = segment_paragraph(cpu, SEG_CS, to.selector), .rip = to.offset, .cpl = cpu->cpl};
    if (entry.rip > entry.cs.limit)
        cpu_raise_error(cpu, in, VEC_GP, 0);
    return entry;
}

/* ---- a code segment, directly ---- */

static struct entry_point direct_entry(struct cpu *cpu, const struct insn *in, struct far_pointer to, uint64_t raw)
{
    unsigned rpl = to.selector & SELECTOR_RPL, dpl = desc_dpl(raw);
    if (desc_is_conforming(raw) ? dpl > cpu->cpl : rpl > cpu->cpl || dpl != cpu->cpl)
        selector_fault(cpu, in, VEC_GP, to.selector, 0);
    return code_entry(cpu, in, to.selector, raw, cpu->cpl, to.offset, 0);
}

/* ---- call gates (SDM 3, 5.8.3 and 5.8.4) ---- */

struct call_gate {
    struct far_pointer to;
    uint64_t code;   /* the target's descriptor */
    unsigned size;   /* of what a call through it pushes: 2, 4 or 8 */
    unsigned copied; /* parameters copied to an inner stack, each of that size */
};

/* Reads the gate and checks everything but the target's privilege. */
static struct call_gate read_call_gate(struct cpu *cpu, const struct insn *in, uint16_t selector, uint64_t raw)
{
    unsigned dpl = desc_dpl(raw);
    if (dpl < cpu->cpl || dpl < (selector & SELECTOR_RPL))
        selector_fault(cpu, in, VEC_GP, selector, 0);
    if (!desc_present(raw))
        selector_fault(cpu, in, VEC_NP, selector, 0);
    struct call_gate gate = {.to = {gate_selector(raw), gate_offset(raw)}, .copied = raw >> 32 & 0x1f};
    gate.size = desc_type(raw) & SYS_32BIT ? 4 : 2;
    if (gate.size == 2)
        gate.to.offset = (uint16_t)gate.to.offset;
    if (cpu_long_mode(cpu)) {
        uint64_t high = descriptor_load_high(cpu, in, selector, 0);
        if (high >> 40 & 0x1f)
            selector_fault(cpu, in, VEC_GP, selector, 0);
        gate.to.offset |= high << 32;
        gate.size = 8;
        gate.copied = 0;
    }
    gate.code = code_descriptor(cpu, in, gate.to.selector, 0);
    bool code64 = (desc_attr(gate.code) & (ATTR_L | ATTR_DB)) == ATTR_L;
    if (desc_dpl(gate.code) > cpu->cpl || (cpu_long_mode(cpu) && !code64))
        selector_fault(cpu, in, VEC_GP, gate.to.selector, 0);
    return gate;
}

static bool is_call_gate(const struct cpu *cpu, uint64_t raw)
{
    return desc_is_system(raw, SYS_CALL_GATE32) || (!cpu_long_mode(cpu) && desc_is_system(raw, SYS_CALL_GATE16));
}

static void jump_through_gate(struct cpu *cpu, const struct insn *in, uint16_t selector, uint64_t raw)
{
    struct call_gate gate = read_call_gate(cpu, in, selector, raw);
    if (!desc_is_conforming(gate.code) && desc_dpl(gate.code) != cpu->cpl)
        selector_fault(cpu, in, VEC_GP, gate.to.selector, 0);
    struct entry_point entry = code_entry(cpu, in, gate.to.selector, gate.code, cpu->cpl, gate.to.offset, 0);
    code_enter(cpu, &entry);
}

/* The caller's stack and parameters, on top of an inner stack. */
static void push_caller_stack(struct cpu *cpu, const struct insn *in, struct frame *frame, const struct call_gate *gate)
{
    frame_push(cpu, in, frame, gate->size, cpu->seg[SEG_SS].selector);
    frame_push(cpu, in, frame, gate->size, cpu->gpr[RSP]);
    for (unsigned i = gate->copied; i-- > 0;)
        frame_push(cpu, in, frame, gate->size, stack_load(cpu, in, (int64_t)i * gate->size, gate->size));
}

static void call_through_gate(struct cpu *cpu, const struct insn *in, uint16_t selector, uint64_t raw)
{
    struct call_gate gate = read_call_gate(cpu, in, selector, raw);
    bool inner = !desc_is_conforming(gate.code) && desc_dpl(gate.code) < cpu->cpl;
    unsigned cpl = inner ? desc_dpl(gate.code) : cpu->cpl;
    struct entry_point entry = code_entry(cpu, in, gate.to.selector, gate.code, cpl, gate.to.offset, 0);
    struct frame frame = inner ? frame_from_tss(cpu, in, cpl, 0, 0) : frame_current(cpu, cpu->code_size == CODE64, 0);
    if (inner)
        push_caller_stack(cpu, in, &frame, &gate);
    frame_push(cpu, in, &frame, gate.size, cpu->seg[SEG_CS].selector);
    frame_push(cpu, in, &frame, gate.size, cpu_next_rip(cpu, in));
    frame_commit(cpu, &frame);
    code_enter(cpu, &entry);
}

/* ---- JMP, CALL ---- */

/* What isn't code or a call gate: a task, or nothing that can be jumped to. */
static void to_task(struct cpu *cpu, const struct insn *in, uint16_t selector, uint64_t raw, enum task_reason why)
{
    bool tss = desc_is_system(raw, SYS_TSS16) || desc_is_system(raw, SYS_TSS32);
    bool gate = desc_is_system(raw, SYS_TASK_GATE);
    if (cpu_long_mode(cpu) || !(tss || gate) || desc_dpl(raw) < cpu->cpl || desc_dpl(raw) < (selector & SELECTOR_RPL))
        selector_fault(cpu, in, VEC_GP, selector, 0);
    if (gate && !desc_present(raw))
        selector_fault(cpu, in, VEC_NP, selector, 0);
    task_switch(cpu, in, gate ? gate_selector(raw) : selector, why, cpu_next_rip(cpu, in), NULL, 0);
}

static const struct insn *op_far_jmp(struct cpu *cpu, const struct insn *in)
{
    struct far_pointer to = far_operand(cpu, in);
    struct entry_point entry;
    if (cpu_real_segments(cpu)) {
        entry = paragraph_entry(cpu, in, to);
        code_enter(cpu, &entry);
        return gone();
    }
    if (selector_null(to.selector))
        cpu_raise_error(cpu, in, VEC_GP, 0);
    uint64_t raw = descriptor_load(cpu, in, to.selector, VEC_GP, 0);
    if (desc_attr(raw) & ATTR_S) {
        entry = direct_entry(cpu, in, to, code_descriptor(cpu, in, to.selector, 0));
        code_enter(cpu, &entry);
    } else if (is_call_gate(cpu, raw)) {
        jump_through_gate(cpu, in, to.selector, raw);
    } else {
        to_task(cpu, in, to.selector, raw, TASK_JMP);
    }
    return gone();
}

static void call_entry(struct cpu *cpu, const struct insn *in, const struct entry_point *entry)
{
    struct frame frame = frame_current(cpu, cpu->code_size == CODE64, 0);
    frame_push(cpu, in, &frame, in->opsize, cpu->seg[SEG_CS].selector);
    frame_push(cpu, in, &frame, in->opsize, cpu_next_rip(cpu, in));
    frame_commit(cpu, &frame);
    code_enter(cpu, entry);
}

static const struct insn *op_far_call(struct cpu *cpu, const struct insn *in)
{
    struct far_pointer to = far_operand(cpu, in);
    struct entry_point entry;
    if (cpu_real_segments(cpu)) {
        entry = paragraph_entry(cpu, in, to);
        call_entry(cpu, in, &entry);
        return gone();
    }
    if (selector_null(to.selector))
        cpu_raise_error(cpu, in, VEC_GP, 0);
    uint64_t raw = descriptor_load(cpu, in, to.selector, VEC_GP, 0);
    if (desc_attr(raw) & ATTR_S) {
        entry = direct_entry(cpu, in, to, code_descriptor(cpu, in, to.selector, 0));
        call_entry(cpu, in, &entry);
    } else if (is_call_gate(cpu, raw)) {
        call_through_gate(cpu, in, to.selector, raw);
    } else {
        to_task(cpu, in, to.selector, raw, TASK_CALL);
    }
    return gone();
}

/* ---- RET ---- */

/* RET far n: n bytes of parameters are released on both stacks. */
static const struct insn *op_far_ret(struct cpu *cpu, const struct insn *in)
{
    const unsigned size = in->opsize, released = (unsigned)in->imm;
    struct far_pointer to = {.offset = stack_load(cpu, in, 0, size),
                             .selector = (uint16_t)stack_load(cpu, in, size, size)};
    if (cpu_real_segments(cpu)) {
        struct entry_point entry = paragraph_entry(cpu, in, to);
        stack_move(cpu, 2 * size + released);
        code_enter(cpu, &entry);
        return gone();
    }
    struct entry_point entry = return_code(cpu, in, to.selector, to.offset);
    if (entry.cpl == cpu->cpl) {
        stack_move(cpu, 2 * size + released);
        code_enter(cpu, &entry);
        return gone();
    }
    uint64_t rsp = stack_load(cpu, in, 2 * size + released, size);
    uint16_t selector = (uint16_t)stack_load(cpu, in, 3 * size + released, size);
    struct segment_reg ss = return_stack(cpu, in, selector, &entry);
    return_commit(cpu, &entry, &ss, rsp + released);
    return gone();
}

/* ---- choosing ---- */

static bool select_far(const struct decoded *d, struct insn *in, insn_fn *fn)
{
    if (d->z.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR)
        return false;
    in->fn = fn;
    in->opsize = operand_width(d);
    in->flags |= INSN_LAST;
    if (d->operand[0].type == ZYDIS_OPERAND_TYPE_POINTER)
        in->imm = (uint64_t)d->operand[0].ptr.segment << 32 | d->operand[0].ptr.offset;
    return true;
}

bool select_far_jmp(const struct decoded *d, struct insn *in)
{
    return select_far(d, in, op_far_jmp);
}

bool select_far_call(const struct decoded *d, struct insn *in)
{
    return select_far(d, in, op_far_call);
}

bool select_far_ret(const struct decoded *d, struct insn *in)
{
    in->seg = SEG_SS; /* for the memory slow path: a bad address is #SS */
    return select_far(d, in, op_far_ret);
}

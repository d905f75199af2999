/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * interrupt.c - the way of one event to its handler, through the interrupt table of each mode (SDM 3, chapter 6 and
 * 20.1.4; SDM 2, INT n).
 *
 * Read before: event.c, where events come from. Read next: iret.c, the way back.
 */
#include "x86/protect.h"

/* ---- what all modes share ---- */

#define IDT_ERROR 2u /* in an error code: the index is a vector */

/* An event on its way. */
struct delivering {
    const struct pending_event *event;
    uint64_t rip; /* to be pushed */
    uint32_t ext; /* EXT bit for faults on the way */
};

static _Noreturn void gate_fault(struct cpu *cpu, const struct insn *in, const struct delivering *d, uint8_t vector)
{
    cpu_raise_error(cpu, in, vector, d->event->vector * 8u | IDT_ERROR | d->ext);
}

/* By the program itself: it needs the gate's permission, and faults on the way carry no EXT. */
static bool asked_for(const struct pending_event *event)
{
    return event->type == EVENT_SOFTWARE || event->type == EVENT_SOFTWARE_EXCEPTION;
}

/* Is it a fault, so that its handler may go back to the instruction? (SDM 3, table 6-1) */
static bool is_fault(const struct pending_event *event)
{
    if (event->type != EVENT_EXCEPTION)
        return false;
    switch (event->vector) {
    case VEC_DB:
    case VEC_NMI:
    case VEC_BP:
    case VEC_OF:
    case VEC_DF:
    case VEC_MC: return false;
    default: return true;
    }
}

/* RFLAGS to be pushed: RF keeps instruction breakpoints quiet when a fault's instruction is begun anew (17.3.1.1). */
static uint64_t flags_image(const struct cpu *cpu, const struct pending_event *event)
{
    return cpu_rflags(cpu) | (is_fault(event) ? FLAG_RF : 0);
}

/* The handler's flags (SDM 3, 6.12.1.3). */
static void enter_flags(struct cpu *cpu, bool interrupt_gate, uint32_t cleared)
{
    cpu_set_rflags(cpu, cpu_rflags(cpu) & ~(uint64_t)(cleared | (interrupt_gate ? FLAG_IF : 0)));
}

/* ---- real mode: vectors of four bytes, offset and segment (SDM 3, 20.1.4) ---- */

static void deliver_real(struct cpu *cpu, const struct insn *in, const struct delivering *d)
{
    unsigned entry = d->event->vector * 4u;
    if (entry + 3 > cpu->idtr.limit)
        cpu_raise_error(cpu, in, VEC_GP, entry); /* no error code is pushed in this mode */
    uint32_t vector = (uint32_t)sys_load(cpu, in, cpu->idtr.base + entry, 4);

    struct frame frame = frame_current(cpu, false, 0);
    frame_push(cpu, in, &frame, 2, flags_image(cpu, d->event));
    frame_push(cpu, in, &frame, 2, cpu->seg[SEG_CS].selector);
    frame_push(cpu, in, &frame, 2, d->rip);

    struct entry_point to = {.cs = segment_paragraph(cpu, SEG_CS, (uint16_t)(vector >> 16)), .rip = (uint16_t)vector};
    frame_commit(cpu, &frame);
    enter_flags(cpu, true, FLAG_TF | FLAG_AC);
    code_enter(cpu, &to);
}

/* ---- protected mode ---- */

struct gate {
    uint16_t selector;
    uint64_t offset;
    unsigned type, dpl, ist;
    bool present;
};

static bool is_interrupt_gate(const struct gate *gate)
{
    return gate->type == SYS_INT_GATE16 || gate->type == SYS_INT_GATE32;
}

static struct gate gate_of(uint64_t raw)
{
    return (struct gate){.selector = gate_selector(raw),
                         .offset = gate_offset(raw),
                         .type = desc_attr(raw) & (ATTR_S | ATTR_TYPE), /* S set: no gate at all */
                         .dpl = desc_dpl(raw),
                         .present = desc_present(raw)};
}

/* Checks that come in this order: table limit, type, the program's right to ask, presence. */
static struct gate read_gate(struct cpu *cpu, const struct insn *in, const struct delivering *d)
{
    const bool long_mode = cpu_long_mode(cpu);
    const unsigned size = long_mode ? 16 : 8;
    unsigned entry = d->event->vector * size;
    if (entry + size - 1 > cpu->idtr.limit)
        gate_fault(cpu, in, d, VEC_GP);
    uint64_t raw = sys_load(cpu, in, cpu->idtr.base + entry, 8);
    struct gate gate = gate_of(raw);
    switch (gate.type) {
    case SYS_INT_GATE32:
    case SYS_TRAP_GATE32: break;
    case SYS_TASK_GATE:
    case SYS_INT_GATE16:
    case SYS_TRAP_GATE16:
        if (!long_mode)
            break;
        /* fall through */
    default: gate_fault(cpu, in, d, VEC_GP);
    }
    if (asked_for(d->event) && gate.dpl < cpu->cpl)
        gate_fault(cpu, in, d, VEC_GP);
    if (!gate.present)
        gate_fault(cpu, in, d, VEC_NP);
    if (long_mode) {
        gate.offset |= sys_load(cpu, in, cpu->idtr.base + entry + 8, 8) << 32;
        gate.ist = raw >> 32 & 7;
    } else if (!(gate.type & SYS_32BIT)) {
        gate.offset = (uint16_t)gate.offset;
    }
    return gate;
}

static void push_error(struct cpu *cpu, const struct insn *in, struct frame *frame, const struct delivering *d,
                       unsigned size)
{
    if (d->event->has_error)
        frame_push(cpu, in, frame, size, d->event->error_code);
}

/* Long mode: always a 64-bit frame with SS and RSP, on a stack aligned to 16 bytes (SDM 3, 6.14). */
static void deliver_long(struct cpu *cpu, const struct insn *in, const struct delivering *d)
{
    struct gate gate = read_gate(cpu, in, d);
    uint64_t raw = code_descriptor(cpu, in, gate.selector, d->ext);
    if (desc_dpl(raw) > cpu->cpl || !(desc_attr(raw) & ATTR_L))
        selector_fault(cpu, in, VEC_GP, gate.selector, d->ext);
    unsigned cpl = desc_is_conforming(raw) ? cpu->cpl : desc_dpl(raw);
    struct entry_point to = code_entry(cpu, in, gate.selector, raw, cpl, gate.offset, d->ext);

    struct frame frame = frame_current(cpu, true, d->ext);
    if (cpl < cpu->cpl || gate.ist) {
        frame = frame_from_tss(cpu, in, cpl, gate.ist, d->ext);
        if (cpl == cpu->cpl)
            frame.ss = cpu->seg[SEG_SS];
    }
    frame.rsp &= ~UINT64_C(15);
    frame_push(cpu, in, &frame, 8, cpu->seg[SEG_SS].selector);
    frame_push(cpu, in, &frame, 8, cpu->gpr[RSP]);
    frame_push(cpu, in, &frame, 8, flags_image(cpu, d->event));
    frame_push(cpu, in, &frame, 8, cpu->seg[SEG_CS].selector);
    frame_push(cpu, in, &frame, 8, d->rip);
    push_error(cpu, in, &frame, d, 8);

    frame_commit(cpu, &frame);
    enter_flags(cpu, is_interrupt_gate(&gate), FLAG_TF | FLAG_NT | FLAG_VM);
    code_enter(cpu, &to);
}

/* The handler of a virtual-8086 program finds its data segments on the stack, and null in the registers. */
static const uint8_t v86_segments[] = {SEG_GS, SEG_FS, SEG_DS, SEG_ES};

static void drop_v86_segments(struct cpu *cpu)
{
    for (unsigned i = 0; i < ARRAY_SIZE(v86_segments); i++)
        cpu->seg[v86_segments[i]] = segment_null(0, 0);
}

/* Protected mode outside long mode, also from virtual-8086 mode (SDM 3, 6.12.1 and 20.3). */
static void deliver_protected(struct cpu *cpu, const struct insn *in, const struct delivering *d)
{
    struct gate gate = read_gate(cpu, in, d);
    if (gate.type == SYS_TASK_GATE) {
        task_switch(cpu, in, gate.selector, TASK_EVENT, d->rip, d->event, d->ext);
        return;
    }
    const bool v86 = cpu_v86(cpu);
    uint64_t raw = code_descriptor(cpu, in, gate.selector, d->ext);
    bool inner = !desc_is_conforming(raw) && desc_dpl(raw) < cpu->cpl;
    if (desc_dpl(raw) > cpu->cpl || (v86 && !(inner && desc_dpl(raw) == 0)))
        selector_fault(cpu, in, VEC_GP, gate.selector, d->ext);
    unsigned cpl = inner ? desc_dpl(raw) : cpu->cpl, size = gate.type & SYS_32BIT ? 4 : 2;
    struct entry_point to = code_entry(cpu, in, gate.selector, raw, cpl, gate.offset, d->ext);

    struct frame frame = inner ? frame_from_tss(cpu, in, cpl, 0, d->ext) : frame_current(cpu, false, d->ext);
    for (unsigned i = 0; v86 && i < ARRAY_SIZE(v86_segments); i++)
        frame_push(cpu, in, &frame, size, cpu->seg[v86_segments[i]].selector);
    if (inner) {
        frame_push(cpu, in, &frame, size, cpu->seg[SEG_SS].selector);
        frame_push(cpu, in, &frame, size, cpu->gpr[RSP]);
    }
    frame_push(cpu, in, &frame, size, flags_image(cpu, d->event));
    frame_push(cpu, in, &frame, size, cpu->seg[SEG_CS].selector);
    frame_push(cpu, in, &frame, size, d->rip);
    push_error(cpu, in, &frame, d, size);

    frame_commit(cpu, &frame);
    if (v86)
        drop_v86_segments(cpu);
    enter_flags(cpu, is_interrupt_gate(&gate), FLAG_TF | FLAG_NT | FLAG_VM);
    code_enter(cpu, &to);
}

void interrupt_deliver(struct cpu *cpu, const struct insn *in, const struct pending_event *event, uint64_t rip)
{
    struct delivering d = {.event = event, .rip = rip, .ext = !asked_for(event)};
    if (!cpu_protected(cpu))
        deliver_real(cpu, in, &d);
    else if (cpu_long_mode(cpu))
        deliver_long(cpu, in, &d);
    else
        deliver_protected(cpu, in, &d);
}

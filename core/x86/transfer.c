/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transfer.c - control goes to another code segment, to another ring, to another stack, and back.
 *
 * Far jumps and calls, gates, interrupts and returns differ in which privileges they ask for; what they do then is the
 * same, and stands here once. All of it is in two halves, so that an instruction that faults has done nothing: first
 * everything is checked, read and pushed, then *_enter and *_commit change the CPU.
 *
 * Read next: far.c, interrupt.c, iret.c.
 */
#include "x86/protect.h"

/* ---- code ---- */

uint64_t code_descriptor(struct cpu *cpu, const struct insn *in, uint16_t selector, uint32_t ext)
{
    if (selector_null(selector))
        cpu_raise_error(cpu, in, VEC_GP, ext);
    uint64_t raw = descriptor_load(cpu, in, selector, VEC_GP, ext);
    bool both = (desc_attr(raw) & ATTR_L) && (desc_attr(raw) & ATTR_DB); /* reserved in long mode (SDM 3, 3.4.5) */
    if (!desc_is_code(raw) || (cpu_long_mode(cpu) && both))
        selector_fault(cpu, in, VEC_GP, selector, ext);
    return raw;
}

void code_check_rip(struct cpu *cpu, const struct insn *in, const struct segment_reg *cs, uint64_t rip, uint32_t ext)
{
    bool code64 = cpu_long_mode(cpu) && (cs->attr & ATTR_L);
    if (code64 ? !canonical(rip) : rip > cs->limit)
        cpu_raise_error(cpu, in, VEC_GP, ext);
}

struct entry_point code_entry(struct cpu *cpu, const struct insn *in, uint16_t selector, uint64_t raw, unsigned cpl,
                              uint64_t rip, uint32_t ext)
{
    if (!desc_present(raw))
        selector_fault(cpu, in, VEC_NP, selector, ext);
    struct segment_reg cs = segment_of(selector, raw);
    code_check_rip(cpu, in, &cs, rip, ext);
    cs = segment_from(cpu, in, selector, raw);
    cs.selector = (uint16_t)((selector & ~SELECTOR_RPL) | cpl);
    return (struct entry_point){.cs = cs, .rip = rip, .cpl = (uint8_t)cpl};
}

void code_enter(struct cpu *cpu, const struct entry_point *to)
{
    cpu->seg[SEG_CS] = to->cs;
    cpu->cpl = to->cpl;
    cpu->rip = to->rip;
    cpu_mode_changed(cpu);
}

/* ---- stacks ---- */

static uint64_t stack_mask_of(const struct segment_reg *ss)
{
    return ss->attr & ATTR_DB ? 0xffffffff : 0xffff;
}

struct frame frame_current(const struct cpu *cpu, bool flat, uint32_t ext)
{
    return (struct frame){.ss = cpu->seg[SEG_SS],
                          .rsp = cpu->gpr[RSP],
                          .mask = flat ? UINT64_MAX : cpu->stack_mask,
                          .flat = flat,
                          .error = ext};
}

/* A field of the TSS, #TS when it lies beyond the limit. */
static uint64_t tss_field(struct cpu *cpu, const struct insn *in, unsigned offset, unsigned size, uint32_t ext)
{
    const struct segment_reg *tr = &cpu->seg[SEG_TR];
    if (offset + size - 1 > tr->limit)
        selector_fault(cpu, in, VEC_TS, tr->selector, ext);
    return sys_load(cpu, in, tr->base + offset, size);
}

/* The checks of a stack segment that a TSS names (SDM 2, INT n, "inter-privilege-level interrupt"). */
static struct segment_reg inner_stack(struct cpu *cpu, const struct insn *in, uint16_t selector, unsigned cpl,
                                      uint32_t ext)
{
    if (selector_null(selector))
        cpu_raise_error(cpu, in, VEC_TS, ext);
    uint64_t raw = descriptor_load(cpu, in, selector, VEC_TS, ext);
    if ((selector & SELECTOR_RPL) != cpl || desc_dpl(raw) != cpl || !desc_is_writable_data(raw))
        selector_fault(cpu, in, VEC_TS, selector, ext);
    if (!desc_present(raw))
        selector_fault(cpu, in, VEC_SS, selector, ext);
    return segment_from(cpu, in, selector, raw);
}

/* Layouts of the TSS: SDM 3, figures 7-2, 7-10 and 7-11. */
struct frame frame_from_tss(struct cpu *cpu, const struct insn *in, unsigned cpl, unsigned ist, uint32_t ext)
{
    struct frame frame = {.inner = true, .error = ext};
    if (cpu_long_mode(cpu)) {
        frame.rsp = tss_field(cpu, in, ist ? 36 + 8 * (ist - 1) : 4 + 8 * cpl, 8, ext);
        frame.ss = segment_null((uint16_t)cpl, cpl);
        frame.mask = UINT64_MAX;
        frame.flat = true;
        return frame;
    }
    bool wide = cpu->seg[SEG_TR].attr & SYS_32BIT;
    unsigned at = wide ? 4 + 8 * cpl : 2 + 4 * cpl, size = wide ? 4 : 2;
    uint16_t selector = (uint16_t)tss_field(cpu, in, at + size, 2, ext);
    frame.rsp = tss_field(cpu, in, at, size, ext);
    frame.ss = inner_stack(cpu, in, selector, cpl, ext);
    frame.mask = stack_mask_of(&frame.ss);
    frame.error = (selector & ~SELECTOR_RPL) | ext;
    return frame;
}

static bool within_limit(const struct segment_reg *ss, uint64_t offset, unsigned size)
{
    uint64_t last = offset + size - 1;
    if (ss->attr & ATTR_UNUSABLE)
        return false;
    if ((ss->attr & (TYPE_CODE | TYPE_EXPAND_DOWN)) == TYPE_EXPAND_DOWN)
        return offset > ss->limit && last <= stack_mask_of(ss);
    return last <= ss->limit;
}

void frame_push(struct cpu *cpu, const struct insn *in, struct frame *frame, unsigned size, uint64_t value)
{
    frame->rsp = (frame->rsp & ~frame->mask) | ((frame->rsp - size) & frame->mask);
    uint64_t offset = frame->rsp & frame->mask, at = offset;
    bool fits = frame->flat ? canonical(at) && canonical(at + size - 1) : within_limit(&frame->ss, offset, size);
    if (!fits)
        cpu_raise_error(cpu, in, VEC_SS, frame->error);
    if (!frame->flat)
        at = (uint32_t)(frame->ss.base + offset);
    if (frame->inner)
        sys_store(cpu, in, at, size, value);
    else
        mem_store(cpu, in, at, size, value);
}

void frame_commit(struct cpu *cpu, const struct frame *frame)
{
    cpu->seg[SEG_SS] = frame->ss;
    cpu->gpr[RSP] = frame->rsp;
}

/* ---- the way back ---- */

struct entry_point return_code(struct cpu *cpu, const struct insn *in, uint16_t selector, uint64_t rip)
{
    uint64_t raw = code_descriptor(cpu, in, selector, 0);
    unsigned rpl = selector & SELECTOR_RPL, dpl = desc_dpl(raw);
    if (rpl < cpu->cpl || (desc_is_conforming(raw) ? dpl > rpl : dpl != rpl))
        selector_fault(cpu, in, VEC_GP, selector, 0);
    return code_entry(cpu, in, selector, raw, rpl, rip, 0);
}

struct segment_reg return_stack(struct cpu *cpu, const struct insn *in, uint16_t selector, const struct entry_point *to)
{
    if (selector_null(selector)) {
        bool to64 = cpu_long_mode(cpu) && (to->cs.attr & ATTR_L);
        if (!to64 || to->cpl == 3 || (selector & SELECTOR_RPL) != to->cpl)
            cpu_raise_error(cpu, in, VEC_GP, 0);
        return segment_null(selector, to->cpl);
    }
    uint64_t raw = descriptor_load(cpu, in, selector, VEC_GP, 0);
    if ((selector & SELECTOR_RPL) != to->cpl || desc_dpl(raw) != to->cpl || !desc_is_writable_data(raw))
        selector_fault(cpu, in, VEC_GP, selector, 0);
    if (!desc_present(raw))
        selector_fault(cpu, in, VEC_SS, selector, 0);
    return segment_from(cpu, in, selector, raw);
}

/*
 * An outer ring must not find segments loaded that it may not use (SDM 3, 5.8.6). The bases stay: in 64-bit mode those
 * of FS and GS work without a segment.
 */
static void drop_inner_segments(struct cpu *cpu)
{
    static const uint8_t segments[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    for (unsigned i = 0; i < ARRAY_SIZE(segments); i++) {
        struct segment_reg *s = &cpu->seg[segments[i]];
        bool conforming = (s->attr & (TYPE_CODE | TYPE_CONFORMING)) == (TYPE_CODE | TYPE_CONFORMING);
        if (!(s->attr & ATTR_UNUSABLE) && !conforming && (s->attr & ATTR_DPL) >> 5 < cpu->cpl)
            *s = (struct segment_reg){.base = s->base, .attr = ATTR_UNUSABLE};
    }
}

void return_commit(struct cpu *cpu, const struct entry_point *to, const struct segment_reg *ss, uint64_t rsp)
{
    bool outer = to->cpl > cpu->cpl;
    bool to64 = cpu_long_mode(cpu) && (to->cs.attr & ATTR_L);
    uint64_t mask = to64 ? UINT64_MAX : stack_mask_of(ss);
    cpu->seg[SEG_SS] = *ss;
    /* A 16-bit stack takes SP alone and leaves what stood in the upper half. */
    cpu->gpr[RSP] = mask == 0xffff ? (cpu->gpr[RSP] & ~mask) | (rsp & mask) : rsp & mask;
    code_enter(cpu, to);
    if (outer) {
        drop_inner_segments(cpu);
        cpu_mode_changed(cpu);
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * segment.c - segment registers: MOV, PUSH, POP, LDS and its kin, SWAPGS, RDFSBASE and its kin.
 *
 * Loading a segment register reads a descriptor and checks it, once; every later access only looks at the hidden part.
 * That is what makes segmentation cheap on the CPU, and its hidden state hard to virtualize.
 *
 * Read next: verify.c (asking about selectors without loading them), transfer.c (code segments).
 */
#include "x86/protect.h"

/* ---- loading (SDM 2, MOV; SDM 3, 3.4.2 and 5.6) ---- */

struct segment_reg segment_paragraph(const struct cpu *cpu, unsigned seg, uint16_t selector)
{
    struct segment_reg s = cpu->seg[seg];
    s.selector = selector;
    s.base = (uint64_t)selector << 4;
    if (cpu_v86(cpu)) {
        s.limit = 0xffff;
        s.attr = 0xf3; /* present, DPL 3, writable, accessed */
        return s;
    }
    if (s.attr & ATTR_UNUSABLE) { /* a null selector from protected mode */
        s.limit = 0xffff;
        s.attr = 0;
    }
    s.attr = (s.attr & ~0xffu) | (seg == SEG_CS ? 0x9b : 0x93);
    return s;
}

static struct segment_reg stack_checked(struct cpu *cpu, const struct insn *in, uint16_t selector)
{
    unsigned rpl = selector & SELECTOR_RPL;
    if (selector_null(selector)) {
        if (cpu->code_size != CODE64 || cpu->cpl == 3 || rpl != cpu->cpl)
            cpu_raise_error(cpu, in, VEC_GP, 0);
        return segment_null(selector, cpu->cpl);
    }
    uint64_t raw = descriptor_load(cpu, in, selector, VEC_GP, 0);
    if (rpl != cpu->cpl || desc_dpl(raw) != cpu->cpl || !desc_is_writable_data(raw))
        selector_fault(cpu, in, VEC_GP, selector, 0);
    if (!desc_present(raw))
        selector_fault(cpu, in, VEC_SS, selector, 0);
    return segment_from(cpu, in, selector, raw);
}

static struct segment_reg data_checked(struct cpu *cpu, const struct insn *in, uint16_t selector)
{
    if (selector_null(selector))
        return segment_null(selector, 0);
    uint64_t raw = descriptor_load(cpu, in, selector, VEC_GP, 0);
    unsigned rpl = selector & SELECTOR_RPL;
    bool too_weak = desc_dpl(raw) < rpl || desc_dpl(raw) < cpu->cpl;
    if (!desc_is_readable(raw) || (!desc_is_conforming(raw) && too_weak))
        selector_fault(cpu, in, VEC_GP, selector, 0);
    if (!desc_present(raw))
        selector_fault(cpu, in, VEC_NP, selector, 0);
    return segment_from(cpu, in, selector, raw);
}

struct segment_reg segment_checked(struct cpu *cpu, const struct insn *in, unsigned seg, uint16_t selector)
{
    if (cpu_real_segments(cpu))
        return segment_paragraph(cpu, seg, selector);
    return seg == SEG_SS ? stack_checked(cpu, in, selector) : data_checked(cpu, in, selector);
}

void segment_set(struct cpu *cpu, unsigned seg, struct segment_reg value)
{
    cpu_count_sensitive(cpu, EXIT_INDEX_SEGMENT_LOAD);
    cpu->seg[seg] = value;
    cpu_mode_changed(cpu);
}

void load_segment(struct cpu *cpu, const struct insn *in, unsigned seg, uint16_t selector)
{
    segment_set(cpu, seg, segment_checked(cpu, in, seg, selector));
}

/* Goes on behind a load. SS changes the stack's width, and no interrupt comes before the next instruction. */
static const struct insn *loaded(struct cpu *cpu, const struct insn *in, unsigned seg, bool shadow)
{
    if (seg != SEG_SS)
        return in + 1;
    cpu->interrupt_shadow = cpu->interrupt_shadow || shadow;
    return end_block(cpu, cpu_next_rip(cpu, in));
}

/* ---- MOV, PUSH, POP, LDS ... ---- */

static const struct insn *op_mov_to_segment(struct cpu *cpu, const struct insn *in)
{
    load_segment(cpu, in, in->reg, (uint16_t)rm_read(cpu, in, 2));
    return loaded(cpu, in, in->reg, true);
}

static const struct insn *op_mov_from_segment(struct cpu *cpu, const struct insn *in)
{
    rm_write(cpu, in, in->opsize, cpu->seg[in->reg].selector);
    return in + 1;
}

static const struct insn *op_push_segment(struct cpu *cpu, const struct insn *in)
{
    push(cpu, in, in->opsize, cpu->seg[in->rm].selector);
    return in + 1;
}

static const struct insn *op_pop_segment(struct cpu *cpu, const struct insn *in)
{
    uint16_t selector = (uint16_t)stack_load(cpu, in, 0, in->opsize);
    struct segment_reg value = segment_checked(cpu, in, in->rm, selector);
    stack_move(cpu, in->opsize); /* by the old stack's width, if it is SS that changes */
    segment_set(cpu, in->rm, value);
    return loaded(cpu, in, in->rm, true);
}

/* LDS, LES, LFS, LGS, LSS: `op` is the segment; the selector stands behind the offset. */
static const struct insn *op_load_far_pointer(struct cpu *cpu, const struct insn *in)
{
    uint64_t at = effective_address(cpu, in);
    uint64_t offset = mem_load(cpu, in, linear(cpu, in, in->seg, at, in->opsize, ACCESS_READ), in->opsize);
    uint64_t selector = mem_load(cpu, in, linear(cpu, in, in->seg, at + in->opsize, 2, ACCESS_READ), 2);
    load_segment(cpu, in, in->op, (uint16_t)selector);
    reg_write(cpu, in->reg, in->opsize, offset);
    return loaded(cpu, in, in->op, false);
}

static bool is_segment(const struct decoded *d, unsigned i)
{
    return is_reg(d, i) && ZydisRegisterGetClass(d->operand[i].reg.value) == ZYDIS_REGCLASS_SEGMENT;
}

static unsigned segment_id(const struct decoded *d, unsigned i)
{
    return (unsigned)ZydisRegisterGetId(d->operand[i].reg.value);
}

static void end_after_ss(struct insn *in, unsigned seg)
{
    if (seg == SEG_SS)
        in->flags |= INSN_LAST;
}

/* MOV to and from segment, control and debug registers: all that is MOV, but not mov.c's. */
static bool select_mov(const struct decoded *d, struct insn *in)
{
    if (is_segment(d, 0)) {
        if (segment_id(d, 0) == SEG_CS)
            return false;
        in->reg = (uint8_t)segment_id(d, 0);
        in->fn = op_mov_to_segment;
        end_after_ss(in, in->reg);
        return true;
    }
    if (is_segment(d, 1)) {
        in->reg = (uint8_t)segment_id(d, 1);
        in->opsize = in->flags & INSN_MEM ? 2 : (uint8_t)operand_bytes(d, 0);
        in->fn = op_mov_from_segment;
        return true;
    }
    return select_mov_control(d, in);
}

static bool select_push(const struct decoded *d, struct insn *in)
{
    if (!is_segment(d, 0))
        return false;
    in->rm = (uint8_t)segment_id(d, 0);
    in->opsize = operand_width(d);
    in->fn = op_push_segment;
    return true;
}

static bool select_pop(const struct decoded *d, struct insn *in)
{
    if (!is_segment(d, 0) || segment_id(d, 0) == SEG_CS)
        return false;
    in->rm = (uint8_t)segment_id(d, 0);
    in->opsize = operand_width(d);
    in->fn = op_pop_segment;
    end_after_ss(in, in->rm);
    return true;
}

static bool select_load_far_pointer(const struct decoded *d, struct insn *in)
{
    in->op = (uint8_t)d->arg;
    in->opsize = (uint8_t)operand_bytes(d, 0);
    in->fn = op_load_far_pointer;
    end_after_ss(in, in->op);
    return is_mem(d, 1);
}

/* ---- the bases of FS and GS in 64-bit mode ---- */

static const struct insn *op_swapgs(struct cpu *cpu, const struct insn *in)
{
    require_cpl0(cpu, in);
    cpu_sensitive(cpu, in, EXIT_INDEX_SEGMENT_LOAD, 0);
    uint64_t base = cpu->seg[SEG_GS].base;
    cpu->seg[SEG_GS].base = cpu->seg_base[SEG_GS] = cpu->kernel_gs_base;
    cpu->kernel_gs_base = base;
    return in + 1;
}

static const struct insn *op_read_base(struct cpu *cpu, const struct insn *in)
{
    if (!(cpu->paging.cr4 & CR4_FSGSBASE))
        cpu_raise(cpu, in, VEC_UD);
    reg_write(cpu, in->rm, in->opsize, cpu->seg[in->op].base);
    return in + 1;
}

static const struct insn *op_write_base(struct cpu *cpu, const struct insn *in)
{
    if (!(cpu->paging.cr4 & CR4_FSGSBASE))
        cpu_raise(cpu, in, VEC_UD);
    uint64_t base = reg_read(cpu, in->rm, in->opsize);
    if (!canonical(base))
        cpu_raise_error(cpu, in, VEC_GP, 0);
    cpu->seg[in->op].base = cpu->seg_base[in->op] = base;
    return in + 1;
}

static bool select_swapgs(const struct decoded *d, struct insn *in)
{
    in->fn = op_swapgs;
    return d->code_size == CODE64;
}

static bool select_read_base(const struct decoded *d, struct insn *in)
{
    in->op = (uint8_t)d->arg;
    in->fn = op_read_base;
    return d->code_size == CODE64;
}

static bool select_write_base(const struct decoded *d, struct insn *in)
{
    in->op = (uint8_t)d->arg;
    in->fn = op_write_base;
    return d->code_size == CODE64;
}

const struct family_row family_segment[] = {
    {ZYDIS_MNEMONIC_MOV, select_mov, 0},
    {ZYDIS_MNEMONIC_PUSH, select_push, 0},
    {ZYDIS_MNEMONIC_POP, select_pop, 0},
    {ZYDIS_MNEMONIC_LES, select_load_far_pointer, SEG_ES},
    {ZYDIS_MNEMONIC_LSS, select_load_far_pointer, SEG_SS},
    {ZYDIS_MNEMONIC_LDS, select_load_far_pointer, SEG_DS},
    {ZYDIS_MNEMONIC_LFS, select_load_far_pointer, SEG_FS},
    {ZYDIS_MNEMONIC_LGS, select_load_far_pointer, SEG_GS},
    {ZYDIS_MNEMONIC_SWAPGS, select_swapgs, 0},
    {ZYDIS_MNEMONIC_RDFSBASE, select_read_base, SEG_FS},
    {ZYDIS_MNEMONIC_RDGSBASE, select_read_base, SEG_GS},
    {ZYDIS_MNEMONIC_WRFSBASE, select_write_base, SEG_FS},
    {ZYDIS_MNEMONIC_WRGSBASE, select_write_base, SEG_GS},
    {ZYDIS_MNEMONIC_JMP, select_far_jmp, 0},
    {ZYDIS_MNEMONIC_CALL, select_far_call, 0},
    {ZYDIS_MNEMONIC_RET, select_far_ret, 0},
    {ZYDIS_MNEMONIC_LAR, select_verify, ZYDIS_MNEMONIC_LAR},
    {ZYDIS_MNEMONIC_LSL, select_verify, ZYDIS_MNEMONIC_LSL},
    {ZYDIS_MNEMONIC_VERR, select_verify, ZYDIS_MNEMONIC_VERR},
    {ZYDIS_MNEMONIC_VERW, select_verify, ZYDIS_MNEMONIC_VERW},
    {ZYDIS_MNEMONIC_ARPL, select_verify, ZYDIS_MNEMONIC_ARPL},
    {ZYDIS_MNEMONIC_LLDT, select_verify, ZYDIS_MNEMONIC_LLDT},
    {ZYDIS_MNEMONIC_LTR, select_verify, ZYDIS_MNEMONIC_LTR},
    {ZYDIS_MNEMONIC_SLDT, select_verify, ZYDIS_MNEMONIC_SLDT},
    {ZYDIS_MNEMONIC_STR, select_verify, ZYDIS_MNEMONIC_STR},
    {0},
};

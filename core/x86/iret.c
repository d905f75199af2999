/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * iret.c - IRET, IRETD, IRETQ: the way back from an event, in all modes (SDM 2, IRET).
 *
 * Read next: syscall.c, the fast way in and out.
 */
#include "x86/protect.h"

/* An image of RFLAGS meets the flags that the present privilege may change; `allowed` are loaded from the image. */
static void load_flags(struct cpu *cpu, uint64_t image, uint32_t allowed)
{
    uint64_t old = cpu_rflags(cpu);
    cpu_set_rflags(cpu, (old & ~(uint64_t)allowed) | (image & allowed));
}

/* Before the return: the old CPL and IOPL decide. */
static uint32_t allowed_flags(const struct cpu *cpu, unsigned size)
{
    uint32_t allowed = FLAGS_STATUS | FLAG_TF | FLAG_DF | FLAG_NT;
    if (size > 2)
        allowed |= FLAG_AC | FLAG_ID;
    if (cpu->cpl <= cpu_iopl(cpu))
        allowed |= FLAG_IF;
    if (cpu->cpl == 0)
        allowed |= FLAG_IOPL | (size > 2 ? FLAG_VIF | FLAG_VIP : 0);
    return allowed;
}

/* ---- real and virtual-8086 mode ---- */

static void iret_paragraphs(struct cpu *cpu, const struct insn *in)
{
    const unsigned size = in->opsize;
    if (cpu_v86(cpu) && cpu_iopl(cpu) < 3)
        cpu_raise_error(cpu, in, VEC_GP, 0);
    uint64_t rip = stack_load(cpu, in, 0, size), image = stack_load(cpu, in, 2 * size, size);
    uint16_t selector = (uint16_t)stack_load(cpu, in, size, size);
    struct entry_point to = {.cs = segment_paragraph(cpu, SEG_CS, selector), .rip = rip, .cpl = cpu->cpl};
    code_check_rip(cpu, in, &to.cs, rip, 0);

    uint32_t allowed = FLAGS_STATUS | FLAG_TF | FLAG_IF | FLAG_DF | FLAG_NT;
    if (size > 2)
        allowed |= FLAG_AC | FLAG_ID;
    if (!cpu_v86(cpu))
        allowed |= FLAG_IOPL;
    stack_move(cpu, 3 * size);
    load_flags(cpu, image, allowed);
    code_enter(cpu, &to);
}

/* ---- protected mode, to a virtual-8086 program: nine words of four bytes (SDM 3, 20.2.4) ---- */

static void iret_to_v86(struct cpu *cpu, const struct insn *in, uint64_t rip, uint16_t cs, uint64_t image)
{
    static const uint8_t segments[] = {SEG_SS, SEG_ES, SEG_DS, SEG_FS, SEG_GS}; /* as they lie behind ESP */
    uint16_t selector[ARRAY_SIZE(segments)];
    uint64_t rsp = stack_load(cpu, in, 12, 4);
    for (unsigned i = 0; i < ARRAY_SIZE(segments); i++)
        selector[i] = (uint16_t)stack_load(cpu, in, 16 + 4 * (int64_t)i, 4);
    if (rip > 0xffff)
        cpu_raise_error(cpu, in, VEC_GP, 0);

    cpu_set_rflags(cpu, (image & FLAGS_LOADABLE) | FLAG_VM);
    cpu->gpr[RSP] = rsp;
    for (unsigned i = 0; i < ARRAY_SIZE(segments); i++)
        cpu->seg[segments[i]] = segment_paragraph(cpu, segments[i], selector[i]);
    struct entry_point to = {.cs = segment_paragraph(cpu, SEG_CS, cs), .rip = rip, .cpl = 3};
    code_enter(cpu, &to);
}

/* ---- protected and long mode ---- */

/* NT: return to the task that was interrupted. Long mode has no tasks. */
static void iret_to_task(struct cpu *cpu, const struct insn *in)
{
    if (cpu_long_mode(cpu))
        cpu_raise_error(cpu, in, VEC_GP, 0);
    task_switch(cpu, in, task_back_link(cpu, in), TASK_IRET, cpu_next_rip(cpu, in), NULL, 0);
}

static void iret_protected(struct cpu *cpu, const struct insn *in)
{
    const unsigned size = in->opsize;
    if (cpu->sysflags & FLAG_NT) {
        iret_to_task(cpu, in);
        return;
    }
    uint64_t rip = stack_load(cpu, in, 0, size), image = stack_load(cpu, in, 2 * size, size);
    uint16_t cs = (uint16_t)stack_load(cpu, in, size, size);
    if (size == 4 && (image & FLAG_VM) && cpu->cpl == 0 && !cpu_long_mode(cpu)) {
        iret_to_v86(cpu, in, rip, cs, image);
        return;
    }
    uint32_t allowed = allowed_flags(cpu, size);
    struct entry_point to = return_code(cpu, in, cs, rip);
    /* 64-bit code always finds SS and RSP in the frame; elsewhere only a return to an outer ring has them. */
    if (to.cpl == cpu->cpl && cpu->code_size != CODE64) {
        stack_move(cpu, 3 * size);
        load_flags(cpu, image, allowed);
        code_enter(cpu, &to);
        return;
    }
    uint64_t rsp = stack_load(cpu, in, 3 * size, size);
    uint16_t selector = (uint16_t)stack_load(cpu, in, 4 * size, size);
    struct segment_reg ss = return_stack(cpu, in, selector, &to);
    load_flags(cpu, image, allowed);
    return_commit(cpu, &to, &ss, rsp);
}

const struct insn *op_iret(struct cpu *cpu, const struct insn *in)
{
    cpu->nmi_blocked = false; /* even if it faults (SDM 3, 6.7.1) */
    if (cpu_real_segments(cpu))
        iret_paragraphs(cpu, in);
    else
        iret_protected(cpu, in);
    cpu_count_sensitive(cpu, EXIT_INDEX_KERNEL_RETURN);
    return NULL;
}

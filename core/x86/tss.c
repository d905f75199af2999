/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tss.c - hardware task switches with a 32-bit TSS (SDM 3, chapter 7).
 *
 * No modern system switches tasks this way; a task gate for #DF is the one use that lived on. The old task's registers
 * go to its TSS, the new one's come from its own, page tables included. Up to there a fault belongs to the old task.
 * Then the switch is made, and the segments are loaded: a fault now belongs to the new task, before its first
 * instruction (SDM 3, 7.3). 16-bit TSSs are not switched to or from: #TS, and named in the statistics.
 */
#include "x86/protect.h"
#include <stdio.h>

/* Offsets in a 32-bit TSS (SDM 3, figure 7-2). */
enum {
    TSS_LINK = 0,
    TSS_CR3 = 28,
    TSS_EIP = 32,
    TSS_EFLAGS = 36,
    TSS_GPR = 40,     /* EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI */
    TSS_SEGMENT = 72, /* ES, CS, SS, DS, FS, GS */
    TSS_LDT = 96,
    TSS_SIZE = 104,
};

/* A task as its TSS holds it. */
struct task {
    struct segment_reg tr;
    uint16_t segment[6], ldt;
    uint32_t gpr[8], eip, eflags;
    struct paging paging;
};

uint16_t task_back_link(struct cpu *cpu, const struct insn *in)
{
    return (uint16_t)sys_load(cpu, in, cpu->seg[SEG_TR].base + TSS_LINK, 2);
}

/* ---- before the switch: in the old task ---- */

static _Noreturn void refuse_16bit(struct cpu *cpu, const struct insn *in, uint16_t selector, uint32_t ext)
{
    COUNT(cpu->stats, UNKNOWN_INSTRUCTIONS);
    if (!cpu->stats->unknown[0])
        snprintf(cpu->stats->unknown, sizeof(cpu->stats->unknown), "task switch with a 16-bit TSS");
    selector_fault(cpu, in, VEC_TS, selector, ext);
}

/* The new task's TSS descriptor: available, or busy when it is returned to. */
static uint64_t tss_descriptor(struct cpu *cpu, const struct insn *in, uint16_t selector, enum task_reason why,
                               uint32_t ext)
{
    const bool back = why == TASK_IRET;
    const uint8_t bad = back ? VEC_TS : VEC_GP;
    if (selector_null(selector) || (selector & SELECTOR_LDT))
        selector_fault(cpu, in, bad, selector, ext);
    uint64_t raw = descriptor_load(cpu, in, selector, bad, ext);
    if (desc_is_system(raw, back ? SYS_TSS16_BUSY : SYS_TSS16))
        refuse_16bit(cpu, in, selector, ext);
    if (!desc_is_system(raw, back ? SYS_TSS32_BUSY : SYS_TSS32))
        selector_fault(cpu, in, bad, selector, ext);
    if (!desc_present(raw))
        selector_fault(cpu, in, VEC_NP, selector, ext);
    if (desc_limit(raw) < TSS_SIZE - 1)
        selector_fault(cpu, in, VEC_TS, selector, ext);
    return raw;
}

static struct task read_task(struct cpu *cpu, const struct insn *in, struct segment_reg tr)
{
    struct task task = {.tr = tr, .paging = cpu->paging};
    for (unsigned i = 0; i < 8; i++)
        task.gpr[i] = (uint32_t)sys_load(cpu, in, tr.base + TSS_GPR + 4 * i, 4);
    for (unsigned i = 0; i < 6; i++)
        task.segment[i] = (uint16_t)sys_load(cpu, in, tr.base + TSS_SEGMENT + 4 * i, 2);
    task.ldt = (uint16_t)sys_load(cpu, in, tr.base + TSS_LDT, 2);
    task.eip = (uint32_t)sys_load(cpu, in, tr.base + TSS_EIP, 4);
    task.eflags = (uint32_t)sys_load(cpu, in, tr.base + TSS_EFLAGS, 4);
    if (cpu->paging.cr0 & CR0_PG) {
        task.paging.cr3 = (uint32_t)sys_load(cpu, in, tr.base + TSS_CR3, 4);
        if ((cpu->paging.cr4 & CR4_PAE) && !mmu_load_pdptes(&task.paging, cpu->host->ram))
            selector_fault(cpu, in, VEC_TS, tr.selector, 0);
    }
    return task;
}

/* CR3 and LDTR are not saved: they are the task's for life. */
static void save_task(struct cpu *cpu, const struct insn *in, uint64_t rip, enum task_reason why)
{
    const uint64_t at = cpu->seg[SEG_TR].base;
    uint64_t flags = cpu_rflags(cpu);
    if (why == TASK_IRET)
        flags &= ~(uint64_t)FLAG_NT;
    for (unsigned i = 0; i < 8; i++)
        sys_store(cpu, in, at + TSS_GPR + 4 * i, 4, cpu->gpr[i]);
    for (unsigned i = 0; i < 6; i++)
        sys_store(cpu, in, at + TSS_SEGMENT + 4 * i, 2, cpu->seg[i].selector);
    sys_store(cpu, in, at + TSS_EIP, 4, rip);
    sys_store(cpu, in, at + TSS_EFLAGS, 4, flags);
}

/* ---- the switch ---- */

static void become(struct cpu *cpu, const struct task *task)
{
    cpu->seg[SEG_TR] = task->tr;
    cpu->paging = task->paging;
    cpu->paging.cr0 |= CR0_TS; /* the FPU still holds another task's registers */
    for (unsigned i = 0; i < 8; i++)
        cpu->gpr[i] = task->gpr[i];
    cpu->seg[SEG_LDTR] = segment_null(task->ldt, 0);
    for (unsigned i = 0; i < 6; i++)
        cpu->seg[i] = segment_null(task->segment[i], 0);
    cpu->rip = task->eip;
    cpu->cpl = task->eflags & FLAG_VM ? 3 : task->segment[SEG_CS] & SELECTOR_RPL;
    cpu->dr7 &= ~UINT64_C(0x155); /* local breakpoints end with their task */
    cpu_set_rflags(cpu, task->eflags & (FLAGS_LOADABLE | FLAG_VM));
    cpu_flush_tlb(cpu, false);
    cpu_mode_changed(cpu);
}

/* ---- behind the switch: in the new task (SDM 3, table 7-1: every doubt is #TS with the selector) ---- */

static struct segment_reg task_ldt(struct cpu *cpu, const struct insn *in, uint16_t selector)
{
    if (selector_null(selector))
        return segment_null(selector, 0);
    if (selector & SELECTOR_LDT)
        selector_fault(cpu, in, VEC_TS, selector, 0);
    uint64_t raw = descriptor_load(cpu, in, selector, VEC_TS, 0);
    if (!desc_is_system(raw, SYS_LDT) || !desc_present(raw))
        selector_fault(cpu, in, VEC_TS, selector, 0);
    return segment_of(selector, raw);
}

static struct segment_reg task_code(struct cpu *cpu, const struct insn *in, uint16_t selector)
{
    uint64_t raw = descriptor_load(cpu, in, selector, VEC_TS, 0);
    bool fits = desc_is_conforming(raw) ? desc_dpl(raw) <= cpu->cpl : desc_dpl(raw) == cpu->cpl;
    if (!desc_is_code(raw) || !fits)
        selector_fault(cpu, in, VEC_TS, selector, 0);
    if (!desc_present(raw))
        selector_fault(cpu, in, VEC_NP, selector, 0);
    return segment_from(cpu, in, selector, raw);
}

static struct segment_reg task_data(struct cpu *cpu, const struct insn *in, unsigned seg, uint16_t selector)
{
    if (selector_null(selector) && seg != SEG_SS)
        return segment_null(selector, 0);
    uint64_t raw = descriptor_load(cpu, in, selector, VEC_TS, 0);
    unsigned rpl = selector & SELECTOR_RPL, dpl = desc_dpl(raw);
    bool fits = seg == SEG_SS ? desc_is_writable_data(raw) && rpl == cpu->cpl && dpl == cpu->cpl
                              : desc_is_readable(raw) && (desc_is_conforming(raw) || (dpl >= rpl && dpl >= cpu->cpl));
    if (!fits)
        selector_fault(cpu, in, VEC_TS, selector, 0);
    if (!desc_present(raw))
        selector_fault(cpu, in, seg == SEG_SS ? VEC_SS : VEC_NP, selector, 0);
    return segment_from(cpu, in, selector, raw);
}

static void load_task_segments(struct cpu *cpu, const struct insn *in, const struct task *task)
{
    cpu->seg[SEG_LDTR] = task_ldt(cpu, in, task->ldt);
    for (unsigned i = 0; i < 6; i++) {
        if (cpu_v86(cpu))
            cpu->seg[i] = segment_paragraph(cpu, i, task->segment[i]);
        else if (i == SEG_CS)
            cpu->seg[i] = task_code(cpu, in, task->segment[i]);
        else
            cpu->seg[i] = task_data(cpu, in, i, task->segment[i]);
        cpu_mode_changed(cpu); /* each time: a fault of the next one is delivered on this task's stack */
    }
    code_check_rip(cpu, in, &cpu->seg[SEG_CS], cpu->rip, 0);
}

void task_switch(struct cpu *cpu, const struct insn *in, uint16_t selector, enum task_reason why, uint64_t rip,
                 const struct pending_event *event, uint32_t ext)
{
    static const uint8_t sources[] = {[TASK_CALL] = 0, [TASK_IRET] = 1, [TASK_JMP] = 2, [TASK_EVENT] = 3};
    if (cpu->nonroot)
        cpu->nonroot->task_switch(cpu, in, selector, sources[why]);
    static const struct insn no_instruction; /* fn is NULL: a fault leaves RIP at the new task's first instruction */
    const struct segment_reg old = cpu->seg[SEG_TR];
    const bool nested = why == TASK_CALL || why == TASK_EVENT;
    uint64_t raw = tss_descriptor(cpu, in, selector, why, ext), old_raw;
    if (!(old.attr & SYS_32BIT))
        refuse_16bit(cpu, in, old.selector, ext);
    struct task task = read_task(cpu, in, segment_of(selector, raw));
    task.tr.attr |= SYS_TSS_BUSY;
    if (nested)
        task.eflags |= FLAG_NT;

    save_task(cpu, in, rip, why);
    if (nested) {
        sys_store(cpu, in, task.tr.base + TSS_LINK, 2, old.selector);
    } else {
        old_raw = descriptor_load(cpu, in, old.selector, VEC_TS, ext);
        descriptor_set_type(cpu, in, old.selector, old_raw, desc_type(old_raw) & ~SYS_TSS_BUSY);
    }
    if (why != TASK_IRET)
        descriptor_set_type(cpu, in, selector, raw, desc_type(raw) | SYS_TSS_BUSY);

    become(cpu, &task);
    load_task_segments(cpu, &no_instruction, &task);
    if (event && event->has_error) {
        struct frame frame = frame_current(cpu, false, ext);
        frame_push(cpu, &no_instruction, &frame, 4, event->error_code);
        frame_commit(cpu, &frame);
    }
}

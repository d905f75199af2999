/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nonroot.h - what VMX non-root operation changes of the CPU (SDM 3, chapter 26): the one seam for a VT-x in software.
 *
 * cpu->nonroot is NULL for every CPU that isn't in non-root operation, and that one test is all it costs. Otherwise
 * sensitive instructions ask before they take effect, exceptions before they are delivered, and the walker goes through
 * a second level of tables (paging.ept, mmu/ept.h). core/x86 knows no more of VT-x than this; who implements it leaves
 * for the hypervisor by cpu_unwind() with UNWIND_INTERCEPT.
 *
 * Read next: protect.h (cpu_sensitive, the caller), hwassist/vtx/intercepts.c (who answers).
 */
#ifndef VIRTLAB_X86_NONROOT_H
#define VIRTLAB_X86_NONROOT_H

#include "x86/cpu.h"

struct nonroot {
    /*
     * An instruction is about to take effect, its privilege checks passed. `qualification` is the exit qualification
     * that VT-x defines for this reason (SDM 3, 28.2.1). Returns if the instruction may go on; it may also raise #GP.
     */
    void (*instruction)(struct cpu *cpu, const struct insn *in, enum exit_index why, uint64_t qualification);
    /* A task switch, which always exits; `source` as in its qualification: 0 CALL, 1 IRET, 2 JMP, 3 task gate. */
    void (*task_switch)(struct cpu *cpu, const struct insn *in, uint16_t selector, unsigned source);
    /* An exception is about to be delivered. True: it exits instead. `length` of its instruction, if it is software's.
     */
    bool (*exception)(struct cpu *cpu, const struct pending_event *event);
    /* A translation was refused by the second-level tables: never returns. */
    void (*second_level)(struct cpu *cpu, const struct insn *in, gva_t at, const struct translation *t);
    /* Between two instructions, no event pending. True: leaves, for a window or a timer. */
    bool (*boundary)(struct cpu *cpu);

    /* Bits of CR0 and CR4 that the host owns: the guest reads them from the shadow, and cannot change them. */
    uint64_t cr0_mask, cr0_shadow, cr4_mask, cr4_shadow;

    struct pending_event vectoring; /* the event being delivered, while it is (IDT-vectoring information) */
    bool injected;                  /* cpu->event was injected by VM entry: the exception bitmap doesn't apply */
    uint64_t cr2;                   /* CR2 as it was before the page fault being raised */
};

/* Calls nonroot->instruction(): out of line, so that the handlers stay small. */
void nonroot_asks(struct cpu *cpu, const struct insn *in, enum exit_index why, uint64_t qualification);

/* What the guest reads from CR0 and CR4. */
static inline uint64_t cpu_cr0_seen(const struct cpu *cpu)
{
    const struct nonroot *n = cpu->nonroot;
    return n ? (cpu->paging.cr0 & ~n->cr0_mask) | (n->cr0_shadow & n->cr0_mask) : cpu->paging.cr0;
}
static inline uint64_t cpu_cr4_seen(const struct cpu *cpu)
{
    const struct nonroot *n = cpu->nonroot;
    return n ? (cpu->paging.cr4 & ~n->cr4_mask) | (n->cr4_shadow & n->cr4_mask) : cpu->paging.cr4;
}
/* What a write to CR0 or CR4 comes to: the host's bits stay. */
static inline uint64_t cpu_cr0_written(const struct cpu *cpu, uint64_t value)
{
    const struct nonroot *n = cpu->nonroot;
    return n ? (value & ~n->cr0_mask) | (cpu->paging.cr0 & n->cr0_mask) : value;
}
static inline uint64_t cpu_cr4_written(const struct cpu *cpu, uint64_t value)
{
    const struct nonroot *n = cpu->nonroot;
    return n ? (value & ~n->cr4_mask) | (cpu->paging.cr4 & n->cr4_mask) : value;
}

/* Exit qualifications, put together where the instruction is known (SDM 3, tables 28-3 to 28-5). */
enum cr_access { CR_MOV_TO, CR_MOV_FROM, CR_CLTS, CR_LMSW };
static inline uint64_t cr_qualification(enum cr_access access, unsigned cr, unsigned gpr)
{
    return cr | (uint64_t)access << 4 | (uint64_t)gpr << 8;
}
static inline uint64_t lmsw_qualification(bool memory, uint16_t source)
{
    return (uint64_t)CR_LMSW << 4 | (uint64_t)memory << 6 | (uint64_t)source << 16;
}
static inline uint64_t dr_qualification(bool from, unsigned dr, unsigned gpr)
{
    return dr | (uint64_t)from << 4 | (uint64_t)gpr << 8;
}
enum io_qualification { IO_IN = 8, IO_STRING = 16, IO_REP = 32, IO_IMMEDIATE = 64 };
static inline uint64_t io_qualification(unsigned port, unsigned size, unsigned flags)
{
    return (size - 1) | flags | (uint64_t)port << 16;
}

#endif

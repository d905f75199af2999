/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pv_ops.h: every sensitive operation of the kernel, in one place.
 *
 * Popek and Goldberg call an instruction *sensitive* when it reads or changes the machine's
 * state of control: interrupt flag, control registers, descriptor tables, page tables, I/O.
 * Nothing else in this kernel (apart from boot.S, which runs before there is anything to
 * virtualize) contains such an instruction, so this header is the exact list of what a
 * hypervisor must take over.  Here each is the plain instruction; a paravirtual build
 * takes ../pv/ops.h in its place, where each is a request.
 *
 * Next in the tour: boot.S.
 */
#ifndef PV_OPS_H
#define PV_OPS_H

#ifdef PARAVIRT
#include "../pv/ops.h"
#else

#ifdef __ASSEMBLER__

/* The two ways out to user mode, and nothing else, are needed in assembler (entry.S). */
#define PV_IRETQ iretq
#define PV_SYSRETQ               \
    mov AFTER_RSP(% rsp), % rsp; \
    sysretq

#else

#include "kernel.h"

#define RFLAGS_IF        (1u << 9)
#define PV_FPU_SIZE      512
#define PV_RAM_IS_MAPPED false /* pagetable.c does it */

/* --- interrupt flag and halting --------------------------------------------------------- */

static inline void pv_cli(void)
{
    asm volatile("cli" ::: "memory");
}

static inline void pv_sti(void)
{
    asm volatile("sti" ::: "memory");
}

/* STI delays interrupts by one instruction, so none can slip in between and be slept over. */
static inline void pv_sti_hlt_cli(void)
{
    asm volatile("sti; hlt; cli" ::: "memory");
}

static inline void pv_hlt(void)
{
    asm volatile("hlt" ::: "memory");
}

static inline u64 pv_irq_save(void)
{
    u64 flags;

    asm volatile("pushfq; popq %0; cli" : "=r"(flags)::"memory");
    return flags;
}

static inline void pv_irq_restore(u64 flags)
{
    if (flags & RFLAGS_IF)
        pv_sti();
}

/* --- control registers and TLB ---------------------------------------------------------- */

static inline u64 pv_read_cr0(void)
{
    u64 v;

    asm volatile("mov %%cr0, %0" : "=r"(v));
    return v;
}

static inline void pv_write_cr0(u64 v)
{
    asm volatile("mov %0, %%cr0" ::"r"(v) : "memory");
}

static inline u64 pv_read_cr2(void)
{
    u64 v;

    asm volatile("mov %%cr2, %0" : "=r"(v));
    return v;
}

static inline u64 pv_read_cr3(void)
{
    u64 v;

    asm volatile("mov %%cr3, %0" : "=r"(v));
    return v;
}

static inline void pv_write_cr3(u64 v)
{
    asm volatile("mov %0, %%cr3" ::"r"(v) : "memory");
}

static inline u64 pv_read_cr4(void)
{
    u64 v;

    asm volatile("mov %%cr4, %0" : "=r"(v));
    return v;
}

static inline void pv_write_cr4(u64 v)
{
    asm volatile("mov %0, %%cr4" ::"r"(v) : "memory");
}

/* The priority below which interrupts wait; this kernel leaves it alone, nano.c measures it. */
static inline u64 pv_read_cr8(void)
{
    u64 v;

    asm volatile("mov %%cr8, %0" : "=r"(v));
    return v;
}

static inline void pv_write_cr8(u64 v)
{
    asm volatile("mov %0, %%cr8" ::"r"(v) : "memory");
}

static inline void pv_invlpg(u64 va)
{
    asm volatile("invlpg (%0)" ::"r"(va) : "memory");
}

/* --- page tables ------------------------------------------------------------------------ */

/* Every write to a page-table entry, at any level, goes through here. */
static inline void pv_set_pte(u64 *slot, u64 value)
{
    *(volatile u64 *)slot = value;
}

/* The same for an entry that refers to a table, which may be followed at once. */
static inline void pv_set_table(u64 *slot, u64 value)
{
    pv_set_pte(slot, value);
}

/* Between these two, nobody looks at entries that were written: a hypervisor may be told of them together. */
static inline void pv_lazy_begin(void) {}

static inline void pv_lazy_end(void) {}

/* Somebody is going to look at entries that may have been written before; between those two only if `even_lazy`. */
static inline void pv_tables_look(bool even_lazy)
{
    (void)even_lazy;
}

/* The page that an entry referred to which has just been written. */
#define pv_page_release  page_unref

/*
 * What is worth it only where faults and requests are dear: how many pages a fault maps at most, where the neighbours
 * allow it (a power of two up to 512); how many fork copies at once; how many of a new range are mapped before
 * they are touched; how many page tables are taken side by side.
 */
#define PV_FAULT_AROUND  1
#define PV_FORK_COPY     0
#define PV_POPULATE      0
#define PV_TABLES_AHEAD  1

/* A word of the kernel's command line that nobody else knows. */
static inline void pv_option(const char *word)
{
    (void)word;
}

/* No user code will run on its tables again. Does a hypervisor have to let go of them first? It calls mm_free then. */
struct mm;
static inline bool pv_mm_retire(struct mm *mm)
{
    (void)mm;
    return false;
}

/* Tables of an earlier child of `of` that may be used again, with its pages still in them; no ranges. NULL: none */
static inline struct mm *pv_mm_spare(const struct mm *of)
{
    (void)of;
    return NULL;
}

/* Memory is short: what is kept for later goes. */
static inline void pv_memory_short(void) {}

/* --- descriptor tables, task register, model-specific registers ------------------------- */

struct pv_table_ptr {
    u16 limit;
    u64 base;
} __attribute__((packed));

static inline void pv_lgdt(const struct pv_table_ptr *p)
{
    asm volatile("lgdt %0" ::"m"(*p) : "memory");
}

static inline void pv_lidt(const struct pv_table_ptr *p)
{
    asm volatile("lidt %0" ::"m"(*p) : "memory");
}

static inline void pv_ltr(u16 selector)
{
    asm volatile("ltr %0" ::"r"(selector));
}

/* Data segments: flat, and in 64-bit mode only SS's privilege matters. */
static inline void pv_load_segments(u16 data)
{
    asm volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss; mov %1, %%fs; mov %1, %%gs" ::"r"(data), "r"(0) : "memory");
}

static inline u64 pv_rdmsr(u32 msr)
{
    u32 lo, hi;

    asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (u64)hi << 32 | lo;
}

static inline void pv_wrmsr(u32 msr, u64 v)
{
    asm volatile("wrmsr" ::"c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

#define TSS_RSP0 4

/* The stack that interrupts from user mode switch to is one store, to the TSS. */
static inline void pv_set_trap_stack(void *tss, u64 rsp)
{
    asm volatile("movq %1, %0" : "=m"(*(u8(*)[8])((u8 *)tss + TSS_RSP0)) : "r"(rsp) : "memory");
}

/* --- time: what a hypervisor may know; 0: find out yourself ------------------------------- */

static inline u64 pv_tsc_hz(void)
{
    return 0;
}

static inline u64 pv_boot_seconds(void)
{
    return 0;
}

/* Ticks by a timer that is set when one is needed, instead of the PIT's that come all the time: are there such? */
static inline bool pv_tick_start(void)
{
    return false;
}

/* There is something that the next tick has to look after. */
static inline void pv_tick_request(void) {}

/* Is this interrupt such a tick? */
static inline bool pv_tick_taken(unsigned irq)
{
    (void)irq;
    return false;
}

/* --- FPU ---------------------------------------------------------------------------------- */

static inline void pv_fpu_save(u8 *fx)
{
    asm volatile("fxsave64 %0" : "=m"(*(u8(*)[PV_FPU_SIZE])fx));
}

static inline void pv_fpu_load(const u8 *fx)
{
    asm volatile("fxrstor64 %0" ::"m"(*(const u8(*)[PV_FPU_SIZE])fx));
}

/* Another task: `save` NULL when the old one needs its state no more. */
static inline void pv_fpu_switch(u8 *save, const u8 *load)
{
    if (save)
        pv_fpu_save(save);
    pv_fpu_load(load);
}

/* --- time stamp, identification --------------------------------------------------------- */

static inline u64 pv_rdtsc(void)
{
    u32 lo, hi;

    asm volatile("rdtsc" : "=a"(lo), "=d"(hi)::"memory");
    return (u64)hi << 32 | lo;
}

static inline void pv_cpuid(u32 leaf, u32 out[4])
{
    asm volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(0));
}

/* --- port I/O --------------------------------------------------------------------------- */

static inline void pv_outb(u16 port, u8 v)
{
    asm volatile("outb %0, %1" ::"a"(v), "Nd"(port) : "memory");
}

static inline void pv_outl(u16 port, u32 v)
{
    asm volatile("outl %0, %1" ::"a"(v), "Nd"(port) : "memory");
}

static inline u8 pv_inb(u16 port)
{
    u8 v;

    asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}

static inline void pv_insw(u16 port, void *buf, u64 words)
{
    asm volatile("rep insw" : "+D"(buf), "+c"(words) : "d"(port) : "memory");
}

static inline void pv_outsw(u16 port, const void *buf, u64 words)
{
    asm volatile("rep outsw" : "+S"(buf), "+c"(words) : "d"(port) : "memory");
}

#endif /* __ASSEMBLER__ */
#endif /* PARAVIRT */
#endif

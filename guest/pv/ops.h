/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ops.h: the sensitive operations, asked of a hypervisor: the other half of pv_ops.h, operation by operation.
 *
 * What can be done by a store to the shared page is (interrupt flag, stack, address space, bases of FS and GS, FPU
 * state); page tables change by lists of updates; the rest is a hypercall.  <virtlab/para.h> says what each means.
 *
 * Next: start.c, where a paravirtual kernel begins.
 */
#ifndef PV_OPS_PARA_H
#define PV_OPS_PARA_H

#include <virtlab/para.h>

#ifdef __ASSEMBLER__

#define PV_IRETQ jmp pv_hypercalls + PARA_CALL_IRET *PARA_STUB_SIZE
#define PV_SYSRETQ  \
    add $16, % rsp; \
    PV_IRETQ

#else

#include "kernel.h"

#define RFLAGS_IF        (1u << 9)
#define PV_FPU_SIZE      PARA_FPU_SIZE
#define PV_RAM_IS_MAPPED true /* the window is the hypervisor's */

extern struct para_shared *pv_shared;
extern const u8 *pv_table_map;
extern u8 pv_hypercalls[];

/* tables.c */
extern unsigned pv_fault_around, pv_fork_copy, pv_populate;
extern bool pv_defers, pv_disk_async;
void pv_update(u64 *slot, u64 value); /* one entry of a live table */
void pv_update_now(u64 *slot, u64 value);
void pv_lazy_begin(void);
void pv_lazy_end(void);
void pv_lazy_flush(void);
void pv_tables_look(bool even_lazy);
void pv_page_release(void *page);
struct mm;
bool pv_mm_retire(struct mm *mm); /* true: mm_free is called when the hypervisor has let go of its tables */
/* spare.c */
extern bool pv_spares;
bool pv_mm_keep(struct mm *mm);
struct mm *pv_mm_spare(const struct mm *of);
void pv_memory_short(void);
/* start.c */
struct para_time pv_time(void);
void pv_option(const char *word);
_Noreturn void pv_refused(const char *what, long error);

#define PV_STUB(call) (pv_hypercalls + (call)*PARA_STUB_SIZE)

static inline long pv_call(unsigned call, u64 a, u64 b, u64 c, u64 d, u64 e)
{
    register u64 r10 asm("r10") = d;
    register u64 r8 asm("r8") = e;
    long result;

    asm volatile("call *%1"
                 : "=a"(result)
                 : "r"(PV_STUB(call)), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                 : "rcx", "r11", "memory");
    return result;
}

/* --- interrupt flag and halting --------------------------------------------------------- */

static inline void pv_barrier(void)
{
    asm volatile("" ::: "memory");
}

static inline void pv_cli(void)
{
    *(volatile u32 *)&pv_shared->masked = 1;
    pv_barrier();
}

static inline void pv_sti(void)
{
    pv_barrier();
    *(volatile u32 *)&pv_shared->masked = 0;
    if (*(volatile u32 *)&pv_shared->pending)
        pv_call(PARA_CALL_UNMASK, 0, 0, 0, 0, 0);
}

static inline void pv_sti_hlt_cli(void)
{
    pv_call(PARA_CALL_BLOCK, 0, 0, 0, 0, 0);
    pv_cli();
}

static inline void pv_hlt(void)
{
    pv_call(PARA_CALL_YIELD, 0, 0, 0, 0, 0);
}

static inline u64 pv_irq_save(void)
{
    u64 flags = pv_shared->masked ? 0 : RFLAGS_IF;

    pv_cli();
    return flags;
}

static inline void pv_irq_restore(u64 flags)
{
    if (flags & RFLAGS_IF)
        pv_sti();
}

/* --- control registers and TLB ---------------------------------------------------------- */

/* CR0 and CR4 are as a 64-bit kernel wants them. */
static inline u64 pv_read_cr0(void)
{
    return 0;
}

static inline void pv_write_cr0(u64 v)
{
    (void)v;
}

static inline u64 pv_read_cr4(void)
{
    return 0;
}

static inline void pv_write_cr4(u64 v)
{
    (void)v;
}

static inline u64 pv_read_cr2(void)
{
    return pv_shared->cr2;
}

static inline bool pv_is_table(const void *page)
{
    u64 frame = virt_to_phys(page) / PAGE_SIZE;

    return pv_table_map[frame / 8] >> (frame % 8) & 1;
}

static inline u64 pv_read_cr3(void)
{
    return pv_shared->cr3;
}

/*
 * An address space is pinned when it is first used: until then its tables are ordinary pages, cheap to fill. The
 * hypervisor does it at the return to user mode, if it hasn't been asked before.
 */
static inline void pv_write_cr3(u64 v)
{
    long r = pv_defers || pv_is_table(phys_to_virt(v)) ? 0 : pv_call(PARA_CALL_PIN, v, 0, 0, 0, 0);

    if (r)
        pv_refused("an address space", r);
    pv_shared->cr3 = v;
}

/* Updates take effect when they are made, and they are made before user code runs. */
static inline void pv_invlpg(u64 va)
{
    (void)va;
}

/* --- page tables ------------------------------------------------------------------------ */

static inline void pv_set_pte(u64 *slot, u64 value)
{
    if (pv_is_table(slot))
        pv_update(slot, value);
    else
        *(volatile u64 *)slot = value;
}

void pv_set_table(u64 *slot, u64 value);

#define PV_FAULT_AROUND pv_fault_around
#define PV_FORK_COPY    pv_fork_copy
#define PV_POPULATE     pv_populate
#define PV_TABLES_AHEAD 8 /* what a small process needs */

/* --- descriptor tables, task register, model-specific registers ------------------------- */

struct pv_table_ptr {
    u16 limit;
    u64 base;
} __attribute__((packed));

void pv_lidt(const struct pv_table_ptr *p);
void pv_wrmsr(u32 msr, u64 v);

static inline void pv_lgdt(const struct pv_table_ptr *p)
{
    (void)p;
}

static inline void pv_ltr(u16 selector)
{
    (void)selector;
}

static inline void pv_load_segments(u16 data)
{
    (void)data;
}

static inline u64 pv_rdmsr(u32 msr)
{
    (void)msr;
    return 0;
}

static inline void pv_set_trap_stack(void *tss, u64 rsp)
{
    (void)tss;
    pv_shared->kernel_stack = rsp;
}

/* --- time: struct para_time, which is complete at the start of day ------------------------- */

u64 pv_tsc_hz(void);
u64 pv_boot_seconds(void);

/* tick.c */
extern bool pv_tickless, pv_tick_set;
bool pv_tick_start(void);
void pv_tick_arm(void);
bool pv_tick_taken(unsigned irq);

static inline void pv_tick_request(void)
{
    if (pv_tickless && !pv_tick_set)
        pv_tick_arm();
}

/* --- FPU: user code's state is in the shared page while the kernel runs ------------------- */

void pv_fpu_save(u8 *fx);
void pv_fpu_load(const u8 *fx);
void pv_fpu_switch(u8 *save, const u8 *load);

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
    pv_call(PARA_CALL_IO, port, 1, PARA_IO_OUT, v, 0);
}

static inline void pv_outl(u16 port, u32 v)
{
    pv_call(PARA_CALL_IO, port, 4, PARA_IO_OUT, v, 0);
}

static inline u8 pv_inb(u16 port)
{
    return (u8)pv_call(PARA_CALL_IO, port, 1, PARA_IO_IN, 0, 0);
}

void pv_insw(u16 port, void *buf, u64 words);
void pv_outsw(u16 port, const void *buf, u64 words);

#endif /* __ASSEMBLER__ */
#endif

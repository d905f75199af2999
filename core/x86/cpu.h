/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpu.h - the CPU that executes in software: its registers, as the instruction handlers see them.
 *
 * Reading order of core/x86:  cpu.h -> insn.h (the decode record, handlers) -> flags.h -> mem.h (loads and stores)
 *   -> decode.c (bytes to records) -> block.c (the cache of decoded blocks) -> run.c (the loop around it all)
 *   -> one file for each family of instructions: alu.c, mov.c, branch.c, ... system.c, sse*.c, x87*.c
 *   -> segment.c, interrupt.c, syscall.c: protection.
 *
 * The error contract of a handler: until its last store it changes nothing that can be seen. Then any load or store may
 * leave by cpu_unwind() (a page fault, a device to be asked first) and the instruction can be begun anew.
 */
#ifndef VIRTLAB_X86_CPU_H
#define VIRTLAB_X86_CPU_H

#include "mmu/tlb.h"
#include "mmu/walk.h"
#include "mmu/watch.h"
#include "x86/flags.h"
#include <setjmp.h>
#include <virtlab/engine.h>

struct cpu;
struct insn;
struct block;
struct block_cache;
struct nonroot;

/* Two pseudo registers behind the sixteen, so that every address is base + index * scale + displacement. */
enum { GPR_ZERO = 16, GPR_PAGE = 17, GPR_ALL = 18 };

typedef union {
    uint8_t u8[16];
    uint16_t u16[8];
    uint32_t u32[4];
    uint64_t u64[2];
    int8_t i8[16];
    int16_t i16[8];
    int32_t i32[4];
    int64_t i64[2];
    float f32[4];
    double f64[2];
} __attribute__((aligned(16))) xmm_t;

/* The x87: registers by physical number, ST(i) is r[(top + i) & 7]. */
struct x87 {
    long double r[8];
    uint16_t fcw, fsw; /* fsw without TOP, which is in `top` */
    uint8_t top;
    uint8_t used; /* bit i set: physical register i isn't empty */
    uint16_t fop;
    uint64_t fip, fdp;
};

/* Things that make the run loop look up before the next block. */
enum attention {
    ATTENTION_KICK = 1,   /* kick() was called */
    ATTENTION_EVENT = 2,  /* an interrupt or exception waits to be delivered, or a window was asked for */
    ATTENTION_SINGLE = 4, /* the next instruction must run alone: trap flag, shadow, or a restart */
};

/* The code segment's default size; part of a block's key. */
enum code_size { CODE16, CODE32, CODE64 };

/* Why a handler or an access left through cpu_unwind(). */
enum unwind {
    UNWIND_NONE,
    UNWIND_EXCEPTION, /* cpu->event holds it; the instruction has had no effect */
    UNWIND_EXIT,      /* cpu->exit is filled in; the instruction begins anew when the machine has answered */
    UNWIND_SINGLE,    /* run this instruction again, alone: its store has effects that must be seen at once */
    UNWIND_INTERCEPT, /* VMX non-root operation: to the hypervisor (nonroot.h); the instruction has had no effect */
};

/* A device access that the machine has answered, kept while its instruction is begun anew. */
#define MMIO_LATCH_MAX 8
struct io_latch {
    unsigned reads, used; /* MMIO reads answered so far in this instruction, and consumed in this attempt */
    uint64_t value[MMIO_LATCH_MAX];
    bool port_valid; /* an IN or INS was answered: the data is in cpu->io_data */
};

/* A posted device write: it leaves run() when its instruction is complete. */
struct posted_write {
    gpa_t gpa;
    uint8_t size;
    uint64_t value;
};
#define POSTED_MAX 64

/*
 * A translator over the interpreter (full/bt): it gives hot blocks a native entry. core/x86 knows no more of it than
 * this. `cold` is where native code goes on for a block that has none.
 */
struct translator {
    /* A handler like any (insn_fn): in front of a hot block's first record. */
    const struct insn *(*block_hot)(struct cpu *cpu, const struct insn *enter);
    void (*block_made)(struct cpu *cpu, struct block *block); /* or NULL: a block that may get native code is there */
    void (*blocks_flushed)(struct cpu *cpu);                  /* every block is gone */
    const void *cold;
    unsigned heat; /* entries that make a block hot */
};

/* A translator's return cache: where the return to `rip` goes on. A ring, its top moved by 8-bit arithmetic. */
#define RETURNS 16
struct native_return {
    uint64_t rip;
    const void *code;
};

/* What native code keeps in struct cpu beside the registers. */
struct native_state {
    int64_t budget; /* instructions that may still be begun */
    int64_t begun;  /* ... and how many they were when native code was entered */
    uint64_t scratch, kept;
    uint64_t strayed[STORES_KINDS]; /* a store that wasn't in its clear stretch (mmu/tlb.h); 0: none was */
    uint64_t chosen_at;             /* icount when these stretches were chosen last */
    /* Of a probe that found nothing: the page that it looked for, and in which slot (full/bt/memory.c). */
    uint64_t missed_page;
    const struct tlb_entry *missed_slot;
    const struct insn *unit;            /* ... and the first record of the code that has it, a block or a trace */
    const void *retry;                  /* ... and where that probe begins */
    const void *resume;                 /* of an instruction that leaves: where native code goes on behind it */
    uint64_t host_sp;                   /* the VMM's stack, while native code runs */
    struct native_return *top;          /* of the return cache of the present privilege: cpu->returns */
    struct native_return *other_top[2]; /* ... of supervisor and user, while not at that privilege */
    uint64_t returns_valid[2];          /* what their contents depend on; see full/bt/run.c */
    uint32_t xmm_absent;                /* the guest's XMM registers are in cpu->xmm, not in the host's */
    uint16_t flags;                     /* status flags as LAHF (high byte) and SETO (low byte) leave them in AX */
};

/*
 * A direct executor (full/direct) gives guest code to the host's CPU. core/x86 knows no more of it than this. The run
 * loop asks it, with nothing pending, whenever the next instruction is to be found.
 */
struct executor {
    /* True: look around, then ask again; the CPU has gone on, or wants to (a single instruction in software, an event).
     * False: go on in software. */
    bool (*run)(struct cpu *cpu);
    void (*kick)(struct cpu *cpu); /* any thread, any signal handler: make run() come back */
};

/* Below struct cpu lies a stack for signal handlers that come while native code has RSP point to struct cpu. */
#define CPU_STACK_SIZE (UINT64_C(64) << 10)

struct cpu {
    /* What nearly every handler touches comes first. */
    uint64_t gpr[GPR_ALL]; /* [GPR_ZERO] is 0; [GPR_PAGE] is the code page's base, as an offset in CS */
    struct lazy_flags lf;
    struct tlb_entry *tlb_data;  /* the software TLB of the present privilege: tlb.entry[mode] */
    uint64_t seg_base[6];        /* effective bases: in 64-bit mode 0 but for FS and GS */
    uint64_t icount;             /* instructions retired, counted ahead at each block's start */
    uint64_t icount_limit;       /* run() comes back when it is reached */
    uint64_t mem_accesses;       /* data accesses, counted ahead at each block's start */
    volatile uint32_t attention; /* enum attention; kick() sets it from elsewhere */
    uint32_t sysflags;           /* RFLAGS without the six status flags */
    struct block *block;         /* the one being executed */
    uint8_t cpl;
    uint8_t code_size;   /* enum code_size */
    bool single;         /* executing one instruction alone: see UNWIND_SINGLE */
    bool stack64;        /* pushes and pops use RSP whole */
    uint64_t stack_mask; /* of RSP: 64, 32 or 16 bits */

    xmm_t xmm[16];
    uint32_t mxcsr;
    uint32_t fpu_guard; /* enum fpu_guard (fpu.h): why an SSE or x87 instruction can't just go ahead; 0 mostly */
    struct native_state native;
    struct x87 x87;

    /* Architectural state. */
    uint64_t rip; /* of the next instruction, while no block runs; see cpu_rip() in insn.h */
    struct segment_reg seg[SEGMENT_COUNT];
    struct table_reg gdtr, idtr;
    struct paging paging; /* cr0, cr3, cr4, efer */
    uint64_t cr2, cr8;
    uint64_t dr[4], dr6, dr7;
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, apic_base, tsc_aux, misc_enable;
    int64_t tsc_offset; /* guest TSC = host->tsc() + offset */

    struct pending_event event; /* to be delivered before the next instruction */
    bool interrupt_shadow;
    bool nmi_blocked;
    bool halted;
    bool window_wanted;
    bool shadowed; /* the instruction running alone began in an interrupt shadow */

    struct {
        uint32_t mxcsr;
        uint16_t fcw;
    } fpu_host; /* the VMM's own, while fpu_enter() has put the guest's in place */

    /* Leaving an instruction in the middle. */
    jmp_buf unwind;

    /* Exchange with the machine. */
    struct vm_exit *exit;
    bool exit_ready; /* a handler has filled *exit; the block ends */
    bool io_pending; /* the exit was a read: its instruction begins anew with the machine's answer */
    struct io_latch latch;
    struct posted_write posted[POSTED_MAX];
    unsigned posted_count, posted_next;
    uint8_t io_data[VM_IO_MAX];

    struct native_return returns[2][RETURNS] __attribute__((aligned(256))); /* supervisor, user */
    struct tlb tlb;
    struct block_cache *blocks;
    struct translator *translator; /* or NULL */
    struct nonroot *nonroot;       /* in VMX non-root operation; else NULL */
    struct watch *watch;           /* watched frames of RAM; NULL in engines without shadow page tables */
    struct executor *executor;     /* or NULL */
    /* The present address space's user code goes to the executor: ways to ring 3 that a translator keeps in native code
     * must leave to the run loop. */
    uint32_t user_direct;
    uint64_t look_at; /* icount at which native code comes back to the run loop, so that the executor is asked */
    bool trapped; /* the executor has come back with the present instruction: what it does counts as an exit taken */
    const struct engine_host *host;
    struct stats *stats;
};

/*
 * Leaves the present instruction; never returns. cpu->rip is then that of `in`, and the instruction counts as not
 * executed. `in` is NULL, or its fn is, when no instruction is being executed (a fetch, event delivery): cpu->rip is
 * right already.
 */
_Noreturn void cpu_unwind(struct cpu *cpu, const struct insn *in, enum unwind why);

/* Raises an exception at `in`: the instruction has no effect and can be begun anew. */
_Noreturn void cpu_raise(struct cpu *cpu, const struct insn *in, uint8_t vector);
_Noreturn void cpu_raise_error(struct cpu *cpu, const struct insn *in, uint8_t vector, uint32_t error_code);
/* #PF: sets CR2 too. */
_Noreturn void cpu_raise_pf(struct cpu *cpu, const struct insn *in, gva_t at, uint32_t error_code);

/* All of RFLAGS; setting it recomputes what depends on it (AC for SMAP, TF, IF's windows). */
static inline uint64_t cpu_rflags(const struct cpu *cpu)
{
    return cpu->sysflags | flags_get(&cpu->lf) | FLAG_ONE;
}
void cpu_set_rflags(struct cpu *cpu, uint64_t rflags);

/*
 * Recomputes what is derived from CR0, CR4, EFER, CS, SS, CPL and AC: code size, stack width, effective segment bases,
 * which TLB is looked at. To be called after any of them has changed; the handler that changed them must end its block.
 */
void cpu_mode_changed(struct cpu *cpu);

/* Forgets cached translations: all of them, all but global ones, or those of one page. */
void cpu_flush_tlb(struct cpu *cpu, bool global_too);
void cpu_flush_page(struct cpu *cpu, gva_t at);

static inline bool cpu_long_mode(const struct cpu *cpu)
{
    return cpu->paging.efer & EFER_LMA;
}
static inline bool cpu_protected(const struct cpu *cpu)
{
    return cpu->paging.cr0 & CR0_PE;
}
static inline bool cpu_v86(const struct cpu *cpu)
{
    return cpu->sysflags & FLAG_VM;
}
/* Real-address or virtual-8086 mode: segments are paragraphs. */
static inline bool cpu_real_segments(const struct cpu *cpu)
{
    return !cpu_protected(cpu) || cpu_v86(cpu);
}
static inline unsigned cpu_iopl(const struct cpu *cpu)
{
    return (cpu->sysflags & FLAG_IOPL) >> 12;
}

/* Is the address canonical (bits 63:47 alike)? */
static inline bool canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/*
 * Life and run, for the engines: cpu_create() gives a CPU in reset state; cpu_run() is engine_ops.run's contract.
 */
struct cpu *cpu_create(const struct engine_host *host, struct reason *why);
void cpu_destroy(struct cpu *cpu);
void cpu_run(struct cpu *cpu, struct vm_exit *exit, uint64_t budget);
void cpu_get_state(struct cpu *cpu, struct cpu_state *state);
int cpu_set_state(struct cpu *cpu, const struct cpu_state *state, struct reason *why) MUST_CHECK;
bool cpu_can_inject(const struct cpu *cpu);
void cpu_inject(struct cpu *cpu, uint8_t vector);
void cpu_kick(struct cpu *cpu);
void cpu_ram_written(struct cpu *cpu, gpa_t at, uint64_t len);

/* The next instruction is executed alone, by the interpreter; then the run loop looks around. */
void cpu_run_next_alone(struct cpu *cpu);
/*
 * For executors: the interpreter executes the next instruction now. False if it did not come to its end; then the run
 * loop has something to do first (an exception waits in cpu->event, or the machine is to be asked).
 */
bool cpu_step(struct cpu *cpu);
/*
 * Executes one instruction of cpu->block, which is accounted, and not those behind it. True: it is complete, and the
 * next one follows. False: it has ended its block, at cpu->rip. May leave by cpu_unwind(). Not for branches.
 */
bool cpu_execute(struct cpu *cpu, const struct insn *in);
/* Instructions retired before `in` (an instruction of the present block; NULL: between two instructions). */
uint64_t cpu_icount(const struct cpu *cpu, const struct insn *in);
/* A REP instruction that stops before it is complete: it will go on from its own address. */
const struct insn *cpu_stop_at(struct cpu *cpu, const struct insn *in);

#endif

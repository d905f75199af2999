/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * protect.h - what the files of protection share: descriptors, changes of code segment and stack, events.
 *
 *   descriptor.c  the tables: finding, reading and marking descriptors
 *   transfer.c    control goes to another code segment, maybe with another stack; ways back
 *   segment.c     loading data segments        verify.c   LAR, LSL, VERR, VERW, LLDT, LTR ...
 *   far.c         JMP, CALL, RET far           tss.c      hardware task switches
 *   event.c       exceptions, interrupts, INT n            interrupt.c  their way to the handler, mode by mode
 *   iret.c, syscall.c   the other gates between rings
 *   control.c     CR and DR   system.c  HLT, CLI, RDTSC ...  msr.c, cpuid.c
 *
 * `ext` in many functions is the EXT bit for error codes: 1 while an event is being delivered that the program itself
 * did not ask for (SDM 3, 6.13).
 */
#ifndef VIRTLAB_X86_PROTECT_H
#define VIRTLAB_X86_PROTECT_H

#include "x86/decode.h"
#include "x86/descriptor.h"
#include "x86/mem.h"
#include "x86/nonroot.h"

#define CPU_PHYSICAL_BITS 40         /* MAXPHYADDR */
#define CPU_SIGNATURE     0x000106a3 /* CPUID.1:EAX: family 6, model 26, stepping 3 */

#define DR6_BD 0x2000u /* #DB: a debug register was touched while DR7.GD was set */
#define DR6_BS 0x4000u /* #DB: single step */
#define DR7_GD 0x2000u

/* What POPF, IRET and SYSRET can set at all. RF exists in pushed images only: there are no instruction breakpoints. */
#define FLAGS_LOADABLE \
    (FLAGS_STATUS | FLAG_TF | FLAG_IF | FLAG_DF | FLAG_IOPL | FLAG_NT | FLAG_AC | FLAG_VIF | FLAG_VIP | FLAG_ID)

/* In VMX non-root operation a sensitive instruction asks here before it takes effect, and may not come back. */
static inline void cpu_intercept(struct cpu *cpu, const struct insn *in, enum exit_index why, uint64_t qualification)
{
    if (unlikely(cpu->nonroot != NULL))
        nonroot_asks(cpu, in, why, qualification);
}

/*
 * A sensitive event has come, or an instruction takes effect. It is counted as an exit avoided: hardware virtualization
 * would (or could) have left the guest. Taken it was when a direct executor ran the guest's code and came back with it.
 */
static inline void cpu_count_sensitive(struct cpu *cpu, enum exit_index why)
{
    struct exit_count *count = &cpu->stats->exits[why];
    if (unlikely(cpu->trapped))
        count->taken++;
    else
        count->avoided++;
}

/* A sensitive instruction is about to take effect, its privilege checks passed. The one place for all of them. */
static inline void cpu_sensitive(struct cpu *cpu, const struct insn *in, enum exit_index why, uint64_t qualification)
{
    cpu_intercept(cpu, in, why, qualification);
    cpu_count_sensitive(cpu, why);
}

static inline void require_cpl0(struct cpu *cpu, const struct insn *in)
{
    if (unlikely(cpu->cpl != 0))
        cpu_raise_error(cpu, in, VEC_GP, 0);
}

/* ---- events (event.c, interrupt.c) ---- */

enum delivery { DELIVERED, TRIPLE_FAULT, INTERCEPTED };

/*
 * Delivers cpu->event. cpu->rip is what is to be pushed: the instruction of a fault, the next one otherwise. Faults
 * within the delivery are merged as SDM 3, table 6-5 says. Then cpu->event is empty and cpu->rip at the handler. When a
 * device must be asked first (a stack in MMIO space), it goes on to the caller's cpu->unwind with UNWIND_EXIT, the
 * event still pending. INTERCEPTED: in VMX non-root operation, an exception that exits.
 */
enum delivery cpu_deliver(struct cpu *cpu) MUST_CHECK;

/* Takes one event to its handler, pushing `rip`; faults on the way leave by cpu_unwind(), with nothing changed. */
void interrupt_deliver(struct cpu *cpu, const struct insn *in, const struct pending_event *event, uint64_t rip);

/* ---- descriptors (descriptor.c) ---- */

/* #GP, #NP, #SS or #TS whose error code names a selector. */
_Noreturn void selector_fault(struct cpu *cpu, const struct insn *in, uint8_t vector, uint16_t selector, uint32_t ext);

/* Linear address of the `size` bytes of a selector's descriptor. False: null, or outside its table. */
bool descriptor_find(const struct cpu *cpu, uint16_t selector, unsigned size, uint64_t *at);
/* Reads the first eight bytes, or raises `vector` with the selector when the table does not hold it. */
uint64_t descriptor_load(struct cpu *cpu, const struct insn *in, uint16_t selector, uint8_t vector, uint32_t ext);
/* Reads the second eight bytes of a 16-byte descriptor of long mode. */
uint64_t descriptor_load_high(struct cpu *cpu, const struct insn *in, uint16_t selector, uint32_t ext);
/* Rewrites the type in the table, for accessed and busy bits. */
void descriptor_set_type(struct cpu *cpu, const struct insn *in, uint16_t selector, uint64_t raw, unsigned type);
/* The register for a code or data descriptor; sets the accessed bit in the table. */
struct segment_reg segment_from(struct cpu *cpu, const struct insn *in, uint16_t selector, uint64_t raw);

/* ---- data segments (segment.c) ---- */

/* All that MOV to a segment register checks; nothing is changed yet but accessed bits in the table. */
struct segment_reg segment_checked(struct cpu *cpu, const struct insn *in, unsigned seg, uint16_t selector);
void segment_set(struct cpu *cpu, unsigned seg, struct segment_reg value);
/* Both together. */
void load_segment(struct cpu *cpu, const struct insn *in, unsigned seg, uint16_t selector);
/* A segment of real or virtual-8086 mode. In real mode limit and size stay what they were. */
struct segment_reg segment_paragraph(const struct cpu *cpu, unsigned seg, uint16_t selector);

/* ---- changes of code segment and stack (transfer.c) ---- */

/* Where control is about to go; everything is checked. */
struct entry_point {
    struct segment_reg cs;
    uint64_t rip;
    uint8_t cpl;
};

/* The descriptor of a code segment: #GP for anything else. Privilege is the caller's to check. */
uint64_t code_descriptor(struct cpu *cpu, const struct insn *in, uint16_t selector, uint32_t ext);
/* Presence and the instruction pointer's limit; marks the segment accessed. */
struct entry_point code_entry(struct cpu *cpu, const struct insn *in, uint16_t selector, uint64_t raw, unsigned cpl,
                              uint64_t rip, uint32_t ext);
/* Checks rip against a code segment's limit, or for being canonical: #GP. */
void code_check_rip(struct cpu *cpu, const struct insn *in, const struct segment_reg *cs, uint64_t rip, uint32_t ext);
void code_enter(struct cpu *cpu, const struct entry_point *to);

/* A stack that values are being pushed to. The CPU's own SS and RSP change only in frame_commit(). */
struct frame {
    struct segment_reg ss;
    uint64_t rsp, mask;
    bool flat;      /* 64-bit: canonical addresses instead of limits */
    bool inner;     /* of a more privileged ring: pushed to with supervisor rights, whatever CPL is now */
    uint32_t error; /* error code of the #SS when it overflows */
};

struct frame frame_current(const struct cpu *cpu, bool flat, uint32_t ext);
/* The stack that the TSS holds for a ring, or (ist > 0) in its interrupt stack table. */
struct frame frame_from_tss(struct cpu *cpu, const struct insn *in, unsigned cpl, unsigned ist, uint32_t ext);
void frame_push(struct cpu *cpu, const struct insn *in, struct frame *frame, unsigned size, uint64_t value);
void frame_commit(struct cpu *cpu, const struct frame *frame);

/* The way back, for RET far and IRET: the checks of CS and of SS, and the change to an outer ring. */
struct entry_point return_code(struct cpu *cpu, const struct insn *in, uint16_t selector, uint64_t rip);
struct segment_reg return_stack(struct cpu *cpu, const struct insn *in, uint16_t selector,
                                const struct entry_point *to);
void return_commit(struct cpu *cpu, const struct entry_point *to, const struct segment_reg *ss, uint64_t rsp);

/* ---- hardware tasks (tss.c) ---- */

enum task_reason { TASK_JMP, TASK_CALL, TASK_EVENT, TASK_IRET };

/*
 * Switches to the task whose TSS `selector` names (for TASK_IRET: the old task's back link). `rip` is where the old
 * task will go on; `event` (TASK_EVENT only) may have an error code to push on the new task's stack. Protected mode
 * without long mode only.
 */
void task_switch(struct cpu *cpu, const struct insn *in, uint16_t selector, enum task_reason why, uint64_t rip,
                 const struct pending_event *event, uint32_t ext);
uint16_t task_back_link(struct cpu *cpu, const struct insn *in);

/* ---- handlers and choosers that another file's table lists ---- */

select_fn select_far_jmp, select_far_call, select_far_ret; /* far.c */
select_fn select_mov_control;                              /* control.c: MOV to and from CR and DR */
select_fn select_verify;                                   /* verify.c */
insn_fn op_lar, op_lsl, op_verr, op_verw, op_arpl, op_lldt, op_ltr, op_sldt, op_str;
select_fn select_int; /* event.c */
insn_fn op_iret;      /* iret.c */
/* SYSCALL in 64-bit mode with EFER.SCE, for who has met it elsewhere; `next` is behind it (syscall.c). */
void cpu_syscall(struct cpu *cpu, uint64_t next);
insn_fn op_cpuid;           /* cpuid.c */
insn_fn op_rdmsr, op_wrmsr; /* msr.c */

/* The same from outside guest code, between two instructions. False: it would be #GP. */
bool cpu_rdmsr(struct cpu *cpu, uint32_t index, uint64_t *value);
bool cpu_wrmsr(struct cpu *cpu, uint32_t index, uint64_t value);

/* The operand size of an instruction without sized operands, in bytes. */
static inline uint8_t operand_width(const struct decoded *d)
{
    return (uint8_t)(d->z.operand_width / 8);
}

#endif

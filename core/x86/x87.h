/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87.h - what the x87 handlers share: the register stack, status and exceptions.
 *
 * An operation is executed by the host's x87 with the guest's control word (fpu.h): operands are loaded, the
 * instruction is run, its status word read, the result stored. x87 exceptions are deferred: an unmasked one waits in
 * the status word until the *next* waiting instruction (SDM 1, 8.7). So the host may run with the guest's own masks:
 * X87_STATUS reads the status and, when an exception is pending, clears it by FNCLEX, which doesn't wait. The host's
 * CPU never gets to signal it, and results that differ for unmasked exceptions (unchanged operands, biased exponents)
 * come out right.
 *
 * What the host can't do for us is the stack: its own is empty before and after each operation, and the guest's is
 * cpu->x87, so stack faults are found here.
 *
 * FIP, FDP and FOP are recorded by every non-control instruction, not only by one that raises an exception. The
 * selectors FCS and FDS are not kept: they are zero, as on CPUs that report them as deprecated (CPUID leaf 7, EBX bit
 * 13).
 *
 * Read next: x87.c, x87_arith.c, x87_math.c, x87_load.c, x87_store.c, x87_move.c, x87_control.c.
 */
#ifndef VIRTLAB_X86_X87_H
#define VIRTLAB_X86_X87_H

#include "x86/decode.h"
#include "x86/fpu.h"
#include "x86/mem.h"

/* The status word; the exception flags have their masks at the same places of the control word. */
enum {
    FSW_IE = 0x01,
    FSW_DE = 0x02,
    FSW_ZE = 0x04,
    FSW_OE = 0x08,
    FSW_UE = 0x10,
    FSW_PE = 0x20,
    FSW_SF = 0x40,
    FSW_ES = 0x80,
    FSW_C0 = 0x0100,
    FSW_C1 = 0x0200,
    FSW_C2 = 0x0400,
    FSW_C3 = 0x4000,
    FSW_B = 0x8000,
    FSW_TOP = 0x3800,
    FSW_CC = FSW_C0 | FSW_C1 | FSW_C2 | FSW_C3,
    FSW_EXCEPTIONS = 0x3f,
    /* Found before the operation, which then isn't done when they are unmasked. */
    FSW_BEFORE = FSW_IE | FSW_DE | FSW_ZE,
};

#define FCW_RESET    0x037f
#define FCW_RESERVED 0xe0c0 /* bit 6 always reads as 1, the others as 0 */
#define FCW_ONE      0x0040

/* Executes one operation on d (and s); returns the host's status word after it. */
typedef unsigned x87_fn(long double *d, const void *s);

/* Ends each piece of assembly: status to AX; a pending exception is cleared. */
#define X87_STATUS "fnstsw %%ax\n\ttestb $0x80, %%al\n\tjz 1f\n\tfnclex\n1:\n\t"
/* The same where the host's stack may then hold something or not: it is emptied (EMMS tags all registers empty). */
#define X87_STATUS_EMPTY "fnstsw %%ax\n\ttestb $0x80, %%al\n\tjz 1f\n\tfnclex\n\temms\n1:\n\t"

/* A memory operand of any size, for the assembler. */
typedef uint8_t bytes16[16] __attribute__((may_alias));

/* ---- readiness ---- */

/* Raises #NM for CR0.EM and CR0.TS, #MF for a pending exception. */
_Noreturn void x87_not_ready(struct cpu *cpu, const struct insn *in);

static inline void x87_ready(struct cpu *cpu, const struct insn *in)
{
    if (unlikely(cpu->fpu_guard & GUARD_X87))
        x87_not_ready(cpu, in);
}
/* For the instructions that don't wait: FNINIT, FNCLEX, FNSTSW ... */
static inline void x87_ready_nowait(struct cpu *cpu, const struct insn *in)
{
    if (unlikely(cpu->paging.cr0 & (CR0_EM | CR0_TS)))
        cpu_raise(cpu, in, VEC_NM);
}

/* ---- the stack ---- */

static inline long double *x87_st(struct cpu *cpu, unsigned i)
{
    return &cpu->x87.r[(cpu->x87.top + i) & 7];
}
static inline bool x87_empty(const struct cpu *cpu, unsigned i)
{
    return !(cpu->x87.used >> ((cpu->x87.top + i) & 7) & 1);
}
/* Writes ST(i), which is then no longer empty. */
static inline void x87_set(struct cpu *cpu, unsigned i, long double value)
{
    *x87_st(cpu, i) = value;
    cpu->x87.used |= (uint8_t)(1 << ((cpu->x87.top + i) & 7));
}
static inline void x87_pop(struct cpu *cpu)
{
    cpu->x87.used &= (uint8_t) ~(1 << cpu->x87.top);
    cpu->x87.top = (cpu->x87.top + 1) & 7;
}
static inline void x87_push(struct cpu *cpu, long double value)
{
    cpu->x87.top = (cpu->x87.top - 1) & 7;
    x87_set(cpu, 0, value);
}

/* The real indefinite, a quiet NaN: the masked answer to an invalid operation (SDM 1, 8.2.2). */
long double x87_indefinite(void);

/*
 * Records a stack underflow or overflow. True when it is masked: the caller gives the masked answer and goes on. False:
 * registers stay as they are.
 */
bool x87_stack_fault(struct cpu *cpu, bool overflow) MUST_CHECK;

/* ---- status ---- */

/* The status word with TOP in it. */
static inline uint16_t x87_fsw(const struct cpu *cpu)
{
    return (uint16_t)((cpu->x87.fsw & ~FSW_TOP) | cpu->x87.top << 11);
}

/* Recomputes ES and B from flags and masks, and what depends on them. */
void x87_update_pending(struct cpu *cpu);

/*
 * Takes over the host's status `sw` after an operation: its exceptions, and those of the condition codes C0 to C3 that
 * the instruction defines (`codes`). True when the operation was done; false when an unmasked exception prevented it.
 */
static inline bool x87_finish(struct cpu *cpu, unsigned sw, unsigned codes)
{
    cpu->x87.fsw = (uint16_t)((cpu->x87.fsw & ~codes) | (sw & (FSW_EXCEPTIONS | codes)));
    if (likely(!(sw & FSW_ES)))
        return true;
    x87_update_pending(cpu);
    return !(sw & FSW_BEFORE & ~cpu->x87.fcw);
}

/* Puts the guest's control word into the host's x87 and clears the host's flags. After every change of FCW or FSW. */
void x87_control_changed(struct cpu *cpu);

/* FNINIT. */
void x87_init(struct cpu *cpu);

/* ---- the last instruction ---- */

static inline const struct insn *x87_done(struct cpu *cpu, const struct insn *in)
{
    cpu->x87.fip = cpu_rip(cpu, in);
    cpu->x87.fop = (uint16_t)in->imm;
    return in + 1;
}
static inline const struct insn *x87_done_mem(struct cpu *cpu, const struct insn *in)
{
    cpu->x87.fdp = effective_address(cpu, in);
    return x87_done(cpu, in);
}

/* ---- choosing ---- */

/* Every x87 record holds the number of ST(i) in the low bits of `op`, and FOP in `imm` (SDM 1, 8.1.9). */
static inline void x87_take(const struct decoded *d, struct insn *in)
{
    in->op = d->z.raw.modrm.rm;
    in->imm = (uint64_t)(d->z.opcode & 7) << 8 | d->z.raw.modrm.mod << 6 | d->z.raw.modrm.reg << 3 | d->z.raw.modrm.rm;
}

select_fn select_x87_arith, select_x87_compare, select_x87_math, select_x87_load, select_x87_store, select_x87_move,
    select_x87_control, select_x87_environment, select_fxsave;

#endif

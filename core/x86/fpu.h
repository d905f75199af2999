/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fpu.h - floating point of the software CPU, as the rest of core/x86 sees it.
 *
 * The guest's SSE and x87 instructions are executed by the same instructions of this host, with the guest's own control
 * words in the host's MXCSR and FCW: results, rounding, denormals, NaNs and sticky flags are then right by
 * construction. fpu_enter() puts the control words in place before guest code runs and fpu_leave() takes them out
 * again. In between, the VMM's C code must not use floating point: it would be rounded the guest's way and leave flags
 * behind. The host needs MMX and SSE4.2; the engine's probe() checks that.
 *
 * One word, cpu->fpu_guard, holds every reason why such an instruction can't simply go ahead, so that the common case
 * costs one test. It is derived state: fpu_mode_changed() recomputes it.
 *
 * Read next: sse.h and sse_int.c (integer SSE and MMX), sse_float.c, sse_mxcsr.c; x87.h, x87_arith.c; fxsave.c.
 */
#ifndef VIRTLAB_X86_FPU_H
#define VIRTLAB_X86_FPU_H

#include "x86/insn.h"

enum fpu_guard {
    GUARD_SSE = 1,      /* an SSE instruction faults: CR0.EM, CR0.TS or no CR4.OSFXSR */
    GUARD_X87 = 2,      /* an x87 or MMX instruction faults: CR0.EM, CR0.TS, or an exception is pending */
    GUARD_UNMASKED = 4, /* MXCSR leaves an exception unmasked: look at the flags after each operation */
};

/* To be called after CR0 or CR4 has changed; cpu_mode_changed() does. */
void fpu_mode_changed(struct cpu *cpu);

/* Around the run loop: between the two, the host's MXCSR and FCW are the guest's. */
void fpu_enter(struct cpu *cpu);
void fpu_leave(struct cpu *cpu);

/* The state of FNINIT, and MXCSR's of RESET; registers empty and zero (SDM 3, table 10-1). */
void fpu_reset(struct cpu *cpu);

/* Outside fpu_enter() and fpu_leave() only. Reserved bits of a given state are dropped. */
void fpu_get_state(const struct cpu *cpu, struct fpu_state *state);
void fpu_set_state(struct cpu *cpu, const struct fpu_state *state);

/*
 * The whole state as FXSAVE64's and FXRSTOR64's 512 bytes (SDM 1, table 10-3), between fpu_enter() and fpu_leave().
 * Reserved bits of what is loaded are dropped.
 */
struct fpu_image {
    uint16_t fcw, fsw;
    uint8_t ftw, reserved;
    uint16_t fop;
    uint64_t fip, fdp;
    uint32_t mxcsr, mxcsr_mask;
    uint8_t st[8][16];
    xmm_t xmm[16];
    uint8_t unused[96];
};
void fpu_save_image(struct cpu *cpu, struct fpu_image *image);
void fpu_load_image(struct cpu *cpu, const struct fpu_image *image);

/* The end of many a select function. */
static inline bool handled_by(struct insn *in, insn_fn *fn)
{
    in->fn = fn;
    return true;
}

#endif

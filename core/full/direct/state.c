/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.c - the guest's registers into the world, and out of it.
 *
 * Of RFLAGS the world has its own IF and IOPL; they are what the guest's are, or it would not have been entered
 * (run.c). Of FS and GS only the bases matter. The control words of SSE and x87 are in the host's registers while the
 * run loop runs (fpu.h); both functions are called in there.
 *
 * Next: exits.c.
 */
#include "full/direct/direct.h"
#include "x86/fpu.h"
#include <string.h>

/* What user code can change of RFLAGS. */
#define FLAGS_USER (FLAGS_STATUS | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID)

_Static_assert(sizeof(struct fpu_image) == sizeof(((struct world_regs *)0)->fxsave), "both are FXSAVE64's");

void state_to_world(struct cpu *cpu, struct world_regs *regs)
{
    memcpy(regs->gpr, cpu->gpr, sizeof(regs->gpr));
    regs->rip = cpu->rip;
    regs->rflags = cpu_rflags(cpu);
    regs->fs_base = cpu->seg[SEG_FS].base;
    regs->gs_base = cpu->seg[SEG_GS].base;
    fpu_save_image(cpu, (struct fpu_image *)regs->fxsave);
}

static void set_base(struct cpu *cpu, enum segment s, uint64_t base)
{
    cpu->seg[s].base = cpu->seg_base[s] = base;
}

void state_from_world(struct cpu *cpu, const struct world_regs *regs)
{
    memcpy(cpu->gpr, regs->gpr, sizeof(regs->gpr));
    cpu->rip = regs->rip;
    set_base(cpu, SEG_FS, regs->fs_base);
    set_base(cpu, SEG_GS, regs->gs_base);
    fpu_load_image(cpu, (const struct fpu_image *)regs->fxsave);
    cpu_set_rflags(cpu, (cpu->sysflags & ~(uint64_t)FLAGS_USER) | (regs->rflags & FLAGS_USER));
}

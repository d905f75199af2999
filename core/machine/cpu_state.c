/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpu_state.c - what RESET leaves in the registers (SDM 3, table 10-1, and 10.1.4 for the first instruction).
 */
#include <string.h>
#include <virtlab/cpu_state.h>

#define FIRST_INSTRUCTION 0xfff0 /* in a segment whose base is 16 bytes and 64 KiB below 4 GiB */
#define RESET_CS_BASE     0xffff0000
#define CPU_SIGNATURE     0x00000600 /* what EDX holds: family 6, as CPUID would say */

void cpu_state_reset(struct cpu_state *state)
{
    const struct segment_reg data = {.limit = 0xffff, .attr = 0x93}; /* present, writable, accessed */

    memset(state, 0, sizeof(*state));
    state->rip = FIRST_INSTRUCTION;
    state->rflags = FLAG_ONE;
    state->gpr[RDX] = CPU_SIGNATURE;

    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        state->seg[i] = data;
    state->seg[SEG_CS] = (struct segment_reg){.base = RESET_CS_BASE, .limit = 0xffff, .attr = 0x9b, .selector = 0xf000};
    state->seg[SEG_LDTR] = (struct segment_reg){.limit = 0xffff, .attr = 0x82};
    state->seg[SEG_TR] = (struct segment_reg){.limit = 0xffff, .attr = 0x8b};
    state->gdtr.limit = state->idtr.limit = 0xffff;

    state->cr0 = CR0_CD | CR0_NW | CR0_ET;
    state->dr6 = 0xffff0ff0;
    state->dr7 = 0x400;
    state->pat = UINT64_C(0x0007040600070406);
    state->apic_base = 0xfee00900;   /* enabled, and this is the bootstrap processor */
    state->misc_enable = 0x00001801; /* fast strings; no branch trace store, no PEBS (SDM 4, table 2-2) */

    /* The FPU as FNINIT leaves it and MXCSR as RESET does: all exceptions masked, all registers empty. */
    state->fpu.fcw = 0x37f;
    state->fpu.mxcsr = 0x1f80;
}

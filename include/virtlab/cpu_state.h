/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpu_state.h - one complete x86-64 register file, spoken by every engine.
 *
 * get_state and set_state of every engine (engine.h) read and write this structure whole, so what one engine saves
 * another can load: snapshots that move between engines, and lockstep comparison, both stand on it.
 * Layouts and names follow the Intel SDM, volume 3, chapters 2 and 3, and AMD's APM volume 2.
 */
#ifndef VIRTLAB_CPU_STATE_H
#define VIRTLAB_CPU_STATE_H

#include <virtlab/types.h>

/* General registers in the order of their encoding. */
enum gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, GPR_COUNT };

/* Segment registers in the order of their encoding; then the two system segments. */
enum segment { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEGMENT_COUNT };

/*
 * A segment register with its hidden part. `attr` is the access-rights word of VT-x (SDM 3, 25.4.1): bits 3:0 type,
 * 4 S, 6:5 DPL, 7 P, 12 AVL, 13 L, 14 D/B, 15 G, 16 unusable.
 */
struct segment_reg {
    uint64_t base;
    uint32_t limit; /* in bytes, already scaled by G */
    uint32_t attr;
    uint16_t selector;
};

#define ATTR_TYPE     0x000fu
#define ATTR_S        0x0010u
#define ATTR_DPL      0x0060u
#define ATTR_P        0x0080u
#define ATTR_AVL      0x1000u
#define ATTR_L        0x2000u
#define ATTR_DB       0x4000u
#define ATTR_G        0x8000u
#define ATTR_UNUSABLE 0x10000u

/* GDTR and IDTR. */
struct table_reg {
    uint64_t base;
    uint16_t limit;
};

/* x87 and SSE state, one field for each of FXSAVE's (SDM 1, 10.5.1). `st` is in stack order: st[0] is ST(0). */
struct fpu_state {
    uint16_t fcw, fsw; /* fsw holds TOP in bits 13:11 */
    uint8_t ftw;       /* abridged: bit i set when *physical* register i isn't empty */
    uint16_t fop;
    uint64_t fip, fdp;
    uint32_t mxcsr;
    uint8_t st[8][16]; /* 10 bytes used: 64-bit significand, then sign and exponent */
    uint8_t xmm[16][16];
};

/* How an event is delivered; the numbers are VT-x's interruption types (SDM 3, 25.8.3). */
enum event_type {
    EVENT_EXTERNAL = 0,
    EVENT_NMI = 2,
    EVENT_EXCEPTION = 3,
    EVENT_SOFTWARE = 4,           /* INT n */
    EVENT_PRIVILEGED = 5,         /* INT1 */
    EVENT_SOFTWARE_EXCEPTION = 6, /* INT3, INTO */
};

/* An event that was accepted but whose delivery hasn't happened yet. */
struct pending_event {
    bool valid;
    bool has_error;
    uint8_t vector;
    uint8_t type; /* enum event_type */
    uint32_t error_code;
    uint8_t length; /* of the INT instruction, when the event is one and RIP still points to it; else 0 */
};

struct cpu_state {
    uint64_t gpr[GPR_COUNT];
    uint64_t rip, rflags;
    struct segment_reg seg[SEGMENT_COUNT];
    struct table_reg gdtr, idtr;
    uint64_t cr0, cr2, cr3, cr4, cr8;
    uint64_t dr[4], dr6, dr7;
    /* Model-specific registers; the bases of FS and GS are in seg[]. */
    uint64_t efer, star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, apic_base, tsc, tsc_aux, misc_enable;
    struct fpu_state fpu;
    struct pending_event event;
    bool interrupt_shadow; /* STI or MOV SS has just been executed: no interrupt before the next instruction */
    bool nmi_blocked;
    bool halted; /* HLT was executed: waits for an interrupt */
};

/* RFLAGS (SDM 1, 3.4.3). */
#define FLAG_CF   0x00000001u
#define FLAG_ONE  0x00000002u /* always set */
#define FLAG_PF   0x00000004u
#define FLAG_AF   0x00000010u
#define FLAG_ZF   0x00000040u
#define FLAG_SF   0x00000080u
#define FLAG_TF   0x00000100u
#define FLAG_IF   0x00000200u
#define FLAG_DF   0x00000400u
#define FLAG_OF   0x00000800u
#define FLAG_IOPL 0x00003000u
#define FLAG_NT   0x00004000u
#define FLAG_RF   0x00010000u
#define FLAG_VM   0x00020000u
#define FLAG_AC   0x00040000u
#define FLAG_VIF  0x00080000u
#define FLAG_VIP  0x00100000u
#define FLAG_ID   0x00200000u

#define FLAGS_STATUS (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

/* Control registers and EFER (SDM 3, 2.5 and 2.2.1). */
#define CR0_PE UINT64_C(0x00000001)
#define CR0_MP UINT64_C(0x00000002)
#define CR0_EM UINT64_C(0x00000004)
#define CR0_TS UINT64_C(0x00000008)
#define CR0_ET UINT64_C(0x00000010)
#define CR0_NE UINT64_C(0x00000020)
#define CR0_WP UINT64_C(0x00010000)
#define CR0_AM UINT64_C(0x00040000)
#define CR0_NW UINT64_C(0x20000000)
#define CR0_CD UINT64_C(0x40000000)
#define CR0_PG UINT64_C(0x80000000)

#define CR4_VME        UINT64_C(0x00000001)
#define CR4_PVI        UINT64_C(0x00000002)
#define CR4_TSD        UINT64_C(0x00000004)
#define CR4_DE         UINT64_C(0x00000008)
#define CR4_PSE        UINT64_C(0x00000010)
#define CR4_PAE        UINT64_C(0x00000020)
#define CR4_MCE        UINT64_C(0x00000040)
#define CR4_PGE        UINT64_C(0x00000080)
#define CR4_PCE        UINT64_C(0x00000100)
#define CR4_OSFXSR     UINT64_C(0x00000200)
#define CR4_OSXMMEXCPT UINT64_C(0x00000400)
#define CR4_UMIP       UINT64_C(0x00000800)
#define CR4_VMXE       UINT64_C(0x00002000)
#define CR4_FSGSBASE   UINT64_C(0x00010000)
#define CR4_PCIDE      UINT64_C(0x00020000)
#define CR4_OSXSAVE    UINT64_C(0x00040000)
#define CR4_SMEP       UINT64_C(0x00100000)
#define CR4_SMAP       UINT64_C(0x00200000)

#define EFER_SCE UINT64_C(0x001)
#define EFER_LME UINT64_C(0x100)
#define EFER_LMA UINT64_C(0x400)
#define EFER_NXE UINT64_C(0x800)

/* Exception vectors (SDM 3, table 6-1). */
enum vector {
    VEC_DE = 0,
    VEC_DB = 1,
    VEC_NMI = 2,
    VEC_BP = 3,
    VEC_OF = 4,
    VEC_BR = 5,
    VEC_UD = 6,
    VEC_NM = 7,
    VEC_DF = 8,
    VEC_TS = 10,
    VEC_NP = 11,
    VEC_SS = 12,
    VEC_GP = 13,
    VEC_PF = 14,
    VEC_MF = 16,
    VEC_AC = 17,
    VEC_MC = 18,
    VEC_XM = 19,
};

/* Page-fault error code (SDM 3, 4.7). */
#define PF_PRESENT 0x01u
#define PF_WRITE   0x02u
#define PF_USER    0x04u
#define PF_RSVD    0x08u
#define PF_FETCH   0x10u

/* The state after RESET (SDM 3, table 10-1), with the x87 and SSE registers initialised. */
void cpu_state_reset(struct cpu_state *state);

#endif

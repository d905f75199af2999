/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gate.h - the two pages through which a user thread and the kernel's thread hand over (gate.c), and their addresses.
 *
 * The offsets are plain numbers because assembly needs them; the structures are asserted to agree.
 */
#ifndef VIRTLAB_PARA_GATE_H
#define VIRTLAB_PARA_GATE_H

#include <virtlab/para.h>

/* clang-format off */
/* In each user space, above all that page tables can describe: code, in, out; a page each. In the window: by the start info. */
#define GATE_VA     UINT64_C(0x500000000000)
#define GATE_IN_AT  0x1000
#define GATE_OUT_AT 0x2000

/* In the start info's gate pages, after these three. */
#define GATE_TRAMPOLINES      3 /* patch.c */
#define GATE_TRAMPOLINE_PAGES 16
#define GATE_SHADOWS          19
#define GATE_SHADOW_PAGES     16

/* struct gate_page. The in page is the kernel's to write, the out page the user thread's. */
#define G_RUN       0   /* in: number of the entry that the user thread is to make */
#define G_TURN      0   /* out: number of the entry that it has come back from */
#define G_OPEN      4   /* in: the other side is there. The hypervisor opens; whoever closes, both leave */
#define G_PATIENCE  8   /* in: how often the user thread looks */
#define G_KERNEL_PATIENCE 12 /* in: how often the kernel's looks */
#define G_CR3       16  /* in: whose thread waits, and with which bases */
#define G_FS_BASE   24
#define G_GS_BASE   32
#define G_RIP       40
#define G_FLAGS     48
#define G_WORLD     56  /* in: where to leave for the hypervisor (world_call_at) */
#define G_GPR       64  /* RAX, RCX, RDX ... in the order of their encoding */
#define G_STACK     256 /* the end of some words of stack */

/* struct para_shared */
#define S_MASKED    0
#define S_PENDING   4
#define S_CR3       16
#define S_FS_BASE   32
#define S_GS_BASE   40
#define S_FPU_WRITTEN 56
#define S_FPU_ELSEWHERE 60
#define S_UPDATE_COUNT 72
/* clang-format on */

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

struct gate_page {
    uint32_t number; /* G_RUN, G_TURN */
    uint32_t open, patience, kernel_patience;
    uint64_t cr3, fs_base, gs_base;
    uint64_t rip, flags, world;
    uint64_t gpr[16];
};

/* The first words of the kernel's part. */
struct gate_words {
    uint64_t shared, in, out, handler, world;
};

_Static_assert(offsetof(struct gate_page, open) == G_OPEN, "G_OPEN");
_Static_assert(offsetof(struct gate_page, cr3) == G_CR3, "G_CR3");
_Static_assert(offsetof(struct gate_page, rip) == G_RIP, "G_RIP");
_Static_assert(offsetof(struct gate_page, world) == G_WORLD, "G_WORLD");
_Static_assert(offsetof(struct gate_page, gpr) == G_GPR, "G_GPR");
_Static_assert(offsetof(struct para_shared, pending) == S_PENDING, "S_PENDING");
_Static_assert(offsetof(struct para_shared, cr3) == S_CR3, "S_CR3");
_Static_assert(offsetof(struct para_shared, fs_base) == S_FS_BASE, "S_FS_BASE");
_Static_assert(offsetof(struct para_shared, gs_base) == S_GS_BASE, "S_GS_BASE");
_Static_assert(offsetof(struct para_shared, fpu_elsewhere) == S_FPU_ELSEWHERE, "S_FPU_ELSEWHERE");
_Static_assert(offsetof(struct para_shared, update_count) == S_UPDATE_COUNT, "S_UPDATE_COUNT");
_Static_assert(offsetof(struct para_shared, fpu_written) == S_FPU_WRITTEN, "S_FPU_WRITTEN");

extern const uint8_t gate_user[], gate_user_end[], gate_entry[], gate_saved[], gate_published[], gate_load[],
    gate_plain[];
extern const uint8_t gate_kernel[], gate_kernel_end[], gate_call[], gate_iret[], gate_wait[], gate_got[];
#endif
#endif

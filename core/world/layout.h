/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * layout.h - what stands in a world process besides the guest's own pages: the hole.
 *
 *     offset    size    process  VMM   what
 *     0x00000   4 KiB   r-x      -     text: entry.c, loaded by execve
 *     0x01000   4 KiB   r--      rw-   struct world_control: the VMM's words, and the registers to enter with
 *     0x02000   4 KiB   r--      rw-   mapping commands
 *     0x03000   4 KiB   r--      rw-   what the process needs to start: commands, signal actions, seccomp filters
 *     0x04000   4 KiB   -        -     guard
 *     0x05000   4 KiB   rw-      rw-   struct world_report: the process' words
 *     0x06000   4 KiB   -        -     guard
 *     0x07000   36 KiB  rw-      rw-   the alternate signal stack, where the kernel leaves the guest's registers
 *
 * Guest code runs in the same ring as the text, so whatever the text may write, guest code may write. That is why the
 * VMM's words are on pages that this process can only read, and why the two others are believed as little as a guest's
 * registers are (exits.c says what is checked). None of these pages holds a secret.
 *
 * The offsets are plain numbers because assembly needs them; the structures below are asserted to agree.
 */
#ifndef VIRTLAB_WORLD_LAYOUT_H
#define VIRTLAB_WORLD_LAYOUT_H

/* clang-format off */
#define HOLE_TEXT     0x0000
#define HOLE_CONTROL  0x1000
#define HOLE_COMMANDS 0x2000
#define HOLE_START    0x3000
#define HOLE_REPORT   0x5000
#define HOLE_STACK    0x7000
#define STACK_SIZE    0x9000
#define HOLE_SIZE     0x10000

/* In the file that VMM and process share: first the pages that the process can only read, then the others. */
#define FILE_CONTROL  0x0000
#define READ_ONLY_SIZE 0x3000
#define FILE_REPORT   0x3000
#define FILE_STACK    0x4000
#define FILE_SIZE     0xd000

/* struct world_control */
#define C_RUN         0   /* number of the entry that the guest thread may make; 0: none */
#define C_ROLL_CALL   4   /* when it changes, the guest thread is to answer, if it spins */
#define C_GUEST_SPIN  8   /* how often it looks at C_RUN before it sleeps */
#define C_VMM_WAITS   12  /* the VMM sleeps on R_TURN or R_MAP_DONE: wake it */
#define C_MAP_NUMBER  16  /* number of the command list to carry out */
#define C_MAP_COUNT   20  /* its length */
#define C_MAP_SPIN    24  /* as C_GUEST_SPIN, for the mapping thread */
#define C_FEATURES    28  /* FEATURE_... */
#define C_PARKED      32  /* never read: a futex that a stopped guest thread is moved to (handover.c) */
#define C_START_GUEST 40  /* length of the guest thread's start list */
#define C_START_MAPPER 44 /* and of the mapping thread's */
#define C_FLAGS_CLEAN 48  /* RFLAGS without NT, which IRETQ doesn't stand */
#define C_ONE         56  /* the 64-bit number 1: what a roll call is answered with */
#define C_GPR         64  /* RAX, RCX, RDX, RBX, -, RBP, RSI, RDI, R8 ... R15 */
#define C_IRET        192 /* RIP, CS, RFLAGS, RSP, SS: IRETQ's operands */
#define C_FS_BASE     232
#define C_GS_BASE     240
#define C_XSAVE       256 /* XSAVE area up to AVX-512 (WORLD_XSAVE) */

#define FEATURE_FSGSBASE 1 /* RDFSBASE and its kin may be used */
#define FEATURE_XSAVE    2 /* XRSTOR may be used */
#define FEATURE_GENERAL  4 /* only general registers, RIP and RFLAGS are loaded; all else stays as it is */

/* struct world_report */
#define R_TURN        0   /* number of the last entry that the guest thread came back from */
#define R_ENTERED     4   /* number of the last entry that it made */
#define R_SLEEPS      8   /* it is about to sleep, or does */
#define R_KICKS       12  /* kicks that arrived */
#define R_FRAME       16  /* address of its signal frame; 0: entry R_TURN was not made, because of a kick; HOLE_STACK,
                             where no frame can be: guest code has left by itself, and its registers are at R_GPR */
#define R_FS_BASE     24
#define R_GS_BASE     32
#define R_RFLAGS      40  /* of a guest that has left by itself: pushed there, */
#define R_STACK_END   48
#define R_GUEST_TID   48  /* thread number of the guest thread, read by the VMM before guest code runs */
#define R_ANSWERED    52  /* the last roll call that the guest thread has answered */
#define R_RIP         56  /* and where it goes on. All that is looked at in one cache line */
#define R_MAP_DONE    64  /* number of the last command list carried out */
#define R_MAP_ERROR   68  /* errno of the command that failed, 0 if none did */
#define R_MAP_LEFT    72  /* commands not carried out, the failed one among them */
#define R_MAP_SLEEPS  76
#define R_START_ERROR 80  /* as R_MAP_ERROR and R_MAP_LEFT, for the guest thread's start list */
#define R_START_LEFT  84
#define R_GPR         128 /* of a guest that has left by itself, as at C_GPR, RSP too */
#define R_XSAVE       256 /* XSAVE area, unless FEATURE_GENERAL */

/* One command: a system call. */
#define COMMAND_SIZE  64
#define COMMAND_MAX   64

/* The signal frame as the kernel builds it (Linux, arch/x86/include/asm/sigframe.h and uapi/asm/sigcontext.h). */
#define FRAME_RSP     168
#define FRAME_RIP     176
#define FRAME_SIGNO   312

#define SIGNAL_KICK   10  /* SIGUSR1: standard signals don't queue up */

/* File descriptors of a world process. */
#define FD_RAM        3
#define FD_SHARED     4 /* closed before any guest code runs */
#define FD_ANSWER     5 /* an eventfd */

#define LOWER_HALF_END 0x7ffffffff000 /* the last page is never given to user code (Linux, TASK_SIZE) */
/* clang-format on */

#ifndef __ASSEMBLER__
#include <stdint.h>
#include <virtlab/types.h>

struct world_control {
    uint32_t run, roll_call, guest_spin, vmm_waits;
    uint32_t map_number, map_count, map_spin, features;
    uint32_t parked, pad1, start_guest, start_mapper;
    uint64_t flags_clean, one;
    uint64_t gpr[16];
    uint64_t iret[5];
    uint64_t fs_base, gs_base, pad3;
    uint8_t xsave[2688] __attribute__((aligned(64)));
};

struct world_report {
    uint32_t turn, entered, sleeps, kicks;
    uint64_t frame, fs_base, gs_base, rflags;
    uint32_t guest_tid, answered;
    uint64_t rip;
    uint32_t map_done, map_error, map_left, map_sleeps;
    uint32_t start_error, start_left, pad[10];
    uint64_t gpr[16];
    uint8_t xsave[2688];
};

struct world_command {
    uint64_t number, args[6], pad;
};

#define SAME_OFFSET(type, field, number) _Static_assert(offsetof(struct type, field) == (number), #number)
SAME_OFFSET(world_control, map_number, C_MAP_NUMBER);
SAME_OFFSET(world_control, features, C_FEATURES);
SAME_OFFSET(world_control, parked, C_PARKED);
SAME_OFFSET(world_control, start_guest, C_START_GUEST);
SAME_OFFSET(world_control, flags_clean, C_FLAGS_CLEAN);
SAME_OFFSET(world_control, one, C_ONE);
SAME_OFFSET(world_control, gpr, C_GPR);
SAME_OFFSET(world_control, iret, C_IRET);
SAME_OFFSET(world_control, fs_base, C_FS_BASE);
SAME_OFFSET(world_control, xsave, C_XSAVE);
SAME_OFFSET(world_report, kicks, R_KICKS);
SAME_OFFSET(world_report, frame, R_FRAME);
SAME_OFFSET(world_report, gs_base, R_GS_BASE);
SAME_OFFSET(world_report, start_error, R_START_ERROR);
SAME_OFFSET(world_report, answered, R_ANSWERED);
SAME_OFFSET(world_report, map_done, R_MAP_DONE);
SAME_OFFSET(world_report, map_sleeps, R_MAP_SLEEPS);
SAME_OFFSET(world_report, gpr, R_GPR);
SAME_OFFSET(world_report, rip, R_RIP);
SAME_OFFSET(world_report, rflags, R_RFLAGS);
SAME_OFFSET(world_report, xsave, R_XSAVE);
_Static_assert(R_XSAVE % 64 == 0, "XSAVE's alignment");
_Static_assert(sizeof(struct world_command) == COMMAND_SIZE, "COMMAND_SIZE");

/* The text of entry.c, from world_text to world_text_end; the places in it that the seccomp filters and tests name. */
extern const uint8_t world_text[], world_text_end[];
extern const uint8_t world_start[], world_die[], world_handler[], world_enter[];
extern const uint8_t world_call[], world_call_saved[], world_call_flags[], world_call_end[];
extern const uint8_t world_guest_waits[], world_guest_wakes[], world_guest_answers[], world_prctl_fs[],
    world_prctl_gs[], world_yield[], world_guest_yields[];
#endif
#endif

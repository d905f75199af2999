/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exits.c - registers into a space, and registers and reason out of it.
 *
 * In: the control page's image, which only the VMM writes and world_enter (entry.c) loads.
 * Out: the report page, where guest code that has left by world_call has put its registers, or else
 * the signal frame that the kernel has left on the alternate stack. That stack is writable by guest code, and has
 * to be: the kernel writes the frame with the thread's own rights. It does no harm, because nothing but this file ever
 * reads a frame (no handler returns through one): a forged frame is a set of register values, and any of those the
 * guest could have had for real. So the frame is copied once, then only its addresses are checked: they must lie on the
 * stack.
 *
 * Read next: Linux, arch/x86/include/uapi/asm/sigcontext.h (the layout below) and SDM 1, 13.4 (the XSAVE area).
 */
#include <errno.h>
#include <linux/audit.h>
#include <signal.h>
#include <string.h>

#include "world/private.h"

#define FLAGS_CARRIED (FLAGS_STATUS | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID)
#define USER_CS       0x33
#define USER_SS       0x2b

/* FXSAVE's fields, by offset. */
#define FX_MXCSR   24
#define FX_XMM     160
#define FX_FREE    464 /* from here on not the CPU's: the kernel keeps notes of its own there */
#define XSTATE_X87 1u
#define XSTATE_SSE 2u
#define XHEADER    64 /* bytes at WORLD_XSTATE_BV */

struct signal_frame {
    uint64_t restorer;
    uint64_t flags, link, stack[3];
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
    uint16_t cs, gs, fs, ss;
    uint64_t error, trap, old_mask, cr2, fpstate, reserved[8];
    uint64_t mask;
    uint32_t signal;
    int32_t signal_errno, code, pad;
    uint64_t call_addr; /* the union's SIGSYS member; for the faults the address */
    int32_t syscall;
    uint32_t arch;
};
SAME_OFFSET(signal_frame, rsp, FRAME_RSP);
SAME_OFFSET(signal_frame, rip, FRAME_RIP);
SAME_OFFSET(signal_frame, signal, FRAME_SIGNO);

/* What XRSTOR must not see, reserved bits of the header, never gets there: the header's other words stay 0. */
static void enter_extended(struct world_space *space, const struct world_regs *regs)
{
    uint8_t *area = space->control->xsave;
    uint64_t present, extended;

    memcpy(&present, regs->xsave + WORLD_XSTATE_BV, sizeof present);
    extended = present & space->pool->extended;
    if (extended)
        memcpy(area + WORLD_XSTATE_BV + XHEADER, regs->xsave + WORLD_XSTATE_BV + XHEADER,
               space->pool->xsave_size - WORLD_XSTATE_BV - XHEADER);
    present = XSTATE_X87 | XSTATE_SSE | extended;
    memcpy(area + WORLD_XSTATE_BV, &present, sizeof present);
}

static void enter_fpu(struct world_space *space, const struct world_regs *regs)
{
    struct world_control *control = space->control;
    uint32_t mxcsr;

    memcpy(control->xsave, regs->fxsave, FX_FREE);
    memcpy(&mxcsr, regs->fxsave + FX_MXCSR, sizeof mxcsr);
    mxcsr &= space->pool->mxcsr_mask; /* a reserved bit would be #GP in XRSTOR */
    memcpy(control->xsave + FX_MXCSR, &mxcsr, sizeof mxcsr);
    enter_extended(space, regs);
}

/* Writes what differs: a cache line that stays as it is needn't move to the other core. */
static void update(uint64_t *to, const uint64_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (to[i] != from[i])
            to[i] = from[i];
    }
}

void exits_enter(struct world_space *space, const struct world_regs *regs)
{
    struct world_control *control = space->control;
    const uint64_t iret[] = {regs->rip, USER_CS, (regs->rflags & FLAGS_CARRIED) | FLAG_ONE | FLAG_IF, regs->gpr[RSP],
                             USER_SS};

    update(control->gpr, regs->gpr, GPR_COUNT);
    update(control->iret, iret, ARRAY_SIZE(iret));
    if (space->general)
        return;
    update(&control->fs_base, &regs->fs_base, 1);
    update(&control->gs_base, &regs->gs_base, 1);
    enter_fpu(space, regs);
}

/* Copies `size` bytes that the process says are at `address` on its signal stack; false if they can't be. */
static bool copy_from_stack(const struct world_space *space, uint64_t address, uint64_t align, void *to, size_t size)
{
    uint64_t offset = address - (space->pool->options.hole + HOLE_STACK);

    if (offset > STACK_SIZE - size || address % align)
        return false;
    memcpy(to, space->shared + FILE_STACK + offset, size);
    atomic_signal_fence(memory_order_seq_cst); /* what is checked is the copy, not the original read again */
    return true;
}

/* XSAVE may leave out what is in its initial state: XSTATE_BV tells (SDM 1, 13.7). */
static void decode_fpu(struct world_regs *regs, const uint8_t *area, bool xsave)
{
    uint8_t present = xsave ? area[WORLD_XSTATE_BV] : XSTATE_X87 | XSTATE_SSE;

    memcpy(regs->fxsave, area, FX_FREE);
    memset(regs->fxsave + FX_FREE, 0, sizeof regs->fxsave - FX_FREE);
    if (!(present & XSTATE_X87)) {
        memset(regs->fxsave, 0, FX_MXCSR);
        memset(regs->fxsave + 32, 0, FX_XMM - 32);
        regs->fxsave[0] = 0x7f; /* FCW 0x037f */
        regs->fxsave[1] = 0x03;
    }
    if (!(present & XSTATE_SSE))
        memset(regs->fxsave + FX_XMM, 0, 256);
}

/* Which components beyond x87 and SSE there are: XSTATE_BV, forged or not, is cut down to what is carried. */
static uint64_t decode_header(const struct world_space *space, struct world_regs *regs, const uint8_t *area)
{
    uint64_t present, extended;

    memcpy(&present, area + WORLD_XSTATE_BV, sizeof present);
    extended = space->pool->xsave ? present & space->pool->extended : 0;
    memset(regs->xsave + WORLD_XSTATE_BV, 0, XHEADER);
    memcpy(regs->xsave + WORLD_XSTATE_BV, &extended, sizeof extended);
    return extended;
}

/* The frame's area is as long as what it holds. */
static int decode_extended(struct world_space *space, struct world_regs *regs, uint64_t at, const uint8_t *area,
                           struct reason *why)
{
    if (decode_header(space, regs, area) &&
        !copy_from_stack(space, at + WORLD_XSTATE_BV + XHEADER, 64, regs->xsave + WORLD_XSTATE_BV + XHEADER,
                         space->pool->xsave_size - WORLD_XSTATE_BV - XHEADER))
        return space_lost(space, why, "a signal frame was forged: its XSAVE area leaves the signal stack");
    return 0;
}

static void decode_gprs(struct world_regs *regs, const struct signal_frame *frame)
{
    const uint64_t gpr[GPR_COUNT] = {
        [RAX] = frame->rax, [RCX] = frame->rcx, [RDX] = frame->rdx, [RBX] = frame->rbx,
        [RSP] = frame->rsp, [RBP] = frame->rbp, [RSI] = frame->rsi, [RDI] = frame->rdi,
        [R8] = frame->r8,   [R9] = frame->r9,   [R10] = frame->r10, [R11] = frame->r11,
        [R12] = frame->r12, [R13] = frame->r13, [R14] = frame->r14, [R15] = frame->r15,
    };

    memcpy(regs->gpr, gpr, sizeof gpr);
    regs->rip = frame->rip;
    regs->rflags = (frame->rflags & FLAGS_CARRIED) | FLAG_ONE;
}

/*
 * A jump to the host's vsyscall page is a system call without an instruction: the host's kernel has carried out the RET
 * behind it already (arch/x86/entry/vsyscall), and left the call's number in RAX. What was there before is lost; the
 * rest is put back as it was at the jump's target.
 */
#define VSYSCALL_PAGE UINT64_C(0xffffffffff600000)
static void undo_vsyscall(const struct signal_frame *frame, struct world_regs *regs)
{
    if ((frame->call_addr & PAGE_MASK) != VSYSCALL_PAGE)
        return;
    regs->rip = frame->call_addr;
    regs->gpr[RSP] -= 8;
}

static int decode_reason(struct world_space *space, const struct signal_frame *frame, struct world_regs *regs,
                         struct world_exit *exit, struct reason *why)
{
    switch (frame->signal) {
    case SIGNAL_KICK: exit->kind = WORLD_EXIT_KICKED; return 0;
    case SIGSYS:
        exit->kind = WORLD_EXIT_SYSCALL;
        exit->gate = frame->arch == AUDIT_ARCH_X86_64 ? WORLD_GATE_SYSCALL : WORLD_GATE_LEGACY;
        undo_vsyscall(frame, regs);
        return 0;
    case SIGBUS:
        if (frame->trap == VEC_PF) {
            exit->kind = WORLD_EXIT_LOST_PAGE;
            exit->address = frame->cr2;
            return 0;
        }
        break;
    case SIGSEGV:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP: break;
    default: return space_lost(space, why, "a signal frame was forged: signal %u", frame->signal);
    }
    if (frame->trap >= 32)
        return space_lost(space, why, "a signal frame was forged: exception %llu", (unsigned long long)frame->trap);
    exit->kind = WORLD_EXIT_EXCEPTION;
    exit->vector = (uint8_t)frame->trap;
    exit->error = (uint32_t)frame->error;
    exit->address = exit->vector == VEC_PF ? frame->cr2 : 0;
    return 0;
}

/* As world_call has left them in the report page. */
static void decode_call_gprs(const struct world_space *space, struct world_regs *regs)
{
    const struct world_report *report = (const struct world_report *)(space->shared + FILE_REPORT);

    memcpy(regs->gpr, report->gpr, sizeof regs->gpr);
    regs->rip = report->rip;
    regs->rflags = (report->rflags & FLAGS_CARRIED) | FLAG_ONE;
}

static void decode_call(const struct world_space *space, struct world_regs *regs)
{
    const uint8_t *area = space->shared + FILE_REPORT + R_XSAVE;

    decode_call_gprs(space, regs);
    if (space->general)
        return;
    decode_fpu(regs, area, space->pool->xsave);
    if (decode_header(space, regs, area))
        memcpy(regs->xsave + WORLD_XSTATE_BV + XHEADER, area + WORLD_XSTATE_BV + XHEADER,
               space->pool->xsave_size - WORLD_XSTATE_BV - XHEADER);
}

/* A signal has come in the midst of world_call: the guest has left all the same, with registers from here or there. */
static bool finish_call(const struct world_space *space, const struct signal_frame *frame, struct world_regs *regs)
{
    const struct world_pool *pool = space->pool;

    if (!pool->options.calls || frame->rip < text_at(pool, world_call) || frame->rip >= text_at(pool, world_call_end))
        return false;
    if (frame->rip >= text_at(pool, world_call_saved))
        decode_call_gprs(space, regs);
    else
        regs->rip = frame->rcx;
    if (frame->rip < text_at(pool, world_call_flags))
        regs->rflags = (frame->rflags & FLAGS_CARRIED) | FLAG_ONE;
    return true;
}

static int decode_frame(struct world_space *space, uint64_t at, struct world_regs *regs, struct world_exit *exit,
                        struct reason *why)
{
    const struct world_pool *pool = space->pool;
    struct signal_frame frame;
    uint8_t area[WORLD_XSTATE_BV + XHEADER] = {0};
    size_t size = pool->xsave ? sizeof area : WORLD_XSTATE_BV; /* FXSAVE's image has no header */

    if (!copy_from_stack(space, at, 8, &frame, sizeof frame) ||
        !copy_from_stack(space, frame.fpstate, pool->xsave ? 64 : 16, area, size))
        return space_lost(space, why, "a signal frame was forged: it isn't on the signal stack");
    decode_gprs(regs, &frame);
    if (!space->general) {
        decode_fpu(regs, area, pool->xsave);
        if (decode_extended(space, regs, frame.fpstate, area, why))
            return -EIO;
    }
    if (finish_call(space, &frame, regs)) {
        exit->kind = WORLD_EXIT_CALL;
        return 0;
    }
    exit->cs = frame.cs;
    exit->ss = frame.ss;
    return decode_reason(space, &frame, regs, exit, why);
}

int exits_decode(struct world_space *space, struct world_regs *regs, struct world_exit *exit, struct reason *why)
{
    const struct world_pool *pool = space->pool;
    uint64_t at = space->report->frame, fs_base = space->report->fs_base, gs_base = space->report->gs_base;
    int err = 0;

    *exit = (struct world_exit){.kind = WORLD_EXIT_KICKED, .cs = USER_CS, .ss = USER_SS};
    if (!at)
        return 0;
    exit->entered = true;
    if (pool->costs.fsgsbase && !space->general) {
        if (!canonical(fs_base) || !canonical(gs_base))
            return space_lost(space, why, "the bases of FS and GS were forged");
        regs->fs_base = fs_base;
        regs->gs_base = gs_base;
    }
    if (at == pool->options.hole + HOLE_STACK && pool->options.calls) {
        exit->kind = WORLD_EXIT_CALL;
        decode_call(space, regs);
    } else {
        err = decode_frame(space, at, regs, exit, why);
    }
    exit->in_hole = in_hole(pool, regs->rip);
    return err;
}

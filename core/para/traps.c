/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * traps.c - into the guest's kernel and back, as a CPU would do it (SDM 3, 6.14), with the tables of para.h.
 *
 * User registers that stay while the kernel runs (FPU, bases of FS and GS) go to the shared page on the way in, and
 * come from there on the way back: a kernel that switches tasks rewrites them in between.
 */
#include "para/direct.h"

#include <string.h>

_Static_assert(PARA_FPU_SIZE == WORLD_XSAVE, "the shared page holds what the world carries");

static bool canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/* XSAVE leaves out what is in its initial state; a kernel would rather not know. */
static size_t fpu_used(const uint8_t *area)
{
    uint64_t present;

    memcpy(&present, area + WORLD_XSTATE_BV, sizeof present);
    return present & WORLD_EXTENDED ? WORLD_XSAVE : WORLD_XSTATE_BV + sizeof present;
}

static void leave_user(struct engine *e)
{
    struct para_shared *shared = e->shared;

    memcpy(shared->fpu, e->user.xsave, fpu_used(e->user.xsave));
    shared->fpu_written = shared->fpu_elsewhere = 0;
    shared->fs_base = e->user.fs_base;
    shared->gs_base = e->user.gs_base;
    memcpy(e->kernel.gpr, e->user.gpr, sizeof e->kernel.gpr);
    e->in_user = false;
}

static void enter_handler(struct engine *e, unsigned vector)
{
    if (!e->handler[vector]) {
        direct_die(e, "the guest's kernel has no handler for trap %u", vector);
        return;
    }
    e->kernel.rip = e->handler[vector];
    e->kernel.rflags = FLAG_ONE;
    e->shared->masked = 1;
}

bool direct_can_inject(struct engine *e)
{
    return !e->event.valid && (e->in_user || !e->shared->masked);
}

/* Faults are delivered with RF set (SDM 3, 18.3.1.1), traps and interrupts without. */
static bool is_fault(unsigned vector)
{
    return vector < 32 && vector != VEC_DB && vector != VEC_NMI && vector != VEC_BP && vector != VEC_OF;
}

void trap_deliver(struct engine *e, unsigned vector, bool has_error, uint32_t error)
{
    bool from_user = e->in_user;
    struct world_regs *from = from_user ? &e->user : &e->kernel;
    uint64_t top = from_user ? e->shared->kernel_stack : from->gpr[RSP];
    bool interrupts = from_user || !e->shared->masked;
    uint64_t flags = from->rflags | (interrupts ? FLAG_IF : 0) | (is_fault(vector) ? FLAG_RF : 0);
    const uint64_t frame[] = {error, from->rip,      from_user ? PARA_USER_CS : PARA_KERNEL_CS,
                              flags, from->gpr[RSP], from_user ? PARA_USER_SS : PARA_KERNEL_SS};
    size_t skip = has_error ? 0 : 1, size = sizeof frame - skip * sizeof frame[0];
    void *stack;

    top = (top & ~UINT64_C(15)) - size;
    stack = guest_at(e, top, size, true);
    if (!stack) {
        direct_die(e, "trap %u, but the guest kernel's stack at 0x%llx can't be written", vector,
                   (unsigned long long)top);
        return;
    }
    memcpy(stack, frame + skip, size);
    if (from_user)
        leave_user(e);
    e->kernel.gpr[RSP] = top;
    enter_handler(e, vector);
}

void trap_syscall(struct engine *e)
{
    uint64_t rip = e->user.rip, flags = e->user.rflags | FLAG_IF;

    COUNT_TAKEN(e->host->stats, SYSCALL);
    leave_user(e);
    e->kernel.gpr[RCX] = rip;
    e->kernel.gpr[R11] = flags;
    enter_handler(e, PARA_TRAP_SYSCALL);
}

/* What the stub of PARA_CALL_IRET has pushed in front of the IRET frame, lowest address first. */
struct iret_frame {
    uint64_t rax, r11, rcx, rip, cs, rflags, rsp, ss;
};

static void enter_user(struct engine *e, const struct iret_frame *frame)
{
    const struct para_shared *shared = e->shared;

    if (!update_before_user(e))
        return;
    memcpy(e->user.gpr, e->kernel.gpr, sizeof e->user.gpr);
    e->user.gpr[RAX] = frame->rax;
    e->user.gpr[R11] = frame->r11;
    e->user.gpr[RCX] = frame->rcx;
    e->user.gpr[RSP] = frame->rsp;
    e->user.rip = frame->rip;
    e->user.rflags = frame->rflags;
    memcpy(e->user.xsave, shared->fpu, fpu_used(shared->fpu));
    e->user.fs_base = canonical(shared->fs_base) ? shared->fs_base : 0;
    e->user.gs_base = canonical(shared->gs_base) ? shared->gs_base : 0;
    e->in_user = true;
}

void trap_iret(struct engine *e)
{
    struct iret_frame frame;
    const void *at = guest_at(e, e->kernel.gpr[RSP], sizeof frame, false);

    COUNT_TAKEN(e->host->stats, KERNEL_RETURN);
    if (!at) {
        direct_die(e, "a return by PARA_CALL_IRET, but the frame at 0x%llx isn't in the window",
                   (unsigned long long)e->kernel.gpr[RSP]);
        return;
    }
    memcpy(&frame, at, sizeof frame);
    if (frame.cs & 3) {
        enter_user(e, &frame);
        return;
    }
    e->kernel.gpr[RAX] = frame.rax;
    e->kernel.gpr[R11] = frame.r11;
    e->kernel.gpr[RCX] = frame.rcx;
    e->kernel.gpr[RSP] = frame.rsp;
    e->kernel.rip = frame.rip;
    e->kernel.rflags = frame.rflags;
    e->shared->masked = !(frame.rflags & FLAG_IF);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.c - the loop: enter the space of whoever is to run, user or kernel, and look why it was left.
 *
 * What a space reports is what the guest made of it: every value is a claim. Nothing here trusts one further than to
 * hand it back to the guest.
 *
 * Next: traps.c.
 */
#include "para/direct.h"
#include "para/gate.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define ERROR_IDT    2 /* in an error code: its index is a vector */
#define INT_80_ERROR (0x80 * 8 + ERROR_IDT)

void direct_die(struct engine *e, const char *format, ...)
{
    va_list args;

    if (e->death.text[0])
        return;
    va_start(args, format);
    vsnprintf(e->death.text, sizeof e->death.text, format, args);
    va_end(args);
}

/* Does this exception push an error code (SDM 3, table 6-1)? */
static bool has_error(unsigned vector)
{
    return vector == VEC_DF || (vector >= VEC_TS && vector <= VEC_PF) || vector == VEC_AC || vector == 21;
}

static void deliver_exception(struct engine *e, unsigned vector, uint32_t error, uint64_t address)
{
    COUNT(e->host->stats, EXCEPTIONS);
    if (vector == VEC_PF) {
        COUNT(e->host->stats, TRUE_FAULTS);
        COUNT_TAKEN(e->host->stats, TRUE_FAULT);
        e->shared->cr2 = address;
    } else {
        COUNT_TAKEN(e->host->stats, EXCEPTION);
    }
    trap_deliver(e, vector, has_error(vector), error);
}

/* A selector of the host's in an error code means nothing to the guest; an INT's number does (SDM 3, 6.13). */
static uint32_t guests_error(const struct world_exit *exit)
{
    return exit->vector == VEC_PF || exit->error & ERROR_IDT ? exit->error : 0;
}

/* A page fault that the kernel needn't know of: the page is mapped now. Else *error is what its tables say. */
static bool hidden_fault(struct engine *e, const struct world_exit *exit, uint32_t *error)
{
    if (gate_fault(e, exit->address) || (exit->error & PF_FETCH && patch_fault(e, exit->address)))
        return true;
    if (!update_fault(e, exit->address, error))
        return false;
    COUNT(e->host->stats, HIDDEN_FAULTS);
    COUNT_TAKEN(e->host->stats, HIDDEN_FAULT);
    return true;
}

static void user_page_fault(struct engine *e, const struct world_exit *exit)
{
    uint32_t error = exit->error;

    if (hidden_fault(e, exit, &error))
        return;
    /* The host maps nothing in the first pages: when the tables do, no kernel could help that access. */
    if (exit->address < PARA_USER_MIN && error & PF_PRESENT)
        deliver_exception(e, VEC_GP, 0, 0);
    else
        deliver_exception(e, VEC_PF, error, exit->address);
}

static void user_exit(struct engine *e, const struct world_exit *exit)
{
    if (exit->kind == WORLD_EXIT_CALL) { /* the gate's: nobody waited on the other side */
        trap_syscall(e);
    } else if (exit->kind == WORLD_EXIT_SYSCALL && exit->gate == WORLD_GATE_SYSCALL && e->user.rip < LOWER_HALF) {
        patch_call(e);
        trap_syscall(e);
    } else if (exit->kind == WORLD_EXIT_SYSCALL) { /* a gate that this machine hasn't */
        e->user.rip -= 2;
        deliver_exception(e, VEC_GP, INT_80_ERROR, 0);
    } else if (exit->vector == VEC_PF) {
        user_page_fault(e, exit);
    } else if (exit->vector != VEC_BP || !patch_breakpoint(e)) {
        deliver_exception(e, exit->vector, guests_error(exit), 0);
    }
}

/* A page whose system calls are rewritten is read-only to the kernel, until it wants to write it. */
static bool kernel_writes_code(struct engine *e, const struct world_exit *exit)
{
    uint64_t frame = (exit->address - PARA_WINDOW) >> PAGE_SHIFT;

    if (exit->vector != VEC_PF || frame >= e->frames || !patch_has(e, frame))
        return false;
    patch_drop(e, frame);
    return true;
}

static bool kernel_exit(struct engine *e, const struct world_exit *exit, struct vm_exit *out)
{
    if (exit->kind == WORLD_EXIT_CALL || (exit->kind == WORLD_EXIT_SYSCALL && exit->gate == WORLD_GATE_SYSCALL))
        return !peer_answered(e, exit) && calls_enter(e, out);
    if (exit->kind == WORLD_EXIT_EXCEPTION && kernel_writes_code(e, exit))
        return false;
    deliver_exception(e, exit->kind == WORLD_EXIT_SYSCALL ? VEC_GP : exit->vector, guests_error(exit), exit->address);
    return false;
}

/* An exit that is nobody's: the machine is told. */
static bool machines_exit(struct engine *e, const struct world_exit *exit, struct vm_exit *out)
{
    if (exit->kind == WORLD_EXIT_LOST_PAGE) {
        out->kind = VM_EXIT_ERROR;
        fail(&out->why, ENOMEM, "para/direct: the host has no memory left for guest RAM");
        return true;
    }
    if (exit->kind != WORLD_EXIT_KICKED)
        return false;
    COUNT_TAKEN(e->host->stats, INTERRUPTED);
    out->kind = VM_EXIT_INTERRUPTED;
    return true;
}

/* Runs user code until the kernel has to do with it; the kernel's thread may be listening meanwhile. */
static int run_user(struct engine *e, struct world_exit *exit, struct reason *why)
{
    struct world_space *space;
    uint32_t error;
    int err;

    do {
        space = update_user_space(e, why);
        if (!space)
            return -EIO;
        world_space_near(space, true); /* the other core is the kernel's */
        err = world_run(space, &e->user, exit, why);
        error = exit->error;
        err = err == -EIO ? -ENOMEM : err; /* it was lost; the next one fills again */
    } while (!err && e->listening && exit->kind == WORLD_EXIT_EXCEPTION && exit->vector == VEC_PF &&
             hidden_fault(e, exit, &error));
    return err;
}

static bool user_step(struct engine *e, struct vm_exit *out)
{
    struct reason why = {""};
    struct world_exit exit, kernel;
    enum meeting who;
    int err;

    peer_listen(e);
    err = run_user(e, &exit, &why);
    if (err)
        exit = (struct world_exit){.kind = WORLD_EXIT_KICKED};
    who = peer_meet(e, &exit, &kernel);
    if (who == MEET_KERNEL && (machines_exit(e, &kernel, out) || kernel_exit(e, &kernel, out)))
        return true;
    if (who != MEET_USER)
        return !err && exit.kind == WORLD_EXIT_KICKED && machines_exit(e, &exit, out);
    if (err == -EINVAL) /* an address that user code can't have jumped to by itself */
        deliver_exception(e, VEC_GP, 0, 0);
    else if (err && err != -ENOMEM) /* that would have emptied the space, and it fills again */
        direct_die(e, "%s", why.text);
    if (err)
        return false;
    if (machines_exit(e, &exit, out))
        return true;
    user_exit(e, &exit);
    return false;
}

static bool kernel_step(struct engine *e, struct vm_exit *out)
{
    struct reason why = {""};
    struct world_exit exit;
    struct world_space *space = update_kernel_space(e, &why);
    int err = -EIO;

    if (space) {
        world_space_general(space);
        world_space_near(space, e->kernel_near);
        err = world_run(space, &e->kernel, &exit, &why);
    }
    if (err == -ENOMEM)
        return false; /* the space is empty now, and fills again */
    if (err) {
        direct_die(e, "%s", why.text);
        return false;
    }
    return machines_exit(e, &exit, out) || kernel_exit(e, &exit, out);
}

/* The interrupt window that the machine waits for is open. */
static bool window_opens(struct engine *e, struct vm_exit *out)
{
    if (!e->window_wanted || !direct_can_inject(e))
        return false;
    out->kind = VM_EXIT_WINDOW;
    return true;
}

static void deliver_pending(struct engine *e)
{
    if (!e->event.valid)
        return;
    e->event.valid = false;
    COUNT(e->host->stats, INTERRUPTS);
    COUNT_TAKEN(e->host->stats, EXTERNAL_INTERRUPT);
    trap_deliver(e, e->event.vector, false, 0);
}

/* Event channels come like an interrupt. */
static void deliver_events(struct engine *e)
{
    struct para_shared *shared = e->shared;

    timer_poll(e);
    if (e->disk)
        block_poll(e);
    shared->pending = e->window_wanted; /* the guest may have looked after an event before it was delivered */
    if (!e->handler[PARA_TRAP_EVENT] || !(shared->event_pending & ~shared->event_mask))
        return;
    if (direct_can_inject(e)) {
        COUNT(e->host->stats, INTERRUPTS);
        trap_deliver(e, PARA_TRAP_EVENT, false, 0);
    } else {
        shared->pending = 1;
    }
}

void direct_run(struct engine *e, struct vm_exit *exit, uint64_t budget)
{
    bool ready = false;

    (void)budget;
    if (!e->started)
        direct_die(e, "para/direct: nothing is loaded");
    atomic_store(&e->kicked, false);
    io_answered(e, exit);
    exit->why = (struct reason){""};
    if (!e->death.text[0])
        deliver_pending(e);
    while (!ready && !e->death.text[0]) {
        deliver_events(e);
        ready = window_opens(e, exit) || (e->in_user ? user_step(e, exit) : kernel_step(e, exit));
    }
    if (!ready) {
        exit->kind = VM_EXIT_DEATH;
        exit->why = e->death;
    }
}

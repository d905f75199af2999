/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * calls.c - hypercalls, found by number.
 *
 * Two kinds: those that come back at once, which multicalls may carry, and those that end with the machine's answer or
 * with another place to go on, which come alone.
 */
#include "para/direct.h"

#include <string.h>

typedef int64_t call_fn(struct engine *e, const uint64_t *args);

static int64_t call_version(struct engine *e, const uint64_t *args)
{
    (void)e, (void)args;
    return PARA_VERSION;
}

static int64_t call_features(struct engine *e, const uint64_t *args)
{
    (void)args;
    return e->features;
}

static int64_t call_flush(struct engine *e, const uint64_t *args)
{
    (void)e, (void)args;
    return 0;
}

/* Whenever the hypervisor runs, user code has been left and its state stored (peer.c). */
static int64_t call_fpu(struct engine *e, const uint64_t *args)
{
    (void)args;
    e->shared->fpu_elsewhere = 0;
    return 0;
}

static int64_t call_set_cr3(struct engine *e, const uint64_t *args)
{
    if (args[0] && !update_is_root(e, args[0]))
        return -PARA_EINVAL;
    e->shared->cr3 = args[0];
    return 0;
}

static int64_t call_set_traps(struct engine *e, const uint64_t *args)
{
    const uint8_t *list;
    uint64_t count = args[1];

    if (count > PARA_LIST_MAX)
        return -PARA_EINVAL;
    list = guest_at(e, args[0], count * sizeof(struct para_trap), false);
    if (!list && count)
        return -PARA_EFAULT;
    for (uint64_t i = 0; i < count; i++) {
        struct para_trap trap; /* copied once: the list is the guest's, and need not be aligned */

        memcpy(&trap, list + i * sizeof trap, sizeof trap);
        if (trap.vector >= PARA_TRAPS || (trap.handler && trap.handler - PARA_WINDOW >= e->host->ram->size))
            return -PARA_EINVAL;
        e->handler[trap.vector] = trap.handler;
    }
    return 0;
}

static int64_t call_set_stack(struct engine *e, const uint64_t *args)
{
    e->shared->kernel_stack = args[0];
    return 0;
}

static call_fn *const at_once[PARA_CALL_COUNT] = {
    [PARA_CALL_VERSION] = call_version,
    [PARA_CALL_FEATURES] = call_features,
    [PARA_CALL_MMU_UPDATE] = update_list,
    [PARA_CALL_PIN] = update_pin,
    [PARA_CALL_UNPIN] = update_unpin,
    [PARA_CALL_FLUSH] = call_flush,
    [PARA_CALL_SET_CR3] = call_set_cr3,
    [PARA_CALL_SET_TRAPS] = call_set_traps,
    [PARA_CALL_SET_STACK] = call_set_stack,
    [PARA_CALL_GRANT] = grant_call,
    [PARA_CALL_FPU] = call_fpu,
    [PARA_CALL_SET_TIMER] = timer_set,
};

static int64_t call_multicall(struct engine *e, const uint64_t *args)
{
    uint64_t count = args[1], size = count * sizeof(struct para_multicall);

    if (count > PARA_LIST_MAX)
        return -PARA_EINVAL;
    if (count && !guest_at(e, args[0], size, true))
        return -PARA_EFAULT;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = args[0] + i * sizeof(struct para_multicall);
        struct para_multicall call;
        void *slot = guest_at(e, at, sizeof call, true);

        if (!slot) /* an entry of the list has made a page table of the list's page */
            return -PARA_EFAULT;
        memcpy(&call, slot, sizeof call);
        COUNT_AVOIDED(e->host->stats, VMCALL);
        call.result =
            call.call < PARA_CALL_COUNT && at_once[call.call] ? at_once[call.call](e, call.args) : -PARA_EINVAL;
        slot = guest_at(e, at, sizeof call, true);
        if (!slot)
            return -PARA_EFAULT;
        memcpy(slot, &call, sizeof call);
    }
    return 0;
}

/* Calls that the machine answers: *asked tells whether there is something to answer. */
static int64_t ask(struct engine *e, uint64_t number, const uint64_t *args, struct vm_exit *exit, bool *asked)
{
    int64_t result;

    switch (number) {
    case PARA_CALL_IO: result = io_port(e, args, exit); break;
    case PARA_CALL_IO_STRING: result = io_string(e, args, exit); break;
    case PARA_CALL_CONSOLE: result = io_console(e, args, exit); break;
    case PARA_CALL_SHUTDOWN: result = io_shutdown(e, args, exit); break;
    case PARA_CALL_EVENT: /* having waited, the machine looks after its devices, too */
        *exit = (struct vm_exit){.kind = VM_EXIT_INTERRUPTED};
        result = block_event(e, args);
        if (args[0] != PARA_EVENT_POLL)
            return result;
        break;
    case PARA_CALL_BLOCK:
        e->shared->masked = 0;
        COUNT_TAKEN(e->host->stats, HLT);
        *exit = (struct vm_exit){.kind = e->timer_at ? VM_EXIT_INTERRUPTED : VM_EXIT_HLT};
        timer_wait(e);
        result = 0;
        break;
    case PARA_CALL_UNMASK: e->shared->masked = 0; __attribute__((fallthrough));
    case PARA_CALL_YIELD: /* the machine looks after its devices, and for interrupts */
        *exit = (struct vm_exit){.kind = VM_EXIT_INTERRUPTED};
        result = 0;
        break;
    default: return -PARA_ENOSYS;
    }
    *asked = result >= 0;
    return result;
}

bool calls_enter(struct engine *e, struct vm_exit *exit)
{
    struct world_regs *regs = &e->kernel;
    uint64_t number = regs->gpr[RAX];
    const uint64_t args[6] = {regs->gpr[RDI], regs->gpr[RSI], regs->gpr[RDX],
                              regs->gpr[R10], regs->gpr[R8],  regs->gpr[R9]};
    bool asked = false;

    if (number == PARA_CALL_IRET) {
        trap_iret(e);
        return false;
    }
    COUNT(e->host->stats, HYPERCALLS);
    COUNT_TAKEN(e->host->stats, VMCALL);
    if (number == PARA_CALL_MULTICALL)
        regs->gpr[RAX] = (uint64_t)call_multicall(e, args);
    else if (number < PARA_CALL_COUNT && at_once[number])
        regs->gpr[RAX] = (uint64_t)at_once[number](e, args);
    else
        regs->gpr[RAX] = (uint64_t)ask(e, number, args, exit, &asked);
    return asked;
}

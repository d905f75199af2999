/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tick.c: the scheduler's tick by the hypervisor's one-shot timer, an event instead of the PIT's interrupt.
 *
 * A tick costs some exits.  So it is asked for only when it will have something to do: somebody waits for the CPU, or
 * for a time.  A process that computes alone is never interrupted.  And who takes an event needn't tell an interrupt
 * controller, which would be another exit.
 */
#include "clock.h"
#include "pic.h"
#include "pv_ops.h"

#define TICK_NS   (NSEC_PER_SEC / TICK_HZ)
#define STUB_SIZE 16

extern u8 trap_stubs[];

bool pv_tickless = true; /* cleared when there is no such timer, or by an option */
bool pv_tick_set;

/* What the hypervisor's clock says. */
static u64 now(void)
{
    struct para_time time = pv_time();

    return time.ns + (u64)((unsigned __int128)(pv_rdtsc() - time.tsc) * time.mul >> time.shift);
}

void pv_tick_arm(void)
{
    pv_tick_set = pv_call(PARA_CALL_SET_TIMER, now() + TICK_NS, 0, 0, 0, 0) == 0;
}

/* Events come where the timer's interrupt would: no others, please (the disk's are polled for, blk.c). */
bool pv_tick_start(void)
{
    const struct para_trap event = {PARA_TRAP_EVENT, (u64)trap_stubs + (VEC_IRQ0 + IRQ_TIMER) * STUB_SIZE};

    __atomic_fetch_or(&pv_shared->event_mask, ~(1ull << PARA_PORT_TIMER), __ATOMIC_SEQ_CST);
    if (pv_tickless && !pv_call(PARA_CALL_SET_TRAPS, (u64)&event, 1, 0, 0, 0))
        pv_tick_arm();
    pv_tickless = pv_tick_set;
    return pv_tickless;
}

bool pv_tick_taken(unsigned irq)
{
    if (irq != IRQ_TIMER || !pv_tickless)
        return false;
    __atomic_fetch_and(&pv_shared->event_pending, ~(1ull << PARA_PORT_TIMER), __ATOMIC_SEQ_CST);
    pv_tick_set = false;
    return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * place.c - on which core a space's threads run.
 *
 * Left to itself the host's scheduler puts two threads that wake each other now on one core and now on two, and a
 * hand-over takes 4 us or 35: waking a core that idles in a virtual machine is the dear case. So we say it. Whoever
 * sleeps while it waits wants its partner on its own core, where the switch is direct. Whoever spins wants it on
 * another. The VMM's own thread is its caller's; when it has moved, the others follow.
 *
 * But where spaces run beside each other, the VMM's thread is held where it is, too: it is woken again and again by a
 * thread that is just about to make room for it, while another core may look idle.
 *
 * Next: costs.c, which measures what this decides.
 */
#include <sched.h>

#include "world/private.h"

void place_vmm(struct world_pool *pool, bool hold)
{
    cpu_set_t here;

    if (hold == pool->held)
        return;
    if (!hold) {
        pool->held = sched_setaffinity(0, sizeof pool->allowed, &pool->allowed) != 0;
        return;
    }
    if (sched_getaffinity(0, sizeof pool->allowed, &pool->allowed))
        return;
    CPU_ZERO(&here);
    CPU_SET(sched_getcpu(), &here);
    pool->held = sched_setaffinity(0, sizeof here, &here) == 0;
}

static void keep_first(cpu_set_t *cores)
{
    int first = 0;

    while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, cores))
        first++;
    CPU_ZERO(cores);
    CPU_SET(first, cores);
}

void place_threads(struct world_space *space)
{
    struct world_pool *pool = space->pool;
    cpu_set_t here, elsewhere;
    int cpu;

    place_vmm(pool, pool->costs.spin && pool->options.together);
    cpu = sched_getcpu();
    if (cpu < 0 || cpu == space->cpu)
        return;
    space->cpu = cpu;
    CPU_ZERO(&here);
    CPU_SET(cpu, &here);
    if (pool->held)
        elsewhere = pool->allowed;
    else if (sched_getaffinity(0, sizeof elsewhere, &elsewhere))
        return;
    CPU_CLR(cpu, &elsewhere);
    if (!(spins(space) || pool->measuring) || !CPU_COUNT(&elsewhere))
        elsewhere = here;
    if (space->companion) { /* which core doesn't matter, but it must be one */
        keep_first(&elsewhere);
        sched_setaffinity(space->companion, sizeof elsewhere, &elsewhere);
    }
    /* A refusal costs speed and nothing else. */
    sched_setaffinity(space->guest_tid, sizeof elsewhere, &elsewhere);
    sched_setaffinity(space->pid, sizeof here, pool->measuring ? &elsewhere : &here);
}

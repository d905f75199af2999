/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pin.c - sched_setaffinity, for process_child.c and host.c. */
#include "pin.h"

#include <sched.h>

unsigned cores_allowed(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

int core_to_measure_on(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) < 0 || CPU_COUNT(&set) < 2)
        return -1;
    int core = CPU_SETSIZE - 1;
    while (!CPU_ISSET(core, &set))
        core--;
    return core;
}

void pin_to(int core)
{
    cpu_set_t set;
    if (core < 0 || core >= CPU_SETSIZE)
        return;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    sched_setaffinity(0, sizeof set, &set);
}

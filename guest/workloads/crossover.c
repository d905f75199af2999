/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cheapest system call with so much work in front of it: where does it begin to pay that user code runs directly?
 * The work is like that of programs, a mix of arithmetic, loads, stores and calls.
 * The check value doesn't depend on N, which may be a time: crossover 20ms 1000. Contract: workload.h.
 */
#include "workload.h"
#include <sys/syscall.h>

enum { CALLS = 64, SLOTS = 512 };

static uint64_t steps, table[SLOTS];

__attribute__((noinline)) static uint64_t step(uint64_t x)
{
    uint64_t *slot = &table[x >> 55];
    *slot = (*slot ^ x) + 1;
    return x * UINT64_C(6364136223846793005) + *slot;
}

static uint64_t work(unsigned n)
{
    uint64_t check = 0;
    while (n-- > 0) {
        uint64_t x = 1;
        memset(table, 0, sizeof table);
        for (int call = 0; call < CALLS; call++) {
            for (uint64_t i = 0; i < steps; i++)
                x = step(x);
            syscall(SYS_getpid);
        }
        if (check && check != x)
            fail("the same work gave %llx, then %llx", (unsigned long long)check, (unsigned long long)x);
        check = x;
    }
    return check;
}

static int configure(int argc, char **argv)
{
    return argc == 1 ? parse_number(argv[0], 1u << 20, &steps) : -1;
}

const struct workload workload = {
    .name = "crossover",
    .args = "STEPS",
    .unit = "64 system calls, so many steps of work before each",
    .default_n = 100,
    .configure = configure,
    .work = work,
};

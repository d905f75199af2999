/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cheapest system call, over and over: what it costs to enter the kernel and come back.
 * By syscall(), since a C library may remember the answer. Right if the answer stays the same.
 * Contract: workload.h.
 */
#include "workload.h"
#include <sys/syscall.h>

enum { CALLS = 1000 };

static uint64_t work(unsigned n)
{
    uint64_t check = 0;
    long pid = syscall(SYS_getpid);
    if (pid <= 0)
        fail("getpid gives %ld", pid);
    while (n-- > 0) {
        unsigned same = 0;
        for (int i = 0; i < CALLS; i++)
            same += syscall(SYS_getpid) == pid;
        if (same != CALLS)
            fail("%u of %d calls gave another process id", CALLS - same, CALLS);
        check = mix(check, same);
    }
    return check;
}

const struct workload workload = {
    .name = "getpid",
    .args = "",
    .unit = "1000 calls of getpid",
    .default_n = 50,
    .work = work,
};

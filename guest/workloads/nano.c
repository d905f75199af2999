/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a process can do of guest/kernel/nano.c: the native side of those operations that need no privilege.
 *
 *   callret  the same loop
 *   ptemod   a store: natively that is all that a write of a page-table entry is
 *   syscall  a system call that the host's kernel doesn't know; its entry and exit are the host's, not an empty handler
 *
 * The check value doesn't depend on N, which may be a time: nano 20ms callret. Contract: workload.h.
 */
#include "workload.h"

enum { TIMES = 16, NO_SUCH_CALL = 0x7fff };

static volatile uint64_t slot;

/* clang-format off */
static void do_callret(unsigned n)
{
    __asm__ volatile("lea -128(%%rsp), %%rsp\n" /* the red zone stays as it is */
                     "1: .rept %c1\n call 2f\n .endr\n"
                     "dec %0\n jnz 1b\n jmp 3f\n"
                     ".balign 16\n 2: ret\n"
                     "3: lea 128(%%rsp), %%rsp\n"
                     : "+r"(n) : "i"(TIMES) : "memory", "cc");
}
/* clang-format on */

static void do_ptemod(unsigned n)
{
    for (; n > 0; n--) {
        _Pragma("GCC unroll 16") for (int i = 0; i < TIMES; i++) slot = i & 1 ? 0x1001 : 0x2001;
    }
}

static void do_syscall(unsigned n)
{
    for (; n > 0; n--) {
        for (int i = 0; i < TIMES; i++) {
            if (syscall(NO_SUCH_CALL) != -1)
                fail("the kernel knows system call %d", NO_SUCH_CALL);
        }
    }
}

static const struct {
    const char *name;
    void (*repeat)(unsigned n);
} operations[] = {{"syscall", do_syscall}, {"callret", do_callret}, {"ptemod", do_ptemod}};
static unsigned chosen;

static int configure(int argc, char **argv)
{
    for (chosen = 0; chosen < sizeof operations / sizeof operations[0]; chosen++) {
        if (argc == 1 && strcmp(argv[0], operations[chosen].name) == 0)
            return 0;
    }
    return -1;
}

static uint64_t work(unsigned n)
{
    operations[chosen].repeat(n);
    return mix(0, TIMES);
}

const struct workload workload = {
    .name = "nano",
    .args = " syscall|callret|ptemod",
    .unit = "16 times the operation (syscall if none is named)",
    .default_n = 1000,
    .configure = configure,
    .work = work,
};

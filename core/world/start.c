/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * start.c - what a new world process does before any guest code: three lists of system calls, prepared by the VMM.
 *
 * entry.c carries them out: the first list as the process' only thread, which becomes the mapping thread; the second as
 * the guest thread; the third, one command, seals the mapping thread off. When both have their filters, nothing of the
 * process can ask anything else of the host any more.
 *
 * The lists and what they point to stand in the start page, which the process can only read.
 * Next: handover.c, handover_started().
 */
#include <asm/prctl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "world/private.h"

#define LIST_MAX 32

/* The kernel's view of sigaction(2) and seccomp(2). */
struct kernel_sigaction {
    uint64_t handler, flags, restorer, mask;
};
struct kernel_fprog {
    uint16_t length;
    uint64_t filter;
};
#ifndef PR_SET_SYSCALL_USER_DISPATCH /* since Linux 5.11 */
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_ON           1
#endif
#define KERNEL_SA_RESTORER 0x04000000

struct start_page {
    struct world_command commands[LIST_MAX]; /* the three lists, one after the other */
    struct kernel_sigaction action;
    uint64_t all_signals, guest_blocks;
    struct {
        uint64_t base, flags, size;
    } stack; /* stack_t */
    struct rlimit none;
    struct kernel_fprog guest, mapper;
    char name[16];
    struct sock_filter guest_filter[FILTER_MAX], mapper_filter[FILTER_MAX];
};
_Static_assert(sizeof(struct start_page) <= READ_ONLY_SIZE - (HOLE_START - HOLE_CONTROL),
               "the start page is too small");

/* The faults that guest code can cause, a trapped system call, and the kick: all go to world_handler. */
static const int handled[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGNAL_KICK};

static const struct {
    long number;
    const char *name;
} names[] = {
    {SYS_mmap, "mmap"},
    {SYS_munmap, "munmap"},
    {SYS_close, "close"},
    {SYS_rt_sigaction, "rt_sigaction"},
    {SYS_rt_sigprocmask, "rt_sigprocmask"},
    {SYS_sigaltstack, "sigaltstack"},
    {SYS_prctl, "prctl"},
    {SYS_arch_prctl, "arch_prctl (CPUID faulting)"},
    {SYS_setrlimit, "setrlimit"},
    {SYS_seccomp, "seccomp (filter mode)"},
};

static struct start_page *start_page(const struct world_space *space)
{
    return (struct start_page *)(space->shared + FILE_CONTROL + (HOLE_START - HOLE_CONTROL));
}

static void add(struct world_command **at, long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                uint64_t f)
{
    *(*at)++ = (struct world_command){.number = (uint64_t)number, .args = {a, b, c, d, e, f}};
}

void start_prepare(const struct world_pool *pool, struct world_space *space)
{
    const struct world_options *options = &pool->options;
    uint64_t hole = options->hole, page = hole + HOLE_START, after = hole + HOLE_SIZE;
    struct start_page *start = start_page(space);
    struct world_command *at = start->commands, *guest, *mapper;
#define IN_PROCESS(field) (page + offsetof(struct start_page, field))

    start->action = (struct kernel_sigaction){
        .handler = text_at(pool, world_handler),
        .flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | KERNEL_SA_RESTORER,
        .restorer = text_at(pool, world_die), /* never used: no handler returns */
    };
    start->all_signals = start->guest_blocks = ~UINT64_C(0);
    for (size_t i = 0; i < ARRAY_SIZE(handled); i++)
        start->guest_blocks &= ~(UINT64_C(1) << (handled[i] - 1));
    start->stack.base = hole + HOLE_STACK;
    start->stack.size = STACK_SIZE;
    strcpy(start->name, "virtlab-world");
    start->guest.length = (uint16_t)filter_guest(start->guest_filter, hole, pool->costs.fsgsbase, pool->options.yield);
    start->guest.filter = IN_PROCESS(guest_filter);
    start->mapper.length = (uint16_t)filter_mapper(start->mapper_filter);
    start->mapper.filter = IN_PROCESS(mapper_filter);

    /* First: nothing but the hole stays mapped, not even the stack and the vDSO that execve made. */
    add(&at, SYS_mmap, hole + HOLE_REPORT, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, FD_SHARED,
        FILE_REPORT);
    add(&at, SYS_mmap, hole + HOLE_STACK, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, FD_SHARED,
        FILE_STACK);
    add(&at, SYS_close, FD_SHARED, 0, 0, 0, 0, 0);
    add(&at, SYS_munmap, 0, hole, 0, 0, 0, 0);
    add(&at, SYS_munmap, after, LOWER_HALF_END - after, 0, 0, 0, 0);
    add(&at, SYS_prctl, PR_SET_NAME, IN_PROCESS(name), 0, 0, 0, 0);
    add(&at, SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0, 0);
    add(&at, SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
    add(&at, SYS_setrlimit, RLIMIT_CORE, IN_PROCESS(none), 0, 0, 0, 0);
    add(&at, SYS_setrlimit, RLIMIT_FSIZE, IN_PROCESS(none), 0, 0, 0, 0);
    add(&at, SYS_rt_sigprocmask, SIG_SETMASK, IN_PROCESS(all_signals), 0, 8, 0, 0);
    for (size_t i = 0; i < ARRAY_SIZE(handled); i++)
        add(&at, SYS_rt_sigaction, (uint64_t)handled[i], IN_PROCESS(action), 0, 8, 0, 0);
    guest = at;
    add(&at, SYS_sigaltstack, IN_PROCESS(stack), 0, 0, 0, 0, 0);
    add(&at, SYS_rt_sigprocmask, SIG_SETMASK, IN_PROCESS(guest_blocks), 0, 8, 0, 0);
    if (pool->user_dispatch)
        add(&at, SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, hole + HOLE_TEXT,
            (uint64_t)(world_text_end - world_text), 0, 0);
    if (options->trap_tsc)
        add(&at, SYS_prctl, PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0, 0);
    if (pool->costs.traps_cpuid)
        add(&at, SYS_arch_prctl, ARCH_SET_CPUID, 0, 0, 0, 0, 0);
    add(&at, SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, IN_PROCESS(guest), 0, 0, 0);
    mapper = at;
    add(&at, SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, IN_PROCESS(mapper), 0, 0, 0);

    /* What both threads take for granted: list 1 is being carried out, entry 1 being made, and will be reported. */
    space->entry = space->map_number = 1;
    space->control->run = space->control->map_number = 1;
    space->control->one = 1;
    space->control->flags_clean = FLAG_ONE | FLAG_IF;
    space->control->features = (pool->costs.fsgsbase ? FEATURE_FSGSBASE : 0) | (pool->xsave ? FEATURE_XSAVE : 0);
    space->control->start_mapper = (uint32_t)(guest - start->commands);
    space->control->start_guest = (uint32_t)(mapper - guest);
}

const char *start_step(const struct world_space *space, bool guest, uint32_t left)
{
    const struct start_page *start = start_page(space);
    uint32_t first = space->control->start_mapper, total = first + (guest ? space->control->start_guest : 0);
    long number = left && left <= total ? (long)start->commands[total - left].number : -1;

    if (!guest && space->report->guest_tid)
        number = SYS_seccomp; /* the third list */

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i].number == number)
            return names[i].name;
    }
    return "a start command";
}

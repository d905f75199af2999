/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc_calls.c [44]: who am I, what system is this: small calls with short answers.
 *
 * Next: power.c, and that's all.
 */
#include <asm/prctl.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>

#include "clock.h"
#include "mm.h"
#include "syscall.h"
#include "task.h"
#include "usercopy.h"

/* --- identities -------------------------------------------------------------------------- */

long sys_getpid(const u64 *a)
{
    (void)a;
    return current->tgid;
}

long sys_getppid(const u64 *a)
{
    const struct task *parent = current->leader->parent;

    (void)a;
    return parent ? parent->tgid : 0;
}

long sys_gettid(const u64 *a)
{
    (void)a;
    return current->pid;
}

static struct task *task_or_self(u64 pid)
{
    return pid ? task_find((int)pid) : current->leader;
}

/* getpgid(pid) */
long sys_getpgid(const u64 *a)
{
    const struct task *t = task_or_self(a[0]);

    return t ? t->pgid : -ESRCH;
}

/* getpgrp() */
long sys_getpgrp(const u64 *a)
{
    (void)a;
    return current->pgid;
}

/* setpgid(pid, group) */
long sys_setpgid(const u64 *a)
{
    struct task *t = task_or_self(a[0]);

    if (!t)
        return -ESRCH;
    t->pgid = a[1] ? (int)a[1] : t->pid;
    return 0;
}

/* getsid(pid) */
long sys_getsid(const u64 *a)
{
    const struct task *t = task_or_self(a[0]);

    return t ? t->sid : -ESRCH;
}

/* setsid() */
long sys_setsid(const u64 *a)
{
    (void)a;
    if (current->pgid == current->pid)
        return -EPERM;
    current->sid = current->pgid = current->pid;
    return current->sid;
}

/* set_tid_address(word) */
long sys_set_tid_address(const u64 *a)
{
    current->clear_child_tid = a[0];
    return current->pid;
}

/* --- the CPU's state --------------------------------------------------------------------- */

/* arch_prctl(what, address) */
long sys_arch_prctl(const u64 *a)
{
    switch (a[0]) {
    case ARCH_SET_FS:
        if (a[1] >= USER_TOP)
            return -EPERM;
        cpu_set_fs_base(current->fs_base = a[1]);
        return 0;
    case ARCH_SET_GS:
        if (a[1] >= USER_TOP)
            return -EPERM;
        cpu_set_gs_base(current->gs_base = a[1]);
        return 0;
    case ARCH_GET_FS: return put_user64(a[1], current->fs_base);
    case ARCH_GET_GS: return put_user64(a[1], current->gs_base);
    default: return -EINVAL;
    }
}

#define PR_VLAB_MARK 0x564c4142 /* 'VLAB' */
#define PR_SET_NAME  15
#define PR_GET_NAME  16

/* prctl(option, ...): the one that marks a workload's region of interest, for the VMM. */
long sys_prctl(const u64 *a)
{
    char name[16] = {0};

    switch (a[0]) {
    case PR_VLAB_MARK: vlab_mark((u32)a[1]); return 0;
    case PR_SET_NAME:
        if (copy_string_from_user(name, a[1], sizeof(name)) == -EFAULT)
            return -EFAULT;
        strcopy(current->name, name, sizeof(current->name));
        return 0;
    case PR_GET_NAME: return copy_to_user(a[1], current->name, sizeof(current->name));
    default: return -EINVAL;
    }
}

/* sched_yield() */
long sys_sched_yield(const u64 *a)
{
    (void)a;
    need_resched = true;
    return 0;
}

/* sched_getaffinity(pid, size, mask): CPU 0, there is no other */
long sys_sched_getaffinity(const u64 *a)
{
    if (a[1] < sizeof(u64))
        return -EINVAL;
    return put_user64(a[2], 1) ? -EFAULT : (long)sizeof(u64);
}

/* getpriority(which, who): 20 - nice */
long sys_getpriority(const u64 *a)
{
    (void)a;
    return 20;
}

/* --- limits and use ---------------------------------------------------------------------- */

enum { RLIMIT_STACK = 3, RLIMIT_NOFILE = 7 };

static int put_limit(u64 which, uaddr_t at)
{
    u64 limit = which == RLIMIT_STACK ? STACK_SIZE : which == RLIMIT_NOFILE ? NR_FDS : UINT64_MAX;
    const u64 pair[2] = {limit, limit};

    return copy_to_user(at, pair, sizeof(pair));
}

/* prlimit64(pid, which, new, old) */
long sys_prlimit64(const u64 *a)
{
    return a[3] ? put_limit(a[1], a[3]) : 0;
}

/* getrlimit(which, old) */
long sys_getrlimit(const u64 *a)
{
    return put_limit(a[0], a[1]);
}

/* getrusage(who, buf): not accounted */
long sys_getrusage(const u64 *a)
{
    return clear_user(a[1], RUSAGE_SIZE);
}

/* --- the system -------------------------------------------------------------------------- */

/* uname(buf): C libraries refuse kernels that call themselves too old. */
long sys_uname(const u64 *a)
{
    static const struct new_utsname name = {
        .sysname = "Linux",
        .nodename = "virtlab",
        .release = "6.1.0-virtlab",
        .version = "#1",
        .machine = "x86_64",
        .domainname = "(none)",
    };

    return copy_to_user(a[0], &name, sizeof(name));
}

/* sysinfo(buf) */
long sys_sysinfo(const u64 *a)
{
    struct sysinfo info = {
        .uptime = (long)(clock_ns() / NSEC_PER_SEC),
        .totalram = page_total(),
        .freeram = page_free_count(),
        .mem_unit = PAGE_SIZE,
    };

    for (const struct task *t = all_tasks; t; t = t->next_task)
        info.procs++;
    return copy_to_user(a[0], &info, sizeof(info));
}

/* reboot(magic, magic, command): whatever it asks for, the machine goes off */
long sys_reboot(const u64 *a)
{
    (void)a;
    power_off(0);
}

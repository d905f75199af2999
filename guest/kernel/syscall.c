/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syscall.c [8]: the system call table: a subset of Linux's, by Linux's x86-64 numbers.
 *
 * A handler gets its arguments as an array and returns a result or a negative errno.  What is not
 * in the table returns -ENOSYS, as an older Linux would, and C libraries cope.
 *
 * Next: pic.c.
 */
#include "syscall.h"

#include <asm/unistd.h>

#include "pv_ops.h"
#include "task.h"

#define RFLAGS_TF (1u << 8)

#define CALL(name)     [__NR_##name] = sys_##name
#define SAME(name, as) [__NR_##name] = sys_##as
#define NOTHING(name)  [__NR_##name] = sys_nothing

/* clang-format off */
static syscall_fn *const table[] = {
    /* files */
    CALL(read), CALL(write), CALL(readv), CALL(writev), CALL(pread64), CALL(pwrite64), CALL(lseek),
    CALL(open), CALL(openat), CALL(creat), CALL(close), CALL(close_range), CALL(stat), CALL(lstat),
    CALL(fstat), CALL(newfstatat), CALL(access), CALL(faccessat), SAME(faccessat2, faccessat), CALL(readlink),
    CALL(readlinkat), CALL(getdents64), CALL(mkdir), CALL(mkdirat), CALL(rmdir), CALL(unlink), CALL(unlinkat),
    CALL(rename), CALL(renameat), SAME(renameat2, renameat), CALL(symlink), CALL(symlinkat), CALL(truncate),
    CALL(ftruncate), CALL(chmod), CALL(fchmod), CALL(fchmodat), NOTHING(chown), NOTHING(fchown),
    NOTHING(lchown), NOTHING(fchownat), CALL(utimensat), CALL(chdir), CALL(fchdir), CALL(getcwd), CALL(umask),
    CALL(dup), CALL(dup2), CALL(dup3), CALL(fcntl), CALL(ioctl), CALL(fsync), SAME(fdatasync, fsync),
    NOTHING(sync), CALL(pipe), CALL(pipe2), CALL(poll), CALL(ppoll), NOTHING(fadvise64),

    /* memory */
    CALL(mmap), CALL(munmap), CALL(mprotect), CALL(mremap), CALL(brk), CALL(madvise), NOTHING(msync),
    NOTHING(mlock), NOTHING(munlock),

    /* processes */
    CALL(fork), CALL(vfork), CALL(clone), CALL(execve), CALL(exit), CALL(exit_group), CALL(wait4),
    CALL(getpid), CALL(getppid), CALL(gettid), CALL(getpgid), CALL(getpgrp), CALL(setpgid), CALL(getsid),
    CALL(setsid), CALL(set_tid_address), NOTHING(set_robust_list), CALL(futex), CALL(arch_prctl), CALL(prctl),
    CALL(prlimit64), CALL(getrlimit), NOTHING(setrlimit), CALL(getrusage), CALL(times), CALL(sched_yield),
    CALL(sched_getaffinity), NOTHING(sched_setaffinity), NOTHING(setpriority), CALL(getpriority),

    /* everybody is root */
    NOTHING(getuid), NOTHING(geteuid), NOTHING(getgid), NOTHING(getegid), NOTHING(setuid), NOTHING(setgid),
    NOTHING(setreuid), NOTHING(setregid), NOTHING(setresuid), NOTHING(setresgid), NOTHING(getgroups),
    NOTHING(setgroups),

    /* signals */
    CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(rt_sigsuspend), CALL(rt_sigpending),
    CALL(sigaltstack), CALL(pause), CALL(kill), CALL(tkill), CALL(tgkill), CALL(alarm), CALL(setitimer),

    /* time and the system */
    CALL(clock_gettime), CALL(clock_getres), CALL(clock_nanosleep), CALL(nanosleep), CALL(gettimeofday),
    CALL(time), CALL(uname), CALL(sysinfo), CALL(getrandom), CALL(reboot),
};
/* clang-format on */

int syscall_dispatch(struct trapframe *tf);

static long no_such_call(u64 nr)
{
    if (options.trace)
        printk("%s[%d]: unknown system call %lu\n", current->name, current->pid, nr);
    return -ENOSYS;
}

/* SYSRET restores RIP from RCX and RFLAGS from R11.  It faults in ring 0 on a non-canonical RCX
 * (on Intel), and a frame that a signal or exec has rewritten needs all its registers back. */
static bool sysret_can_restore(const struct trapframe *tf)
{
    return tf->rcx == tf->rip && tf->r11 == tf->rflags && tf->rip < USER_TOP && !(tf->rflags & RFLAGS_TF);
}

/* Returns whether the fast way back, SYSRET, will do. */
int syscall_dispatch(struct trapframe *tf)
{
    u64 nr = tf->error;
    syscall_fn *call = nr < ARRAY_SIZE(table) ? table[nr] : NULL;

    pv_sti();
    tf->rax = (u64)(call ? call(tf->arg) : no_such_call(nr));
    pv_cli();
    exit_to_user(tf);
    return sysret_can_restore(tf);
}

/* For calls that may succeed without doing anything here. */
long sys_nothing(const u64 *a)
{
    (void)a;
    return 0;
}

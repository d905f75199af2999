/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syscall.h: every system call handler.  a[0] to a[5] are the arguments.
 */
#ifndef SYSCALL_H
#define SYSCALL_H

#include "kernel.h"

typedef long syscall_fn(const u64 *a);

#define RUSAGE_SIZE 144 /* struct rusage, of which we know nothing */

int get_timespec(uaddr_t at, u64 *ns) MUST_CHECK; /* time_calls.c */

/* exec.c */
syscall_fn sys_execve;
/* exit.c */
syscall_fn sys_exit, sys_exit_group, sys_wait4;
/* fd.c */
syscall_fn sys_close, sys_close_range, sys_dup, sys_dup2, sys_dup3, sys_fcntl;
/* fork.c */
syscall_fn sys_clone, sys_fork, sys_vfork;
/* open_calls.c */
syscall_fn sys_open, sys_openat, sys_creat, sys_stat, sys_lstat, sys_fstat, sys_newfstatat, sys_access, sys_faccessat,
    sys_readlink, sys_readlinkat;
/* tree_calls.c */
syscall_fn sys_mkdir, sys_mkdirat, sys_symlink, sys_symlinkat, sys_unlink, sys_rmdir, sys_unlinkat, sys_rename,
    sys_renameat, sys_truncate, sys_chmod, sys_fchmod, sys_fchmodat, sys_utimensat, sys_chdir, sys_fchdir, sys_getcwd,
    sys_umask;
/* futex.c */
syscall_fn sys_futex;
/* io_calls.c */
syscall_fn sys_read, sys_write, sys_pread64, sys_pwrite64, sys_readv, sys_writev, sys_lseek, sys_ftruncate, sys_fsync,
    sys_ioctl, sys_getdents64;
/* mmap.c */
syscall_fn sys_mmap, sys_munmap, sys_mprotect, sys_brk, sys_mremap, sys_madvise;
/* pipe.c */
syscall_fn sys_pipe, sys_pipe2;
/* poll.c */
syscall_fn sys_poll, sys_ppoll;
/* proc_calls.c */
syscall_fn sys_getpid, sys_getppid, sys_gettid, sys_getpgid, sys_getpgrp, sys_setpgid, sys_getsid, sys_setsid,
    sys_set_tid_address, sys_arch_prctl, sys_prctl, sys_sched_yield, sys_sched_getaffinity, sys_getpriority,
    sys_prlimit64, sys_getrlimit, sys_getrusage, sys_uname, sys_sysinfo, sys_reboot;
/* random.c */
syscall_fn sys_getrandom;
/* sigframe.c */
syscall_fn sys_rt_sigreturn, sys_sigaltstack;
/* signal.c */
syscall_fn sys_rt_sigaction, sys_rt_sigprocmask, sys_rt_sigpending, sys_rt_sigsuspend, sys_pause, sys_kill, sys_tkill,
    sys_tgkill;
/* syscall.c */
syscall_fn sys_nothing;
/* time_calls.c */
syscall_fn sys_clock_gettime, sys_clock_getres, sys_gettimeofday, sys_time, sys_nanosleep, sys_clock_nanosleep,
    sys_alarm, sys_setitimer, sys_times;

#endif

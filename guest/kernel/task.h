/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * task.h: a task: what runs.  A process is a task with an address space of its own; threads are
 * tasks that share it.
 *
 * The kernel itself is not preemptible: a task in the kernel runs until it sleeps (sched.c) or
 * returns to user mode.  Interrupts do come, but only touch the run queue and the console's input,
 * so these alone are guarded by pv_irq_save.
 */
#ifndef TASK_H
#define TASK_H

#include "cpu.h"
#include "kernel.h"
#include "trapframe.h"

#define STACK_TOP  (USER_TOP - 0x1000000) /* of user space */
#define STACK_SIZE (8ull << 20)

#define KSTACK_PAGES 4
#define KSTACK_SIZE  (KSTACK_PAGES * PAGE_SIZE)

#define SIGNAL_MAX     63 /* without SIGRTMAX, struct sighand fits half a page */
#define DETAIL_SIGNALS 32 /* the classic signals keep their details */
#define SIGMASK(sig)   (1ull << ((sig)-1))

enum task_state { TASK_RUNNABLE, TASK_SLEEPING, TASK_ZOMBIE, TASK_DEAD };

struct task;
struct file;
struct inode;
struct mm;

struct waitq {
    struct task *first;
};

/* As the rt_sigaction system call has it (the kernel's order, not the C library's). */
struct sigaction_user {
    u64 handler, flags, restorer, mask;
};

struct sighand {
    u32 refs;
    struct sigaction_user action[SIGNAL_MAX];
};

/* What siginfo_t will say. */
struct sigdetail {
    int code, pid, status;
    u64 addr;
};

#define NR_FDS 112

struct files {
    u32 refs;
    u8 cloexec[NR_FDS];
    struct file *file[NR_FDS];
};

struct task {
    u8 fx[FX_SIZE]; /* first, for its alignment */
    u64 krsp;
    u8 *kstack;
    enum task_state state;
    int pid, tgid, pgid, sid;
    char name[16];
    struct task *leader; /* of the thread group: itself for a process */
    struct task *parent;
    struct task *next_task, *next_run;
    int exit_status;  /* as wait4 reports it */
    int group_status; /* what a thread's exit_group wants the leader to report */

    struct mm *mm;
    struct files *files;
    struct sighand *sighand;
    struct inode *cwd, *exe;
    u64 fs_base, gs_base;
    u64 clear_child_tid;
    u32 umask;

    /* sleeping */
    struct waitq *waiting_on;
    struct task *next_wait, *next_timed;
    u64 wake_at; /* 0: no time limit */
    bool timed_out;

    /* family */
    struct waitq child_event;
    struct task *vfork_parent; /* sleeps until this task leaves its address space */
    bool vfork_waiting;

    /* signals */
    u64 sig_pending, sig_blocked;
    u64 saved_mask; /* by sigsuspend, to be restored by the handler's return */
    bool restore_mask;
    u64 altstack_sp, altstack_size;
    u64 alarm_at, alarm_interval; /* ns; 0: none */
    struct sigdetail detail[DETAIL_SIGNALS];

    u64 futex_key; /* address waited for, 0 when woken */
    u64 start_ns;
};

extern struct task *current;
extern bool need_resched;

/* sched.c */
#define NO_TIMEOUT 0
void schedule(void);
void sched_add(struct task *t);
void sched_tick(void);
int wait_on(struct waitq *q, u64 deadline) MUST_CHECK; /* 0, -ERESTARTSYS or -ETIMEDOUT */
void wait_on_uninterruptible(struct waitq *q);
void wake_all(struct waitq *q);
void wake_task(struct task *t);
extern struct waitq poll_event; /* woken whenever a file may have become ready */

/* task.c */
extern struct task *all_tasks;
struct task *task_new(void) MUST_CHECK;
void task_free(struct task *t);
struct task *task_find(int pid);
struct trapframe *task_frame(const struct task *t);
void task_start(void); /* entry.S */

/* exec.c */
struct strings {
    u64 array;   /* a NULL-terminated array of strings, */
    bool kernel; /* in kernel memory, or in the process's */
};
int exec_load(const char *path, struct strings argv, struct strings envp) MUST_CHECK;

/* exit.c */
_Noreturn void task_exit(int status);       /* this task */
_Noreturn void task_exit_group(int status); /* its whole thread group */
void task_leave_mm(void);
void kill_other_threads(void);

/* signal.c */
bool signal_pending(const struct task *t);
void signal_send(struct task *t, int sig, struct sigdetail detail);
void signal_force(int sig, struct sigdetail detail); /* a fault of the current task */
void signal_deliver(struct trapframe *tf);
void signal_reset_for_exec(void);
int signal_group(int pgid, int sig, struct sigdetail detail);

/* futex.c */
void futex_wake_all(u64 uaddr);

#endif

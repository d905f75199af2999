/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exit.c [25]: tasks end, and their parents hear of it.
 *
 * A process leaves a zombie until its parent waits; a thread vanishes.  When init ends, so does
 * the machine, with init's status.
 *
 * Next: signal.c.
 */
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <linux/wait.h>

#include "clock.h"
#include "file.h"
#include "fs.h"
#include "mm.h"
#include "pv_ops.h"
#include "syscall.h"
#include "task.h"
#include "usercopy.h"

#define INIT_PID 1

static struct task *init_task(void)
{
    return task_find(INIT_PID);
}

/* --- leaving ----------------------------------------------------------------------------- */

/* Gives up the address space; who waits in vfork for that may go on.  The CPU runs on other
 * tables already. */
void task_leave_mm(void)
{
    struct task *parent = current->vfork_parent;

    if (current->mm)
        mm_put(current->mm);
    current->mm = NULL;
    if (parent) {
        current->vfork_parent = NULL;
        parent->vfork_waiting = false;
        wake_all(&parent->child_event);
    }
}

/* pthread_join waits for this word to become 0. */
static void clear_tid(void)
{
    if (current->clear_child_tid && current->mm->refs > 1 && !put_user32(current->clear_child_tid, 0))
        futex_wake_all(current->clear_child_tid);
}

static void release_resources(void)
{
    clear_tid();
    files_put(current->files);
    pv_write_cr3(kernel_cr3());
    task_leave_mm();
    if (!--current->sighand->refs)
        kfree(current->sighand, sizeof(*current->sighand));
    inode_put(current->cwd);
    if (current->exe)
        inode_put(current->exe);
}

static void adopt_children(void)
{
    struct task *init = init_task();

    for (struct task *t = all_tasks; t; t = t->next_task)
        if (t->parent == current) {
            t->parent = init;
            if (t->state == TASK_ZOMBIE)
                wake_all(&init->child_event);
        }
}

/* The shell's convention: 128 + signal. */
static u8 shell_status(int status)
{
    return (u8)(status & 0x7f ? 128 + (status & 0x7f) : status >> 8);
}

static struct sigdetail child_detail(const struct task *t)
{
    int sig = t->exit_status & 0x7f;

    return (struct sigdetail){
        .code = sig ? CLD_KILLED : CLD_EXITED, .pid = t->pid, .status = sig ? sig : t->exit_status >> 8};
}

static bool ignores_children(const struct task *t)
{
    const struct sigaction_user *act = &t->sighand->action[SIGCHLD - 1];

    return act->handler == (u64)SIG_IGN || (act->flags & SA_NOCLDWAIT);
}

_Noreturn void task_exit(int status)
{
    struct task *parent = current->parent;

    if (current->pid == INIT_PID)
        power_off(shell_status(status));
    pv_cli(); /* an interrupt may want to send a signal to what is half gone */
    current->exit_status = status;
    release_resources();
    if (current->leader == current)
        adopt_children();
    if (current->leader != current || ignores_children(parent)) {
        current->state = TASK_DEAD;
    } else {
        current->state = TASK_ZOMBIE;
        signal_send(parent, SIGCHLD, child_detail(current));
    }
    for (struct task *t = all_tasks; t; t = t->next_task)
        if (t->leader == parent)
            wake_all(&t->child_event);
    schedule();
    panic("a dead task ran");
}

void kill_other_threads(void)
{
    for (struct task *t = all_tasks; t; t = t->next_task)
        if (t != current && t->leader == current->leader && t->state < TASK_ZOMBIE)
            signal_send(t, SIGKILL, (struct sigdetail){0});
}

_Noreturn void task_exit_group(int status)
{
    kill_other_threads();
    if (current->leader->pid == INIT_PID)
        power_off(shell_status(status));
    if (current->leader != current && current->leader->state < TASK_ZOMBIE)
        current->leader->group_status = status;
    task_exit(current->group_status ? current->group_status : status);
}

/* exit(status) */
long sys_exit(const u64 *a)
{
    task_exit((int)(a[0] & 0xff) << 8);
}

/* exit_group(status) */
long sys_exit_group(const u64 *a)
{
    task_exit_group((int)(a[0] & 0xff) << 8);
}

/* --- waiting ----------------------------------------------------------------------------- */

static bool matches(const struct task *t, int pid)
{
    if (t->parent != current->leader || t->leader != t)
        return false;
    if (pid > 0)
        return t->pid == pid;
    if (pid == 0)
        return t->pgid == current->pgid;
    return pid == -1 || t->pgid == -pid;
}

/* A leader's zombie stays until its threads are gone: they refer to it. */
static bool has_threads(const struct task *leader)
{
    for (const struct task *t = all_tasks; t; t = t->next_task)
        if (t != leader && t->leader == leader)
            return true;
    return false;
}

/* A zombie that matches, or NULL; *any tells whether waiting makes sense. */
static struct task *find_child(int pid, bool *any)
{
    *any = false;
    for (struct task *t = all_tasks; t; t = t->next_task) {
        if (!matches(t, pid) || t->state == TASK_DEAD)
            continue;
        if (t->state == TASK_ZOMBIE && !has_threads(t))
            return t;
        *any = true;
    }
    return NULL;
}

static long reap(struct task *t, uaddr_t status, uaddr_t rusage)
{
    int pid = t->pid;

    if (status && put_user32(status, (u32)t->exit_status))
        return -EFAULT;
    if (rusage && clear_user(rusage, RUSAGE_SIZE))
        return -EFAULT;
    task_free(t);
    return pid;
}

/* wait4(pid, status, options, rusage) */
long sys_wait4(const u64 *a)
{
    struct task *t;
    bool any;
    int r;

    while (!(t = find_child((int)a[0], &any))) {
        if (!any)
            return -ECHILD;
        if (a[2] & WNOHANG)
            return 0;
        r = wait_on(&current->child_event, NO_TIMEOUT);
        if (r)
            return r;
    }
    return reap(t, a[1], a[3]);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sched.c [21]: who runs: a round-robin queue, sleeping, waking, and the switch itself.
 *
 * A task gives way when it sleeps, or on its way back to user mode after the timer's tick found
 * somebody else waiting (need_resched).  All of this happens with interrupts off.
 *
 * Next: task.c.
 */
#include "clock.h"
#include "cpu.h"
#include "mm.h"
#include "pv_ops.h"
#include "task.h"

#include <asm/signal.h>

struct task *current;
bool need_resched;
struct waitq poll_event;

static struct task *run_first, *run_last;
static struct task *timed; /* sleepers with a time limit */
static struct task *dead;  /* its stack was in use until just now */

extern void context_switch(u64 *save_rsp, u64 load_rsp);
void sched_new_task(struct trapframe *tf);

void sched_add(struct task *t)
{
    t->next_run = NULL;
    if (run_first)
        run_last->next_run = t;
    else
        run_first = t;
    run_last = t;
    pv_tick_request();
}

/* The next task to run; while there is none the CPU halts, on the stack of whoever slept last. */
static struct task *pick_next(void)
{
    struct task *t;

    while (!run_first)
        pv_sti_hlt_cli();
    t = run_first;
    run_first = t->next_run;
    return t;
}

static void load_address_space(const struct task *prev, const struct task *next)
{
    if (next->mm != prev->mm)
        pv_write_cr3(virt_to_phys(next->mm->pml4));
    if (next->fs_base != prev->fs_base)
        cpu_set_fs_base(next->fs_base);
    if (next->gs_base != prev->gs_base)
        cpu_set_gs_base(next->gs_base);
}

static void reap_dead(void)
{
    if (dead)
        task_free(dead);
    dead = NULL;
}

void schedule(void)
{
    struct task *prev = current, *next;

    need_resched = false;
    if (prev->state == TASK_RUNNABLE)
        sched_add(prev);
    next = pick_next();
    if (next == prev)
        return;
    if (prev->state == TASK_DEAD)
        dead = prev;
    pv_fpu_switch(prev->state < TASK_ZOMBIE ? prev->fx : NULL, next->fx);
    load_address_space(prev, next);
    cpu_set_kernel_stack((u64)next->kstack + KSTACK_SIZE);
    current = next;
    context_switch(&prev->krsp, next->krsp);
    reap_dead(); /* whoever we are now, we have left prev's stack */
}

/* Where a task starts that has never been switched away from. */
void sched_new_task(struct trapframe *tf)
{
    reap_dead();
    exit_to_user(tf);
}

/* --- sleeping and waking ----------------------------------------------------------------- */

static void unlink_timed(struct task *t)
{
    for (struct task **link = &timed; *link; link = &(*link)->next_timed)
        if (*link == t) {
            *link = t->next_timed;
            return;
        }
}

static void unlink_wait(struct task *t)
{
    for (struct task **link = &t->waiting_on->first; *link; link = &(*link)->next_wait)
        if (*link == t) {
            *link = t->next_wait;
            return;
        }
}

void wake_task(struct task *t)
{
    u64 flags = pv_irq_save();

    if (t->state == TASK_SLEEPING) {
        unlink_wait(t);
        if (t->wake_at)
            unlink_timed(t);
        t->state = TASK_RUNNABLE;
        sched_add(t);
    }
    pv_irq_restore(flags);
}

void wake_all(struct waitq *q)
{
    u64 flags = pv_irq_save();

    while (q->first)
        wake_task(q->first);
    pv_irq_restore(flags);
}

static void sleep(struct waitq *q, u64 deadline)
{
    struct task **tail = &q->first;

    while (*tail)
        tail = &(*tail)->next_wait;
    *tail = current;
    current->next_wait = NULL;
    current->waiting_on = q;
    current->wake_at = deadline;
    if (deadline) {
        current->next_timed = timed;
        timed = current;
        pv_tick_request();
    }
    current->state = TASK_SLEEPING;
    schedule();
}

/* Sleeps until woken, once; the caller tests its condition again.  A signal or the deadline (in
 * clock_ns() terms) ends the waiting for good. */
int wait_on(struct waitq *q, u64 deadline)
{
    u64 flags = pv_irq_save();
    int r = 0;

    if (signal_pending(current))
        r = -ERESTARTSYS;
    else if (deadline && clock_ns() >= deadline)
        r = -ETIMEDOUT;
    else
        sleep(q, deadline);
    pv_irq_restore(flags);
    return r;
}

void wait_on_uninterruptible(struct waitq *q)
{
    u64 flags = pv_irq_save();

    sleep(q, NO_TIMEOUT);
    pv_irq_restore(flags);
}

/* --- the timer's tick, with interrupts off ----------------------------------------------- */

static void wake_timed(u64 now)
{
    struct task *t = timed, *next;

    for (; t; t = next) {
        next = t->next_timed;
        if (t->wake_at <= now)
            wake_task(t);
    }
}

static void ring_alarms(u64 now)
{
    for (struct task *t = all_tasks; t; t = t->next_task) {
        if (t->alarm_at && t->alarm_at <= now) {
            t->alarm_at = t->alarm_interval ? now + t->alarm_interval : 0;
            signal_send(t, SIGALRM, (struct sigdetail){0});
        }
        if (t->alarm_at)
            pv_tick_request();
    }
}

void sched_tick(void)
{
    u64 now = clock_ns();

    wake_timed(now);
    ring_alarms(now);
    if (run_first)
        need_resched = true;
    if (run_first || timed)
        pv_tick_request();
}

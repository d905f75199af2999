/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * task.c [22]: tasks are made, found and freed here.
 *
 * Next: fork.c.
 */
#include "task.h"

#include "clock.h"
#include "mm.h"

struct task *all_tasks;

static void *free_stacks; /* they need contiguous pages, so they are kept for the next task */
static int last_pid;

static void *kstack_alloc(void)
{
    void **stack = free_stacks;

    if (!stack)
        return page_alloc_run(KSTACK_PAGES);
    free_stacks = *stack;
    return stack;
}

static void kstack_free(void *stack)
{
    *(void **)stack = free_stacks;
    free_stacks = stack;
}

struct trapframe *task_frame(const struct task *t)
{
    return (struct trapframe *)(t->kstack + KSTACK_SIZE) - 1;
}

/* A task whose first run will take it to user mode with the registers of task_frame(). */
static void prepare_first_run(struct task *t)
{
    u64 *sp = (u64 *)task_frame(t);

    *--sp = (u64)task_start; /* context_switch returns to it, */
    for (int i = 0; i < 6; i++)
        *--sp = 0; /* after popping six registers */
    t->krsp = (u64)sp;
}

/* With a paravirtual build's FPU state a task takes a page (ops.h). */
static void task_release(struct task *t)
{
    if (sizeof(*t) > KALLOC_MAX)
        page_unref(t);
    else
        kfree(t, sizeof(*t));
}

struct task *task_new(void)
{
    struct task *t = sizeof(*t) > KALLOC_MAX ? page_alloc_zeroed() : kalloc(sizeof(*t));

    _Static_assert(sizeof(struct task) <= PAGE_SIZE, "struct task must fit a page");
    _Static_assert(sizeof(struct files) <= 1024, "struct files should not waste its size class");
    if (!t)
        return NULL;
    t->kstack = kstack_alloc();
    if (!t->kstack) {
        task_release(t);
        return NULL;
    }
    memset(task_frame(t), 0, sizeof(struct trapframe));
    prepare_first_run(t);
    fpu_init_state(t->fx);
    t->pid = t->tgid = ++last_pid;
    t->leader = t;
    t->start_ns = clock_ns();
    t->next_task = all_tasks;
    all_tasks = t;
    return t;
}

void task_free(struct task *t)
{
    struct task **link = &all_tasks;

    while (*link != t)
        link = &(*link)->next_task;
    *link = t->next_task;
    kstack_free(t->kstack);
    task_release(t);
}

struct task *task_find(int pid)
{
    struct task *t = all_tasks;

    while (t && t->pid != pid)
        t = t->next_task;
    return t;
}

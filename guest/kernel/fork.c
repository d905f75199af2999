/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fork.c [23]: a task makes another: fork, vfork, clone.
 *
 * What the flags do not ask to share is copied: memory copy-on-write, descriptors and signal
 * handlers by value.  The child starts with the parent's registers, except that its call returns 0.
 *
 * Next: exec.c.
 */
#include <asm/signal.h>
#include <linux/sched.h>

#include "file.h"
#include "fs.h"
#include "mm.h"
#include "syscall.h"
#include "task.h"
#include "usercopy.h"

struct clone {
    u64 flags, stack;
    uaddr_t parent_tid, child_tid;
    u64 tls;
};

static struct sighand *sighand_copy(const struct sighand *from)
{
    struct sighand *s = kalloc(sizeof(*s));

    if (!s)
        return NULL;
    *s = *from;
    s->refs = 1;
    return s;
}

static int copy_mm(struct task *t, u64 flags)
{
    if (flags & CLONE_VM) {
        t->mm = current->mm;
        t->mm->refs++;
        return 0;
    }
    t->mm = mm_fork(current->mm);
    return t->mm ? 0 : -ENOMEM;
}

static int copy_files(struct task *t, u64 flags)
{
    if (flags & CLONE_FILES) {
        t->files = current->files;
        t->files->refs++;
        return 0;
    }
    t->files = files_copy(current->files);
    return t->files ? 0 : -ENOMEM;
}

static int copy_sighand(struct task *t, u64 flags)
{
    if (flags & CLONE_SIGHAND) {
        t->sighand = current->sighand;
        t->sighand->refs++;
        return 0;
    }
    t->sighand = sighand_copy(current->sighand);
    return t->sighand ? 0 : -ENOMEM;
}

static void copy_rest(struct task *t, const struct clone *c)
{
    struct trapframe *tf = task_frame(t);

    *tf = *task_frame(current);
    tf->rax = 0;
    if (c->stack)
        tf->rsp = c->stack;
    fpu_save(t->fx);
    memcpy(t->name, current->name, sizeof(t->name));
    t->pgid = current->pgid;
    t->sid = current->sid;
    t->umask = current->umask;
    t->sig_blocked = current->sig_blocked;
    t->altstack_sp = current->altstack_sp;
    t->altstack_size = c->flags & CLONE_VM ? 0 : current->altstack_size;
    t->fs_base = c->flags & CLONE_SETTLS ? c->tls : current->fs_base;
    t->gs_base = current->gs_base;
    t->cwd = current->cwd;
    inode_get(t->cwd);
    t->exe = current->exe;
    if (t->exe)
        inode_get(t->exe);
    if (c->flags & CLONE_CHILD_CLEARTID)
        t->clear_child_tid = c->child_tid;
    if (c->flags & CLONE_THREAD) {
        t->leader = current->leader;
        t->tgid = current->tgid;
        t->parent = current->leader->parent;
    } else {
        t->parent = current->leader->state < TASK_ZOMBIE ? current->leader : task_find(1);
    }
}

/* The child may live in another address space: its thread id is written there. */
static void put_child_tid(struct task *t, uaddr_t at)
{
    u8 *page = (at & 3) || at >= USER_TOP ? NULL : vm_writable_page(t->mm, at);

    if (page)
        *(u32 *)(page + (at & PAGE_MASK)) = (u32)t->pid;
}

static long do_clone(const struct clone *c)
{
    struct task *t = task_new();
    int pid;

    if (!t)
        return -EAGAIN;
    pid = t->pid;
    if (copy_mm(t, c->flags) || copy_files(t, c->flags) || copy_sighand(t, c->flags)) {
        if (t->mm)
            mm_put(t->mm);
        if (t->files)
            files_put(t->files);
        task_free(t);
        return -ENOMEM;
    }
    copy_rest(t, c);
    if (c->flags & CLONE_CHILD_SETTID)
        put_child_tid(t, c->child_tid);
    if ((c->flags & CLONE_PARENT_SETTID) && put_user32(c->parent_tid, (u32)pid))
        printk("%s[%d]: clone: bad address for the thread id\n", current->name, current->pid);
    if (c->flags & CLONE_VFORK) {
        t->vfork_parent = current;
        current->vfork_waiting = true;
    }
    sched_add(t);
    while (current->vfork_waiting)
        wait_on_uninterruptible(&current->child_event);
    return pid;
}

/* clone(flags, stack, parent tid, child tid, tls) */
long sys_clone(const u64 *a)
{
    struct clone c = {a[0], a[1], a[2], a[3], a[4]};

    if ((c.flags & CLONE_THREAD) && !(c.flags & CLONE_SIGHAND))
        return -EINVAL;
    if ((c.flags & CLONE_SIGHAND) && !(c.flags & CLONE_VM))
        return -EINVAL;
    return do_clone(&c);
}

/* fork() */
long sys_fork(const u64 *a)
{
    const struct clone c = {.flags = SIGCHLD};

    (void)a;
    return do_clone(&c);
}

/* vfork() */
long sys_vfork(const u64 *a)
{
    const struct clone c = {.flags = CLONE_VM | CLONE_VFORK | SIGCHLD};

    (void)a;
    return do_clone(&c);
}

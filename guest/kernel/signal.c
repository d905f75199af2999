/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * signal.c [26]: signals: sent, blocked, ignored, or delivered on the way back to user mode.
 *
 * There is no job control: the stopping signals are ignored.
 *
 * Next: sigframe.c, where a handler is set up and returned from.
 */
#include <asm/siginfo.h>
#include <asm/signal.h>

#include "mm.h"
#include "pv_ops.h"
#include "sigframe.h"
#include "syscall.h"
#include "task.h"
#include "usercopy.h"

#define UNBLOCKABLE (SIGMASK(SIGKILL) | SIGMASK(SIGSTOP))
#define IGNORED_UNLESS_HANDLED                                                                                         \
    (SIGMASK(SIGCHLD) | SIGMASK(SIGCONT) | SIGMASK(SIGURG) | SIGMASK(SIGWINCH) | SIGMASK(SIGSTOP) | SIGMASK(SIGTSTP) | \
     SIGMASK(SIGTTIN) | SIGMASK(SIGTTOU))
/* A fault goes first: its handler must see the state of the faulting instruction. */
#define SYNCHRONOUS (SIGMASK(SIGSEGV) | SIGMASK(SIGBUS) | SIGMASK(SIGILL) | SIGMASK(SIGTRAP) | SIGMASK(SIGFPE))

/* --- sending ----------------------------------------------------------------------------- */

static u64 deliverable(const struct task *t)
{
    return t->sig_pending & ~(t->sig_blocked & ~UNBLOCKABLE);
}

bool signal_pending(const struct task *t)
{
    return deliverable(t);
}

static bool ignored(const struct task *t, int sig)
{
    u64 handler = t->sighand->action[sig - 1].handler;

    if (sig == SIGKILL)
        return false;
    return handler == (u64)SIG_IGN || (handler == (u64)SIG_DFL && (IGNORED_UNLESS_HANDLED & SIGMASK(sig)));
}

void signal_send(struct task *t, int sig, struct sigdetail detail)
{
    u64 flags;

    if (t->state >= TASK_ZOMBIE || (ignored(t, sig) && !(t->sig_blocked & SIGMASK(sig))))
        return;
    flags = pv_irq_save();
    t->sig_pending |= SIGMASK(sig);
    if (sig < DETAIL_SIGNALS)
        t->detail[sig] = detail;
    if (deliverable(t))
        wake_task(t);
    pv_irq_restore(flags);
}

/* A fault can't be put off: if it is blocked or ignored, it kills. */
void signal_force(int sig, struct sigdetail detail)
{
    struct sigaction_user *act = &current->sighand->action[sig - 1];

    if (act->handler == (u64)SIG_IGN || (current->sig_blocked & SIGMASK(sig)))
        act->handler = (u64)SIG_DFL;
    current->sig_blocked &= ~SIGMASK(sig);
    signal_send(current, sig, detail);
}

/* To every process of a group; how many there were. */
int signal_group(int pgid, int sig, struct sigdetail detail)
{
    int n = 0;

    for (struct task *t = all_tasks; t; t = t->next_task)
        if (t->leader == t && t->pgid == pgid && t->state < TASK_ZOMBIE) {
            if (sig)
                signal_send(t, sig, detail);
            n++;
        }
    return n;
}

/* --- delivering, with interrupts off ----------------------------------------------------- */

static int first_signal(void)
{
    u64 set = deliverable(current);

    if (set & SYNCHRONOUS)
        set &= SYNCHRONOUS;
    return __builtin_ctzll(set) + 1;
}

/* The interrupted system call of a handler that is about to run: fail, or run again afterwards. */
static void settle_interrupted_call(struct trapframe *tf, const struct sigaction_user *act)
{
    if (tf->vector != VEC_SYSCALL || tf->rax != (u64)-ERESTARTSYS)
        return;
    if (act->flags & SA_RESTART) {
        tf->rax = tf->error;
        tf->rip -= 2; /* the length of SYSCALL */
    } else {
        tf->rax = (u64)-EINTR;
    }
}

static void run_handler(struct trapframe *tf, int sig)
{
    struct sigaction_user *act = &current->sighand->action[sig - 1];
    struct sigdetail detail = {0};
    u64 mask = current->restore_mask ? current->saved_mask : current->sig_blocked;

    if (sig < DETAIL_SIGNALS)
        detail = current->detail[sig];
    settle_interrupted_call(tf, act);
    current->restore_mask = false;
    if (sigframe_push(tf, sig, act, &detail, mask)) {
        printk("%s[%d]: no stack for signal %d\n", current->name, current->pid, sig);
        task_exit_group(SIGSEGV);
    }
    current->sig_blocked |= act->mask;
    if (!(act->flags & SA_NODEFER))
        current->sig_blocked |= SIGMASK(sig);
    if (act->flags & SA_RESETHAND)
        act->handler = (u64)SIG_DFL;
}

void signal_deliver(struct trapframe *tf)
{
    int sig = first_signal();
    u64 handler = current->sighand->action[sig - 1].handler;

    current->sig_pending &= ~SIGMASK(sig);
    if (sig == SIGKILL || (handler == (u64)SIG_DFL && !ignored(current, sig)))
        task_exit_group(sig);
    if (!ignored(current, sig))
        run_handler(tf, sig);
}

/* A new program has none of the old one's handlers; what was ignored stays so. */
void signal_reset_for_exec(void)
{
    struct sighand *s = current->sighand;

    if (s->refs > 1) {
        struct sighand *own = kalloc(sizeof(*own));

        if (!own) {
            signal_send(current, SIGKILL, (struct sigdetail){0});
            return;
        }
        *own = *s;
        own->refs = 1;
        s->refs--;
        current->sighand = s = own;
    }
    for (int i = 0; i < SIGNAL_MAX; i++)
        if (s->action[i].handler != (u64)SIG_IGN)
            s->action[i] = (struct sigaction_user){0};
    current->altstack_size = 0;
}

/* --- system calls ------------------------------------------------------------------------ */

/* rt_sigaction(signal, new, old, size of a mask) */
long sys_rt_sigaction(const u64 *a)
{
    struct sigaction_user act, *slot;

    if (a[0] < 1 || a[0] > SIGNAL_MAX || a[3] != sizeof(u64))
        return -EINVAL;
    slot = &current->sighand->action[a[0] - 1];
    if (a[1] && (a[0] == SIGKILL || a[0] == SIGSTOP))
        return -EINVAL;
    if (a[1] && copy_from_user(&act, a[1], sizeof(act)))
        return -EFAULT;
    if (a[2] && copy_to_user(a[2], slot, sizeof(*slot)))
        return -EFAULT;
    if (a[1]) {
        *slot = act;
        if (ignored(current, (int)a[0]))
            current->sig_pending &= ~SIGMASK(a[0]);
    }
    return 0;
}

/* rt_sigprocmask(how, new, old, size of a mask) */
long sys_rt_sigprocmask(const u64 *a)
{
    u64 set, old = current->sig_blocked;

    if (a[3] != sizeof(u64))
        return -EINVAL;
    if (a[1] && get_user64(a[1], &set))
        return -EFAULT;
    if (a[2] && put_user64(a[2], old))
        return -EFAULT;
    if (!a[1])
        return 0;
    switch (a[0]) {
    case SIG_BLOCK: current->sig_blocked |= set; break;
    case SIG_UNBLOCK: current->sig_blocked &= ~set; break;
    case SIG_SETMASK: current->sig_blocked = set; break;
    default: return -EINVAL;
    }
    current->sig_blocked &= ~UNBLOCKABLE;
    return 0;
}

/* rt_sigpending(set, size of a mask) */
long sys_rt_sigpending(const u64 *a)
{
    return put_user64(a[0], current->sig_pending & current->sig_blocked);
}

static long wait_for_signal(void)
{
    struct waitq nobody = {0};

    while (!wait_on(&nobody, NO_TIMEOUT))
        ;
    return -EINTR;
}

/* rt_sigsuspend(mask, size of a mask) */
long sys_rt_sigsuspend(const u64 *a)
{
    u64 mask;

    if (get_user64(a[0], &mask))
        return -EFAULT;
    current->saved_mask = current->sig_blocked;
    current->restore_mask = true;
    current->sig_blocked = mask & ~UNBLOCKABLE;
    return wait_for_signal();
}

/* pause() */
long sys_pause(const u64 *a)
{
    (void)a;
    return wait_for_signal();
}

/* kill(pid, signal) */
long sys_kill(const u64 *a)
{
    int pid = (int)a[0], sig = (int)a[1], n = 0;
    const struct sigdetail d = {.code = SI_USER, .pid = current->tgid};

    if (sig < 0 || sig > SIGNAL_MAX)
        return -EINVAL;
    if (pid == 0 || pid < -1)
        return signal_group(pid ? -pid : current->pgid, sig, d) ? 0 : -ESRCH;
    for (struct task *t = all_tasks; t; t = t->next_task) {
        if (t->leader != t || t->state == TASK_DEAD || (pid == -1 ? t->pid == 1 || t == current : t->pid != pid))
            continue;
        n++;
        if (sig)
            signal_send(t, sig, d);
    }
    return n ? 0 : -ESRCH;
}

static long kill_thread(int tgid, int tid, int sig)
{
    struct task *t = task_find(tid);

    if (sig < 0 || sig > SIGNAL_MAX)
        return -EINVAL;
    if (!t || (tgid && t->tgid != tgid))
        return -ESRCH;
    if (sig)
        signal_send(t, sig, (struct sigdetail){.code = SI_TKILL, .pid = current->tgid});
    return 0;
}

/* tkill(tid, signal) */
long sys_tkill(const u64 *a)
{
    return kill_thread(0, (int)a[0], (int)a[1]);
}

/* tgkill(tgid, tid, signal) */
long sys_tgkill(const u64 *a)
{
    return kill_thread((int)a[0], (int)a[1], (int)a[2]);
}

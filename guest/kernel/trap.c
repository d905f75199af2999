/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trap.c [7]: exceptions and interrupts, and the last things before user mode.
 *
 * A page fault may be fault.c's business, the process's mistake (a signal) or, in the kernel, a
 * foreseen one of usercopy.c.  Any other exception in the kernel is a bug: panic.
 *
 * Next: syscall.c.
 */
#include "trapframe.h"

#include <asm/siginfo.h>
#include <asm/signal.h>

#include "console.h"
#include "mm.h"
#include "pic.h"
#include "pv_ops.h"
#include "task.h"
#include "usercopy.h"

#define VEC_NMI 2
#define VEC_PF  14

void trap_dispatch(struct trapframe *tf);

/* What each exception means to a process (as on Linux), and its name for messages. */
static const struct {
    const char *name;
    u8 signal;
    u8 code;
} exceptions[32] = {
    [0] = {"divide error", SIGFPE, FPE_INTDIV},
    [1] = {"debug", SIGTRAP, TRAP_TRACE},
    [2] = {"NMI", SIGSEGV, SI_KERNEL},
    [3] = {"breakpoint", SIGTRAP, SI_KERNEL},
    [4] = {"overflow", SIGSEGV, SI_KERNEL},
    [5] = {"bound range", SIGSEGV, SI_KERNEL},
    [6] = {"invalid opcode", SIGILL, ILL_ILLOPN},
    [7] = {"no FPU", SIGSEGV, SI_KERNEL},
    [8] = {"double fault", SIGSEGV, SI_KERNEL},
    [10] = {"invalid TSS", SIGSEGV, SI_KERNEL},
    [11] = {"segment not present", SIGBUS, SI_KERNEL},
    [12] = {"stack segment", SIGBUS, SI_KERNEL},
    [13] = {"general protection", SIGSEGV, SI_KERNEL},
    [14] = {"page fault", SIGSEGV, SEGV_MAPERR},
    [16] = {"x87 error", SIGFPE, FPE_FLTINV},
    [17] = {"alignment check", SIGBUS, BUS_ADRALN},
    [18] = {"machine check", SIGBUS, SI_KERNEL},
    [19] = {"SIMD error", SIGFPE, FPE_FLTINV},
};

static const char *exception_name(u64 vector)
{
    const char *name = vector < ARRAY_SIZE(exceptions) ? exceptions[vector].name : NULL;

    return name ? name : "unknown exception";
}

/* --- page faults ------------------------------------------------------------------------- */

/* The signal for what vm_fault refused. */
static void send_fault(struct trapframe *tf, u64 va, int why)
{
    struct sigdetail d = {.addr = va};
    int sig = SIGSEGV;

    if (why == -ENOMEM) {
        printk("%s[%d]: out of memory\n", current->name, current->pid);
        sig = SIGKILL;
    } else if (why == -EFAULT || why == -EACCES) {
        d.code = why == -EFAULT ? SEGV_MAPERR : SEGV_ACCERR;
    } else {
        sig = SIGBUS; /* beyond the end of a mapped file */
        d.code = BUS_ADRERR;
    }
    if (sig == SIGKILL)
        signal_send(current, sig, d);
    else
        signal_force(sig, d);
    if (current->sig_pending & SIGMASK(SIGSEGV) && !current->sighand->action[SIGSEGV - 1].handler)
        printk("%s[%d]: segfault at %lx ip %lx error %lx\n", current->name, current->pid, va, tf->rip, tf->error);
}

/* A fault of the kernel itself: foreseen, or a bug. */
static void kernel_fault(struct trapframe *tf)
{
    u64 fixup = usercopy_fixup(tf->rip);

    if (!fixup)
        panic_frame(tf, exception_name(tf->vector));
    tf->rip = fixup;
}

static void page_fault(struct trapframe *tf)
{
    u64 va = pv_read_cr2();
    int r = -EFAULT;

    if (va < USER_TOP && current && current->mm)
        r = vm_fault(current->mm, va, (u32)tf->error);
    if (!r)
        return;
    if (from_user(tf))
        send_fault(tf, va, r);
    else
        kernel_fault(tf);
}

/* --- everything else --------------------------------------------------------------------- */

static void exception(struct trapframe *tf)
{
    if (tf->vector == VEC_PF) {
        page_fault(tf);
        return;
    }
    if (tf->vector == VEC_NMI)
        return; /* nobody sends any; it carries no meaning */
    if (!from_user(tf) || !exceptions[tf->vector].signal) {
        kernel_fault(tf);
        return;
    }
    if (!current->sighand->action[exceptions[tf->vector].signal - 1].handler)
        printk("%s[%d]: %s ip %lx error %lx\n", current->name, current->pid, exception_name(tf->vector), tf->rip,
               tf->error);
    signal_force(exceptions[tf->vector].signal,
                 (struct sigdetail){.code = exceptions[tf->vector].code, .addr = tf->rip});
}

static void interrupt(unsigned irq)
{
    if (!pv_tick_taken(irq) && !pic_begin(irq))
        return;
    if (irq == IRQ_TIMER)
        sched_tick();
    else if (irq == IRQ_UART)
        console_irq();
}

void trap_dispatch(struct trapframe *tf)
{
    if (tf->vector >= VEC_IRQ0)
        interrupt((unsigned)(tf->vector - VEC_IRQ0));
    else
        exception(tf);
    if (from_user(tf) && tf->vector != VEC_NMI)
        exit_to_user(tf);
}

/* With interrupts off, so that nothing can come up between the last look and the return. */
void exit_to_user(struct trapframe *tf)
{
    while (need_resched || signal_pending(current)) {
        if (need_resched)
            schedule();
        else
            signal_deliver(tf);
    }
    if (tf->vector == VEC_SYSCALL && tf->rax == (u64)-ERESTARTSYS) {
        tf->rax = tf->error; /* no handler ran: as if nothing had happened */
        tf->rip -= 2;        /* the length of SYSCALL */
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sigframe.c [27]: the frame that a signal handler runs on, laid out as Linux does: programs look
 * into it.  From low to high addresses: return address (the C library's restorer, which calls
 * rt_sigreturn), ucontext, siginfo, FXSAVE image.
 *
 * Next: futex.c.
 */
#include "sigframe.h"

#include <asm/siginfo.h>
#include <asm/signal.h>

#include "syscall.h"
#include "usercopy.h"

#define RED_ZONE    128 /* below the stack pointer, x86-64 ABI 3.2.2 */
#define SA_RESTORER 0x04000000
#define SS_DISABLE  2
#define VEC_NONE    257 /* a frame that comes from sigreturn: no call to restart */

/* Flags that a program may set for itself: CF PF AF ZF SF TF DF OF AC. */
#define RFLAGS_USER_MAY 0x40dd5u
#define RFLAGS_ALWAYS   0x00202u /* IF, and bit 1 */

struct user_sigcontext {
    u64 r8, r9, r10, r11, r12, r13, r14, r15;
    u64 rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
    u16 cs, gs, fs, ss;
    u64 error, trapno, old_mask, cr2;
    u64 fpstate;
    u64 reserved[8];
};

struct user_stack {
    u64 sp;
    u32 flags, pad;
    u64 size;
};

struct user_ucontext {
    u64 flags, link;
    struct user_stack stack;
    struct user_sigcontext regs;
    u64 mask;
};

struct sigframe {
    u64 return_to;
    struct user_ucontext uc;
    u8 info[128]; /* siginfo_t */
};

static void save_registers(struct user_sigcontext *c, const struct trapframe *tf)
{
    *c = (struct user_sigcontext){
        .r8 = tf->r8,
        .r9 = tf->r9,
        .r10 = tf->r10,
        .r11 = tf->r11,
        .r12 = tf->r12,
        .r13 = tf->r13,
        .r14 = tf->r14,
        .r15 = tf->r15,
        .rdi = tf->rdi,
        .rsi = tf->rsi,
        .rbp = tf->rbp,
        .rbx = tf->rbx,
        .rdx = tf->rdx,
        .rax = tf->rax,
        .rcx = tf->rcx,
        .rsp = tf->rsp,
        .rip = tf->rip,
        .cs = USER_CS,
        .rflags = tf->rflags,
        .ss = USER_DS,
    };
    if (tf->vector < VEC_IRQ0) {
        c->trapno = tf->vector;
        c->error = tf->error;
    }
}

static void restore_registers(struct trapframe *tf, const struct user_sigcontext *c)
{
    *tf = (struct trapframe){
        .r8 = c->r8,
        .r9 = c->r9,
        .r10 = c->r10,
        .r11 = c->r11,
        .r12 = c->r12,
        .r13 = c->r13,
        .r14 = c->r14,
        .r15 = c->r15,
        .rdi = c->rdi,
        .rsi = c->rsi,
        .rbp = c->rbp,
        .rbx = c->rbx,
        .rdx = c->rdx,
        .rax = c->rax,
        .rcx = c->rcx,
        .rsp = c->rsp,
        .rip = c->rip,
        .cs = USER_CS,
        .vector = VEC_NONE,
        .ss = USER_DS,
    };
    tf->rflags = (c->rflags & RFLAGS_USER_MAY) | RFLAGS_ALWAYS;
}

static void fill_info(u8 *to, int sig, const struct sigdetail *d)
{
    siginfo_t info;

    _Static_assert(sizeof(info) == 128, "siginfo_t is 128 bytes");
    memset(&info, 0, sizeof(info));
    info.si_signo = sig;
    info.si_code = d->code;
    if (sig == SIGCHLD) {
        info.si_pid = d->pid;
        info.si_status = d->status;
    } else if (d->code <= 0) {
        info.si_pid = d->pid;
    } else {
        info.si_addr = (void *)d->addr;
    }
    memcpy(to, &info, sizeof(info));
}

static u64 stack_for_handler(const struct trapframe *tf, const struct sigaction_user *act)
{
    u64 low = current->altstack_sp, size = current->altstack_size;
    bool on_it = tf->rsp > low && tf->rsp <= low + size;

    if ((act->flags & SA_ONSTACK) && size && !on_it)
        return low + size;
    return tf->rsp - RED_ZONE;
}

int sigframe_push(struct trapframe *tf, int sig, const struct sigaction_user *act, const struct sigdetail *detail,
                  u64 mask)
{
    struct sigframe frame = {.return_to = act->restorer, .uc.mask = mask};
    u64 fx = (stack_for_handler(tf, act) - FX_SIZE) & ~63ull;
    u64 at = ((fx - sizeof(frame)) & ~15ull) - 8; /* as if called: RSP + 8 is 16-byte aligned */

    if (!(act->flags & SA_RESTORER))
        return -EINVAL;
    frame.uc.stack.sp = current->altstack_sp;
    frame.uc.stack.size = current->altstack_size;
    frame.uc.stack.flags = current->altstack_size ? 0 : SS_DISABLE;
    save_registers(&frame.uc.regs, tf);
    if (tf->vector == 14)
        frame.uc.regs.cr2 = detail->addr;
    frame.uc.regs.fpstate = fx;
    fill_info(frame.info, sig, detail);
    fpu_save(current->fx);
    if (copy_to_user(fx, current->fx, FX_SIZE) || copy_to_user(at, &frame, sizeof(frame)))
        return -EFAULT;
    fpu_init_state(current->fx); /* a handler starts with a clean FPU */
    fpu_load(current->fx);
    tf->rip = act->handler;
    tf->rsp = at;
    tf->rdi = (u64)sig;
    tf->rsi = at + offsetof(struct sigframe, info);
    tf->rdx = at + offsetof(struct sigframe, uc);
    tf->rax = 0;
    tf->rflags &= ~(u64)0x500; /* TF and DF */
    tf->vector = VEC_NONE;
    return tf->rip < USER_TOP ? 0 : -EFAULT;
}

/* rt_sigreturn(): the frame lies where the handler's `ret` has left the stack pointer. */
long sys_rt_sigreturn(const u64 *a)
{
    struct trapframe *tf = task_frame(current);
    struct user_ucontext uc;

    (void)a;
    if (copy_from_user(&uc, tf->rsp, sizeof(uc)) || uc.regs.rip >= USER_TOP ||
        (uc.regs.fpstate && copy_from_user(current->fx, uc.regs.fpstate, FX_SIZE))) {
        printk("%s[%d]: bad signal frame at %lx\n", current->name, current->pid, tf->rsp);
        task_exit_group(SIGSEGV);
    }
    if (uc.regs.fpstate) {
        fpu_sanitize(current->fx);
        fpu_load(current->fx);
    }
    current->sig_blocked = uc.mask & ~(SIGMASK(SIGKILL) | SIGMASK(SIGSTOP));
    restore_registers(tf, &uc.regs);
    return (long)tf->rax;
}

/* sigaltstack(new, old) */
long sys_sigaltstack(const u64 *a)
{
    const struct user_stack old = {current->altstack_sp, current->altstack_size ? 0 : SS_DISABLE, 0,
                                   current->altstack_size};
    struct user_stack s;

    if (a[0] && copy_from_user(&s, a[0], sizeof(s)))
        return -EFAULT;
    if (a[1] && copy_to_user(a[1], &old, sizeof(old)))
        return -EFAULT;
    if (!a[0])
        return 0;
    if (!(s.flags & SS_DISABLE) && (s.size < MINSIGSTKSZ || s.sp >= USER_TOP))
        return -ENOMEM;
    current->altstack_sp = s.sp;
    current->altstack_size = s.flags & SS_DISABLE ? 0 : s.size;
    return 0;
}

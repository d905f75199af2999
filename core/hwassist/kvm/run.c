/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.c - KVM_RUN, and from the kernel's exits to ours (KVM API 5, "The kvm_run structure").
 *
 * Only those exits come here that the kernel can't handle alone: port I/O, MMIO, HLT, a window for an interrupt,
 * signals. Page faults, CPUID and control registers end in the kernel; kernel_stats.c asks it how many they were.
 *
 * Read next: cpuid.c.
 */
#include "hwassist/kvm/kvm.h"
#include "machine/alarm.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void leave_with_text(struct vm_exit *exit, enum vm_exit_kind kind, const char *format, ...) PRINTF_LIKE(3, 4);

static void leave_with_text(struct vm_exit *exit, enum vm_exit_kind kind, const char *format, ...)
{
    va_list args;

    exit->kind = kind;
    va_start(args, format);
    vsnprintf(exit->why.text, sizeof(exit->why.text), format, args);
    va_end(args);
}

/* ---- interrupts and kicks ---- */

bool kvm_can_inject(struct engine *e)
{
    return e->run->ready_for_interrupt_injection && !e->injected && !e->variant->chips;
}

void kvm_inject(struct engine *e, uint8_t vector)
{
    struct kvm_interrupt interrupt = {.irq = vector};
    struct reason ignored = {""};

    /* It fails only when one is queued already, which can_inject() knows. */
    if (kvm_vcpu(e, KVM_INTERRUPT, "KVM_INTERRUPT", &interrupt, &ignored))
        return;
    e->injected = true;
    e->halted = false;
    COUNT_TAKEN(e->host->stats, EXTERNAL_INTERRUPT);
    COUNT(e->host->stats, INTERRUPTS);
}

void kvm_request_window(struct engine *e, bool wanted)
{
    e->run->request_interrupt_window = wanted;
}

/*
 * A signal ends KVM_RUN; one that comes just before it would be lost, but for immediate_exit (KVM API 5). From another
 * thread the signal has to be sent.
 */
void kvm_kick(struct engine *e)
{
    int thread = e->thread;

    e->kicked = true;
    if (e->run)
        e->run->immediate_exit = 1;
    if (thread && thread != gettid())
        syscall(SYS_tgkill, getpid(), thread, ALARM_SIGNAL);
}

void kvm_finish(struct engine *e)
{
    if (!e->unfinished)
        return;
    e->unfinished = false;
    e->run->immediate_exit = 1;
    (void)ioctl(e->vcpu, KVM_RUN, NULL); /* -EINTR: completed what was begun, and executed nothing */
    e->run->immediate_exit = 0;
}

/* ---- exits ---- */

static void io_exit(struct engine *e, struct vm_exit *exit)
{
    const struct kvm_run *run = e->run;

    exit->kind = VM_EXIT_IO;
    exit->io.port = run->io.port;
    exit->io.size = run->io.size;
    exit->io.in = run->io.direction == KVM_EXIT_IO_IN;
    exit->io.count = run->io.count;
    exit->io.data = (uint8_t *)run + run->io.data_offset; /* an answer goes straight to where the kernel looks */
    e->unfinished = true;
    COUNT_TAKEN(e->host->stats, IO);
}

/* The kernel may come with any number of bytes up to 8; the machine knows powers of two. Odd ones go byte by byte. */
static void mmio_exit(struct engine *e, struct vm_exit *exit)
{
    const struct kvm_run *run = e->run;
    unsigned length = run->mmio.len;
    bool odd = length & (length - 1);

    if (!e->mmio_left) {
        COUNT_TAKEN(e->host->stats, MMIO);
        e->mmio_left = (uint8_t)length;
    }
    unsigned done = length - e->mmio_left, size = odd ? 1 : length;
    exit->kind = VM_EXIT_MMIO;
    exit->mmio.gpa = gpa(run->mmio.phys_addr + done);
    exit->mmio.size = (uint8_t)size;
    exit->mmio.write = run->mmio.is_write;
    exit->mmio.value = 0;
    if (run->mmio.is_write)
        memcpy(&exit->mmio.value, run->mmio.data + done, size);
    e->unfinished = true;
}

/* Takes the machine's answer to an MMIO exit; true when there is more of the same access to ask for. */
static bool mmio_goes_on(struct engine *e, const struct vm_exit *exit)
{
    if (!e->mmio_left || exit->kind != VM_EXIT_MMIO)
        return false;
    unsigned done = e->run->mmio.len - e->mmio_left;
    if (!exit->mmio.write)
        memcpy(e->run->mmio.data + done, &exit->mmio.value, exit->mmio.size);
    e->mmio_left -= exit->mmio.size;
    return e->mmio_left != 0;
}

static void internal_error(const struct kvm_run *run, struct vm_exit *exit)
{
    static const char *const what[] = {[KVM_INTERNAL_ERROR_EMULATION] = "it met an instruction that it can't emulate",
                                       [KVM_INTERNAL_ERROR_SIMUL_EX] = "two exceptions at once",
                                       [KVM_INTERNAL_ERROR_DELIVERY_EV] = "an event could not be delivered"};
    unsigned n = run->internal.suberror;

    leave_with_text(exit, VM_EXIT_DEATH, "hwassist/kvm: KVM gives up: %s (internal error %u)",
                    n < ARRAY_SIZE(what) && what[n] ? what[n] : "no reason known", n);
}

static void take_exit(struct engine *e, struct vm_exit *exit)
{
    const struct kvm_run *run = e->run;

    switch (run->exit_reason) {
    case KVM_EXIT_IO: io_exit(e, exit); return;
    case KVM_EXIT_MMIO: mmio_exit(e, exit); return;
    case KVM_EXIT_HLT:
        COUNT_TAKEN(e->host->stats, HLT);
        exit->kind = VM_EXIT_HLT;
        return;
    case KVM_EXIT_IRQ_WINDOW_OPEN:
        COUNT_TAKEN(e->host->stats, INTERRUPT_WINDOW);
        exit->kind = VM_EXIT_WINDOW;
        return;
    case KVM_EXIT_SHUTDOWN:
        COUNT_TAKEN(e->host->stats, TRIPLE_FAULT);
        exit->kind = VM_EXIT_SHUTDOWN;
        return;
    case KVM_EXIT_SET_TPR: /* CR8 went down: the machine looks for interrupts */
    case KVM_EXIT_INTR: exit->kind = VM_EXIT_INTERRUPTED; return;
    case KVM_EXIT_INTERNAL_ERROR: internal_error(run, exit); return;
    case KVM_EXIT_FAIL_ENTRY:
        leave_with_text(exit, VM_EXIT_DEATH, "hwassist/kvm: the CPU refuses this state (hardware reason %#llx)",
                        (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
        return;
    default:
        leave_with_text(exit, VM_EXIT_ERROR, "hwassist/kvm: KVM came back with an unknown reason %u", run->exit_reason);
    }
}

/* Two registers of the CPU are the local APIC's too, and that is the machine's. */
static void tell_machine(struct engine *e)
{
    const struct engine_host *host = e->host;

    if (e->variant->chips)
        return;
    if (e->run->cr8 != e->cr8) {
        e->cr8 = e->run->cr8;
        host->cr8_changed(host->context, e->cr8);
    }
    if (e->run->apic_base != e->apic_base) {
        e->apic_base = e->run->apic_base;
        host->apic_base_changed(host->context, e->apic_base);
    }
}

/* HLT stays in the kernel where the chips are; with interrupts disabled, for good. A signal shows it. */
static bool is_dead_halt(struct engine *e)
{
    struct kvm_mp_state mp = {.mp_state = KVM_MP_STATE_RUNNABLE};

    return e->variant->chips && !e->run->if_flag && ioctl(e->vcpu, KVM_GET_MP_STATE, &mp) == 0 &&
           mp.mp_state == KVM_MP_STATE_HALTED;
}

void kvm_run(struct engine *e, struct vm_exit *exit, uint64_t budget)
{
    (void)budget; /* instructions aren't counted */
    if (!e->thread && e->host->kernel_exits)
        kvm_open_kernel_exits(e);
    e->thread = gettid();
    if (mmio_goes_on(e, exit)) {
        mmio_exit(e, exit);
        return;
    }
    e->mmio_left = 0;
    if (e->halted) {
        exit->kind = VM_EXIT_HLT;
        return;
    }
    e->run->immediate_exit = 0;
    if (e->kicked) /* by a signal handler just now, at the latest */
        e->run->immediate_exit = 1;
    int err = ioctl(e->vcpu, KVM_RUN, NULL) < 0 ? errno : 0;
    e->unfinished = false;
    e->injected = false;
    tell_machine(e);
    if (!err) {
        take_exit(e, exit);
    } else if (err == EINTR || err == EAGAIN) {
        e->kicked = false;
        COUNT_TAKEN(e->host->stats, INTERRUPTED);
        exit->kind = is_dead_halt(e) ? VM_EXIT_HLT : VM_EXIT_INTERRUPTED;
    } else {
        leave_with_text(exit, VM_EXIT_ERROR, "hwassist/kvm: KVM_RUN: %s", strerror(err));
    }
}

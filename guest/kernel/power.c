/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * power.c [45]: the end: marks for the VMM, power-off with a status, panic.
 *
 * Virtlab's service port takes (command << 16) | argument.  Elsewhere nobody listens there, so
 * power-off goes on to QEMU's debug-exit port, a reset by the keyboard controller, a triple fault.
 */
#include "console.h"
#include "kernel.h"
#include "pv_ops.h"
#include "task.h"

#define SERVICE_PORT    0xf8
#define SERVICE_MARK    1u
#define SERVICE_OFF     2u
#define DEBUG_EXIT_PORT 0xf4
#define KBD_COMMAND     0x64
#define KBD_RESET       0xfe
#define PANIC_STATUS    255

static void service(u32 command, u32 argument)
{
    pv_outl(SERVICE_PORT, command << 16 | (argument & 0xffff));
}

void vlab_mark(u32 n)
{
    service(SERVICE_MARK, n);
    if (options.mark_serial)
        printk("@mark %u\n", n);
}

_Noreturn void power_off(u8 status)
{
    const struct pv_table_ptr no_idt = {0, 0};

    pv_cli();
    uart_drain();
    service(SERVICE_OFF, status);
    pv_outb(DEBUG_EXIT_PORT, status);
    pv_outb(KBD_COMMAND, KBD_RESET);
    pv_lidt(&no_idt);
    asm volatile("ud2"); /* without an IDT: double fault, triple fault, reset */
    for (;;)
        pv_hlt();
}

_Noreturn void panic(const char *fmt, ...)
{
    va_list ap;

    pv_cli();
    printk("virtlab: panic: ");
    va_start(ap, fmt);
    vprintk(fmt, ap);
    va_end(ap);
    printk("\n");
    power_off(PANIC_STATUS);
}

_Noreturn void panic_frame(const struct trapframe *tf, const char *what)
{
    pv_cli();
    printk("virtlab: panic: %s in the kernel, error %lx, cr2 %lx, task %s[%d]\n", what, tf->error, pv_read_cr2(),
           current ? current->name : "none", current ? current->pid : 0);
    printk("rip %016lx rsp %016lx rflags %lx cs %lx ss %lx\n", tf->rip, tf->rsp, tf->rflags, tf->cs, tf->ss);
    printk("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", tf->rax, tf->rbx, tf->rcx, tf->rdx);
    printk("rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", tf->rsi, tf->rdi, tf->rbp, tf->r8);
    printk("r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", tf->r9, tf->r10, tf->r11, tf->r12);
    printk("r13 %016lx r14 %016lx r15 %016lx cr3 %016lx\n", tf->r13, tf->r14, tf->r15, pv_read_cr3());
    power_off(PANIC_STATUS);
}

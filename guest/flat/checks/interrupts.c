/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * interrupts.c - the interrupt flag, and interrupts of the PIT through the PIC (Intel 8259A, 8254).
 */
#include "check.h"

enum { PIC1 = 0x20, PIC1_DATA = 0x21, PIC2 = 0xa0, PIC2_DATA = 0xa1 };
enum { PIT_CHANNEL0 = 0x40, PIT_COMMAND = 0x43, PIT_RATE = 0x34, MILLISECOND = 1193 };
enum { IRQ_VECTOR = 32, ALL = 0xff, ALL_BUT_TIMER = 0xfe, CASCADE = 2, MOST_POLLS = 2000000 };

static void mask_all(void)
{
    outb(PIC1_DATA, ALL);
    outb(PIC2_DATA, ALL);
}

void check_cli_sti(void)
{
    mask_all();
    want("interrupt flag at first", read_rflags() & FLAG_IF, 0);
    __asm__ volatile("sti; nop");
    want("interrupt flag after STI", read_rflags() & FLAG_IF, FLAG_IF);
    __asm__ volatile("cli");
    want("interrupt flag after CLI", read_rflags() & FLAG_IF, 0);
    write_rflags(FLAG_ONE | FLAG_IF);
    want("interrupt flag after POPF", read_rflags() & FLAG_IF, FLAG_IF);
    __asm__ volatile("cli");
}

/* ICW1 to ICW4, then the mask: the timer alone, at IRQ_VECTOR. */
static void start_timer(void)
{
    outb(PIC1, 0x11);
    outb(PIC1_DATA, IRQ_VECTOR);
    outb(PIC1_DATA, 1 << CASCADE);
    outb(PIC1_DATA, 1);
    outb(PIC2, 0x11);
    outb(PIC2_DATA, IRQ_VECTOR + 8);
    outb(PIC2_DATA, CASCADE);
    outb(PIC2_DATA, 1);
    outb(PIC2_DATA, ALL);
    outb(PIC1_DATA, ALL_BUT_TIMER);
    outb(PIT_COMMAND, PIT_RATE);
    outb(PIT_CHANNEL0, MILLISECOND & 0xff);
    outb(PIT_CHANNEL0, MILLISECOND >> 8);
}

static void spin(void)
{
    __asm__ volatile("sti");
    for (unsigned i = 0; i < MOST_POLLS; i++)
        (void)inb(PIC1_DATA);
    __asm__ volatile("cli");
}

static void sleep(void)
{
    __asm__ volatile("sti; hlt; cli");
}

static void check_wakes(void (*code)(void))
{
    use_descriptors();
    start_timer();
    for (unsigned i = 0; i < 3; i++) {
        want_trap(try(code, 0, 0), IRQ_VECTOR, 0);
        want("interrupt flag before", trap.rflags & FLAG_IF, FLAG_IF);
        want("interrupt flag in the handler", read_rflags() & FLAG_IF, 0);
        outb(PIC1, 0x20); /* end of interrupt */
    }
}

void check_timer(void)
{
    check_wakes(spin);
}

void check_hlt(void)
{
    check_wakes(sleep);
}

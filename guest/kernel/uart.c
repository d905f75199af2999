/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uart.c [12]: the 16550 UART at 0x3f8.
 *
 * Output polls for room, once per FIFO load of 16 bytes; input comes by IRQ 4 (console.c).
 *
 * Next: console.c.
 */
#include "console.h"
#include "pic.h"
#include "pv_ops.h"

#define COM1       0x3f8
#define DATA       (COM1 + 0) /* divisor low byte while LCR_DLAB */
#define IER        (COM1 + 1) /* divisor high byte while LCR_DLAB */
#define FCR        (COM1 + 2) /* IIR when read */
#define LCR        (COM1 + 3)
#define MCR        (COM1 + 4)
#define LSR        (COM1 + 5)
#define IER_RX     0x01
#define FCR_ENABLE 0x07 /* on, both FIFOs cleared; interrupt from the first byte on */
#define IIR_FIFO   0xc0
#define LCR_8N1    0x03
#define LCR_DLAB   0x80
#define MCR_ON     0x0b /* DTR, RTS, OUT2: without OUT2 a PC's UART can't interrupt */
#define LSR_DATA   0x01
#define LSR_ROOM   0x20
#define LSR_IDLE   0x40
#define FIFO_SIZE  16
#define MAX_POLLS  1000000u /* a missing UART must not hang us */

static unsigned burst = 1;

void uart_init(void)
{
    pv_outb(IER, 0);
    pv_outb(LCR, LCR_DLAB | LCR_8N1);
    pv_outb(DATA, 1); /* 115200 baud */
    pv_outb(IER, 0);
    pv_outb(LCR, LCR_8N1);
    pv_outb(FCR, FCR_ENABLE);
    pv_outb(MCR, MCR_ON);
    if ((pv_inb(FCR) & IIR_FIFO) == IIR_FIFO)
        burst = FIFO_SIZE;
    pv_outb(IER, IER_RX);
}

static void wait_for(u8 status)
{
    u32 polls = MAX_POLLS;

    while (!(pv_inb(LSR) & status) && --polls)
        ;
}

void uart_write(const char *s, size_t n)
{
    while (n) {
        size_t part = MIN(n, burst);

        wait_for(LSR_ROOM);
        n -= part;
        while (part--)
            pv_outb(DATA, (u8)*s++);
    }
}

bool uart_read(u8 *c)
{
    if (!(pv_inb(LSR) & LSR_DATA))
        return false;
    *c = pv_inb(DATA);
    return true;
}

void uart_drain(void)
{
    wait_for(LSR_IDLE);
}

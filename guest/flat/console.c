/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * console.c - output on the 16550 UART at 0x3f8, polled: a byte goes when the one before it has gone.
 */
#include "runtime.h"

#define COM1      0x3f8
#define DATA      (COM1 + 0) /* divisor's low byte while LCR_DLAB */
#define IER       (COM1 + 1) /* divisor's high byte while LCR_DLAB */
#define LCR       (COM1 + 3)
#define LSR       (COM1 + 5)
#define LCR_8N1   0x03
#define LCR_DLAB  0x80
#define LSR_ROOM  0x20
#define LSR_IDLE  0x40
#define MAX_POLLS 100000u /* a UART that isn't there must not hang us */

static void wait_for(uint8_t status)
{
    for (unsigned polls = 0; polls < MAX_POLLS; polls++)
        if (inb(LSR) & status)
            return;
}

void console_init(void)
{
    outb(LCR, LCR_DLAB | LCR_8N1);
    outb(DATA, 1); /* 115200 baud */
    outb(IER, 0);
    outb(LCR, LCR_8N1);
    outb(IER, 0);
}

void console_write(const char *text, size_t length)
{
    while (length-- > 0) {
        wait_for(LSR_ROOM);
        outb(DATA, (uint8_t)*text++);
    }
}

void console_drain(void)
{
    wait_for(LSR_IDLE);
}

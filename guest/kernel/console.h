/* SPDX-License-Identifier: GPL-2.0-or-later */
/* console.h: the serial line (uart.c) and the terminal made of it (console.c). */
#ifndef CONSOLE_H
#define CONSOLE_H

#include "kernel.h"

void uart_init(void);
void uart_write(const char *s, size_t n);
bool uart_read(u8 *c);
void uart_drain(void); /* waits until the last byte has left */

void console_init(void);
void console_irq(void);
extern const struct file_ops console_ops;

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uart.h - a 16550A serial port: the guest's console. COM1 is ports 0x3f8-0x3ff and IRQ 4.
 *
 * Transmission takes no guest time: a byte written to THR is in the sink at once. Input comes from a file descriptor
 * that advance() polls, or from uart_receive(). Facts: National's PC16550D data sheet.
 */
#ifndef VIRTLAB_IO_UART_H
#define VIRTLAB_IO_UART_H

#include "io/device.h"
#include "io/sink.h"

#define UART_COM1 0x3f8

struct uart;

/*
 * `sink` takes the output and must outlive the UART (destroy the sink last); `fd_in` is polled for input every 10 ms of
 * guest time until end of file, -1 for none; it stays the caller's to close. NULL with why.
 */
struct uart *uart_create(struct bus *ports, uint16_t base, struct irq_line irq, const struct guest_clock *clock,
                         struct sink *sink, int fd_in, struct reason *why);

/* Hands in received bytes; returns how many there was room for. The rest is to be offered again later. */
size_t uart_receive(struct uart *uart, const uint8_t *bytes, size_t count);

/* The line was held low for longer than a character: a break. Magic SysRq on Linux. */
void uart_receive_break(struct uart *uart);

/*
 * The descriptor to wait on (poll for POLLIN) when the machine sleeps and the guest is ready for input, or -1 when none
 * would be read now. After it became readable, call advance().
 */
int uart_input_fd(const struct uart *uart);

extern const struct device_ops uart_ops;

#endif

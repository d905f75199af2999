/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * runtime.h - what the flat runtime gives to a program, and the one function that the program gives to it.
 *
 * There is no kernel: the program runs in ring 0, and what isn't here or in the C library's string functions doesn't
 * exist. The flow: boot.S -> start.c -> flat_main() in workload.c or checks/selfcheck.c -> power.c.
 */
#ifndef FLAT_RUNTIME_H
#define FLAT_RUNTIME_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* The program: gets the words behind "--" on the command line, returns the status with which to power off. */
int flat_main(int argc, char **argv);

/* console.c, print.c: the UART. %d %u %x %c %s %f %% with l, ll, z, width and 0. */
void console_init(void);
void console_write(const char *text, size_t length);
void console_drain(void);
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void vprint(const char *format, va_list arguments);

/* power.c: the region of interest and the end. With mark_serial, marks are lines on the console too. */
extern bool mark_serial;
void mark(unsigned n);
_Noreturn void power_off(unsigned status);

/* clock.c: nanoseconds since clock_init(); always 0 when the counter's frequency can't be known. */
void clock_init(void);
uint64_t clock_ns(void);

/* heap.c: malloc() takes from all RAM behind the program; nothing is ever freed. */
void heap_init(uint64_t memory_size);

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline void outl(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint64_t rdtsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

#endif

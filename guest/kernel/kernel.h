/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel.h: what every file of the kernel uses: integer types, messages, strings, options.
 *
 * Functions that can fail return 0 (or a count) or a negative errno, as Linux's system calls do.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <asm/errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"

/* The kernel is one image at an address above 2 GiB: hidden symbols let the compiler reach all
 * of it relative to RIP, without a table of addresses. */
#pragma GCC visibility push(hidden)

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

/* An address in a process: never dereferenced, only handed to usercopy.h's functions. */
typedef u64 uaddr_t;

#define MUST_CHECK    __attribute__((warn_unused_result))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PAGE_MASK     ((u64)PAGE_SIZE - 1)
#define PAGE_DOWN(x)  ((u64)(x) & ~PAGE_MASK)
#define PAGE_UP(x)    (((u64)(x) + PAGE_MASK) & ~PAGE_MASK)
#define MIN(a, b)     ((a) < (b) ? (a) : (b))
#define MAX(a, b)     ((a) > (b) ? (a) : (b))

/* Inside the kernel only: the call was interrupted by a signal; it restarts or becomes EINTR
 * when it is known whether a handler ran (signal.c). */
#define ERESTARTSYS 512

static inline void *phys_to_virt(u64 pa)
{
    return (void *)(pa + KBASE);
}

static inline u64 virt_to_phys(const void *va)
{
    return (u64)va - KBASE;
}

/* string.c */
void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
void strcopy(char *dst, const char *src, size_t size); /* always terminates, may cut */

/* printf.c */
void vprintk(const char *fmt, va_list ap);
void printk(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void kinfo(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* silent if `quiet` */

/* power.c */
struct trapframe;
_Noreturn void panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void panic_frame(const struct trapframe *tf, const char *what);
_Noreturn void power_off(u8 status);
void vlab_mark(u32 n);

/* cmdline.c: what the boot loader's command line says. */
#define MAX_INIT_ARGS 64
struct options {
    bool quiet, mark_serial, trace;
    const char *init;                    /* path, or NULL for the default */
    const char *argv[MAX_INIT_ARGS + 2]; /* [0] is filled by the caller */
    int argc;
};
extern struct options options;
void cmdline_parse(char *line);

#endif

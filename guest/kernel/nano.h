/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nano.h: what nano.c and nano_asm.S share.  Each nano_*() loop does its operation n * NANO_TIMES times, unrolled, so
 * that the loop itself hardly counts.
 */
#ifndef NANO_H
#define NANO_H

#define NANO_TIMES 16

#ifndef __ASSEMBLER__

#include "kernel.h"

void nano_call(unsigned n);
void nano_divide(unsigned n);             /* by zero */
void nano_touch(unsigned n, u64 nowhere); /* reads an address that isn't mapped */
void nano_enter_user(unsigned n, u64 code);

/* The entry points that are measured: each does the least that such a handler can do. */
extern const u8 nano_divide_error[], nano_page_fault[], nano_syscall_entry[], nano_leave_user[];
extern u64 nano_faults; /* counted by the first two */

/* User code: n * NANO_TIMES system calls, n in RDI, then UD2.  It may be copied. */
extern const u8 nano_user_code[], nano_user_code_end[];

#endif
#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* command_line.h - the guest kernel's command line: its options, and the program to run with its arguments. */
#ifndef BENCH_COMMAND_LINE_H
#define BENCH_COMMAND_LINE_H

#include <virtlab/types.h>

#define COMMAND_LINE_MAX 2048 /* what the guest's kernel takes is its own affair; a longer one is refused here */

/* A program of this name is part of the kernel (guest/kernel/resident.c): "kernel:sieve". */
#define GUEST_KERNEL_PREFIX "kernel:"

/*
 * "quiet OPTIONS init=/bin/PROGRAM -- ARGUMENTS", where `options` may be NULL and words[0] is the program, as a path
 * or a name in /bin, or kernel:NAME. Words are quoted where they need it. Without words: "quiet OPTIONS".
 */
int guest_command_line(char line[COMMAND_LINE_MAX], const char *options, char *const *words, unsigned count,
                       struct reason *why) MUST_CHECK;

#endif

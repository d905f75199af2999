/* SPDX-License-Identifier: GPL-2.0-or-later */
/* process_child.h - between process.c and the child's side of it. */
#ifndef BENCH_PROCESS_CHILD_H
#define BENCH_PROCESS_CHILD_H

#include "process.h"

/* The child's ends of the channels; -1 for none. */
struct child_ends {
    int output, errors, terminal, started;
};

/* In the child, after fork(): becomes the program. Errors are reported as an errno through `started`. */
_Noreturn void child_start(const struct process *process, const struct child_ends *ends);

/* A pseudo-terminal: our side, which must be drained, and the child's. */
int open_terminal_pair(int *ours, int *theirs, struct reason *why) MUST_CHECK;

#endif

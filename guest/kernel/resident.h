/* SPDX-License-Identifier: GPL-2.0-or-later */
/* resident.h: workloads that are part of the kernel (resident.c). */
#ifndef RESIDENT_H
#define RESIDENT_H

#include "kernel.h"

/* Does init= name one, as kernel:sieve, and not a file? */
bool resident_is_named(const char *init);

/* Runs it in place of init, and powers off with its status. */
_Noreturn void resident_run(const char *init, int argc, char **argv);

/* Ends a workload that this kernel can't run, with the reason. */
_Noreturn void not_applicable(const char *why);

#endif

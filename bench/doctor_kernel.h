/* SPDX-License-Identifier: GPL-2.0-or-later */
/* doctor_kernel.h - does the kernel let an unprivileged process do what the techniques need? */
#ifndef BENCH_DOCTOR_KERNEL_H
#define BENCH_DOCTOR_KERNEL_H

#include <virtlab/types.h>

struct doctor_check {
    const char *name, *use;
    bool (*ask)(struct reason *text); /* tries it; leaves what was found */
};

extern const struct doctor_check doctor_checks[];
extern const unsigned doctor_check_count;

#endif

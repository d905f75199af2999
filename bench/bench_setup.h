/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bench_setup.h - makes what all measurements of a bench share (struct bench_setup, measure.h). */
#ifndef BENCH_BENCH_SETUP_H
#define BENCH_BENCH_SETUP_H

#include "measure.h"

/* Makes the folder, finds the guest's files, chooses the core. `timeout` 0: the mode's own. */
int bench_setup_make(struct bench_setup *setup, const char *out, enum workload_size size, double timeout,
                     struct reason *why) MUST_CHECK;

/* Makes the two disk images: one for native runs, one for guests. */
int bench_setup_disks(struct bench_setup *setup, struct reason *why) MUST_CHECK;

/* Removes the disk images. */
void bench_setup_remove(const struct bench_setup *setup);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scratch.h - folders and disk images that live as long as a measurement or a bench. */
#ifndef BENCH_SCRATCH_H
#define BENCH_SCRATCH_H

#include <limits.h>

#include <virtlab/types.h>

/* Makes a new folder in `parent`. */
int scratch_make(const char *parent, char folder[PATH_MAX], struct reason *why) MUST_CHECK;

/* Removes it with the files in it. */
void scratch_remove(const char *folder);

/* Makes a disk image with the pattern that the disk workloads verify, using their own `disk prepare`. */
int scratch_disk(const char *path, unsigned blocks, struct reason *why) MUST_CHECK;

#endif

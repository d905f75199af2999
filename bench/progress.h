/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * progress.h - what a bench says on stderr while it runs.
 *
 * On a terminal the last line is alive: what is being measured and how long the rest will take. Elsewhere there is one
 * plain line a result. Colour only on a terminal, and not where NO_COLOR is set.
 */
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

#include "pairs.h"

struct progress {
    bool live, colour;
    unsigned done, total;
    double begin;
};

void progress_begin(struct progress *progress, unsigned total);

/* This is what is measured next. */
void progress_next(const struct progress *progress, const char *workload, const char *subject);

/* This is what came out. */
void progress_row(struct progress *progress, const struct row *row);

/* Nothing more is measured: takes the live line away. */
void progress_clear(const struct progress *progress);

#endif

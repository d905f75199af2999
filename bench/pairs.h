/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pairs.h - a row of the results: one workload under one subject, in pairs of a native run and the subject's.
 *
 * The machine's speed drifts (other guests, frequency, temperature), so a ratio is taken only between neighbours in
 * time: native, engine, native, engine ... What can't run natively (workload_def.no_native) has times and no ratios.
 */
#ifndef BENCH_PAIRS_H
#define BENCH_PAIRS_H

#include "measure.h"
#include "sample.h"

struct row {
    const struct subject *subject;
    const struct workload_def *workload;
    char args[WORKLOAD_ARGS_MAX]; /* that were really used: a slow subject gets shorter work */
    int status;                   /* of struct outcome */
    struct reason why;
    struct sample ratio, seconds, mips;
    struct sample latency;    /* nanoseconds of one of the workload's operations; empty when it has none */
    struct sample startup;    /* seconds from the run's begin to the region's; empty when unknown */
    struct sample memory_kb;  /* of the VMM's own; empty likewise */
    json_t *exits, *counters; /* of the last run; counts hardly vary */
    json_t *run_counters;     /* the same of the whole run, boot included */
    bool timed_out;           /* it failed by exceeding the time limit */
    double slowest;           /* seconds of the subject's longest run, boot included */
};

/* The native runs of one workload: all pairs add to it. */
struct baseline {
    struct row row;
    char check[20]; /* what every other run must find too */
};

/* One native run ahead of all pairs: does the workload work at all, and what is its check value? */
void baseline_start(struct baseline *baseline, const struct bench_setup *setup, const struct workload_def *workload);

/*
 * At most `reps` pairs, fewer when they would exceed `seconds`, but at least one. A failure ends it: the row says why
 * and keeps no figures. `adapt` false: `reps` pairs whatever they take.
 */
void pairs_run(struct row *row, struct baseline *baseline, const struct subject *subject,
               const struct bench_setup *setup, unsigned reps, double seconds, bool adapt);

/* The row of a subject that isn't run at all, with the reason. */
void pairs_skip(struct row *row, const struct baseline *baseline, const struct subject *subject, const char *reason);

void row_free(struct row *row);

#endif

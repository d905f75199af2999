/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan.h - what a bench will measure: which rows, of which suites, under which engines and peers, how often.
 */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include "subjects.h"
#include "suites.h"

#define PLAN_ROWS_MAX 128

/* The options of `virtlab bench`, as given; NULL or 0 where they weren't. */
struct plan_options {
    const char *suites, *engines, *workloads, *peers, *out;
    bool quick;
    unsigned reps;
    double timeout;
};

struct plan_row {
    const struct suite *suite;
    const struct workload_def *workload;
};

struct plan {
    struct plan_row row[PLAN_ROWS_MAX];
    unsigned rows;
    struct survey survey;
    struct subjects subjects;
    bool all_pairs; /* engines were named: each of them takes part in every row */
    unsigned reps;
    bool adapt;     /* fewer repetitions where they take long */
    double seconds; /* for the whole bench, when adapting */
};

/* Probes what could take part. -errno with why: a name is unknown, or nothing is left to measure. */
int plan_make(struct plan *plan, const struct plan_options *options, struct reason *why) MUST_CHECK;

/* Does the subject take part in the row? */
bool plan_pairs(const struct plan *plan, const struct plan_row *row, const struct subject *subject);

/* In how many rows the subject takes part. */
unsigned plan_rows_of(const struct plan *plan, const struct subject *subject);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * suites.h - the suites: named sets of rows, each answering one question.
 *
 * A suite is one line of the table in suites.c: which classes of workloads are its rows, which engines take part when
 * none are named, and which reports are made of it. Several can be measured in one bench.
 */
#ifndef BENCH_SUITES_H
#define BENCH_SUITES_H

#include "workloads.h"

struct suite {
    const char *name;
    const char *text;    /* what it measures */
    const char *classes; /* its rows: the workloads of these classes, "compute,memory" */
    const char *engines; /* that take part when none are named, "A,B"; NULL: all but policies, see below */
    const char *also;    /* policies that take part as well, "full/bt:all"; NULL: none */
    const char *peers;   /* that take part, of those that were asked for, "A,B"; NULL: all */
    const char *reports; /* what report.py makes of it, beside the files that every bench has */
};

extern const struct suite suites[];
extern const unsigned suite_count;

/* By name; NULL with why when there is none. */
const struct suite *suite_find(const char *name, struct reason *why);

/* Is it one of the suite's rows? */
bool suite_holds(const struct suite *suite, const struct workload_def *workload);

/*
 * Does the engine take part when none are named? Those of the suite's own list; without one, all but the policies of
 * an engine ("full/bt:all"), which differ in little but what their suite is about, and of these the suite's own.
 */
bool suite_wants_engine(const struct suite *suite, const char *engine);

/* Does the peer take part? A peer's start may take seconds, so that a suite of many small rows leaves slow ones out. */
bool suite_wants_peer(const struct suite *suite, const char *peer);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * results.h - results.jsonl, schema version 1: one JSON object a line, written as soon as it is known, so that a bench
 * that is cut short leaves what it has. reports/virtlab_report/results.py reads it.
 */
#ifndef BENCH_RESULTS_H
#define BENCH_RESULTS_H

#include <stdio.h>

#include "host.h"
#include "pairs.h"
#include "subjects.h"

#define RESULTS_SCHEMA 1

struct results {
    FILE *file;
    char path[PATH_MAX];
    enum workload_size size; /* the bench's; rows of slow subjects may be shorter */
};

int results_open(struct results *results, const char *folder, struct reason *why) MUST_CHECK;

/* The first line: the host, and who could take part. */
int results_host(struct results *results, const struct host *host, const struct survey *survey, enum workload_size size,
                 struct reason *why) MUST_CHECK;

/* One measurement. A row that was interrupted before its first figure is not written. */
int results_row(struct results *results, const char *suite, const struct row *row, struct reason *why) MUST_CHECK;

/* The last line. */
int results_end(struct results *results, bool complete, double seconds, struct reason *why) MUST_CHECK;

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure.h - one measurement: one workload, run once, natively or under an engine or a peer.
 *
 * The three kinds differ in how the program is started and where the time of its region of interest comes from; what
 * makes a run right is the same for all: exit status 0, the workload's own line, and the native run's check value.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <jansson.h>

#include "guest_files.h"
#include "process.h"
#include "workloads.h"

/* What all measurements of a bench share. */
struct bench_setup {
    char folder[PATH_MAX]; /* of the results */
    enum workload_size size;
    double timeout; /* seconds, for one run */
    int core;
    char kernel[PATH_MAX], initrd[PATH_MAX], text[PATH_MAX];
    char native_disk[PATH_MAX], guest_disk[PATH_MAX];
};

struct outcome {
    enum { OUTCOME_OK, OUTCOME_NA, OUTCOME_FAILED, OUTCOME_INTERRUPTED } status;
    struct reason why;
    double seconds; /* the region of interest */
    double wall;    /* all of it, boot included */
    uint64_t iterations;
    char check[20];
    json_t *exits, *counters; /* of the region, or NULL */
    json_t *run_counters;     /* of the whole run, boot included, or NULL */
    double mips;              /* 0: unknown */
    double startup;           /* seconds until the region began; 0: unknown */
    double memory_kb;         /* of the VMM's own; 0: unknown */
};

enum subject_kind { SUBJECT_NATIVE, SUBJECT_ENGINE, SUBJECT_PEER };

/* Who runs the workload: a column of the table. */
struct subject {
    enum subject_kind kind;
    const char *name, *technique;
    const struct engine_ops *engine; /* or */
    char given[256];                 /* how --engine finds it again: its name, or a shared object's path */
    const struct peer *peer;
    struct reason missing; /* why it can't run here; empty when it can */
};

extern const struct subject native_subject;

/* Runs it once. The outcome is to be released with outcome_free(). */
void measure(const struct subject *subject, const struct bench_setup *setup, const struct workload_def *workload,
             struct outcome *outcome);
void outcome_free(struct outcome *outcome);

/* Fills status and why from a process that has ended; reads the workload's line. False when that's a failure. */
bool outcome_take(struct outcome *outcome, const struct workload_def *workload, const struct process *process,
                  const struct process_result *result, uint64_t *roi_ns);

/* The three kinds; each in a file of its name. */
void measure_native(const struct bench_setup *setup, const struct workload_def *workload, struct outcome *outcome);
void measure_engine(const struct subject *subject, const struct bench_setup *setup, const struct workload_def *workload,
                    struct outcome *outcome);
void measure_peer(const struct peer *peer, const struct bench_setup *setup, const struct workload_def *workload,
                  struct outcome *outcome);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pairs.c - alternates native and engine runs and judges them. Called by cmd_bench.c; read next: results.c. */
#include "pairs.h"

#include <errno.h>
#include <string.h>

#include "region.h"

static void row_fail(struct row *row, int status, const char *text, const char *detail)
{
    row->status = status;
    row->why.text[0] = '\0';
    fail(&row->why, EINVAL, "%s%s", text, detail);
    row->ratio.n = row->seconds.n = row->mips.n = row->latency.n = row->startup.n = row->memory_kb.n = 0;
}

static void add_time(struct row *row, const struct outcome *outcome)
{
    double operations = (double)row->workload->operations * (double)outcome->iterations;
    sample_add(&row->seconds, outcome->seconds);
    if (operations > 0)
        sample_add(&row->latency, 1e9 * outcome->seconds / operations);
}

/* Seconds of one iteration: a workload that is given a time instead of their number makes as many as fit. */
static double per_iteration(const struct outcome *outcome)
{
    return outcome->seconds / (double)outcome->iterations;
}

/* One native run; false when it did not give what the first one gave. `each`: seconds of an iteration. */
static bool run_native(struct baseline *baseline, const struct bench_setup *setup, double *each)
{
    struct outcome outcome;
    struct row *row = &baseline->row;
    measure(&native_subject, setup, row->workload, &outcome);
    bool first = row->seconds.n == 0;
    if (outcome.status != OUTCOME_OK)
        row_fail(row, outcome.status, outcome.why.text, "");
    else if (outcome.seconds <= 0)
        row_fail(row, OUTCOME_FAILED, "the region of interest took no time", "");
    else if (!first && strcmp(outcome.check, baseline->check) != 0)
        row_fail(row, OUTCOME_FAILED, "two native runs gave different check values", "");
    else {
        memcpy(baseline->check, outcome.check, sizeof baseline->check);
        add_time(row, &outcome);
        sample_add(&row->ratio, 1.0);
        *each = per_iteration(&outcome);
    }
    outcome_free(&outcome);
    return row->status == OUTCOME_OK;
}

void baseline_start(struct baseline *baseline, const struct bench_setup *setup, const struct workload_def *workload)
{
    double unused;
    memset(baseline, 0, sizeof *baseline);
    baseline->row.subject = &native_subject;
    baseline->row.workload = workload;
    workload_args(workload, setup->size, baseline->row.args);
    run_native(baseline, setup, &unused);
}

/* The subject's half of a pair; without a native half `native` is 0. False when the row is over. */
static bool run_subject(struct row *row, const struct baseline *baseline, const struct bench_setup *setup,
                        double native)
{
    struct outcome outcome;
    measure(row->subject, setup, row->workload, &outcome);
    if (outcome.wall > row->slowest)
        row->slowest = outcome.wall;
    if (outcome.status == OUTCOME_INTERRUPTED) {
        row->status = OUTCOME_INTERRUPTED; /* what was measured before it stands */
    } else if (outcome.status != OUTCOME_OK) {
        row->timed_out = outcome.wall >= setup->timeout;
        row_fail(row, outcome.status, outcome.why.text, "");
    } else if (native > 0 && strcmp(outcome.check, baseline->check) != 0) {
        struct reason differ = {""};
        fail(&differ, EINVAL, "wrong result: check=%s, natively %s", outcome.check, baseline->check);
        row_fail(row, OUTCOME_FAILED, differ.text, "");
    } else {
        add_time(row, &outcome);
        if (native > 0)
            sample_add(&row->ratio, native / per_iteration(&outcome));
        if (outcome.mips > 0)
            sample_add(&row->mips, outcome.mips);
        if (outcome.startup > 0)
            sample_add(&row->startup, outcome.startup);
        if (outcome.memory_kb > 0)
            sample_add(&row->memory_kb, outcome.memory_kb);
        row_free(row);
        row->exits = json_incref(outcome.exits);
        row->counters = json_incref(outcome.counters);
        row->run_counters = json_incref(outcome.run_counters);
    }
    outcome_free(&outcome);
    return row->status == OUTCOME_OK;
}

static void row_start(struct row *row, const struct baseline *baseline, const struct subject *subject)
{
    memset(row, 0, sizeof *row);
    row->subject = subject;
    row->workload = baseline->row.workload;
    memcpy(row->args, baseline->row.args, sizeof row->args);
}

void pairs_skip(struct row *row, const struct baseline *baseline, const struct subject *subject, const char *reason)
{
    row_start(row, baseline, subject);
    row_fail(row, OUTCOME_NA, reason, "");
}

void pairs_run(struct row *row, struct baseline *baseline, const struct subject *subject,
               const struct bench_setup *setup, unsigned reps, double seconds, bool adapt)
{
    row_start(row, baseline, subject);
    if (*subject->missing.text) { /* not worth a native run */
        row_fail(row, OUTCOME_NA, subject->missing.text, "");
        return;
    }
    double begin = now_seconds();
    for (unsigned i = 0; i < reps; i++) {
        double native = 0;
        double spent = now_seconds() - begin;
        if (adapt && i > 0 && spent + spent / i > seconds)
            break;
        if (!row->workload->no_native && !run_native(baseline, setup, &native)) {
            if (baseline->row.status == OUTCOME_INTERRUPTED)
                row->status = OUTCOME_INTERRUPTED;
            else
                row_fail(row, OUTCOME_FAILED, "the native run failed: ", baseline->row.why.text);
            return;
        }
        if (!run_subject(row, baseline, setup, native))
            return;
    }
}

void row_free(struct row *row)
{
    json_decref(row->exits);
    json_decref(row->counters);
    json_decref(row->run_counters);
    row->exits = row->counters = row->run_counters = NULL;
}

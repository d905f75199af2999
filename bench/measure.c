/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure.c - what the three kinds of measurement share.
 *
 * Read next: measure_native.c, measure_engine.c, measure_peer.c; pairs.c, which alternates them.
 */
#include "measure.h"

#include <errno.h>
#include <string.h>

#include "ok_line.h"

const struct subject native_subject = {.kind = SUBJECT_NATIVE, .name = "native", .technique = "native"};

void measure(const struct subject *subject, const struct bench_setup *setup, const struct workload_def *workload,
             struct outcome *outcome)
{
    *outcome = (struct outcome){.status = OUTCOME_OK};
    if (*subject->missing.text) {
        outcome->status = OUTCOME_NA;
        outcome->why = subject->missing;
        return;
    }
    switch (subject->kind) {
    case SUBJECT_NATIVE: measure_native(setup, workload, outcome); break;
    case SUBJECT_ENGINE: measure_engine(subject, setup, workload, outcome); break;
    case SUBJECT_PEER: measure_peer(subject->peer, setup, workload, outcome); break;
    }
    /* Whoever left a reason but no status failed. */
    if (outcome->status == OUTCOME_OK && *outcome->why.text)
        outcome->status = OUTCOME_FAILED;
}

void outcome_free(struct outcome *outcome)
{
    json_decref(outcome->exits);
    json_decref(outcome->counters);
    json_decref(outcome->run_counters);
    outcome->exits = outcome->counters = outcome->run_counters = NULL;
}

bool outcome_take(struct outcome *outcome, const struct workload_def *workload, const struct process *process,
                  const struct process_result *result, uint64_t *roi_ns)
{
    const char *program = workload_program(workload), *na = na_line_find(result->output.data, program);
    struct ok_line ok;
    outcome->wall = result->seconds;
    if (result->end == PROCESS_INTERRUPTED) {
        outcome->status = OUTCOME_INTERRUPTED;
    } else if (na && result->end == PROCESS_EXITED) {
        outcome->status = OUTCOME_NA;
        fail(&outcome->why, ENOTSUP, "%.*s", (int)strcspn(na, "\r\n"), na);
    } else if (process_check(process, result, &outcome->why) != 0) {
        outcome->status = OUTCOME_FAILED;
    } else if (!ok_line_find(result->output.data, program, &ok)) {
        outcome->status = OUTCOME_FAILED;
        fail(&outcome->why, EINVAL, "exit status 0, but no line '%s: ok ...' in its output", program);
    } else {
        outcome->iterations = ok.iterations;
        memcpy(outcome->check, ok.check, sizeof ok.check);
        *roi_ns = ok.roi_ns;
        return true;
    }
    return false;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure_native.c - the baseline: the very binary that the guest runs, on this host's kernel and CPU.
 *
 * The time is the workload's own (roi_ns): natively its clock is the host's.
 */
#include <errno.h>
#include <stdio.h>

#include "measure.h"

void measure_native(const struct bench_setup *setup, const struct workload_def *workload, struct outcome *outcome)
{
    char name[NAME_MAX], program[PATH_MAX];
    struct words words;
    if (workload->no_native) {
        outcome->status = OUTCOME_NA;
        fail(&outcome->why, ENOTSUP, "%s", workload->no_native);
        return;
    }
    snprintf(name, sizeof name, "bin/%s", workload_program(workload));
    if (guest_file(name, program, &outcome->why) != 0)
        return;
    if (workload_words(workload, setup->size, setup->native_disk, setup->text, &words, &outcome->why) != 0)
        return;

    char *argv[WORKLOAD_WORDS_MAX + 2] = {program};
    for (unsigned i = 0; i < words.count; i++)
        argv[i + 1] = words.word[i];
    struct process process = {.argv = argv, .timeout = setup->timeout, .core = setup->core};
    struct process_result result;
    uint64_t roi_ns;
    if (process_run(&process, &result, &outcome->why) == 0) {
        if (outcome_take(outcome, workload, &process, &result, &roi_ns))
            outcome->seconds = 1e-9 * (double)roi_ns;
        process_result_free(&result);
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure_engine.c - one run under one of our engines: `virtlab run --stats`, as a student would type it.
 *
 * Time, exits and counters are those between the workload's marks, from the statistics file (stats_json.c).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <virtlab/engine.h>

#include "measure.h"
#include "status.h"

/* The process outlives its own time limit by so much, to write its statistics and reason. */
enum { GRACE = 10 };

/* Does the engine offer what the workload needs? */
static bool is_runnable(const struct engine_ops *engine, const struct workload_def *workload, struct outcome *outcome)
{
    unsigned wanted = ENGINE_OS | ENGINE_PARAVIRTUAL;
    if (workload->personality == FLAT_OK)
        wanted |= ENGINE_FLAT;
    if (engine->capabilities & wanted)
        return true;
    outcome->status = OUTCOME_NA;
    fail(&outcome->why, ENOTSUP, "needs an operating system; %s runs the flat personality only", engine->name);
    return false;
}

/* The one region of a statistics file; several (a workload may mark several) are refused. */
static void take_region(const json_t *stats, struct outcome *outcome)
{
    json_t *regions = json_object_get(stats, "regions");
    json_t *region = json_array_get(regions, 0);
    double seconds = json_number_value(json_object_get(region, "seconds"));
    if (json_array_size(regions) != 1 || seconds <= 0) {
        fail(&outcome->why, EINVAL, "%zu regions of interest were marked, not 1", json_array_size(regions));
        return;
    }
    outcome->seconds = seconds;
    outcome->mips = json_number_value(json_object_get(region, "mips"));
    outcome->exits = json_incref(json_object_get(region, "exits"));
    outcome->counters = json_incref(json_object_get(region, "counters"));
    outcome->run_counters = json_incref(json_object_get(stats, "counters"));
    outcome->startup = json_number_value(json_object_get(region, "begin"));
    outcome->memory_kb = json_number_value(json_object_get(stats, "memory_kb"));
}

static void take_stats(const char *path, struct outcome *outcome, bool ran_well)
{
    json_error_t error;
    json_t *stats = json_load_file(path, 0, &error);
    if (ran_well && !stats) {
        fail(&outcome->why, EINVAL, "no statistics were written: %s", error.text);
    } else if (ran_well) {
        take_region(stats, outcome);
    } else {
        /* How the machine ended says more than an exit status. */
        const char *reason = json_string_value(json_object_get(stats, "reason"));
        const char *unknown = json_string_value(json_object_get(stats, "unknown"));
        if (reason)
            snprintf(outcome->why.text, sizeof outcome->why.text, "%s", reason);
        size_t used = strlen(outcome->why.text);
        if (unknown) /* it may be why */
            snprintf(outcome->why.text + used, sizeof outcome->why.text - used, "; wrong under this engine: %s",
                     unknown);
    }
    json_decref(stats);
}

static void run_once(const struct subject *subject, const struct bench_setup *setup,
                     const struct workload_def *workload, const struct words *words, struct outcome *outcome)
{
    char timeout[32], stats[PATH_MAX];
    snprintf(timeout, sizeof timeout, "%g", setup->timeout);
    if (snprintf(stats, sizeof stats, "%s/.run-stats.json", setup->folder) >= (int)sizeof stats) {
        fail(&outcome->why, ENAMETOOLONG, "%s: too long a path", setup->folder);
        return;
    }
    unlink(stats);
    char *argv[16 + WORKLOAD_WORDS_MAX] = {"/proc/self/exe", "run",   "--engine", (char *)subject->given,
                                           "--timeout",      timeout, "--stats",  stats};
    unsigned count = 8;
    if (workload->need == NEED_DISK) {
        argv[count++] = "--drive";
        argv[count++] = (char *)setup->guest_disk;
    }
    argv[count++] = (char *)workload->binary;
    for (unsigned i = 0; i < words->count; i++)
        argv[count++] = words->word[i];

    bool spreads = subject->engine->capabilities & ENGINE_CORES;
    struct process process = {.argv = argv, .timeout = setup->timeout + GRACE, .core = spreads ? -1 : setup->core};
    struct process_result result;
    uint64_t roi_ns;
    if (process_run(&process, &result, &outcome->why) == 0) {
        bool ran_well = outcome_take(outcome, workload, &process, &result, &roi_ns);
        take_stats(stats, outcome, ran_well);
        process_result_free(&result);
    }
    unlink(stats);
}

void measure_engine(const struct subject *subject, const struct bench_setup *setup, const struct workload_def *workload,
                    struct outcome *outcome)
{
    struct words words;
    if (!is_runnable(subject->engine, workload, outcome))
        return;
    if (workload_words(workload, setup->size, DISK_IN_GUEST, TEXT_IN_GUEST, &words, &outcome->why) != 0)
        return;
    run_once(subject, setup, workload, &words, outcome);
}

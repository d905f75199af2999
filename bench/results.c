/* SPDX-License-Identifier: GPL-2.0-or-later */
/* results.c - writes results.jsonl. Read next: reports/virtlab_report/results.py, which reads it. */
#include "results.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "status.h"

int results_open(struct results *results, const char *folder, struct reason *why)
{
    if (snprintf(results->path, sizeof results->path, "%s/results.jsonl", folder) >= (int)sizeof results->path)
        return fail(why, ENAMETOOLONG, "%s: too long a path", folder);
    results->file = fopen(results->path, "we");
    return results->file ? 0 : fail(why, errno, "%s: %s", results->path, strerror(errno));
}

/* Writes and releases `json`. */
static int write_line(struct results *results, json_t *json, struct reason *why)
{
    if (!json)
        return fail(why, ENOMEM, "%s: a record could not be made", results->path);
    bool bad = json_dumpf(json, results->file, JSON_COMPACT | JSON_REAL_PRECISION(9)) != 0 ||
               fputc('\n', results->file) == EOF || fflush(results->file) != 0;
    int err = bad ? fail(why, EIO, "%s: writing failed: %s", results->path, strerror(errno)) : 0;
    json_decref(json);
    return err;
}

/* A text of the host's, or null when it is empty. */
static json_t *text_or_null(const char *text)
{
    return *text ? json_string(text) : json_null();
}

int results_host(struct results *results, const struct host *host, const struct survey *survey, enum workload_size size,
                 struct reason *why)
{
    results->size = size;
    char now[32];
    time_t seconds = time(NULL);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &utc);
    json_t *json =
        json_pack("{si ss ss ss ss so ss ss si si sf sO sO ss so so}", "schema", RESULTS_SCHEMA, "type", "host", "time",
                  now, "mode", size == SIZE_FULL ? "full" : "quick", "virtlab", VIRTLAB_VERSION, "commit",
                  text_or_null(host->commit), "kernel", host->kernel, "cpu", host->cpu, "cores", (int)host->cores,
                  "memory_mb", (int)host->memory_mb, "tsc_mhz", host->tsc_mhz, "cpu_flags", host->flags, "mitigations",
                  host->mitigations, "kvm", *host->kvm.text ? host->kvm.text : "ok", "engines",
                  survey_engines_json(survey), "peers", survey_peers_json(survey));
    return write_line(results, json, why);
}

static const char *const kinds[] = {
    [SUBJECT_NATIVE] = "native",
    [SUBJECT_ENGINE] = "engine",
    [SUBJECT_PEER] = "peer",
};

/* An object of the last run, or an empty one. */
static json_t *object_or_empty(json_t *object)
{
    return object ? json_incref(object) : json_object();
}

/* {"system call": {"median", ..., "unit"}}, or an empty object. */
static json_t *latencies_json(const struct row *row)
{
    json_t *latencies = json_object();
    if (row->latency.n) {
        json_t *sample = sample_json(&row->latency);
        json_object_set_new(sample, "unit", json_string("ns"));
        json_object_set_new(latencies, row->workload->operation, sample);
    }
    return latencies;
}

int results_row(struct results *results, const char *suite, const struct row *row, struct reason *why)
{
    const char *status = row->status == OUTCOME_NA ? "na" : row->status == OUTCOME_FAILED ? "failed" : "ok";
    if (row->status == OUTCOME_INTERRUPTED && row->seconds.n == 0)
        return 0;
    char args[WORKLOAD_ARGS_MAX];
    workload_args(row->workload, results->size, args);
    json_t *mips = row->mips.n ? json_real(sample_median(&row->mips)) : json_null();
    json_t *json =
        json_pack("{si ss ss ss ss ss ss ss ss ss? sb ss ss so so so so so so so so so}", "schema", RESULTS_SCHEMA,
                  "type", "measurement", "suite", suite, "workload", row->workload->name, "class", row->workload->class,
                  "engine", row->subject->name, "technique", row->subject->technique, "kind", kinds[row->subject->kind],
                  "status", status, "reason", *row->why.text ? row->why.text : NULL, "modelled", 0, "args", args,
                  "ran_args", row->args, "ratio", sample_json(&row->ratio), "seconds", sample_json(&row->seconds),
                  "exits", object_or_empty(row->exits), "counters", object_or_empty(row->counters), "mips", mips,
                  "latencies", latencies_json(row), "startup", sample_json(&row->startup), "memory_kb",
                  sample_json(&row->memory_kb), "run_counters", object_or_empty(row->run_counters));
    return write_line(results, json, why);
}

int results_end(struct results *results, bool complete, double seconds, struct reason *why)
{
    json_t *json =
        json_pack("{si ss sb sf}", "schema", RESULTS_SCHEMA, "type", "end", "complete", complete, "seconds", seconds);
    int err = write_line(results, json, why);
    if (fclose(results->file) != 0 && !err)
        err = fail(why, errno, "%s: writing failed: %s", results->path, strerror(errno));
    results->file = NULL;
    return err;
}

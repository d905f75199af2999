/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd_bench.c - `virtlab bench`: the loop over workloads and engines.
 *
 * The flow: options -> plan (plan.c) -> set-up (bench_setup.c) -> for each workload and each engine a row (pairs.c) ->
 * results.c.
 */
#include "commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "bench_setup.h"
#include "budget.h"
#include "interrupt.h"
#include "plan.h"
#include "progress.h"
#include "region.h"
#include "results.h"
#include "status.h"

static const char more[] =
    "Each figure is the speed of a workload's region of interest, as a ratio to the native run of the very same\n"
    "binary; native and engine runs alternate, each in a process of its own on one core with a time limit. A run\n"
    "counts only if the guest ended with status 0 and found the native run's result. Whatever fails becomes a row\n"
    "with its reason, and the bench goes on. Ctrl-C ends it; what was measured until then is kept.\n"
    "\n"
    "The results are DIR/results.jsonl; `python3 reports/report.py DIR` makes tables and plots of them.\n"
    "\n"
    "Examples:\n"
    "  virtlab bench --quick --out results               everything, in under three minutes\n"
    "  virtlab bench --suite lecture,system --out results\n"
    "  virtlab bench --workloads sieve,getpid --engines emulate --out results\n"
    "  virtlab bench --engines emulate,./my_engine.so --suite compute --out results\n"
    "  virtlab bench --peers qemu-tcg --reps 9 --out results\n";

/* What becomes known on the way. */
struct course {
    struct budget budget;
    const char *class; /* of the row */
    unsigned timeouts[SUBJECTS_MAX];
    unsigned shorter[SUBJECTS_MAX]; /* by so many sizes is the work of this slow subject less than the bench's */
};

static int parse(int argc, char **argv, struct plan_options *o, struct reason *why)
{
    const struct arg_option options[] = {
        {"--out", "DIR", ARG_TEXT, &o->out, "folder for the results (required); made if it isn't there"},
        {"--suite", "S,T", ARG_TEXT, &o->suites, "which suites (default lecture; see `virtlab list`)"},
        {"--workloads", "X,Y", ARG_TEXT, &o->workloads, "only these workloads"},
        {"--engines", "A,B", ARG_TEXT, &o->engines, "only these engines (default: those of the suite that work here)"},
        {"--peers", "P,Q", ARG_TEXT, &o->peers, "other machines: a list, auto (default: all that work here), none"},
        {"--quick", NULL, ARG_FLAG, &o->quick, "short workloads, 3 repetitions; else long ones, 5"},
        {"--reps", "N", ARG_COUNT, &o->reps, "exactly N repetitions, however long they take"},
        {"--timeout", "S", ARG_SECONDS, &o->timeout, "for one run (default 30 quick, 60 full)"},
    };
    const struct arg_spec spec = {
        .command = "bench",
        .positional = "",
        .purpose = "Measures workloads under engines and peers against the native run.",
        .options = options,
        .count = ARRAY_SIZE(options),
        .more = more,
    };
    int rest;
    int err = args_parse(&spec, argc, argv, &rest, why);
    if (!err && (!o->out || !*o->out))
        err = fail(why, EINVAL, "--out DIR is missing: where should the results go?");
    return err;
}

/* After so many time-outs a subject is thought to hang always, and the time is better spent on others. */
enum { TIMEOUTS_MAX = 3 };

static void skip_if_hopeless(struct plan *plan, const struct course *course, unsigned i)
{
    struct subject *subject = &plan->subjects.subject[i];
    if (course->timeouts[i] == TIMEOUTS_MAX && !*subject->missing.text)
        fail(&subject->missing, ETIMEDOUT, "not tried: %d workloads before it timed out", TIMEOUTS_MAX);
}

/* Seconds that a region of interest may take; a subject that takes longer goes on with shorter work. */
static double patience(enum workload_size bench)
{
    return bench == SIZE_FULL ? 15 : 1.5;
}

/* Slow on one class of workloads isn't slow on another: there it may do more again. */
static void new_class(struct course *course, const struct workload_def *workload)
{
    if (course->class && strcmp(course->class, workload->class) == 0)
        return;
    course->class = workload->class;
    for (unsigned i = 0; i < SUBJECTS_MAX; i++)
        course->shorter[i] -= course->shorter[i] > 0;
}

static bool took_too_long(const struct row *row, enum workload_size bench)
{
    double longest = row->seconds.n ? sample_max(&row->seconds) : row->slowest;
    return longest > patience(bench);
}

/* The native runs of one workload, at each of its sizes; made when first needed. */
struct baselines {
    struct baseline at[SIZE_SHORT + 1];
};

static struct baseline *baseline_of(struct baselines *baselines, const struct bench_setup *setup,
                                    const struct workload_def *workload)
{
    struct baseline *baseline = &baselines->at[setup->size];
    if (!baseline->row.workload)
        baseline_start(baseline, setup, workload);
    return baseline;
}

/*
 * One row of one subject, in pairs with native runs of the same size. Who is too slow does less in further rows of the
 * class, and at once when it has timed out.
 */
static void run_row(const struct plan *plan, struct course *course, unsigned i, const struct bench_setup *bench,
                    const struct workload_def *workload, struct baselines *baselines, struct row *row)
{
    const struct subject *subject = &plan->subjects.subject[i];
    struct bench_setup setup = *bench;
    bool is_late = plan->adapt && now_seconds() - course->budget.begin > plan->seconds;
    if (subject->kind == SUBJECT_PEER && is_late) {
        pairs_skip(row, baseline_of(baselines, bench, workload), subject,
                   "left out: the time of this run was used up before it came to this peer");
        return;
    }
    for (;;) {
        setup.size = bench->size + course->shorter[i];
        pairs_run(row, baseline_of(baselines, &setup, workload), subject, &setup, plan->reps,
                  budget_share(&course->budget, i), plan->adapt);
        if (!plan->adapt || setup.size == SIZE_SHORT || !took_too_long(row, bench->size))
            return;
        course->shorter[i]++;
        if (!row->timed_out)
            return;
        row_free(row);
    }
}

/* One row of the results for each subject, then the native one, which has taken part in all of them. */
static int bench_workload(struct plan *plan, const struct plan_row *what, struct course *course,
                          const struct bench_setup *setup, struct results *results, struct progress *progress,
                          struct reason *why)
{
    static struct baselines baselines;
    static struct row row;
    int err = 0;
    progress_next(progress, what->workload->name, "native");
    new_class(course, what->workload);
    memset(&baselines, 0, sizeof baselines);
    struct row *native = &baseline_of(&baselines, setup, what->workload)->row;
    for (unsigned i = 0; !err && !interrupt_signal() && i < plan->subjects.count; i++) {
        if (!plan_pairs(plan, what, &plan->subjects.subject[i]))
            continue;
        progress_next(progress, what->workload->name, plan->subjects.subject[i].name);
        double begin = now_seconds();
        run_row(plan, course, i, setup, what->workload, &baselines, &row);
        budget_spend(&course->budget, i, now_seconds() - begin, row.seconds.n);
        course->timeouts[i] += row.timed_out;
        skip_if_hopeless(plan, course, i);
        err = results_row(results, what->suite->name, &row, why);
        progress_row(progress, &row);
        row_free(&row);
    }
    if (!err)
        err = results_row(results, what->suite->name, native, why);
    progress_row(progress, native);
    return err;
}

static unsigned rows_of_all(const struct plan *plan)
{
    unsigned count = plan->rows; /* the native ones */
    for (unsigned i = 0; i < plan->subjects.count; i++)
        count += plan_rows_of(plan, &plan->subjects.subject[i]);
    return count;
}

static int bench_all(struct plan *plan, const struct bench_setup *setup, struct results *results, struct reason *why)
{
    static struct course course;
    struct progress progress;
    struct host host;
    host_describe(&host);
    int err = results_host(results, &host, &plan->survey, setup->size, why);
    host_free(&host);
    budget_start(&course.budget, plan);
    progress_begin(&progress, rows_of_all(plan));
    for (unsigned i = 0; !err && !interrupt_signal() && i < plan->rows; i++)
        err = bench_workload(plan, &plan->row[i], &course, setup, results, &progress, why);
    progress_clear(&progress);
    int end_err = results_end(results, !err && !interrupt_signal(), now_seconds() - course.budget.begin, why);
    return err ? err : end_err;
}

static bool needs_disk(const struct plan *plan)
{
    for (unsigned i = 0; i < plan->rows; i++) {
        if (plan->row[i].workload->need == NEED_DISK)
            return true;
    }
    return false;
}

int cmd_bench(int argc, char **argv)
{
    static struct plan plan;
    static struct bench_setup setup;
    struct plan_options options = {.suites = "lecture", .peers = "auto"};
    struct results results;
    struct reason why = {""};

    int err = parse(argc, argv, &options, &why);
    if (err > 0)
        return STATUS_OK;
    interrupt_install();
    if (!err)
        err = plan_make(&plan, &options, &why);
    if (!err)
        err = bench_setup_make(&setup, options.out, options.quick ? SIZE_QUICK : SIZE_FULL, options.timeout, &why);
    if (!err)
        err = results_open(&results, setup.folder, &why);
    if (!err) {
        err = needs_disk(&plan) ? bench_setup_disks(&setup, &why) : 0;
        if (!err)
            err = bench_all(&plan, &setup, &results, &why);
        bench_setup_remove(&setup);
    }
    if (err)
        return interrupt_signal() ? 128 + interrupt_signal() : status_error("bench", &why);
    fprintf(stderr, "\n%sResults: %s\nTables and plots: python3 reports/report.py %s\n",
            interrupt_signal() ? "Interrupted; what was measured is kept. " : "", results.path, options.out);
    return interrupt_signal() ? 128 + interrupt_signal() : STATUS_OK;
}

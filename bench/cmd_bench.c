/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd_bench.c - `virtlab bench`: which workloads, which engines, and the loop over both.
 *
 * The flow: options -> plan -> set-up (bench_setup.c) -> for each workload and each engine a row (pairs.c) ->
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
#include "name_list.h"
#include "progress.h"
#include "region.h"
#include "results.h"
#include "status.h"
#include "subjects.h"

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
    "  virtlab bench --workloads sieve,getpid --engines emulate --out results\n"
    "  virtlab bench --engines emulate,./my_engine.so --suite compute --out results\n"
    "  virtlab bench --peers qemu-tcg --reps 9 --out results\n";

#define WORKLOADS_MAX 64

struct plan {
    const char *suite;
    const struct workload_def *workload[WORKLOADS_MAX];
    unsigned workloads;
    struct survey survey;
    struct subjects subjects;
    unsigned reps;
    bool adapt;     /* fewer repetitions where they take long */
    double seconds; /* for the whole bench, when adapting */
    struct budget budget;
    unsigned timeouts[SUBJECTS_MAX];
    bool slow[SUBJECTS_MAX]; /* in a full bench: is given the quick arguments from now on */
};

struct bench_options {
    const char *suite, *engines, *workloads, *peers, *out;
    bool quick;
    unsigned reps;
    double timeout;
};

static int parse(int argc, char **argv, struct bench_options *o, struct reason *why)
{
    const struct arg_option options[] = {
        {"--out", "DIR", ARG_TEXT, &o->out, "folder for the results (required); made if it isn't there"},
        {"--suite", "NAME", ARG_TEXT, &o->suite, "which workloads (default lecture; see `virtlab list`)"},
        {"--workloads", "X,Y", ARG_TEXT, &o->workloads, "only these workloads"},
        {"--engines", "A,B", ARG_TEXT, &o->engines, "only these engines (default: all that work here)"},
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

static int plan_workload(void *context, const char *name, struct reason *why)
{
    struct plan *plan = context;
    const struct workload_def *workload = workload_find(name, why);
    if (!workload)
        return -EINVAL;
    if (plan->workloads == WORKLOADS_MAX)
        return fail(why, E2BIG, "more than %d workloads", WORKLOADS_MAX);
    plan->workload[plan->workloads++] = workload;
    return 0;
}

static int make_plan(struct plan *plan, const struct bench_options *o, struct reason *why)
{
    const struct suite *suite = suite_find(o->suite, why);
    int err = suite ? 0 : -EINVAL;
    plan->suite = o->suite;
    plan->adapt = o->reps == 0;
    plan->reps = o->reps ? o->reps : o->quick ? 3 : 5;
    plan->seconds = o->quick ? 150 : 1100;
    if (!err && o->workloads)
        err = names_for_each(o->workloads, plan_workload, plan, why);
    for (unsigned i = 0; !err && !o->workloads && i < workload_count; i++) {
        if (suite->holds(&workloads[i]))
            err = plan_workload(plan, workloads[i].name, why);
    }
    if (!err && plan->workloads == 0)
        err = fail(why, EINVAL, "no workload is left to measure");
    if (!err)
        survey_engines(&plan->survey);
    if (!err)
        err = subjects_add_engines(&plan->subjects, &plan->survey, o->engines, why);
    if (!err)
        err = subjects_add_peers(&plan->subjects, &plan->survey, o->peers, why);
    if (!err && plan->subjects.count == 0)
        err = fail(why, EINVAL, "no engine works here; `virtlab doctor` says why");
    return err;
}

/* After so many time-outs a subject is thought to hang always, and the time is better spent on others. */
enum { TIMEOUTS_MAX = 3 };

static void skip_if_hopeless(struct plan *plan, unsigned i)
{
    struct subject *subject = &plan->subjects.subject[i];
    if (plan->timeouts[i] == TIMEOUTS_MAX && !*subject->missing.text)
        fail(&subject->missing, ETIMEDOUT, "not tried: %d workloads before it timed out", TIMEOUTS_MAX);
}

/* A run of a full bench that takes longer is too long: the subject goes on with the quick workloads. */
#define SLOW_SECONDS 15

/*
 * One row of one subject, in pairs with the native runs of `full` or, for a slow one, of `quick`. A time-out of the
 * full workload is answered by trying the quick one.
 */
static void run_row(struct plan *plan, unsigned i, const struct bench_setup *setup, struct baseline *full,
                    struct baseline *quick, struct row *row)
{
    const struct subject *subject = &plan->subjects.subject[i];
    double share = budget_share(&plan->budget, i);
    if (plan->adapt && subject->kind == SUBJECT_PEER && now_seconds() - plan->budget.begin > plan->seconds) {
        pairs_skip(row, full, subject, "left out: the time of this run was used up before it came to this peer");
        return;
    }
    if (!setup->full || !plan->slow[i]) {
        pairs_run(row, full, subject, setup, plan->reps, share, plan->adapt);
        plan->slow[i] = setup->full && plan->adapt && row->slowest > SLOW_SECONDS;
        if (!plan->slow[i] || !row->timed_out)
            return;
        row_free(row);
    }
    struct bench_setup short_setup = *setup;
    short_setup.full = false;
    if (!quick->row.workload)
        baseline_start(quick, &short_setup, full->row.workload);
    pairs_run(row, quick, subject, &short_setup, plan->reps, share, plan->adapt);
}

/* One row for each subject, then the native one, which has taken part in all of them. */
static int bench_workload(struct plan *plan, const struct bench_setup *setup, const struct workload_def *workload,
                          struct results *results, struct progress *progress, struct reason *why)
{
    static struct baseline full, quick;
    static struct row row;
    int err = 0;
    progress_next(progress, workload->name, "native");
    baseline_start(&full, setup, workload);
    memset(&quick, 0, sizeof quick);
    for (unsigned i = 0; !err && !interrupt_signal() && i < plan->subjects.count; i++) {
        progress_next(progress, workload->name, plan->subjects.subject[i].name);
        double begin = now_seconds();
        run_row(plan, i, setup, &full, &quick, &row);
        budget_spend(&plan->budget, i, now_seconds() - begin, row.seconds.n);
        plan->timeouts[i] += row.timed_out;
        skip_if_hopeless(plan, i);
        err = results_row(results, plan->suite, &row, why);
        progress_row(progress, &row);
        row_free(&row);
    }
    if (!err)
        err = results_row(results, plan->suite, &full.row, why);
    progress_row(progress, &full.row);
    row_free(&full.row);
    row_free(&quick.row);
    return err;
}

static int bench_all(struct plan *plan, const struct bench_setup *setup, struct results *results, struct reason *why)
{
    struct progress progress;
    struct host host;
    host_describe(&host);
    int err = results_host(results, &host, &plan->survey, setup->full, why);
    host_free(&host);
    budget_start(&plan->budget, plan->seconds, plan->reps, &plan->subjects, plan->workloads);
    progress_begin(&progress, plan->workloads * (plan->subjects.count + 1));
    for (unsigned i = 0; !err && !interrupt_signal() && i < plan->workloads; i++)
        err = bench_workload(plan, setup, plan->workload[i], results, &progress, why);
    progress_clear(&progress);
    int end_err = results_end(results, !err && !interrupt_signal(), now_seconds() - plan->budget.begin, why);
    return err ? err : end_err;
}

int cmd_bench(int argc, char **argv)
{
    static struct plan plan;
    static struct bench_setup setup;
    struct bench_options options = {.suite = "lecture", .peers = "auto"};
    struct results results;
    struct reason why = {""};

    int err = parse(argc, argv, &options, &why);
    if (err > 0)
        return STATUS_OK;
    interrupt_install();
    if (!err)
        err = make_plan(&plan, &options, &why);
    if (!err)
        err = bench_setup_make(&setup, options.out, !options.quick, options.timeout, &why);
    if (!err)
        err = results_open(&results, setup.folder, &why);
    if (!err) {
        bool needs_disk = false;
        for (unsigned i = 0; i < plan.workloads; i++)
            needs_disk |= plan.workload[i]->need == NEED_DISK;
        err = needs_disk ? bench_setup_disks(&setup, &why) : 0;
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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* plan.c - turns the options of `virtlab bench` into the rows to measure. Read next: cmd_bench.c, which does so. */
#include "plan.h"

#include <errno.h>
#include <string.h>

#include "name_list.h"

static int add_row(struct plan *plan, const struct suite *suite, const struct workload_def *workload,
                   struct reason *why)
{
    for (unsigned i = 0; i < plan->rows; i++) {
        const struct plan_row *other = &plan->row[i];
        bool is_same = other->suite == suite || (!other->suite->engines && !suite->engines);
        if (other->workload == workload && is_same)
            return 0; /* two suites that measure it alike: once is enough */
    }
    if (plan->rows == PLAN_ROWS_MAX)
        return fail(why, E2BIG, "more than %d workloads", PLAN_ROWS_MAX);
    plan->row[plan->rows++] = (struct plan_row){suite, workload};
    return 0;
}

static int add_suite(void *context, const char *name, struct reason *why)
{
    const struct suite *suite = suite_find(name, why);
    int err = suite ? 0 : -EINVAL;
    for (unsigned i = 0; !err && i < workload_count; i++) {
        if (suite_holds(suite, &workloads[i]))
            err = add_row(context, suite, &workloads[i], why);
    }
    return err;
}

static int check_suite(void *unused, const char *name, struct reason *why)
{
    (void)unused;
    return suite_find(name, why) ? 0 : -EINVAL;
}

/* The first of the suites that were asked for that has the workload among its rows, or else of all suites. */
static const struct suite *suite_of(const char *asked, const struct workload_def *workload)
{
    const struct suite *any = NULL;
    for (unsigned i = 0; i < suite_count; i++) {
        if (!suite_holds(&suites[i], workload))
            continue;
        if (name_is_listed(asked, suites[i].name))
            return &suites[i];
        any = any ? any : &suites[i];
    }
    return any;
}

struct chosen {
    const char *suites;
    struct plan *plan;
};

static int add_workload(void *context, const char *name, struct reason *why)
{
    struct chosen *chosen = context;
    const struct workload_def *workload = workload_find(name, why);
    return workload ? add_row(chosen->plan, suite_of(chosen->suites, workload), workload, why) : -EINVAL;
}

static int choose_rows(struct plan *plan, const struct plan_options *options, struct reason *why)
{
    struct chosen chosen = {options->suites, plan};
    int err = names_for_each(options->suites, options->workloads ? check_suite : add_suite, plan, why);
    if (!err && options->workloads)
        err = names_for_each(options->workloads, add_workload, &chosen, why);
    if (!err && plan->rows == 0)
        err = fail(why, EINVAL, "no workload is left to measure");
    return err;
}

bool plan_pairs(const struct plan *plan, const struct plan_row *row, const struct subject *subject)
{
    if (subject->kind == SUBJECT_PEER)
        return suite_wants_peer(row->suite, subject->name);
    return plan->all_pairs || suite_wants_engine(row->suite, subject->name);
}

unsigned plan_rows_of(const struct plan *plan, const struct subject *subject)
{
    unsigned count = 0;
    for (unsigned i = 0; i < plan->rows; i++)
        count += plan_pairs(plan, &plan->row[i], subject);
    return count;
}

/* Those that work here and that any of the rows wants. */
static int choose_engines(struct plan *plan, const char *named, struct reason *why)
{
    int err = 0;
    plan->all_pairs = named != NULL;
    if (named)
        return subjects_add_engines(&plan->subjects, named, why);
    for (unsigned i = 0; !err && i < plan->survey.engines; i++) {
        const struct subject *engine = &plan->survey.engine[i];
        if (!*engine->missing.text && plan_rows_of(plan, engine) > 0)
            err = subjects_add(&plan->subjects, engine, why);
    }
    return err;
}

int plan_make(struct plan *plan, const struct plan_options *options, struct reason *why)
{
    memset(plan, 0, sizeof *plan);
    plan->adapt = options->reps == 0;
    plan->reps = options->reps ? options->reps : options->quick ? 3 : 5;
    plan->seconds = options->quick ? 150 : 1100;
    int err = choose_rows(plan, options, why);
    if (err)
        return err;
    survey_engines(&plan->survey);
    err = choose_engines(plan, options->engines, why);
    if (!err)
        err = subjects_add_peers(&plan->subjects, &plan->survey, options->peers, why);
    if (!err && plan->subjects.count == 0)
        err = fail(why, EINVAL, "no engine works here; `virtlab doctor` says why");
    return err;
}

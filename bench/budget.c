/* SPDX-License-Identifier: GPL-2.0-or-later */
/* budget.c - divides the bench's time among the rows that are still to come. Called by cmd_bench.c. */
#include "budget.h"

#include <string.h>

#include "region.h"

void budget_start(struct budget *budget, const struct plan *plan)
{
    memset(budget, 0, sizeof *budget);
    budget->seconds = plan->seconds;
    budget->begin = now_seconds();
    budget->reps = plan->reps;
    budget->count = plan->subjects.count;
    for (unsigned i = 0; i < budget->count; i++) {
        const struct subject *subject = &plan->subjects.subject[i];
        budget->subject[i].is_peer = subject->kind == SUBJECT_PEER;
        budget->subject[i].rows_left = *subject->missing.text ? 0 : plan_rows_of(plan, subject);
    }
}

/* What one pair of this subject costs on average; before the first one, a guess on the low side. */
static double pair_cost(const struct budget *budget, unsigned i)
{
    return budget->subject[i].pairs ? budget->subject[i].spent / budget->subject[i].pairs : 0.5;
}

double budget_share(const struct budget *budget, unsigned subject)
{
    double left = budget->seconds - (now_seconds() - budget->begin);
    double singles = 0, engines = 0; /* all rows once; the engines' further repetitions */
    unsigned peer_rows = 0;
    for (unsigned i = 0; i < budget->count; i++) {
        double once = budget->subject[i].rows_left * pair_cost(budget, i);
        singles += once;
        if (budget->subject[i].is_peer)
            peer_rows += budget->subject[i].rows_left;
        else
            engines += once * (budget->reps - 1);
    }
    double spare = left > singles ? left - singles : 0;
    double surplus = spare > engines ? spare - engines : 0; /* when even all repetitions of the engines leave time */
    double once = pair_cost(budget, subject);
    if (budget->subject[subject].is_peer)
        return once + surplus / peer_rows;
    return once * (1 + (budget->reps - 1) * (spare < engines ? spare / engines : 1)) + surplus;
}

void budget_spend(struct budget *budget, unsigned subject, double seconds, unsigned pairs)
{
    if (budget->subject[subject].rows_left > 0)
        budget->subject[subject].rows_left--;
    budget->subject[subject].spent += seconds;
    budget->subject[subject].pairs += pairs;
}

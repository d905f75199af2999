/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * budget.h - how long a row may take, so that the whole bench ends in time.
 *
 * Every row gets at least one pair of runs (a peer's only while there is time). Beyond that, our own engines come
 * first: peers get further repetitions from what the engines leave. What a pair costs is learnt on the way, for each
 * subject apart.
 */
#ifndef BENCH_BUDGET_H
#define BENCH_BUDGET_H

#include "plan.h"

struct budget {
    double seconds; /* for all rows */
    double begin;
    unsigned reps, count;
    struct {
        bool is_peer;
        unsigned rows_left;
        double spent; /* seconds, for so many pairs */
        unsigned pairs;
    } subject[SUBJECTS_MAX];
};

void budget_start(struct budget *budget, const struct plan *plan);

/* Seconds for the next row of this subject. */
double budget_share(const struct budget *budget, unsigned subject);

/* That row is done. */
void budget_spend(struct budget *budget, unsigned subject, double seconds, unsigned pairs);

#endif

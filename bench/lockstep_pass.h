/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lockstep_pass.h - one run of the guest from its start, on a pair of engines, under a plan of what to compare. */
#ifndef BENCH_LOCKSTEP_PASS_H
#define BENCH_LOCKSTEP_PASS_H

#include "lockstep.h"
#include "lockstep_pair.h"

struct pass {
    struct pair pair;
    struct machine *machine;
    struct machine_result result;
    int drive; /* a copy of the disk, or -1: each run must find the same */
    char drive_path[32];
    int stopped; /* STOP_... or a signal */
};

/*
 * Runs the guest, at the latest until `deadline` (now_seconds()) if the request has a time-out. NULL with why when that
 * is not possible; otherwise the caller calls pass_end().
 */
struct pass *pass_run(const struct lockstep_request *request, const struct pair_plan *plan, double deadline,
                      int console, struct reason *why);
void pass_end(struct pass *pass);

#endif

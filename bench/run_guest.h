/* SPDX-License-Identifier: GPL-2.0-or-later */
/* run_guest.h - one run of one guest in this process, from a complete request to an exit status. */
#ifndef BENCH_RUN_GUEST_H
#define BENCH_RUN_GUEST_H

#include "guest_choice.h"
#include <virtlab/machine.h>

struct run_request {
    const struct engine_ops *engine;
    struct guest_choice guest; /* complete */
    enum clock_mode clock;
    const char *stats; /* file to write, or NULL */
    double timeout;    /* seconds; 0: none */
    bool trace_io;
    bool kernel_exits; /* of machine_config */
};

/*
 * 0: the guest ran, *status is the exit status and what was remarkable has been said on stderr. -errno with why: it
 * could not be started, or its statistics could not be written.
 */
int run_guest(const struct run_request *request, int *status, struct reason *why) MUST_CHECK;

#endif

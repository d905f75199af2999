/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * region.h - the regions of interest of a run: between the marks 1 and 2 that a workload sends through the service
 * port.
 *
 * Boot, set-up and checks lie outside, so they count neither in the time nor in the exits.
 */
#ifndef BENCH_REGION_H
#define BENCH_REGION_H

#include <virtlab/machine.h>

#define REGIONS_MAX 16

struct region {
    double begin;   /* seconds from the run's begin to mark 1: what the guest and its engine took to get there */
    double seconds; /* of the host */
    struct stats stats;
};

struct regions {
    struct machine *machine; /* set once it exists, before it runs */
    double run_begin;        /* the host's time when the run began, before there was a machine */
    unsigned count;
    struct region region[REGIONS_MAX];
    unsigned lost; /* regions beyond REGIONS_MAX */
    bool open;     /* mark 1 has come, mark 2 hasn't */
    double begin;
    struct stats at_begin;
};

/* machine_config.mark; the context is a struct regions. */
void regions_mark(void *context, unsigned mark);

/* The host's monotonic clock, in seconds. */
double now_seconds(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* region.c - takes time and statistics at a workload's marks. Called on the vCPU's thread, in the middle of an OUT. */
#include "region.h"

#include <time.h>

double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The clock is read last at the begin and first at the end: what is done here isn't in the time. */
void regions_mark(void *context, unsigned mark)
{
    struct regions *regions = context;
    if (mark == MARK_BEGIN) {
        regions->at_begin = *machine_stats(regions->machine);
        regions->open = true;
        regions->begin = now_seconds();
    } else if (mark == MARK_END && regions->open) {
        double end = now_seconds();
        regions->open = false;
        if (regions->count == REGIONS_MAX) {
            regions->lost++;
            return;
        }
        struct region *region = &regions->region[regions->count++];
        region->begin = regions->begin - regions->run_begin;
        region->seconds = end - regions->begin;
        region->stats = stats_since(machine_stats(regions->machine), &regions->at_begin);
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stats_json.h - a run's outcome as JSON: what `virtlab run --stats` writes and `virtlab bench` reads back. */
#ifndef BENCH_STATS_JSON_H
#define BENCH_STATS_JSON_H

#include <jansson.h>

#include "region.h"

struct run_record {
    const struct engine_ops *engine;
    const char *end;    /* "poweroff", "timeout" ... */
    int status;         /* virtlab's exit status */
    const char *reason; /* or NULL */
    double seconds;     /* of the whole run, boot included */
    const struct stats *stats;
    const struct regions *regions;
    const struct port_count *ports; /* PORT_COUNT of them: machine_port_counts() */
    const struct bus *mmio;
    uint64_t memory_kb; /* of the VMM's own at the end, or 0: unknown */
};

/* Memory of this process that is neither a file's nor the guest's: /proc/self/status, RssAnon. 0 if that isn't there.
 */
uint64_t own_memory_kb(void);

/* A new reference; NULL when memory is short. */
json_t *run_record_json(const struct run_record *record);

#endif

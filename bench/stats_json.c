/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stats_json.c - statistics as JSON. Exits that never happened, ports never used and counters that the engine doesn't
 * keep are left out: a counter that is absent is unknown, zero means counted and none.
 */
#include "stats_json.h"

#include <stdio.h>

static json_t *exits_json(const struct stats *stats)
{
    json_t *object = json_object();
    for (unsigned i = 0; i < EXIT_REASON_COUNT; i++) {
        const struct exit_count *count = &stats->exits[i];
        if (count->taken || count->avoided)
            json_object_set_new(
                object, exit_name((enum exit_index)i),
                json_pack("{sIsI}", "taken", (json_int_t)count->taken, "avoided", (json_int_t)count->avoided));
    }
    return object;
}

static json_t *counters_json(const struct stats *stats, uint64_t kept)
{
    json_t *object = json_object();
    for (unsigned i = 0; i < COUNTER_COUNT; i++) {
        if (kept >> i & 1)
            json_object_set_new(object, counter_name((enum counter)i), json_integer((json_int_t)stats->counter[i]));
    }
    return object;
}

/* What the host's kernel counted, or why it didn't; NULL when nobody asked. */
static json_t *kernel_exits_json(const struct host_exits *host)
{
    if (!*host->text)
        return NULL;
    json_t *taken = json_object();
    for (unsigned i = 0; i < EXIT_REASON_COUNT; i++) {
        if (host->by_reason[i])
            json_object_set_new(taken, exit_name((enum exit_index)i), json_integer((json_int_t)host->by_reason[i]));
    }
    return json_pack("{ss?ss?sosI}", "source", host->counted ? host->text : NULL, "why_not",
                     host->counted ? NULL : host->text, "taken", taken, "other", (json_int_t)host->other);
}

/* Million instructions a second, or null. */
static json_t *mips_json(const struct stats *stats, uint64_t kept, double seconds)
{
    if (!(kept & COUNTER_BIT(INSTRUCTIONS)) || seconds <= 0)
        return json_null();
    return json_real((double)stats->counter[COUNTER_INSTRUCTIONS] / seconds / 1e6);
}

static json_t *regions_json(const struct regions *regions, uint64_t kept)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < regions->count; i++) {
        const struct region *region = &regions->region[i];
        json_array_append_new(list,
                              json_pack("{sfsfsosososo*}", "begin", region->begin, "seconds", region->seconds, "exits",
                                        exits_json(&region->stats), "counters", counters_json(&region->stats, kept),
                                        "mips", mips_json(&region->stats, kept, region->seconds), "kernel_exits",
                                        kernel_exits_json(&region->stats.host)));
    }
    return list;
}

static json_t *accesses_json(uint64_t reads, uint64_t writes)
{
    return json_pack("{sIsI}", "reads", (json_int_t)reads, "writes", (json_int_t)writes);
}

/* Accesses by port: {"0x3f8": {"reads": .., "writes": ..}, ..}. */
static json_t *ports_json(const struct port_count *ports)
{
    json_t *object = json_object();
    char name[8];
    for (unsigned i = 0; i < PORT_COUNT; i++) {
        if (!ports[i].reads && !ports[i].writes)
            continue;
        snprintf(name, sizeof name, "%#x", i);
        json_object_set_new(object, name, accesses_json(ports[i].reads, ports[i].writes));
    }
    return object;
}

/* Accesses to memory that is a device's, by device. */
static json_t *devices_json(const struct bus *mmio)
{
    json_t *object = json_object();
    for (unsigned i = 0; i < mmio->count; i++) {
        const struct bus_range *range = &mmio->range[i];
        if (range->reads || range->writes)
            json_object_set_new(object, range->name, accesses_json(range->reads, range->writes));
    }
    return object;
}

uint64_t own_memory_kb(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    char line[128];
    unsigned long long kb = 0;
    while (status && fgets(line, sizeof line, status) && sscanf(line, "RssAnon: %llu", &kb) != 1)
        ;
    if (status)
        fclose(status);
    return kb;
}

json_t *run_record_json(const struct run_record *record)
{
    uint64_t kept = record->engine->counters;
    const char *unknown = record->stats->unknown;
    return json_pack("{sssssssiss?sfsIsososososososs?so*}", "engine", record->engine->name, "technique",
                     record->engine->technique, "end", record->end, "status", record->status, "reason", record->reason,
                     "seconds", record->seconds, "memory_kb", (json_int_t)record->memory_kb, "exits",
                     exits_json(record->stats), "ports", ports_json(record->ports), "mmio", devices_json(record->mmio),
                     "counters", counters_json(record->stats, kept), "mips",
                     mips_json(record->stats, kept, record->seconds), "regions", regions_json(record->regions, kept),
                     "unknown", *unknown ? unknown : NULL, "kernel_exits", kernel_exits_json(&record->stats->host));
}

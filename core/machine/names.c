/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * names.c - the names of exits and counters, out of the lists in exit.h and stats.h, and the difference of two stats.
 */
#include <virtlab/stats.h>

static const struct {
    const char *name, *text;
} exits[EXIT_REASON_COUNT] = {
#define X(number, symbol, name, text) [EXIT_INDEX_##symbol] = {name, text},
    EXIT_REASONS(X)
#undef X
};

static const struct {
    const char *name, *text;
} counters[COUNTER_COUNT] = {
#define X(symbol, name, text) [COUNTER_##symbol] = {#name, text},
    COUNTERS(X)
#undef X
};

const char *exit_name(enum exit_index index)
{
    return index < EXIT_REASON_COUNT ? exits[index].name : "?";
}

const char *exit_text(enum exit_index index)
{
    return index < EXIT_REASON_COUNT ? exits[index].text : "?";
}

const char *counter_name(enum counter counter)
{
    return counter < COUNTER_COUNT ? counters[counter].name : "?";
}

const char *counter_text(enum counter counter)
{
    return counter < COUNTER_COUNT ? counters[counter].text : "?";
}

struct stats stats_since(const struct stats *later, const struct stats *earlier)
{
    struct stats since = *later; /* .unknown stays: the first one ever is still the first */

    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        since.counter[i] -= earlier->counter[i];
    for (unsigned i = 0; i < EXIT_REASON_COUNT; i++) {
        since.exits[i].taken -= earlier->exits[i].taken;
        since.exits[i].avoided -= earlier->exits[i].avoided;
        since.host.by_reason[i] -= earlier->host.by_reason[i];
    }
    since.host.other -= earlier->host.other;
    return since;
}

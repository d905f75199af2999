/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exhibit_json.c - the exhibit as a JSON document: all that was observed, not only what was concluded.
 *
 * Schema 1, an object an instruction set: isa, user, kernel, rows; a row: group, name, text, listed, rule, deviates
 * (the rule demands a trap, and there was none), class, control, behaviour, identity, user and kernel (texts),
 * evidence, runs (user, kernel, other: end, how, seen, changes). reports/exhibit.py reads it.
 */
#include "exhibit.h"

static json_t *value_text(uint64_t value)
{
    return json_sprintf("0x%llx", (unsigned long long)value);
}

static json_t *run_json(const struct exhibit_run *run)
{
    static const char *const ends[] = {"done", "trap", "enter", "left", "unrun"};
    json_t *seen = json_object(), *changes = json_object();

    for (unsigned i = 0; i < run->seen_count; i++)
        json_object_set_new(seen, run->seen[i].name, value_text(run->seen[i].value));
    for (unsigned i = 0; i < run->system_count; i++) {
        if (run->before[i].value != run->after[i].value)
            json_object_set_new(changes, run->before[i].name,
                                json_pack("[o, o]", value_text(run->before[i].value), value_text(run->after[i].value)));
    }
    return json_pack("{s:s, s:s, s:o, s:o}", "end", ends[run->end], "how", run->how, "seen", seen, "changes", changes);
}

static json_t *result_json(const struct exhibit_result *result)
{
    const struct exhibit_row *row = &result->row;
    const struct exhibit_verdict *v = &result->verdict;
    json_t *runs = json_pack("{s:o, s:o, s:o}", "user", run_json(&result->user), "kernel", run_json(&result->kernel),
                             "other", run_json(&result->other));

    return json_pack("{s:s, s:s, s:s, s:b, s:s, s:b, s:s, s:b, s:b, s:b, s:s, s:s, s:s, s:o}", "group", row->group,
                     "name", row->name, "text", row->text, "listed", row->listed, "rule", row->rule, "deviates",
                     v->deviates, "class", exhibit_class_name(v->class), "control", v->control, "behaviour",
                     v->behaviour, "identity", v->identity, "user", v->user, "kernel", v->kernel, "evidence",
                     v->evidence, "runs", runs);
}

json_t *exhibit_json(const struct exhibit *exhibit)
{
    json_t *rows = json_array();

    for (unsigned i = 0; i < exhibit->count; i++)
        json_array_append_new(rows, result_json(&exhibit->results[i]));
    return json_pack("{s:s, s:s, s:s, s:o}", "isa", exhibit->isa, "user", exhibit->user, "kernel", exhibit->kernel,
                     "rows", rows);
}

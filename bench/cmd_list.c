/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_list.c - `virtlab list`: engines, workloads, suites and peers, for people or (--json) for scripts. */
#include "commands.h"

#include <stdio.h>

#include "args.h"
#include "status.h"
#include "subjects.h"
#include "suites.h"

static const char more[] = "An engine or peer that can't be used here is listed with the reason.\n"
                           "\n"
                           "Examples:\n"
                           "  virtlab list\n"
                           "  virtlab list --json | python3 -m json.tool\n";

static json_t *workloads_json(void)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < workload_count; i++) {
        const struct workload_def *w = &workloads[i];
        json_array_append_new(list, json_pack("{ss ss ss sb ss? ss ss ss}", "name", w->name, "binary", w->binary,
                                              "class", w->class, "flat", w->personality == FLAT_OK, "needs",
                                              workload_need_text(w->need), "quick", w->quick, "full", w->full,
                                              "description", w->text));
    }
    return list;
}

static json_t *suites_json(void)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < suite_count; i++) {
        json_t *members = json_array();
        for (unsigned j = 0; j < workload_count; j++) {
            if (suite_holds(&suites[i], &workloads[j]))
                json_array_append_new(members, json_string(workloads[j].name));
        }
        json_array_append_new(list, json_pack("{ss ss so ss? ss? ss?}", "name", suites[i].name, "description",
                                              suites[i].text, "workloads", members, "engines", suites[i].engines,
                                              "peers", suites[i].peers, "reports", suites[i].reports));
    }
    return list;
}

static void print_subjects(const char *title, const json_t *list)
{
    size_t i;
    json_t *subject;
    printf("%s:\n", title);
    json_array_foreach(list, i, subject)
    {
        const char *reason = json_string_value(json_object_get(subject, "reason"));
        printf("  %-17s %s\n", json_string_value(json_object_get(subject, "name")),
               json_string_value(json_object_get(subject, "description")));
        if (reason)
            printf("  %-17s not available: %s\n", "", reason);
    }
}

static void print_suite(const struct suite *suite)
{
    unsigned rows = 0;
    for (unsigned i = 0; i < workload_count; i++)
        rows += suite_holds(suite, &workloads[i]);
    printf("  %-15s %s (%u rows%s%s)\n", suite->name, suite->text, rows, suite->reports ? "; reports: " : "",
           suite->reports ? suite->reports : "");
}

static void print_text(const struct survey *survey)
{
    json_t *engine_list = survey_engines_json(survey), *peer_list = survey_peers_json(survey);
    print_subjects("Engines", engine_list);
    printf("\nWorkloads:\n");
    for (unsigned i = 0; i < workload_count; i++) {
        const char *need = workload_need_text(workloads[i].need);
        printf("  %-15s %-8s %s%s%s%s\n", workloads[i].name, workloads[i].class, workloads[i].text,
               need ? " (needs " : "", need ? need : "", need ? ")" : "");
    }
    printf("\nSuites:\n");
    for (unsigned i = 0; i < suite_count; i++)
        print_suite(&suites[i]);
    putchar('\n');
    print_subjects("Peers", peer_list);
    json_decref(engine_list);
    json_decref(peer_list);
}

static int print_json(const struct survey *survey, struct reason *why)
{
    json_t *json = json_pack("{si ss so so so so}", "schema", 1, "virtlab", VIRTLAB_VERSION, "engines",
                             survey_engines_json(survey), "workloads", workloads_json(), "suites", suites_json(),
                             "peers", survey_peers_json(survey));
    if (!json || json_dumpf(json, stdout, JSON_INDENT(2)) != 0)
        return fail(why, 1, "the list could not be written");
    putchar('\n');
    json_decref(json);
    return 0;
}

int cmd_list(int argc, char **argv)
{
    bool as_json = false;
    const struct arg_option options[] = {{"--json", NULL, ARG_FLAG, &as_json, "print it as JSON"}};
    const struct arg_spec spec = {
        .command = "list",
        .positional = "",
        .purpose = "Lists the engines, workloads, suites and peers.",
        .options = options,
        .count = ARRAY_SIZE(options),
        .more = more,
    };
    struct reason why = {""};
    int rest;
    int err = args_parse(&spec, argc, argv, &rest, &why);
    if (err > 0)
        return STATUS_OK;
    static struct survey survey;
    if (!err) {
        survey_engines(&survey);
        survey_all_peers(&survey);
    }
    if (!err && as_json)
        err = print_json(&survey, &why);
    else if (!err)
        print_text(&survey);
    return err ? status_error("list", &why) : STATUS_OK;
}

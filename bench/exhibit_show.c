/* SPDX-License-Identifier: GPL-2.0-or-later */
/* exhibit_show.c - the exhibit as a table on a terminal. Read next: exhibit_json.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exhibit.h"

void exhibit_free(struct exhibit *exhibit)
{
    free(exhibit->results);
    exhibit->results = NULL;
    exhibit->count = 0;
}

static void show_row(const struct exhibit_result *result)
{
    const struct exhibit_verdict *v = &result->verdict;

    printf("  %-22s%c %-21s  %-38s  %-38s\n", result->row.name, result->row.listed ? '*' : ' ',
           exhibit_class_text(v->class), v->user, v->kernel);
}

/* What is sensitive and silent is either how the instruction set is, or the model's error: the rule tells. */
static void show_rules(const struct exhibit *exhibit)
{
    for (unsigned i = 0; i < exhibit->count; i++) {
        const struct exhibit_result *result = &exhibit->results[i];
        if (result->verdict.deviates && *result->row.rule)
            printf("  %s: the specification says, %s\n", result->row.name, result->row.rule);
    }
}

static void show_summary(const struct exhibit *exhibit)
{
    unsigned silent = exhibit_count(exhibit, EXHIBIT_SILENT), trapping = exhibit_count(exhibit, EXHIBIT_PRIVILEGED);
    unsigned open = exhibit_count(exhibit, EXHIBIT_OPEN), deviations = exhibit_deviations(exhibit);
    unsigned listed = 0, listed_silent = 0;

    for (unsigned i = 0; i < exhibit->count; i++) {
        listed += exhibit->results[i].row.listed;
        listed_silent += exhibit->results[i].row.listed && exhibit->results[i].verdict.class == EXHIBIT_SILENT;
    }
    printf("\n  %u rows: %u sensitive, of which %u trap, %u trap once the supervisor closes them, and %u are silent.\n",
           exhibit->count, silent + trapping + open, trapping, open, silent);
    if (deviations)
        printf(
            "  %u of the silent ones deviate from the specification, which demands a trap: the model's error, not the\n"
            "  instruction set's. They are listed below.\n",
            deviations);
    printf("  %s\n", silent > deviations ? "The sensitive instructions are not a subset of the privileged ones."
                     : deviations        ? "All others that are sensitive are privileged."
                                         : "Every sensitive instruction is privileged: trap-and-emulate suffices.");
    if (listed)
        printf("  * one of the instructions that Robin and Irvine (2000) found on the Pentium: %u rows, %u of them "
               "silent here.\n",
               listed, listed_silent);
}

void exhibit_show(const struct exhibit *exhibit)
{
    const char *group = "";

    printf("%s\n  user mode: %s\n  kernel mode: %s\n\n", exhibit->isa, exhibit->user, exhibit->kernel);
    printf("  %-22s  %-21s  %-38s  %-38s\n", "instruction", "found to be", "in user mode", "in kernel mode");
    for (unsigned i = 0; i < exhibit->count; i++) {
        const struct exhibit_result *result = &exhibit->results[i];
        if (strcmp(group, result->row.group) != 0)
            printf(" %s\n", result->row.group);
        group = result->row.group;
        show_row(result);
    }
    show_summary(exhibit);
    show_rules(exhibit);
    putchar('\n');
}

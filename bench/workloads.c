/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * workloads.c - the table of workloads, and a workload's arguments as words.
 *
 * Read next: guest/workloads/workloads.def and guest/kernel/resident.def, the list itself; suites.c, which chooses from
 * it.
 */
#include "workloads.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command_line.h"
#include "machine/suggest.h"

const struct workload_def workloads[] = {
#define WORKLOAD(row, binary, class, personality, quick, full, need, per, operation, text) \
    {row, binary, #class, personality, quick, full, need, per, operation, NULL, text},
#include "../guest/workloads/workloads.def"
#undef WORKLOAD
#define RESIDENT(row, binary, class, quick, full, need, per, operation, no_native, text) \
    {row, binary, #class, OS, quick, full, need, per, operation, no_native, text},
#include "../guest/kernel/resident.def"
#undef RESIDENT
};
const unsigned workload_count = ARRAY_SIZE(workloads);

const struct workload_def *workload_find(const char *name, struct reason *why)
{
    struct suggestion near = suggest_for(name);
    for (unsigned i = 0; i < workload_count; i++) {
        if (strcmp(workloads[i].name, name) == 0)
            return &workloads[i];
        suggest_add(&near, workloads[i].name);
    }
    if (near.best)
        fail(why, ENOENT, "no workload named '%s'; did you mean '%s'?", name, near.best);
    else
        fail(why, ENOENT, "no workload named '%s'; `virtlab list` shows them", name);
    return NULL;
}

const char *workload_program(const struct workload_def *workload)
{
    size_t length = strlen(GUEST_KERNEL_PREFIX);
    bool is_resident = strncmp(workload->binary, GUEST_KERNEL_PREFIX, length) == 0;
    return workload->binary + (is_resident ? length : 0);
}

const char *workload_need_text(enum workload_need need)
{
    switch (need) {
    case NEED_NOTHING: return NULL;
    case NEED_DISK: return "a disk";
    case NEED_FILE: return "the text file";
    }
    return NULL;
}

void workload_args(const struct workload_def *workload, enum workload_size size, char args[WORKLOAD_ARGS_MAX])
{
    enum { SHORTER = 8 };
    const char *text = size == SIZE_FULL ? workload->full : workload->quick;
    char *rest;
    unsigned long n = strtoul(text, &rest, 10); /* behind it: "ms", or the other arguments */
    if (size == SIZE_SHORT)
        n = n > SHORTER ? n / SHORTER : 1;
    snprintf(args, WORKLOAD_ARGS_MAX, "%lu%s", n, rest);
}

/* The words point into words->buffer, or to the paths that stand for the placeholders. */
int workload_words(const struct workload_def *workload, enum workload_size size, const char *disk, const char *file,
                   struct words *words, struct reason *why)
{
    char *save = NULL;
    *words = (struct words){.count = 0};
    workload_args(workload, size, words->buffer);
    for (char *word = strtok_r(words->buffer, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        if (words->count == WORKLOAD_WORDS_MAX)
            return fail(why, E2BIG, "%s has more than %d arguments", workload->name, WORKLOAD_WORDS_MAX);
        if (strcmp(word, "%disk%") == 0)
            word = (char *)disk;
        else if (strcmp(word, "%file%") == 0)
            word = (char *)file;
        words->word[words->count++] = word;
    }
    return 0;
}

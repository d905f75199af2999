/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * workloads.c - the table of workloads, and a workload's arguments as words.
 *
 * Read next: guest/workloads/workloads.def and guest/kernel/resident.def, the list itself; suites.c, which chooses from
 * it.
 */
#include "workloads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command_line.h"
#include "machine/suggest.h"

const struct workload_def workloads[] = {
#define WORKLOAD(row, binary, class, personality, quick, full, need, per, operation, text) \
    {row, binary, #class, personality, quick, full, need, per, operation, NULL, text},
#include "../guest/workloads/workloads.def"
#undef WORKLOAD
#define RESIDENT(row, binary, class, quick, full, per, operation, no_native, text) \
    {row, binary, #class, OS, quick, full, NEED_NOTHING, per, operation, no_native, text},
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

/* The words point into one copy of `args`, or to the paths that stand for the placeholders. */
int words_expand(const char *args, const char *disk, const char *file, struct words *words, struct reason *why)
{
    *words = (struct words){.buffer = strdup(args)};
    char *at = words->buffer, *save = NULL;
    if (!at)
        return fail(why, ENOMEM, "out of memory");
    for (char *word = strtok_r(at, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        if (words->count == WORKLOAD_WORDS_MAX) {
            words_free(words);
            return fail(why, E2BIG, "more than %d arguments: %s", WORKLOAD_WORDS_MAX, args);
        }
        if (strcmp(word, "%disk%") == 0)
            word = (char *)disk;
        else if (strcmp(word, "%file%") == 0)
            word = (char *)file;
        words->word[words->count++] = word;
    }
    return 0;
}

void words_free(struct words *words)
{
    free(words->buffer);
    *words = (struct words){.buffer = NULL};
}

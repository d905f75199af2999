/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * workloads.h - the workloads as the harness sees them: one table, made from guest/workloads/workloads.def and
 * guest/kernel/resident.def.
 */
#ifndef BENCH_WORKLOADS_H
#define BENCH_WORKLOADS_H

#include <virtlab/types.h>

enum workload_personality { FLAT_OK, OS };
enum workload_need { NEED_NOTHING, NEED_DISK, NEED_FILE };

struct workload_def {
    const char *name;   /* the row's */
    const char *binary; /* the program in /bin; "kernel:NAME": what the guest's kernel runs itself (command_line.h) */
    const char *class;  /* "compute", "memory", "system", "disk", ...: suites are made of classes */
    enum workload_personality personality;
    const char *quick, *full; /* arguments; %disk% and %file% stand for paths */
    enum workload_need need;
    unsigned operations;   /* in one iteration; 0: an iteration is no number of like operations */
    const char *operation; /* what one is, "system call"; NULL likewise */
    const char *no_native; /* why it can't run natively; NULL: it can */
    const char *text;
};

extern const struct workload_def workloads[];
extern const unsigned workload_count;

/* By name; NULL with why, and the nearest name, when there is none. */
const struct workload_def *workload_find(const char *name, struct reason *why);

/* What it calls itself, and what runs natively: its binary without "kernel:". */
const char *workload_program(const struct workload_def *workload);

/* "the raw disk", "the text file", or NULL */
const char *workload_need_text(enum workload_need need);

/* How much a row does: in a full bench, in a quick one, and for who would take too long even there. */
enum workload_size { SIZE_FULL, SIZE_QUICK, SIZE_SHORT };

#define WORKLOAD_ARGS_MAX  64
#define WORKLOAD_WORDS_MAX 16

/* Its arguments at that size, placeholders and all; SIZE_SHORT: the quick ones with an eighth of their N. */
void workload_args(const struct workload_def *workload, enum workload_size size, char args[WORKLOAD_ARGS_MAX]);

/* The same, cut into words, with the placeholders replaced. NULL-terminated. */
struct words {
    char *word[WORKLOAD_WORDS_MAX + 1];
    unsigned count;
    char buffer[WORKLOAD_ARGS_MAX];
};

int workload_words(const struct workload_def *workload, enum workload_size size, const char *disk, const char *file,
                   struct words *words, struct reason *why) MUST_CHECK;

#endif

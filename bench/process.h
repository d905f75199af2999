/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * process.h - runs one program with a time limit, on one core, and takes what it prints.
 *
 * Each measurement is such a process, in a process group of its own: whatever it does, hangs or crashes, the bench
 * goes on, and nothing of it is left behind.
 */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <virtlab/types.h>

#define PROCESS_OUTPUT_MAX (256 * 1024) /* of each stream; what comes after is dropped */

struct process {
    char *const *argv;   /* argv[0] is looked up in PATH; NULL-terminated */
    double timeout;      /* seconds */
    int core;            /* to pin it to, or -1 */
    const char *folder;  /* to run it in, or NULL */
    bool needs_terminal; /* give it one, on which nobody listens; its output is then expected on descriptor 3 */
    /*
     * Called for each line of output as it comes, with the host's time (region.h's clock), or NULL. True: that's
     * enough, end the process.
     */
    bool (*line)(void *context, const char *line, double when);
    void *context;
};

struct text {
    char *data; /* zero-terminated */
    size_t length;
};

enum process_end { PROCESS_EXITED, PROCESS_SIGNALLED, PROCESS_TIMED_OUT, PROCESS_ENOUGH, PROCESS_INTERRUPTED };

struct process_result {
    enum process_end end;
    int status; /* exit status, or the signal that killed it */
    double seconds;
    struct text output, errors; /* stdout (or descriptor 3), stderr */
};

/* 0: it ran, see the result, which process_result_free() releases. -errno with why: it could not be started. */
int process_run(const struct process *process, struct process_result *result, struct reason *why) MUST_CHECK;
void process_result_free(struct process_result *result);

/* 0 when it exited with status 0, otherwise -errno with why in words: status, signal or time-out, and what it said. */
int process_check(const struct process *process, const struct process_result *result, struct reason *why) MUST_CHECK;

/* Where a program is in PATH: true, and its path. */
bool program_find(const char *name, char *path, size_t size);

/* Runs a short command and returns the first line that it prints, "" if none: for versions. At most 5 s. */
void program_first_line(char *const *argv, char *line, size_t size);

#endif

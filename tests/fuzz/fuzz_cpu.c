/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_cpu.c - `make fuzz-cpu`: random programs of up to 64 user-mode instructions on this processor and on the
 * software CPU, until the first ones differ or the number asked for is reached.
 *
 * The generator, the comparison, and the search for the shortest failing program are those of tests/oracle*.c. A
 * program that differs is printed as assembler with its input and both results; its batch's seed repeats it.
 */
#include "oracle_mixes.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCH 500 /* programs of one mix with one seed */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

static const struct mix {
    const char *name;
    const struct oracle_group *const *groups;
} mixes[] = {{"flags", oracle_mix_flags}, {"integer", oracle_mix_integer}, {"sse", oracle_mix_sse}};

struct options {
    uint64_t programs, seed;
};

static const char help[] =
    "usage: fuzz_cpu [--programs N] [--seed S]\n\n"
    "Runs random programs of 1 to 64 user-mode instructions on this processor and on the software CPU of core/x86, "
    "and\n"
    "compares registers, flags, memory and exceptions. Stops at the first batch that differs, and prints the "
    "programs,\n"
    "minimised, as assembler.\n\n"
    "  --programs N   how many (default 1000000)\n"
    "  --seed S       where to begin (default: the time of day; printed, so that a run can be repeated)\n\n"
    "Exit status: 0 no difference, 1 a difference, 2 usage or set-up, 130 interrupted.\n";

static bool parse_number(const char *text, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = text ? strtoull(text, &end, 0) : 0;
    return text && *text >= '0' && *text <= '9' && !*end && !errno;
}

/* 0 to go on, else the exit status + 1. */
static int parse(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        uint64_t *value = !strcmp(argv[i], "--programs") ? &o->programs : !strcmp(argv[i], "--seed") ? &o->seed : NULL;
        if (!strcmp(argv[i], "--help")) {
            fputs(help, stdout);
            return 1;
        }
        if (!value || !parse_number(argv[i + 1], value)) {
            fprintf(stderr, "fuzz_cpu: %s: %s (see --help)\n", argv[i], value ? "needs a number" : "unknown option");
            return 3;
        }
        i++;
    }
    return 0;
}

static void progress(uint64_t done, uint64_t all, time_t start)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%llu of %llu programs, %lld s ", (unsigned long long)done, (unsigned long long)all,
                (long long)(time(NULL) - start));
}

/* Batch by batch, the mixes in turn. Returns the number of programs that differed. */
static unsigned fuzz(struct oracle *oracle, const struct options *o, uint64_t *done)
{
    time_t start = time(NULL);
    for (uint64_t batch = 0; *done < o->programs && !interrupted; batch++) {
        const struct mix *mix = &mixes[batch % ARRAY_SIZE(mixes)];
        uint64_t left = o->programs - *done;
        unsigned count = left < BATCH ? (unsigned)left : BATCH;
        oracle->seed = o->seed + batch;
        unsigned failed = oracle_run_sequences(oracle, mix->groups, count);
        *done += count;
        progress(*done, o->programs, start);
        if (failed) {
            printf("\n%u programs of mix '%s' differ; again: --seed %llu\n", failed, mix->name,
                   (unsigned long long)(oracle->seed - batch % ARRAY_SIZE(mixes)));
            return failed;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct options o = {.programs = 1000000, .seed = (uint64_t)time(NULL)};
    int stop = parse(argc, argv, &o);
    if (stop)
        return stop - 1;

    struct oracle oracle;
    struct reason why = {""};
    if (oracle_open(&oracle, &why)) {
        fprintf(stderr, "fuzz_cpu: %s\n", why.text);
        return 2;
    }
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    o.seed -= o.seed % ARRAY_SIZE(mixes); /* so that a batch's seed alone says which mix it was */
    printf("seed %llu\n", (unsigned long long)o.seed);

    uint64_t done = 0, not_judged;
    unsigned failed = fuzz(&oracle, &o, &done);
    not_judged = oracle.not_judged;
    oracle_close(&oracle);
    if (isatty(STDERR_FILENO))
        fputc('\n', stderr);
    printf("%llu programs, %u differ, %llu could not be compared%s\n", (unsigned long long)done, failed,
           (unsigned long long)not_judged, interrupted ? " (interrupted)" : "");
    return failed ? 1 : interrupted ? 130 : 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * args.h - the options of a subcommand as a table, which parses them and prints the help.
 *
 * One table serves both, so the help can't lie. Written as `--name VALUE` or `--name=VALUE`; `--` ends the options.
 */
#ifndef BENCH_ARGS_H
#define BENCH_ARGS_H

#include <virtlab/types.h>

enum arg_kind {
    ARG_FLAG,    /* bool */
    ARG_TEXT,    /* const char * */
    ARG_SIZE,    /* uint64_t bytes: "128M" */
    ARG_SECONDS, /* double, above 0: "2.5" */
    ARG_COUNT,   /* unsigned, 1 .. 1000 */
};

struct arg_option {
    const char *name;  /* "--engine" */
    const char *value; /* "E", as the help names it; NULL for a flag */
    enum arg_kind kind;
    void *target; /* where the value goes; what stands there already is the default */
    const char *help;
};

struct arg_spec {
    const char *command;    /* "run" */
    const char *positional; /* "[WORKLOAD [ARGS...]]", or "" */
    const char *purpose;    /* one sentence */
    const struct arg_option *options;
    unsigned count;   /* of options */
    bool takes_words; /* words that are no options are allowed; the first ends the options */
    const char *more; /* the rest of the help: details and examples */
};

/*
 * Reads argv[1...]. 0: go on, argv[*rest] is the first word that is no option; 1: the help was printed, there is
 * nothing else to do; -EINVAL with why.
 */
int args_parse(const struct arg_spec *spec, int argc, char **argv, int *rest, struct reason *why) MUST_CHECK;

/* "128M" -> bytes; suffixes K, M, G (powers of 1024), none: bytes. -EINVAL with why. */
int parse_size(const char *text, uint64_t *bytes, struct reason *why) MUST_CHECK;

#endif

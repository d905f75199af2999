/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd_compare.c - `virtlab compare`: one guest on two engines in lockstep, down to the first difference.
 *
 * Read next: lockstep.h.
 */
#include "commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "lockstep.h"
#include "status.h"

#define EVERY_DEFAULT 1000

static const char more[] =
    "Without --every and --at-exits: every 1000 instructions if both engines can, else at exits.\n"
    "\n"
    "--every needs two engines that count instructions exactly; registers are compared every N of them, memory\n"
    "more seldom, and a difference is narrowed down to the instruction that made it. What happens and heals\n"
    "between two comparisons is not seen: --every 1 sees everything.\n"
    "--at-exits needs no counting: registers are compared whenever both engines leave the guest. Interrupts come\n"
    "at exits only, so a guest that waits for one without HLT or a device access waits forever (--timeout).\n"
    "\n"
    "Exit status: 0 no difference until the guest's end or the limit, 1 a difference, 2 errors of ours, 124 time-out.\n"
    "\n"
    "Examples:\n"
    "  virtlab compare --engines emulate/interp,./my.so fib 20      the guest's own workload\n"
    "  virtlab compare --engines emulate/interp,./my.so --every 1 --limit 2M fib 20\n"
    "  virtlab compare --engines emulate/interp,emulate/unicorn --kernel guest/flat/sieve.elf --append '-- 1'\n";

struct options {
    const char *engines;
    bool at_exits;
    uint64_t every, limit;
};

/* "A,B" -> two engines. */
static int find_engines(const char *names, struct lockstep_request *request, struct reason *why)
{
    char *first = strdup(names), *second = first ? strchr(first, ',') : NULL;
    int err = 0;

    if (!second || strchr(second + 1, ',')) {
        err = fail(why, EINVAL, "--engines: '%s' must be two engines, as in emulate/interp,./my.so", names);
    } else {
        *second++ = '\0';
        request->engine[0] = engine_find(first, why);
        request->engine[1] = request->engine[0] ? engine_find(second, why) : NULL;
        if (!request->engine[1])
            err = -EINVAL;
    }
    free(first);
    for (unsigned i = 0; !err && i < 2; i++)
        err = request->engine[i]->probe(why);
    return err;
}

static int choose_mode(const struct options *options, struct lockstep_request *request, struct reason *why)
{
    const struct engine_ops *cannot = NULL;

    for (unsigned i = 0; i < 2; i++) {
        if (!(request->engine[i]->capabilities & ENGINE_VIRTUAL_TIME))
            cannot = request->engine[i];
    }
    if (options->at_exits && options->every)
        return fail(why, EINVAL, "--every and --at-exits exclude each other");
    if (cannot && options->every)
        return fail(why, EINVAL, "--every: %s does not count instructions exactly; use --at-exits", cannot->name);
    request->at_exits = options->at_exits || cannot;
    request->every = options->every ? options->every : EVERY_DEFAULT;
    request->limit = options->limit ? options->limit : UINT64_MAX;
    return 0;
}

static int parse(int argc, char **argv, struct options *options, struct lockstep_request *request, int *rest,
                 struct reason *why)
{
    const struct arg_option table[] = {
        {"--engines", "A,B", ARG_TEXT, &options->engines, "the two engines; B is held against A"},
        {"--every", "N", ARG_SIZE, &options->every, "compare every N instructions (2M: 2 times 1024 times 1024)"},
        {"--at-exits", NULL, ARG_FLAG, &options->at_exits, "compare at the exits that both must have"},
        {"--limit", "N", ARG_SIZE, &options->limit, "end after N instructions (with --at-exits: exits)"},
        {"--timeout", "S", ARG_SECONDS, &request->timeout, "end after S seconds, with status 124"},
        {"--output", NULL, ARG_FLAG, &request->output, "show what the guest prints"},
        GUEST_CHOICE_OPTIONS(&request->guest),
    };
    const struct arg_spec spec = {
        .command = "compare",
        .positional = "[WORKLOAD [ARGS...]]",
        .purpose = "Runs one guest on two engines in lockstep and reports the first difference.",
        .options = table,
        .count = ARRAY_SIZE(table),
        .takes_words = true,
        .more = more,
    };
    int err = args_parse(&spec, argc, argv, rest, why);
    if (err)
        return err;
    if (!options->engines)
        return fail(why, EINVAL, "--engines is missing: which two engines? `virtlab list` names them");
    err = find_engines(options->engines, request, why);
    return err ? err : choose_mode(options, request, why);
}

int cmd_compare(int argc, char **argv)
{
    struct lockstep_request request = {.guest.mem = GUEST_MEM_DEFAULT};
    struct options options = {0};
    struct reason why = {""};
    int rest, status = STATUS_ERROR;

    int err = parse(argc, argv, &options, &request, &rest, &why);
    if (err > 0)
        return STATUS_OK;
    if (!err) {
        request.guest.words = argv + rest;
        request.guest.word_count = (unsigned)(argc - rest);
        /* What both can carry: with one that runs flat guests only, the flat one. */
        unsigned both = request.engine[0]->capabilities & request.engine[1]->capabilities;
        err = guest_choice_complete(&request.guest, both, &why);
    }
    request.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    if (!err)
        err = lockstep(&request, &status, &why);
    return err ? status_error("compare", &why) : status;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd_run.c - `virtlab run`: one guest, one engine, this terminal.
 *
 * The flow: options -> files and kernel command line -> machine (core/machine) -> statistics -> exit status.
 * `virtlab bench` measures by running this very command, so whatever it measures can be repeated by hand.
 * Read next: run_guest.c.
 */
#include "commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "run_guest.h"
#include "status.h"

static const char more[] =
    "WORKLOAD is a program in the guest's /bin, or its path there; the words after it are its arguments.\n"
    "kernel:NAME is one that the guest's kernel runs itself, in kernel mode: sieve, sha256, fib, chase, nano.\n"
    "`virtlab list` names the workloads; the guest also has a busybox.\n"
    "On a terminal every key goes to the guest; Ctrl-A x quits, Ctrl-A Ctrl-A types a Ctrl-A.\n"
    "\n"
    "Exit status: the guest's own when it powers off; 0 when it resets or halts for good; 2 for errors of\n"
    "ours (the reason is on stderr); 124 for a time-out; 130 and 143 after SIGINT and SIGTERM. Statistics\n"
    "are written in each of these cases but a usage error.\n"
    "\n"
    "Examples:\n"
    "  virtlab run --engine emulate sieve 10             a workload\n"
    "  virtlab run --engine full kernel:nano 20ms in     port reads in kernel mode, for 20 ms\n"
    "  virtlab run --engine emulate busybox sh           a shell in the guest\n"
    "  virtlab run --engine emulate --stats s.json fib   what did it cost? exits, TLB misses, MIPS\n"
    "  virtlab run --kernel vmlinuz --initrd initrd.gz --append 'console=ttyS0' --engine emulate\n";

static int parse_clock(const char *text, enum clock_mode *clock, struct reason *why)
{
    if (strcmp(text, "real") == 0)
        *clock = CLOCK_REAL;
    else if (strcmp(text, "virtual") == 0)
        *clock = CLOCK_VIRTUAL;
    else
        return fail(why, EINVAL, "--clock: '%s' is neither real nor virtual", text);
    return 0;
}

static int parse(int argc, char **argv, struct run_request *request, struct reason *why)
{
    const char *engine = "emulate", *clock = "real";
    const struct arg_option options[] = {
        {"--engine", "E", ARG_TEXT, &engine, "technique or technique/variant (default emulate)"},
        GUEST_CHOICE_OPTIONS(&request->guest),
        {"--stats", "FILE.json", ARG_TEXT, &request->stats, "write statistics as JSON"},
        {"--timeout", "S", ARG_SECONDS, &request->timeout, "stop after S seconds, with status 124"},
        {"--clock", "real|virtual", ARG_TEXT, &clock, "virtual: time is instructions, so that runs repeat exactly"},
        {"--kernel-exits", NULL, ARG_FLAG, &request->kernel_exits,
         "KVM: the host's kernel counts exits by reason too (root; slower)"},
        {"--trace-io", NULL, ARG_FLAG, &request->trace_io, "log every port and MMIO access on stderr"},
    };
    const struct arg_spec spec = {
        .command = "run",
        .positional = "[WORKLOAD [ARGS...]]",
        .purpose = "Runs one guest under one engine, with this terminal as its console.",
        .options = options,
        .count = ARRAY_SIZE(options),
        .takes_words = true,
        .more = more,
    };
    int rest;
    int err = args_parse(&spec, argc, argv, &rest, why);
    if (err)
        return err;
    request->guest.words = argv + rest;
    request->guest.word_count = (unsigned)(argc - rest);

    err = parse_clock(clock, &request->clock, why);
    if (err)
        return err;
    request->engine = engine_find(engine, why);
    return request->engine ? 0 : -EINVAL;
}

int cmd_run(int argc, char **argv)
{
    struct run_request request = {.guest.mem = GUEST_MEM_DEFAULT};
    struct reason why = {""};

    int err = parse(argc, argv, &request, &why);
    if (err > 0)
        return STATUS_OK;
    if (!err)
        err = request.engine->probe(&why);
    if (!err)
        err = guest_choice_complete(&request.guest, request.engine->capabilities, &why);
    int status = STATUS_ERROR;
    if (!err)
        err = run_guest(&request, &status, &why);
    return err ? status_error("run", &why) : status;
}

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
#include "command_line.h"
#include "guest_files.h"
#include "run_guest.h"
#include "status.h"

static const char more[] =
    "WORKLOAD is a program in the guest's /bin, or its path there; the words after it are its arguments.\n"
    "`virtlab list` names the workloads; the guest also has a busybox.\n"
    "On a terminal every key goes to the guest; Ctrl-A x quits, Ctrl-A Ctrl-A types a Ctrl-A.\n"
    "\n"
    "Exit status: the guest's own when it powers off; 0 when it resets or halts for good; 2 for errors of\n"
    "ours (the reason is on stderr); 124 for a time-out; 130 and 143 after SIGINT and SIGTERM. Statistics\n"
    "are written in each of these cases but a usage error.\n"
    "\n"
    "Examples:\n"
    "  virtlab run --engine emulate sieve 10             a workload\n"
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
        {"--mem", "SIZE", ARG_SIZE, &request->mem, "the guest's RAM, as 64M or 1G (default 128M)"},
        {"--kernel", "FILE", ARG_TEXT, &request->kernel, "another kernel: ELF64 with PVH note, Multiboot, or bzImage"},
        {"--initrd", "FILE", ARG_TEXT, &request->initrd, "its archive (default: ours with our kernel, else none)"},
        {"--append", "STR", ARG_TEXT, &request->append, "further words for the kernel's command line"},
        {"--drive", "FILE", ARG_TEXT, &request->drive, "raw image of the guest's disk; writes go to the file"},
        {"--stats", "FILE.json", ARG_TEXT, &request->stats, "write statistics as JSON"},
        {"--timeout", "S", ARG_SECONDS, &request->timeout, "stop after S seconds, with status 124"},
        {"--clock", "real|virtual", ARG_TEXT, &clock, "virtual: time is instructions, so that runs repeat exactly"},
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
    request->words = argv + rest;
    request->word_count = (unsigned)(argc - rest);

    err = parse_clock(clock, &request->clock, why);
    if (err)
        return err;
    if (request->mem < RAM_MIN || request->mem > RAM_MAX || request->mem % PAGE_SIZE)
        return fail(why, EINVAL, "--mem: must be whole pages of 4K, from 2M to 3G");
    request->engine = engine_find(engine, why);
    return request->engine ? 0 : -EINVAL;
}

/* Fills in our own kernel and archive where none was named, and checks whatever was. */
static int find_files(struct run_request *request, char kernel[PATH_MAX], char initrd[PATH_MAX], struct reason *why)
{
    int err = 0;
    if (!request->kernel) {
        unsigned can = request->engine->capabilities;
        bool flat = !(can & (ENGINE_OS | ENGINE_PARAVIRTUAL));
        char name[NAME_MAX];
        snprintf(name, sizeof name, "%s", can & ENGINE_PARAVIRTUAL ? GUEST_KERNEL_PV : GUEST_KERNEL);
        if (flat && request->word_count == 0)
            return fail(why, EINVAL, "%s runs no OS: which workload, of class compute or memory?",
                        request->engine->name);
        if (flat)
            snprintf(name, sizeof name, GUEST_FLAT, request->words[0]);
        err = guest_file(name, kernel, why);
        request->kernel = kernel;
        if (!err && !flat && !request->initrd) {
            err = guest_file(GUEST_INITRD, initrd, why);
            request->initrd = initrd;
        }
    }
    if (!err)
        err = check_readable(request->kernel, why);
    if (!err && request->initrd)
        err = check_readable(request->initrd, why);
    if (!err && request->drive)
        err = check_readable(request->drive, why);
    return err;
}

int cmd_run(int argc, char **argv)
{
    struct run_request request = {.mem = UINT64_C(128) << 20};
    struct reason why = {""};
    char kernel[PATH_MAX], initrd[PATH_MAX], line[COMMAND_LINE_MAX];

    int err = parse(argc, argv, &request, &why);
    if (err > 0)
        return STATUS_OK;
    if (!err)
        err = request.engine->probe(&why);
    bool own_kernel = !request.kernel;
    if (!err)
        err = find_files(&request, kernel, initrd, &why);
    if (!err && (own_kernel || request.word_count > 0)) {
        err = guest_command_line(line, request.append, request.words, request.word_count, &why);
        request.append = line;
    }
    int status = STATUS_ERROR;
    if (!err)
        err = run_guest(&request, &status, &why);
    return err ? status_error("run", &why) : status;
}

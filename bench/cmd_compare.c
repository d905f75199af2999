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
#include "command_line.h"
#include "guest_files.h"
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

/* As `virtlab run` does it: our own kernel and archive where none is named. */
static int find_files(struct lockstep_request *request, char kernel[PATH_MAX], char initrd[PATH_MAX],
                      struct reason *why)
{
    int err = 0;
    if (!request->kernel) {
        bool paravirtual = request->engine[0]->capabilities & ENGINE_PARAVIRTUAL;
        err = guest_file(paravirtual ? GUEST_KERNEL_PV : GUEST_KERNEL, kernel, why);
        request->kernel = kernel;
        if (!err && !request->initrd) {
            err = guest_file(GUEST_INITRD, initrd, why);
            request->initrd = initrd;
        }
    }
    if (!err)
        err = check_readable(request->kernel, why);
    if (!err && request->initrd)
        err = check_readable(request->initrd, why);
    return err;
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
        {"--mem", "SIZE", ARG_SIZE, &request->mem, "the guest's RAM, as 64M or 1G (default 128M)"},
        {"--kernel", "FILE", ARG_TEXT, &request->kernel, "another kernel: ELF64 with PVH note, Multiboot, or bzImage"},
        {"--initrd", "FILE", ARG_TEXT, &request->initrd, "its archive (default: ours with our kernel, else none)"},
        {"--append", "STR", ARG_TEXT, &request->append, "further words for the kernel's command line"},
        {"--drive", "FILE", ARG_TEXT, &request->drive, "raw image of the guest's disk; the file is not written"},
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
    if (request->mem < RAM_MIN || request->mem > RAM_MAX || request->mem % PAGE_SIZE)
        return fail(why, EINVAL, "--mem: must be whole pages of 4K, from 2M to 3G");
    err = find_engines(options->engines, request, why);
    return err ? err : choose_mode(options, request, why);
}

int cmd_compare(int argc, char **argv)
{
    struct lockstep_request request = {.mem = UINT64_C(128) << 20};
    struct options options = {0};
    struct reason why = {""};
    char kernel[PATH_MAX], initrd[PATH_MAX], line[COMMAND_LINE_MAX];
    int rest, status = STATUS_ERROR;

    int err = parse(argc, argv, &options, &request, &rest, &why);
    if (err > 0)
        return STATUS_OK;
    bool own_kernel = !request.kernel;
    if (!err)
        err = find_files(&request, kernel, initrd, &why);
    if (!err && (own_kernel || rest < argc)) {
        err = guest_command_line(line, request.append, argv + rest, (unsigned)(argc - rest), &why);
        request.append = line;
    }
    request.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    if (!err)
        err = lockstep(&request, &status, &why);
    return err ? status_error("compare", &why) : status;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * workload.c - runs one workload without a kernel. Its file is the one that runs natively and in the OS guest, compiled
 * with -DWORKLOAD_FLAT; this is the other half of it, as guest/workloads/hosted.h is elsewhere: the same arguments, the
 * same order of things, the same line at the end.
 */
#define WORKLOAD_FLAT
#include "../workloads/workload.h"
#include "runtime.h"

enum { RIGHT = 0, WRONG = 1, BAD_USAGE = 2, ROI_BEGIN = 1, ROI_END = 2 };

_Noreturn void fail(const char *format, ...)
{
    va_list arguments;

    print("%s: FAILED: ", workload.name);
    va_start(arguments, format);
    vprint(format, arguments);
    va_end(arguments);
    print("\n");
    power_off(WRONG);
}

static int bad_usage(void)
{
    print("usage: %s [N%s]\n", workload.name, workload.configure ? workload.args : "");
    return BAD_USAGE;
}

int flat_main(int argc, char **argv)
{
    struct amount amount = {.number = workload.default_n};
    uint64_t begin, check, elapsed;
    unsigned n;

    if (argc > 0 && parse_amount(argv[0], &amount) != 0)
        return bad_usage();
    if (argc > 1 && (!workload.configure || workload.configure(argc - 1, argv + 1) != 0))
        return bad_usage();

    clock_init();
    if (workload.setup)
        workload.setup();
    n = iterations_of(&amount, workload.work, clock_ns);
    mark(ROI_BEGIN);
    begin = clock_ns();
    check = workload.work(n);
    elapsed = clock_ns() - begin;
    mark(ROI_END);
    if (workload.finish)
        workload.finish();

    print("%s: ok iterations=%u roi_ns=%lu check=%016lx\n", workload.name, n, elapsed, check);
    return RIGHT;
}

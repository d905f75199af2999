/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resident.c [46]: workloads linked into the kernel, run in kernel mode in place of the first process.
 *
 *   init=kernel:sieve -- 20
 *
 * The files are those of guest/workloads, compiled as the rest of the kernel: what an engine makes of kernel code is
 * measured with the very loop that user code is measured with.  They run before there are processes, files or ticks:
 * no interrupt comes.
 *
 * Next: nano.c, the one workload that only a kernel can be.
 */
#define WORKLOAD_FLAT
#include "../workloads/workload.h"

#include "clock.h"
#include "mm.h"
#include "resident.h"

#define PREFIX "kernel:"

enum { RIGHT = 0, WRONG = 1, BAD_USAGE = 2, NOT_APPLICABLE = 3, ROI_BEGIN = 1, ROI_END = 2 };

/* The Makefile names the symbol `workload` of each file after the file. */
extern const struct workload workload_sieve, workload_sha256, workload_fib, workload_chase, workload_nano,
    workload_roundtrip, workload_batching;

static const struct workload *const residents[] = {
    &workload_sieve, &workload_sha256,    &workload_fib,      &workload_chase,
    &workload_nano,  &workload_roundtrip, &workload_batching,
};

static const struct workload *running;

/* --- what workload.h expects of its runtime ------------------------------------------------ */

_Noreturn void fail(const char *fmt, ...)
{
    va_list ap;

    printk("%s: FAILED: ", running->name);
    va_start(ap, fmt);
    vprintk(fmt, ap);
    va_end(ap);
    printk("\n");
    power_off(WRONG);
}

_Noreturn void not_applicable(const char *why)
{
    printk("%s: n/a: %s\n", running->name, why);
    power_off(NOT_APPLICABLE);
}

/* Never given back: the machine ends with the workload. */
void *malloc(size_t size)
{
    return page_alloc_run((unsigned)(PAGE_UP(size) / PAGE_SIZE));
}

/* --- running one --------------------------------------------------------------------------- */

bool resident_is_named(const char *init)
{
    return strncmp(init, PREFIX, strlen(PREFIX)) == 0;
}

static const struct workload *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(residents); i++)
        if (!strcmp(name, residents[i]->name))
            return residents[i];
    printk("no workload '%s' in the kernel; there are:", name);
    for (size_t i = 0; i < ARRAY_SIZE(residents); i++)
        printk(" %s", residents[i]->name);
    printk("\n");
    power_off(BAD_USAGE);
}

static void read_arguments(struct amount *amount, int argc, char **argv)
{
    bool good = argc < 1 || parse_amount(argv[0], amount) == 0;

    if (good && argc > 1)
        good = running->configure && running->configure(argc - 1, argv + 1) == 0;
    if (!good) {
        printk("usage: %s%s [N%s]\n", PREFIX, running->name, running->args);
        power_off(BAD_USAGE);
    }
}

void resident_run(const char *init, int argc, char **argv)
{
    struct amount amount;
    u64 begin, check, elapsed;
    unsigned n;

    running = find(init + strlen(PREFIX));
    amount = (struct amount){.number = running->default_n};
    read_arguments(&amount, argc, argv);
    if (running->setup)
        running->setup();
    n = iterations_of(&amount, running->work, clock_ns);
    vlab_mark(ROI_BEGIN);
    begin = clock_ns();
    check = running->work(n);
    elapsed = clock_ns() - begin;
    vlab_mark(ROI_END);
    if (running->finish)
        running->finish();
    printk("%s: ok iterations=%u roi_ns=%lu check=%016lx\n", running->name, n, elapsed, check);
    power_off(RIGHT);
}

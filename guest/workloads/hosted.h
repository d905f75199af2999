/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hosted half of a workload: main, the region of interest, and what needs a kernel.
 *
 * main() reads the arguments, then runs setup -> roi_begin -> work -> roi_end -> finish, and prints
 * the one line that the harness reads:
 *
 *     NAME: ok iterations=N roi_ns=T check=HEX
 *
 * Exit status: 0 the result is right, 1 it is wrong (the reason on stderr), 2 bad arguments.
 * Define WORKLOAD_OWN_MAIN before including workload.h to wrap workload_main() in another main.
 *
 * Read next: workloads.def, the list of what the bench runs.
 */
#ifndef VIRTLAB_HOSTED_H
#define VIRTLAB_HOSTED_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/*
 * The region of interest is marked by a prctl with an option that Linux doesn't have: natively it
 * fails with EINVAL, which is ignored; the guest's kernel passes it on to the VMM, so that boot,
 * set-up and checks don't count in the VMM's statistics.
 */
enum { ROI_PRCTL = 0x564c4142 /* "VLAB" */, ROI_BEGIN = 1, ROI_END = 2 };

static inline void fail(const char *format, ...)
{
    va_list args;
    fprintf(stderr, "%s: FAILED: ", workload.name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static inline uint64_t now_ns(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_MONOTONIC, &t) != 0)
        fail("clock_gettime: %s", strerror(errno));
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The clock is read just inside the marks: their own cost isn't in the time. */
static inline uint64_t roi_begin(void)
{
    prctl(ROI_PRCTL, ROI_BEGIN, 0, 0, 0);
    return now_ns();
}

static inline uint64_t roi_end(uint64_t begin)
{
    uint64_t elapsed = now_ns() - begin;
    prctl(ROI_PRCTL, ROI_END, 0, 0, 0);
    return elapsed;
}

/*
 * The guest's pages are 4 KiB; a host might back a big buffer by 2 MiB pages, and the two runs would
 * not be alike. A kernel that doesn't know the advice has no huge pages either, so its answer is of
 * no interest.
 */
static inline void use_small_pages(void *start, size_t length)
{
    madvise(start, length, MADV_NOHUGEPAGE);
}

/* Reads at most `room` bytes from the start of a file; returns how many there were. */
static inline size_t load_file(const char *path, void *buffer, size_t room)
{
    size_t got = 0;
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        fail("open %s: %s", path, strerror(errno));
    while (got < room) {
        ssize_t n = read(fd, (char *)buffer + got, room - got);
        if (n < 0)
            fail("read %s: %s", path, strerror(errno));
        if (n == 0)
            break;
        got += (size_t)n;
    }
    close(fd);
    return got;
}

static inline int print_help(void)
{
    static const struct {
        const char *row, *binary, *class, *quick, *full, *text;
    } rows[] = {
#define WORKLOAD(row, binary, class, personality, quick, full, needs, per, operation, text) \
    {row, binary, #class, quick, full, text},
#include "workloads.def"
#undef WORKLOAD
    };

    printf("usage: %s [N%s]\n", workload.name, workload.args);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].binary, workload.name) != 0)
            continue;
        printf("\n%s, class %s: %s\n", rows[i].row, rows[i].class, rows[i].text);
        printf("  quick: %s %s\n  full:  %s %s\n", rows[i].binary, rows[i].quick, rows[i].binary, rows[i].full);
    }
    printf("\nN: how many iterations (%u if not given); one is %s.\n", workload.default_n, workload.unit);
    return 0;
}

static inline int bad_usage(void)
{
    fprintf(stderr, "usage: %s [N%s]   (--help says more)\n", workload.name, workload.args);
    return 2;
}

static inline int workload_main(int argc, char **argv)
{
    struct amount amount = {.number = workload.default_n};

    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return print_help();
    if (argc > 1 && parse_amount(argv[1], &amount) != 0)
        return bad_usage();
    if (argc > 2 && (!workload.configure || workload.configure(argc - 2, argv + 2) != 0))
        return bad_usage();

    if (workload.setup)
        workload.setup();
    unsigned n = iterations_of(&amount, workload.work, now_ns);
    uint64_t begin = roi_begin();
    uint64_t check = workload.work(n);
    uint64_t elapsed = roi_end(begin);
    if (workload.finish)
        workload.finish();

    printf("%s: ok iterations=%u roi_ns=%llu check=%016llx\n", workload.name, n, (unsigned long long)elapsed,
           (unsigned long long)check);
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1; /* unseen isn't ok */
}

#ifndef WORKLOAD_OWN_MAIN
int main(int argc, char **argv)
{
    return workload_main(argc, argv);
}
#endif

#endif

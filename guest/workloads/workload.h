/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The contract of a workload: what every file here defines, and the few helpers they share.
 *
 * A workload is one C file that defines one `const struct workload workload`. Set-up (allocating,
 * touching pages, generating data) is done in setup(), the measured work in work(), and what can be
 * checked afterwards in finish(). Between roi_begin() and roi_end() runs work() alone. The same
 * binary runs natively and in the guest, so a workload may ask nothing of its kernel but plain
 * Linux system calls, and nothing of its CPU but SSE2.
 *
 * A compute or memory workload makes no system call in work(): compiled with -DWORKLOAD_FLAT it
 * needs no kernel, only a runtime that supplies fail(), malloc() and the mem* functions, calls
 * workload.setup(), .work(n), .finish(), and puts its own marks around work().
 *
 * Read next: hosted.h (main and the region of interest), sieve.c (the simplest workload).
 */
#ifndef VIRTLAB_WORKLOAD_H
#define VIRTLAB_WORKLOAD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS, syscall() */
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct workload {
    const char *name;   /* the binary's name, as in workloads.def */
    const char *args;   /* the arguments after N, for the usage line; "" if there are none */
    const char *unit;   /* what one iteration does, for --help */
    unsigned default_n; /* iterations when N isn't given */

    /* Reads the arguments after N; nonzero means "print the usage". NULL: there are none. */
    int (*configure)(int argc, char **argv);
    void (*setup)(void);          /* outside the region of interest; may be NULL */
    uint64_t (*work)(unsigned n); /* the region of interest; returns the check value */
    void (*finish)(void);         /* outside again: checks what is left to check; may be NULL */
};

extern const struct workload workload;

enum { PAGE = 4096 };

/* Says on stderr what is wrong with the result and ends the program with status 1. */
#ifdef WORKLOAD_FLAT
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
#else
_Noreturn static inline void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
#endif

/* Folds a value into a check value: the same on every platform, and order matters. */
static inline uint64_t mix(uint64_t check, uint64_t value)
{
    check = (check ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return check ^ (check >> 32);
}

/* The next pseudo-random number: splitmix64 (Steele, Lea, Flood, OOPSLA 2014). */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Hides a value from the optimizer: it can't fold, hoist or reorder what hangs on the result. */
static inline uint64_t opaque(uint64_t value)
{
    __asm__ volatile("" : "+r"(value));
    return value;
}

/* A decimal number from 1 to max, digits only. 0 if it is one, else -1. */
static inline int parse_number(const char *text, uint64_t max, uint64_t *number)
{
    uint64_t value = 0;
    if (!*text)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || value > max)
            return -1;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    if (value == 0 || value > max)
        return -1;
    *number = value;
    return 0;
}

/* N on the command line: how many iterations; or, as "20ms", how long they shall take. */
struct amount {
    uint64_t number;
    bool is_time;
};

enum { MOST_ITERATIONS = 1000000, MOST_CALIBRATED = 1 << 30 };

static inline int parse_amount(const char *text, struct amount *amount)
{
    char digits[8];
    size_t length = 0;
    for (; length + 1 < sizeof digits && text[length] >= '0' && text[length] <= '9'; length++)
        digits[length] = text[length];
    digits[length] = '\0';
    amount->is_time = strcmp(text + length, "ms") == 0;
    return parse_number(amount->is_time ? digits : text, MOST_ITERATIONS, &amount->number);
}

/* Nanoseconds that n iterations take: the shorter of two trials, since who loses the CPU in between looks slow. */
static inline uint64_t time_of(uint64_t n, uint64_t (*work)(unsigned n), uint64_t (*clock)(void))
{
    uint64_t best = UINT64_MAX;
    for (int trial = 0; trial < 2; trial++) {
        uint64_t begin = clock();
        work((unsigned)n);
        uint64_t took = clock() - begin;
        best = took < best ? took : best;
    }
    return best;
}

/*
 * The number of iterations. A time is turned into one by trying: four times as many again, until an eighth of the time
 * is filled. So an operation that takes a nanosecond here and ten microseconds there is measured equally well; but then
 * the check value mustn't depend on how many there are. The clock counts nanoseconds.
 */
static inline unsigned iterations_of(const struct amount *amount, uint64_t (*work)(unsigned n), uint64_t (*clock)(void))
{
    uint64_t n = 1, took, goal = amount->number * 1000000;
    if (!amount->is_time)
        return (unsigned)amount->number;
    while ((took = time_of(n, work, clock)) < goal / 8 && n < MOST_CALIBRATED)
        n *= 4;
    uint64_t picoseconds = took * 1000 / n + 1; /* of one */
    n = goal * 1000 / picoseconds;
    return n < 1 ? 1 : n < MOST_CALIBRATED ? (unsigned)n : MOST_CALIBRATED;
}

#ifdef WORKLOAD_FLAT
static inline void use_small_pages(void *start, size_t length)
{
    (void)start; /* whoever made the page tables has chosen */
    (void)length;
}
#else
#include "hosted.h"
#endif

#endif

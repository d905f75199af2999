/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe.h - a program's way to run a few bytes of machine code with any registers, and to see what came of it.
 *
 * Used by the programs of this folder, which run in the guest, under every engine: what they print must be the same.
 *
 *   PROBE_CODE   two pages, rwx; the page behind them is not mapped
 *   PROBE_DATA   two pages, rw-; the pages around them are not mapped
 *   PROBE_STACK  its top; below it four pages, rw-
 *
 * A run ends in a signal, at the latest at the INT3s that follow the code.
 */
#ifndef PROBE_H
#define PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROBE_CODE  0x10000000ul
#define PROBE_DATA  0x20000000ul
#define PROBE_STACK 0x30000000ul
#define PROBE_PAGE  4096ul
/* The world's hole of the direct engines (core/world/world.h, WORLD_HOLE): for a guest a place like any other. */
#define HOLE      0x2a5a00000000ul
#define HOLE_SIZE 0x10000ul

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, GPRS };

struct probe {
    uint64_t gpr[GPRS]; /* before, then after the run; RSP 0 means a good stack */
    uint64_t rip;       /* 0: PROBE_CODE */
    uint64_t rflags;
    /* How it ended. */
    int signal, code;
    uint64_t address;               /* si_addr */
    uint64_t trap, error, address2; /* the frame's trapno, err and cr2 */
};

/* Once, at the start: maps the pages, and catches the signals. */
void probe_init(void);
/* Puts the code at `at` of PROBE_CODE, INT3 everywhere else. */
void probe_code(size_t at, const void *code, size_t size);
/* Runs. */
void probe_run(struct probe *probe);
/* Both. */
void probe_bytes(struct probe *probe, const void *code, size_t size);

/* One line: "NAME: SIGSEGV(1) at ... trap 14 error 5 rip ... rflags ... sum ...": the sum is of all registers. */
void probe_print(const char *name, const struct probe *probe);
/* For long lists: adds all of the outcome to a checksum. */
uint64_t probe_sum(uint64_t sum, const struct probe *probe);

/* Runs f in a child and prints how the child ended. */
void probe_child(const char *name, void (*f)(void));

#define PROBE(name, probe, ...)                             \
    do {                                                    \
        static const unsigned char code_[] = {__VA_ARGS__}; \
        probe_bytes((probe), code_, sizeof code_);          \
        probe_print((name), (probe));                       \
    } while (0)

/* The parts of hostile.c. */
void test_gates(void);
void test_privileged(void);
void test_identity(void);
void test_flags(void);
void test_far(void);
void test_segments(void);
void test_bases(void);
void test_addresses(void);
void test_frames(void);
void test_hole(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep_log.h - the last things that happened before a difference: instructions, exits, interrupts.
 */
#ifndef BENCH_LOCKSTEP_LOG_H
#define BENCH_LOCKSTEP_LOG_H

#include <virtlab/exit.h>

#include "lockstep_code.h"

#define LOG_ENTRIES 32 /* a power of two */

enum log_kind { LOG_INSTRUCTION, LOG_EXIT, LOG_INTERRUPT, LOG_EXCEPTION };

struct log_entry {
    enum log_kind kind;
    uint64_t position; /* instructions retired before it, or exits */
    struct code code;  /* LOG_INSTRUCTION: it begins here */
    char text[96];     /* the others */
};

struct log {
    struct log_entry entry[LOG_ENTRIES];
    uint64_t count; /* of all; the last LOG_ENTRIES of them are kept */
};

void log_instruction(struct log *log, uint64_t position, const struct code *code);
void log_exit(struct log *log, uint64_t position, const struct vm_exit *exit);
void log_interrupt(struct log *log, uint64_t position, uint8_t vector);
void log_exceptions(struct log *log, uint64_t position, uint64_t count);

/* The oldest that is kept, for a loop up to log->count, and each of them. */
uint64_t log_first(const struct log *log);
const struct log_entry *log_at(const struct log *log, uint64_t i);

#endif

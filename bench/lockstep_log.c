/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lockstep_log.c - a ring of the last events (lockstep_log.h). */
#include "lockstep_log.h"

#include <stdio.h>

#include "lockstep_exit.h"

static struct log_entry *next_entry(struct log *log, enum log_kind kind, uint64_t position)
{
    struct log_entry *entry = &log->entry[log->count++ % LOG_ENTRIES];

    *entry = (struct log_entry){.kind = kind, .position = position};
    return entry;
}

void log_instruction(struct log *log, uint64_t position, const struct code *code)
{
    for (uint64_t i = log_first(log); i < log->count; i++) { /* it left in the middle, for a read, and goes on now */
        if (log_at(log, i)->kind == LOG_INSTRUCTION && log_at(log, i)->position == position)
            return;
    }
    next_entry(log, LOG_INSTRUCTION, position)->code = *code;
}

void log_exit(struct log *log, uint64_t position, const struct vm_exit *exit)
{
    struct log_entry *entry = next_entry(log, LOG_EXIT, position);

    exit_words(exit, entry->text, sizeof entry->text);
}

void log_interrupt(struct log *log, uint64_t position, uint8_t vector)
{
    struct log_entry *entry = next_entry(log, LOG_INTERRUPT, position);

    snprintf(entry->text, sizeof entry->text, "interrupt %#x", vector);
}

void log_exceptions(struct log *log, uint64_t position, uint64_t count)
{
    struct log_entry *entry = next_entry(log, LOG_EXCEPTION, position);

    snprintf(entry->text, sizeof entry->text, "%llu exception%s", (unsigned long long)count, count == 1 ? "" : "s");
}

uint64_t log_first(const struct log *log)
{
    return log->count > LOG_ENTRIES ? log->count - LOG_ENTRIES : 0;
}

const struct log_entry *log_at(const struct log *log, uint64_t i)
{
    return &log->entry[i % LOG_ENTRIES];
}

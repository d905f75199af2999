/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep_state.h - struct cpu_state as a list of named fields, to compare and to print.
 *
 * What a comparison leaves out is itself a struct cpu_state: a set bit there is a bit that does not count.
 */
#ifndef BENCH_LOCKSTEP_STATE_H
#define BENCH_LOCKSTEP_STATE_H

#include <virtlab/cpu_state.h>

struct state_field {
    const char *name;
    uint16_t offset;
    uint8_t size; /* bytes, little-endian: 1, 2, 4, 8, 10 or 16 */
    bool always;  /* a report shows it even when it does not differ */
};

extern const struct state_field state_fields[];
extern const unsigned state_field_count;

bool field_differs(const struct state_field *field, const struct cpu_state *a, const struct cpu_state *b,
                   const struct cpu_state *ignore);

bool states_differ(const struct cpu_state *a, const struct cpu_state *b, const struct cpu_state *ignore);

/* Leaves a whole field out. */
void field_ignore(struct cpu_state *ignore, const struct state_field *field);

/* "0x000000000000002a"; at least 35 bytes. */
void field_text(const struct state_field *field, const struct cpu_state *state, char *text, size_t size);

#endif

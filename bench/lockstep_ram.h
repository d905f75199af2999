/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep_ram.h - compares and copies whole guest RAMs, and skips what was never touched.
 */
#ifndef BENCH_LOCKSTEP_RAM_H
#define BENCH_LOCKSTEP_RAM_H

#include <virtlab/ram.h>

/*
 * Calls visit() for each piece [at, at+len) of the range in which at least one of the two RAMs has been touched, in
 * order, until it returns false; what lies between is zero in both. Both RAMs have the same size.
 */
void ram_pieces(const struct ram *a, const struct ram *b, gpa_t at, uint64_t len,
                bool (*visit)(void *context, uint64_t at, uint64_t len), void *context);

/* Do they hold different bytes anywhere? */
bool rams_differ(const struct ram *a, const struct ram *b);

/* Makes the range of `to` equal to that of `from`. */
void ram_copy(const struct ram *from, const struct ram *to, gpa_t at, uint64_t len);

#endif

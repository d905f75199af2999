/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lockstep_report.h - a difference in words: where, what led there, both states, both memories. */
#ifndef BENCH_LOCKSTEP_REPORT_H
#define BENCH_LOCKSTEP_REPORT_H

#include "lockstep_pair.h"

/* On stdout; the pair's engines still exist. `repeated` says that a second run found the same. */
void report_difference(const struct pair *pair, bool repeated, bool colour);

/* The rules that were left out of comparisons, one a line. */
void report_masks(const struct pair *pair);

#endif

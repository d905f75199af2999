/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep_tsc.h - the values that the first engine's RDTSC got, for the second one's.
 */
#ifndef BENCH_LOCKSTEP_TSC_H
#define BENCH_LOCKSTEP_TSC_H

#include <virtlab/types.h>

struct tsc_tape {
    uint64_t *value;
    size_t count, room, next; /* values on the tape, and the first that is not played yet */
    uint64_t last;            /* what was given last: also played when the tape is at its end */
};

void tsc_record(struct tsc_tape *tape, uint64_t value);
uint64_t tsc_play(struct tsc_tape *tape);

/* Both engines have come to the same point: what wasn't played isn't wanted. */
void tsc_rewind(struct tsc_tape *tape);
void tsc_free(struct tsc_tape *tape);

#endif

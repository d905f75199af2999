/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lockstep_tsc.c - a growing array that is written and read once (lockstep_tsc.h). */
#include "lockstep_tsc.h"

#include <stdlib.h>

/* Without memory for it the value is lost; the guest's next RDTSC then differs, which is seen. */
void tsc_record(struct tsc_tape *tape, uint64_t value)
{
    tape->last = value;
    if (tape->count == tape->room) {
        size_t room = tape->room ? 2 * tape->room : 1024;
        uint64_t *more = realloc(tape->value, room * sizeof *more);

        if (!more)
            return;
        tape->value = more;
        tape->room = room;
    }
    tape->value[tape->count++] = value;
}

uint64_t tsc_play(struct tsc_tape *tape)
{
    return tape->next < tape->count ? tape->value[tape->next++] : tape->last;
}

void tsc_rewind(struct tsc_tape *tape)
{
    tape->count = tape->next = 0;
}

void tsc_free(struct tsc_tape *tape)
{
    free(tape->value);
    *tape = (struct tsc_tape){0};
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock.h - guest time, real or virtual.
 *
 * Real: nanoseconds of CLOCK_MONOTONIC, and the host's own time-stamp counter, both since the machine was made.
 * Virtual: one instruction is one nanosecond is one tick of a 1 GHz TSC. Time stands still while the VMM works, and
 * leaps ahead while the CPU is halted. The engine's own count of retired instructions (COUNTER_INSTRUCTIONS in the
 * stats) is what drives it, so the count must be exact whenever run() returns.
 */
#ifndef VIRTLAB_MACHINE_CLOCK_H
#define VIRTLAB_MACHINE_CLOCK_H

#include <virtlab/machine.h>

struct clock {
    enum clock_mode mode;
    const struct stats *stats; /* virtual: where the instructions are counted */
    uint64_t idle_ns;          /* virtual: time that was leapt over */
    uint64_t start_ns;         /* real: CLOCK_MONOTONIC and TSC at the start */
    uint64_t start_tsc;
    uint64_t tsc_hz;
};

void clock_start(struct clock *clock, enum clock_mode mode, const struct stats *stats);

/* Guest time now, in nanoseconds. */
uint64_t clock_now(const struct clock *clock);

/* The guest's TSC. `retired` is the engine's count of instructions at this very one; real time ignores it. */
uint64_t clock_tsc(const struct clock *clock, uint64_t retired);

/* Virtual time only: leaps ahead to `ns`. */
void clock_leap(struct clock *clock, uint64_t ns);

#endif

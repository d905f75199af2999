/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep_pair.h - two engines behind the contract of one.
 *
 * The machine sees a single engine. Each run() runs the first engine, then the second, up to the same point; whatever
 * comes in from outside reaches both: what the machine answers to the first one's exit, the interrupts that it injects,
 * the time-stamp counter. The two have RAMs of their own. So there is one set of devices and nothing to record: the
 * first engine's inputs are the second's at once.
 *
 * What "the same point" is, is the plan's choice:
 *  - every N instructions: both engines count instructions exactly (ENGINE_VIRTUAL_TIME) and stop where they are told.
 *    Interrupts come at exact instruction counts, registers are compared every N instructions.
 *  - at exits: both come to the same port access, device-memory access, HLT, shutdown or interrupt window. This needs
 * no counting. Interrupts are injected at such points only, so they come later than they would, but for both alike.
 *    Values of RDTSC are those that the first engine got; an engine that lets the guest read the host's counter
 *    itself can't be told, and a guest that looks at it will differ.
 *
 * Positions below are instructions retired by the first engine, or exits taken by both.
 */
#ifndef BENCH_LOCKSTEP_PAIR_H
#define BENCH_LOCKSTEP_PAIR_H

#include <stdatomic.h>
#include <virtlab/machine.h>

#include "lockstep_log.h"
#include "lockstep_tsc.h"

/* What to compare when. */
struct pair_plan {
    bool at_exits;
    uint64_t from;     /* nothing is compared before this position */
    uint64_t step;     /* positions from one comparison of registers to the next; 1: flags are traced exactly */
    uint64_t ram_step; /* the same of RAM */
    uint64_t until;    /* the run ends here; UINT64_MAX: with the guest */
    /*
     * Positions of instructions at which a known error of an engine was met, in rising order: there every instruction
     * is looked at, so that the error is recognised (lockstep_mask.h) and passed over.
     */
    const uint64_t *known;
    unsigned known_count;
    bool trace;          /* keep the last instructions; */
    uint64_t trace_from; /* at exits: those from this count on, if the first engine counts */
};

#define CARRIED_MAX 16

enum difference {
    DIFFER_NOT,
    DIFFER_EXIT,      /* they came back for different things */
    DIFFER_COUNT,     /* the same exit after different numbers of instructions */
    DIFFER_REGISTERS, /* same exit, other registers */
    DIFFER_RAM,       /* same registers, other memory */
    DIFFER_INTERRUPT, /* one can take an interrupt, the other can't */
};

/* The two engines: FIRST answers to the machine, SECOND is held against it. */
enum { FIRST, SECOND };

/* One of them. */
struct pair_side {
    const struct engine_ops *ops;
    struct engine *engine;
    struct engine_host host;
    struct ram *ram;
    struct stats *stats;
    struct vm_exit exit;
    uint32_t matched;       /* elements of the exit that are compared and answered */
    bool must_run;          /* the exit is used up */
    struct cpu_state state; /* at the last comparison */
};

/* A pair at work, and what was found. It belongs to lockstep.c and outlives the machine's engine. */
struct pair {
    struct pair_plan plan;
    struct engine_ops ops; /* what the machine gets */
    struct pair_side side[2];
    const struct engine_host *machine; /* the callbacks that the machine offered */

    bool started;
    bool aligned;    /* both stand at the same point */
    bool running;    /* one of them is in its run() */
    bool fresh;      /* the first one has come back, and the machine doesn't know yet */
    bool handed_out; /* the first one's exit is being answered by the machine */
    uint64_t target; /* both run until so many instructions are retired, at most */
    uint64_t exits;  /* taken by both */
    bool window_wanted, window_set;
    atomic_bool kicked;      /* from any thread */
    uint64_t next, next_ram; /* positions of the next comparisons */
    struct tsc_tape tape;    /* at exits: the first one's TSC values */
    struct ram ram;          /* the second one's */
    struct stats stats;

    bool doubt;                 /* only flags differ, and they may be undefined: see lockstep_sample.c */
    uint32_t undefined_flags;   /* in doubt, or with plan.step == 1 */
    uint64_t before_at;         /* position of the comparison before, */
    struct cpu_state before;    /* the first engine's state then, */
    struct code before_code;    /* and what it was about to execute */
    uint64_t exceptions_before; /* and the exceptions that it had counted */
    bool injected;              /* an interrupt, since then */
    uint64_t last_equal;        /* position where all was equal, RAM too */
    uint64_t compared, ram_compared;
    uint64_t images; /* stored RFLAGS images with another AF, at the last comparison of RAM */
    struct log log;

    enum difference difference;
    uint64_t position;                /* where the pair stands; of the difference, when there is one */
    uint64_t carried_at[CARRIED_MAX]; /* positions of known errors that were passed over: the first few */
    unsigned carried;
    struct cpu_state ignored; /* what the last comparison left out */
    bool reached_until;
};

/* Prepares a pair; the plan is copied. */
void pair_init(struct pair *pair, const struct engine_ops *const engine[2], const struct pair_plan *plan);

/* A machine whose engine is this pair; config->clock is chosen here. NULL with why. */
struct machine *pair_machine_create(struct pair *pair, struct machine_config *config, struct reason *why);

/* After the guest's end: compares everything once more. */
void pair_compare_last(struct pair *pair);

/* What is left of it once the machine is destroyed. */
void pair_release(struct pair *pair);

/* engine_ops.run of the pair (lockstep_run.c). */
void pair_run(struct pair *pair, struct vm_exit *exit, uint64_t budget);

/* Both sides' state, as they stand. */
void pair_read_states(struct pair *pair);

/* lockstep_sample.c: both stand at the same point; compares what is due there. */
void pair_sample(struct pair *pair);
/* The instructions that a side has retired. */
uint64_t side_count(const struct pair_side *side);

#endif

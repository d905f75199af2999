/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep_mask.h - what a comparison of two states leaves out, as a table of rules.
 *
 * A rule names the engine whose known error or gap it is about, or none when it is about the architecture: then it
 * holds for every pair. Each rule says in words what it leaves out and why; a report lists those that hold. To add the
 * known errors of an engine, give it a table of rules and name it in lockstep_mask.c, nowhere else.
 */
#ifndef BENCH_LOCKSTEP_MASK_H
#define BENCH_LOCKSTEP_MASK_H

#include <virtlab/engine.h>

#include "lockstep_code.h"

/* Two states at one point of the guest, and what is known of this point. */
struct mask_point {
    const struct cpu_state *state[2];
    const struct code *last;    /* the instruction that brought them here, when that is known; else NULL */
    const struct code *next;    /* the instruction at the first state's RIP */
    const struct vm_exit *exit; /* the exit that both have just taken; NULL: they stand between two instructions */
    bool exact;                 /* both count instructions: flags are traced, and time is the same */
    uint32_t undefined_flags;   /* exact: the status flags that the manual leaves undefined here */
};

/* What the rules say. */
struct mask {
    struct cpu_state ignore; /* bits that may differ here */
    /*
     * Of these, bits that the last instruction has got wrong in a known way. What follows from them would differ for
     * ever; so the second engine goes on with the first one's values of them, and of RAM if the error was a store.
     */
    struct cpu_state carry;
    bool carry_ram;
};

struct mask_rule {
    const char *engine; /* as in engine_ops.name; NULL: whichever engines are compared */
    const char *text;
    void (*apply)(const struct mask_point *point, struct mask *mask);
};

/* Does the rule hold for this pair of engines? */
bool mask_rule_holds(const struct mask_rule *rule, const struct engine_ops *const engine[2]);

/* The i-th rule of all, or NULL behind the last. */
const struct mask_rule *mask_rule_at(unsigned i);

/* All rules that hold, at this point. */
void mask_make(const struct mask_point *point, const struct engine_ops *const engine[2], struct mask *mask);

/* The exit is a read: its instruction completes in the next run(), so its outputs are not there yet. */
bool exit_is_read(const struct vm_exit *exit);

/* Tables of single engines, each ending with a rule without apply(). */
extern const struct mask_rule unicorn_mask_rules[]; /* lockstep_unicorn.c */

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep_run.c - one run() of a pair: a leg of the first engine, a leg of the second, a look at both, and the first
 * one's exit to the machine. The machine's answer reaches the second engine when the next leg begins.
 *
 * Read next: lockstep_sample.c, what a look is.
 */
#include <errno.h>

#include "lockstep_exit.h"
#include "lockstep_mask.h"
#include "lockstep_pair.h"

/* ---- legs ---- */

/* An engine's exit is used by both sides and by the comparison: one that can't be is the engine's own error. */
static void check_exit(struct pair_side *side)
{
    struct vm_exit *exit = &side->exit;

    if (exit->kind == VM_EXIT_IO && (!exit->io.data || exit->io.size == 0 || exit->io.size > 4 || exit->io.count == 0 ||
                                     exit->io.count > VM_IO_MAX / exit->io.size)) {
        exit->kind = VM_EXIT_ERROR;
        fail(&exit->why, EIO, "came back with impossible port I/O");
    }
}

/* How many instructions the engine may execute; 0: no limit. */
static uint64_t leg_budget(const struct pair *pair, const struct pair_side *side)
{
    uint64_t count = side_count(side);

    if (pair->target == UINT64_MAX || (pair->plan.at_exits && side == &pair->side[SECOND]))
        return 0;
    return count < pair->target ? pair->target - count : 1; /* it has miscounted: that will be seen */
}

/* Runs one engine to its next exit or to the target. False: it was stopped on the way. */
static bool run_leg(struct pair *pair, struct pair_side *side)
{
    pair->running = true;
    side->ops->run(side->engine, &side->exit, leg_budget(pair, side));
    pair->running = false;
    if (side->exit.kind == VM_EXIT_INTERRUPTED &&
        (pair->plan.at_exits || side_count(side) < pair->target || atomic_load(&pair->kicked)))
        return false;
    check_exit(side);
    side->must_run = false;
    side->matched = 0;
    return true;
}

/* Where the next leg ends at the latest. The second engine's leg ends where the first one's did. */
static void set_target(struct pair *pair, uint64_t budget)
{
    uint64_t now = side_count(&pair->side[FIRST]);
    uint64_t next = pair->next < pair->plan.until ? pair->next : pair->plan.until;

    pair->target = budget ? now + budget : UINT64_MAX;
    if (!pair->plan.at_exits && pair->target > next)
        pair->target = next > now ? next : now + 1;
}

/* The machine has answered the first one's exit. */
static void take_answer(struct pair *pair, const struct vm_exit *exit)
{
    struct vm_exit *own = &pair->side[FIRST].exit;

    if (own->kind == VM_EXIT_MMIO)
        own->mmio.value = exit->mmio.value;
    else if (own->kind == VM_EXIT_HYPERCALL)
        own->hypercall.result = exit->hypercall.result;
    pair->handed_out = false;
}

/* Passes it on, and finds out whose exit is used up. */
static void hand_over(struct pair *pair)
{
    struct pair_side *a = &pair->side[FIRST], *b = &pair->side[SECOND];
    uint32_t count = exit_hand_over(&a->exit, a->matched, &b->exit, b->matched);

    a->matched += count;
    b->matched += count;
    a->must_run = a->matched == exit_elements(&a->exit);
    b->must_run = b->matched == exit_elements(&b->exit);
}

static void set_window(struct pair *pair)
{
    if (pair->window_wanted == pair->window_set)
        return;
    pair->window_set = pair->window_wanted;
    for (unsigned i = 0; i < 2; i++)
        pair->side[i].ops->request_window(pair->side[i].engine, pair->window_wanted);
}

/* ---- the look at both ---- */

static void compare(struct pair *pair)
{
    const struct pair_side *a = &pair->side[FIRST], *b = &pair->side[SECOND];

    if (!exits_match(&a->exit, a->matched, &b->exit, b->matched)) {
        pair->difference = DIFFER_EXIT;
    } else if (!pair->plan.at_exits && side_count(a) != side_count(b)) {
        pair->difference = DIFFER_COUNT;
    } else if (a->matched == 0 && b->matched == 0 && exit_elements(&a->exit) == exit_elements(&b->exit)) {
        pair->aligned = true;
        tsc_rewind(&pair->tape);
        /* Between two instructions is a better place to compare than in the middle of a read, if there is one. */
        if (pair->plan.at_exits || !exit_is_read(&a->exit))
            pair_sample(pair);
    }
}

static void look(struct pair *pair)
{
    const struct vm_exit *exit = &pair->side[FIRST].exit;
    bool counts = pair->fresh && exit->kind != VM_EXIT_INTERRUPTED;

    pair->exits += counts;
    pair->position = pair->plan.at_exits ? pair->exits : side_count(&pair->side[FIRST]);
    compare(pair);
    if (pair->difference != DIFFER_NOT)
        pair_read_states(pair);
    else if (counts && pair->position >= pair->plan.from)
        log_exit(&pair->log, pair->position, exit);
}

/* ---- run ---- */

/* Back to the machine in the middle of a leg: it may want to stop, and goes on with it otherwise. */
static void leave_interrupted(struct pair *pair, struct vm_exit *exit)
{
    atomic_store(&pair->kicked, false);
    exit->kind = VM_EXIT_INTERRUPTED;
}

/* Ends the machine's run: there is nothing more to find out. */
static void leave_for_good(struct vm_exit *exit)
{
    *exit = (struct vm_exit){.kind = VM_EXIT_DEATH};
    fail(&exit->why, EINTR, "the comparison has come to its end");
}

static void begin(struct pair *pair)
{
    pair->started = pair->aligned = true;
    for (unsigned i = 0; i < 2; i++) {
        pair->side[i].exit.kind = VM_EXIT_INTERRUPTED;
        pair->side[i].must_run = true;
    }
    pair_sample(pair); /* before the first instruction */
}

/*
 * Near the end of a traced run at exits, the first engine goes by single instructions if it can, so that the report has
 * the instructions that led to the exit.
 */
static uint64_t traced_budget(struct pair *pair, uint64_t budget)
{
    struct pair_side *a = &pair->side[FIRST];
    uint64_t count = side_count(a), before = pair->plan.trace_from - count;
    struct cpu_state state;
    struct code code;

    if (!pair->plan.at_exits || !pair->plan.trace || !(a->ops->capabilities & ENGINE_VIRTUAL_TIME))
        return budget;
    if (count < pair->plan.trace_from)
        return budget && budget < before ? budget : before;
    a->ops->get_state(a->engine, &state);
    code_fetch(&code, &state, a->ram);
    log_instruction(&pair->log, count, &code);
    return 1;
}

/* The legs that are due. False: one was stopped on the way. */
static bool run_legs(struct pair *pair, uint64_t budget)
{
    struct pair_side *a = &pair->side[FIRST], *b = &pair->side[SECOND];

    if (pair->aligned && a->must_run && b->must_run)
        set_window(pair);
    pair->aligned = false;
    if (a->must_run) {
        set_target(pair, traced_budget(pair, budget));
        if (!run_leg(pair, a))
            return false;
        pair->fresh = true;
    }
    return !b->must_run || run_leg(pair, b);
}

void pair_run(struct pair *pair, struct vm_exit *exit, uint64_t budget)
{
    if (!pair->started)
        begin(pair);
    if (pair->handed_out) {
        take_answer(pair, exit);
        hand_over(pair);
    }
    while (pair->difference == DIFFER_NOT && !pair->reached_until) {
        if (!run_legs(pair, budget)) {
            leave_interrupted(pair, exit);
            return;
        }
        look(pair);
        if (pair->difference != DIFFER_NOT || pair->reached_until)
            break;
        if (pair->fresh) {
            *exit = pair->side[FIRST].exit;
            pair->fresh = false;
            pair->handed_out = true;
            return;
        }
        hand_over(pair); /* only the second one's exit is new: the answer is here already */
    }
    leave_for_good(exit);
}

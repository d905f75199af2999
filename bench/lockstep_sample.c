/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep_sample.c - both engines stand at the same point: compares their registers and, less often, their RAM.
 *
 * Undefined flags. Which status flags are undefined at a point depends on the last instructions that wrote flags. While
 * every instruction is looked at (plan.step == 1) this is traced exactly. Otherwise, when nothing but status flags
 * differs, the flags are in doubt: from there on every instruction is looked at, and each flag that differs must be
 * written anew with an equal value before it may differ again. A wrong flag that no instruction ever looks at escapes
 * that way; --every 1 finds it.
 */
#include <string.h>

#include "lockstep_image.h"
#include "lockstep_mask.h"
#include "lockstep_pair.h"
#include "lockstep_ram.h"
#include "lockstep_state.h"

uint64_t side_count(const struct pair_side *side)
{
    return side->stats->counter[COUNTER_INSTRUCTIONS];
}

static uint64_t exceptions(const struct pair *pair)
{
    return pair->side[FIRST].stats->counter[COUNTER_EXCEPTIONS];
}

static uint32_t differing_flags(const struct pair *pair)
{
    return (uint32_t)(pair->side[FIRST].state.rflags ^ pair->side[SECOND].state.rflags) & FLAGS_STATUS;
}

/* The next position behind this one that belongs to a known error: that of its instruction, or the one behind it. */
static uint64_t next_known(const struct pair *pair)
{
    for (unsigned i = 0; i < pair->plan.known_count; i++) {
        uint64_t at = pair->plan.known[i];

        if (at + 1 > pair->position)
            return at > pair->position ? at : at + 1;
    }
    return UINT64_MAX;
}

/* Is every instruction looked at? */
static bool traced(const struct pair *pair)
{
    return !pair->plan.at_exits && (pair->plan.step == 1 || pair->doubt);
}

/* Is it known what brought both here: the instruction that stood at RIP at the comparison before? */
static bool knows_last(const struct pair *pair)
{
    return !pair->plan.at_exits && pair->compared > 0 && pair->before_at + 1 == pair->position && !pair->injected &&
           exceptions(pair) == pair->exceptions_before;
}

/* Brings pair->undefined_flags from the comparison before to this one, one instruction later. */
static void trace_flags(struct pair *pair)
{
    if (!traced(pair))
        return;
    if (pair->before_at + 1 != pair->position)
        pair->undefined_flags = differing_flags(pair); /* tracing begins here, in favour of the accused */
    else if (!knows_last(pair))
        pair->undefined_flags = FLAGS_STATUS;
    else
        pair->undefined_flags = code_undefined_flags(&pair->before_code, &pair->before, pair->undefined_flags);
}

static bool registers_differ(struct pair *pair, const struct code *next, struct mask *mask)
{
    const struct engine_ops *const engine[2] = {pair->side[FIRST].ops, pair->side[SECOND].ops};
    const struct vm_exit *exit = &pair->side[FIRST].exit;
    const struct mask_point point = {
        .state = {&pair->side[FIRST].state, &pair->side[SECOND].state},
        .last = knows_last(pair) ? &pair->before_code : NULL,
        .next = next,
        .exit = exit->kind == VM_EXIT_INTERRUPTED ? NULL : exit,
        .exact = !pair->plan.at_exits,
        .undefined_flags = traced(pair) ? pair->undefined_flags : 0,
    };

    mask_make(&point, engine, mask);
    pair->ignored = mask->ignore;
    return states_differ(point.state[0], point.state[1], &pair->ignored);
}

struct carry {
    struct pair *pair;
    bool carried;
};

/* Page by page, so that the engine need not drop what it knows of all others. */
static bool carry_pages(void *context, uint64_t at, uint64_t len)
{
    struct carry *carry = context;
    struct pair_side *a = &carry->pair->side[FIRST], *b = &carry->pair->side[SECOND];

    for (uint64_t page = at; page < at + len; page += PAGE_SIZE) {
        if (memcmp(a->ram->base + page, b->ram->base + page, PAGE_SIZE) == 0)
            continue;
        memcpy(b->ram->base + page, a->ram->base + page, PAGE_SIZE);
        b->ops->ram_written(b->engine, gpa(page), PAGE_SIZE);
        carry->carried = true;
    }
    return true;
}

/* A known error: the second engine goes on with what the first one has. */
static void carry_over(struct pair *pair, const struct mask *mask)
{
    struct pair_side *a = &pair->side[FIRST], *b = &pair->side[SECOND];
    struct carry carry = {pair, false};
    struct reason why = {""};

    if (mask->carry_ram)
        ram_pieces(a->ram, b->ram, gpa(0), a->ram->size, carry_pages, &carry);
    for (size_t i = 0; i < sizeof b->state; i++) {
        uint8_t bits = ((const uint8_t *)&mask->carry)[i], *theirs = (uint8_t *)&b->state + i;
        uint8_t wanted = (uint8_t)((*theirs & ~bits) | (((const uint8_t *)&a->state)[i] & bits));

        carry.carried |= wanted != *theirs;
        *theirs = wanted;
    }
    if (!carry.carried)
        return;
    if (pair->carried < CARRIED_MAX)
        pair->carried_at[pair->carried++] = pair->before_at;
    if (b->ops->set_state(b->engine, &b->state, &why))
        pair->difference = DIFFER_REGISTERS; /* it takes no state: then the difference stays */
}

/* Nothing differs but status flags, and they weren't traced up to here. */
static bool only_flags_are_in_doubt(struct pair *pair)
{
    if (pair->plan.at_exits || traced(pair) || !differing_flags(pair))
        return false;
    pair->ignored.rflags |= FLAGS_STATUS;
    return !states_differ(&pair->side[FIRST].state, &pair->side[SECOND].state, &pair->ignored);
}

/* What is equal here is the state before whatever comes next. */
static void remember(struct pair *pair, const struct code *next)
{
    if (pair->plan.trace && !pair->plan.at_exits) {
        if (pair->compared > 1 && exceptions(pair) != pair->exceptions_before)
            log_exceptions(&pair->log, pair->position, exceptions(pair) - pair->exceptions_before);
        log_instruction(&pair->log, pair->position, next);
    }
    pair->before_at = pair->position;
    pair->before = pair->side[FIRST].state;
    pair->before_code = *next;
    pair->exceptions_before = exceptions(pair);
    pair->injected = false;
}

/* Mostly the two states are the same bytes, and nothing else needs to be known. */
static void compare_registers(struct pair *pair, struct code *next)
{
    struct mask mask;

    pair_read_states(pair);
    bool identical = memcmp(&pair->side[FIRST].state, &pair->side[SECOND].state, sizeof pair->before) == 0;

    if (!identical || traced(pair) || pair->plan.trace || next_known(pair) == pair->position + 1)
        code_fetch(next, &pair->side[FIRST].state, pair->side[FIRST].ram);
    trace_flags(pair);
    pair->compared++;
    if (identical && !knows_last(pair)) {
        pair->doubt = false;
    } else if (!registers_differ(pair, next, &mask)) {
        pair->doubt &= differing_flags(pair) != 0;
        carry_over(pair, &mask);
    } else if (only_flags_are_in_doubt(pair)) {
        pair->doubt = true;
        pair->undefined_flags = differing_flags(pair);
    } else {
        pair->difference = DIFFER_REGISTERS;
    }
}

static void compare_ram(struct pair *pair)
{
    pair->ram_compared++;
    if (rams_differ_beyond_images(pair->side[FIRST].ram, pair->side[SECOND].ram, &pair->images))
        pair->difference = DIFFER_RAM;
    else if (!pair->doubt)
        pair->last_equal = pair->position;
}

void pair_sample(struct pair *pair)
{
    bool end = pair->position >= pair->plan.until;
    struct code next = {0};

    if (pair->position < pair->plan.from || (pair->position < pair->next && !end))
        return;
    compare_registers(pair, &next);
    if (pair->difference == DIFFER_NOT && (pair->position >= pair->next_ram || end)) {
        compare_ram(pair);
        pair->next_ram = pair->position + pair->plan.ram_step;
    }
    if (pair->difference != DIFFER_NOT)
        return;
    remember(pair, &next);
    pair->next = pair->position + (pair->doubt ? 1 : pair->plan.step);
    if (next_known(pair) < pair->next)
        pair->next = next_known(pair);
    pair->reached_until = end;
}

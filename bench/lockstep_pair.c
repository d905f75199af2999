/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep_pair.c - engine_ops over two engines (lockstep_pair.h): everything but run().
 *
 * Read next: lockstep_run.c.
 */
#include "lockstep_pair.h"

#include <errno.h>
#include <string.h>

#include "lockstep_ram.h"

static struct pair *pair_of(struct engine *engine)
{
    return (struct pair *)engine;
}

void pair_read_states(struct pair *pair)
{
    for (unsigned i = 0; i < 2; i++)
        pair->side[i].ops->get_state(pair->side[i].engine, &pair->side[i].state);
}

/* ---- the contract (engine.h) ---- */

static void run(struct engine *engine, struct vm_exit *exit, uint64_t budget)
{
    pair_run(pair_of(engine), exit, budget);
}

static void pair_get_state(struct engine *engine, struct cpu_state *state)
{
    struct pair_side *a = &pair_of(engine)->side[FIRST];

    a->ops->get_state(a->engine, state);
}

/*
 * The first time it is the guest's start, for both. Later (a store to the task priority changes CR8) only what the
 * machine has changed goes into the second one's state: a difference between the two must stay.
 */
static int pair_set_state(struct engine *engine, const struct cpu_state *state, struct reason *why)
{
    struct pair *pair = pair_of(engine);
    struct pair_side *a = &pair->side[FIRST], *b = &pair->side[SECOND];
    struct cpu_state old, theirs = *state;

    if (pair->started) {
        a->ops->get_state(a->engine, &old);
        b->ops->get_state(b->engine, &theirs);
        for (size_t i = 0; i < sizeof old; i++) {
            if (((const uint8_t *)state)[i] != ((const uint8_t *)&old)[i])
                ((uint8_t *)&theirs)[i] = ((const uint8_t *)state)[i];
        }
    }
    int err = a->ops->set_state(a->engine, state, why);
    return err ? err : b->ops->set_state(b->engine, &theirs, why);
}

static bool pair_can_inject(struct engine *engine)
{
    struct pair *pair = pair_of(engine);

    return pair->aligned && pair->side[FIRST].ops->can_inject(pair->side[FIRST].engine);
}

static void pair_inject(struct engine *engine, uint8_t vector)
{
    struct pair *pair = pair_of(engine);

    if (!pair->side[SECOND].ops->can_inject(pair->side[SECOND].engine)) {
        pair->difference = DIFFER_INTERRUPT;
        pair_read_states(pair);
        return;
    }
    if (pair->position >= pair->plan.from)
        log_interrupt(&pair->log, pair->position, vector);
    pair->injected = true;
    for (unsigned i = 0; i < 2; i++)
        pair->side[i].ops->inject(pair->side[i].engine, vector);
}

static void pair_request_window(struct engine *engine, bool wanted)
{
    pair_of(engine)->window_wanted = wanted; /* both are told when they next begin a leg at the same point */
}

static void pair_kick(struct engine *engine)
{
    struct pair *pair = pair_of(engine);

    atomic_store(&pair->kicked, true);
    for (unsigned i = 0; i < 2; i++)
        pair->side[i].ops->kick(pair->side[i].engine);
}

static void pair_ram_written(struct engine *engine, gpa_t at, uint64_t len)
{
    struct pair *pair = pair_of(engine);

    ram_copy(pair->side[FIRST].ram, pair->side[SECOND].ram, at, len);
    for (unsigned i = 0; i < 2; i++)
        pair->side[i].ops->ram_written(pair->side[i].engine, at, len);
}

static int pair_kernel_loaded(struct engine *engine, const char *file, struct reason *why)
{
    struct pair *pair = pair_of(engine);
    int err = 0;

    for (unsigned i = 0; i < 2 && !err; i++)
        if (pair->side[i].ops->kernel_loaded)
            err = pair->side[i].ops->kernel_loaded(pair->side[i].engine, file, why);
    return err;
}

/* ---- what the engines may call ---- */

static uint64_t first_tsc(void *context, uint64_t retired)
{
    struct pair *pair = context;
    uint64_t value = pair->machine->tsc(pair->machine->context, retired);

    if (pair->running && pair->plan.at_exits)
        tsc_record(&pair->tape, value);
    pair->tape.last = value;
    return value;
}

static uint64_t second_tsc(void *context, uint64_t retired)
{
    struct pair *pair = context;

    if (!pair->plan.at_exits)
        return pair->machine->tsc(pair->machine->context, retired);
    return pair->running ? tsc_play(&pair->tape) : pair->tape.last;
}

static void first_apic_base(void *context, uint64_t value)
{
    struct pair *pair = context;

    pair->machine->apic_base_changed(pair->machine->context, value);
}

static void first_cr8(void *context, uint64_t value)
{
    struct pair *pair = context;

    pair->machine->cr8_changed(pair->machine->context, value);
}

/* The local APIC follows the first one; whether the second writes the same shows in its registers. */
static void second_changed(void *context, uint64_t value)
{
    (void)context, (void)value;
}

/* ---- life ---- */

static int pair_probe(struct reason *why)
{
    (void)why; /* each of the two has been asked before */
    return 0;
}

/* engine_ops.create has no argument that could say which pair is being made. */
static _Thread_local struct pair *in_creation;

static void pair_destroy(struct engine *engine)
{
    struct pair *pair = pair_of(engine);

    for (unsigned i = 0; i < 2; i++) {
        if (pair->side[i].engine)
            pair->side[i].ops->destroy(pair->side[i].engine);
        pair->side[i].engine = NULL;
    }
    ram_destroy(&pair->ram);
}

static struct engine *pair_create(const struct engine_host *host, struct reason *why)
{
    struct pair *pair = in_creation;
    struct pair_side *a = &pair->side[FIRST], *b = &pair->side[SECOND];

    pair->machine = host;
    a->ram = host->ram, a->stats = host->stats;
    b->ram = &pair->ram, b->stats = &pair->stats;
    for (unsigned i = 0; i < 2; i++) {
        struct pair_side *side = &pair->side[i];

        side->host = (struct engine_host){
            .ram = side->ram,
            .stats = side->stats,
            .context = pair,
            .tsc = i == FIRST ? first_tsc : second_tsc,
            .tsc_hz = host->tsc_hz,
            .apic_base_changed = i == FIRST ? first_apic_base : second_changed,
            .cr8_changed = i == FIRST ? first_cr8 : second_changed,
        };
    }
    if (ram_create(&pair->ram, host->ram->size, why))
        return NULL;
    if (!(a->engine = a->ops->create(&a->host, why)) || !(b->engine = b->ops->create(&b->host, why))) {
        fail(why, EIO, "an engine could not be made and gave no reason");
        pair_destroy((struct engine *)pair);
        return NULL;
    }
    return (struct engine *)pair;
}

void pair_init(struct pair *pair, const struct engine_ops *const engine[2], const struct pair_plan *plan)
{
    *pair = (struct pair){.plan = *plan, .ram.fd = -1, .next = plan->from, .next_ram = plan->from};
    for (unsigned i = 0; i < 2; i++)
        pair->side[i].ops = engine[i];
    pair->ops = (struct engine_ops){
        .abi = ENGINE_ABI,
        .name = engine[FIRST]->name,
        .technique = engine[FIRST]->technique,
        .text = "two engines in lockstep",
        .capabilities = engine[FIRST]->capabilities,
        .counters = engine[FIRST]->counters,
        .probe = pair_probe,
        .create = pair_create,
        .destroy = pair_destroy,
        .run = run,
        .get_state = pair_get_state,
        .set_state = pair_set_state,
        .can_inject = pair_can_inject,
        .inject = pair_inject,
        .request_window = pair_request_window,
        .kick = pair_kick,
        .ram_written = pair_ram_written,
        .kernel_loaded = pair_kernel_loaded,
    };
}

struct machine *pair_machine_create(struct pair *pair, struct machine_config *config, struct reason *why)
{
    struct machine *machine;

    config->clock = pair->ops.capabilities & ENGINE_VIRTUAL_TIME ? CLOCK_VIRTUAL : CLOCK_REAL;
    in_creation = pair;
    machine = machine_create(config, &pair->ops, why);
    in_creation = NULL;
    return machine;
}

void pair_compare_last(struct pair *pair)
{
    if (pair->difference != DIFFER_NOT || !pair->aligned)
        return;
    pair->plan.until = pair->position; /* registers and RAM are due */
    pair_sample(pair);
}

void pair_release(struct pair *pair)
{
    tsc_free(&pair->tape);
}

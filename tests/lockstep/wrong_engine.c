/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wrong_engine.c - emulate/interp with one wrong bit, as a shared object: what `virtlab compare` must find.
 *
 * WRONG_AT=K    the instruction that comes out wrong, counted from 0
 * WRONG_WHAT    flag: ZF is inverted; undefined: AF is; register: bit 0 of RBX; xmm: of XMM9; memory: of RAM's last
 * byte; exit: of what the first OUT from there on writes; nothing WRONG_COUNTS  0: it says that it can't count
 * instructions, so that it can only be compared at exits
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <virtlab/engine.h>

extern const struct engine_ops emulate_interp;
extern struct engine_ops virtlab_engine;

struct engine {
    struct engine *inner;
    const struct engine_host *host;
    const char *what;
    uint64_t at;
    bool done;
    struct vm_exit burst; /* split: its elements come out one by one */
    uint32_t piece;       /* the next of them; 0: there is no burst */
};

static int probe(struct reason *why)
{
    return emulate_interp.probe(why);
}

static struct engine *create(const struct engine_host *host, struct reason *why)
{
    struct engine *engine = calloc(1, sizeof *engine);
    const char *at = getenv("WRONG_AT"), *what = getenv("WRONG_WHAT");

    if (!engine) {
        fail(why, ENOMEM, "out of memory");
        return NULL;
    }
    engine->host = host;
    engine->at = at ? strtoull(at, NULL, 10) : 0;
    engine->what = what ? what : "nothing";
    engine->inner = emulate_interp.create(host, why);
    if (!engine->inner) {
        free(engine);
        return NULL;
    }
    return engine;
}

static void destroy(struct engine *engine)
{
    emulate_interp.destroy(engine->inner);
    free(engine);
}

static uint64_t retired(const struct engine *engine)
{
    return engine->host->stats->counter[COUNTER_INSTRUCTIONS];
}

static void spoil(struct engine *engine, struct vm_exit *exit)
{
    struct cpu_state state;
    struct reason why = {""};

    if (strcmp(engine->what, "exit") == 0) {
        if (exit->kind == VM_EXIT_IO && !exit->io.in) {
            exit->io.data[0] ^= 1;
            engine->done = true;
        }
        return;
    }
    engine->done = true;
    emulate_interp.get_state(engine->inner, &state);
    if (strcmp(engine->what, "flag") == 0)
        state.rflags ^= FLAG_ZF;
    else if (strcmp(engine->what, "undefined") == 0)
        state.rflags ^= FLAG_AF;
    else if (strcmp(engine->what, "register") == 0)
        state.gpr[RBX] ^= 1;
    else if (strcmp(engine->what, "xmm") == 0)
        state.fpu.xmm[9][0] ^= 1;
    else if (strcmp(engine->what, "memory") == 0)
        engine->host->ram->base[engine->host->ram->size - 1] ^= 1;
    else
        return;
    if (emulate_interp.set_state(engine->inner, &state, &why)) {
        exit->kind = VM_EXIT_ERROR;
        exit->why = why;
    }
}

/* The next element of a burst. False: it is used up, and the interpreter gets the whole back. */
static bool next_piece(struct engine *engine, struct vm_exit *exit)
{
    if (engine->piece == 0)
        return false;
    *exit = engine->burst;
    if (engine->piece == engine->burst.io.count) {
        engine->piece = 0;
        return false;
    }
    exit->io.count = 1;
    exit->io.data += engine->piece++ * exit->io.size;
    return true;
}

static void split(struct engine *engine, struct vm_exit *exit)
{
    if (strcmp(engine->what, "split") != 0 || exit->kind != VM_EXIT_IO || exit->io.count < 2)
        return;
    engine->burst = *exit;
    engine->piece = 1;
    exit->io.count = 1;
}

/* Stops behind the instruction in question, does its evil, and goes on as if nothing had been. */
static void run(struct engine *engine, struct vm_exit *exit, uint64_t budget)
{
    uint64_t end = budget ? retired(engine) + budget : UINT64_MAX;

    if (next_piece(engine, exit))
        return;
    for (;;) {
        uint64_t now = retired(engine), stop = !engine->done && now <= engine->at ? engine->at + 1 : end;

        stop = stop < end ? stop : end;
        emulate_interp.run(engine->inner, exit, stop == UINT64_MAX ? 0 : stop - now);
        if (!engine->done && retired(engine) > engine->at)
            spoil(engine, exit);
        split(engine, exit);
        if (exit->kind != VM_EXIT_INTERRUPTED || retired(engine) < stop || retired(engine) >= end)
            return;
    }
}

static void get_state(struct engine *engine, struct cpu_state *state)
{
    emulate_interp.get_state(engine->inner, state);
}

static int set_state(struct engine *engine, const struct cpu_state *state, struct reason *why)
{
    return emulate_interp.set_state(engine->inner, state, why);
}

static bool can_inject(struct engine *engine)
{
    return emulate_interp.can_inject(engine->inner);
}

static void inject(struct engine *engine, uint8_t vector)
{
    emulate_interp.inject(engine->inner, vector);
}

static void request_window(struct engine *engine, bool wanted)
{
    emulate_interp.request_window(engine->inner, wanted);
}

static void kick(struct engine *engine)
{
    emulate_interp.kick(engine->inner);
}

static void ram_written(struct engine *engine, gpa_t at, uint64_t len)
{
    emulate_interp.ram_written(engine->inner, at, len);
}

struct engine_ops virtlab_engine = {
    .abi = ENGINE_ABI,
    .name = "test/wrong",
    .technique = "test",
    .text = "the interpreter with one wrong bit",
    .capabilities = ENGINE_FLAT | ENGINE_OS | ENGINE_LEGACY | ENGINE_VIRTUAL_TIME,
    .counters = COUNTER_BIT(INSTRUCTIONS),
    .probe = probe,
    .create = create,
    .destroy = destroy,
    .run = run,
    .get_state = get_state,
    .set_state = set_state,
    .can_inject = can_inject,
    .inject = inject,
    .request_window = request_window,
    .kick = kick,
    .ram_written = ram_written,
};

__attribute__((constructor)) static void choose_capabilities(void)
{
    const char *counts = getenv("WRONG_COUNTS");

    if (counts && strcmp(counts, "0") == 0)
        virtlab_engine.capabilities &= ~(unsigned)ENGINE_VIRTUAL_TIME;
}

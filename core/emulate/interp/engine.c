/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine.c - emulate/interp: hardware emulation by our own interpreter.
 *
 * The whole CPU is software, in core/x86; this file only puts it behind the contract of engine.h. Read core/x86/cpu.h
 * next.
 */
#include "x86/cpu.h"
#include <errno.h>

/* An engine of this kind is the CPU itself. */
static struct cpu *cpu_of(struct engine *engine)
{
    return (struct cpu *)engine;
}

static int probe(struct reason *why)
{
    if (!__builtin_cpu_supports("sse4.2"))
        return fail(why, EOPNOTSUPP, "the host's CPU lacks SSE4.2, which carries out the guest's");
    return 0;
}

static struct engine *create(const struct engine_host *host, struct reason *why)
{
    return (struct engine *)cpu_create(host, why);
}

static void destroy(struct engine *engine)
{
    cpu_destroy(cpu_of(engine));
}

static void run(struct engine *engine, struct vm_exit *exit, uint64_t budget)
{
    cpu_run(cpu_of(engine), exit, budget);
}

static void get_state(struct engine *engine, struct cpu_state *state)
{
    cpu_get_state(cpu_of(engine), state);
}

static int set_state(struct engine *engine, const struct cpu_state *state, struct reason *why)
{
    return cpu_set_state(cpu_of(engine), state, why);
}

static bool can_inject(struct engine *engine)
{
    return cpu_can_inject(cpu_of(engine));
}
static void inject(struct engine *engine, uint8_t vector)
{
    cpu_inject(cpu_of(engine), vector);
}
static void request_window(struct engine *engine, bool wanted)
{
    cpu_of(engine)->window_wanted = wanted;
}
static void kick(struct engine *engine)
{
    cpu_kick(cpu_of(engine));
}

static void ram_written(struct engine *engine, gpa_t at, uint64_t len)
{
    cpu_ram_written(cpu_of(engine), at, len);
}

const struct engine_ops emulate_interp = {
    .abi = ENGINE_ABI,
    .name = "emulate/interp",
    .technique = "emulate",
    .text = "every instruction in software: decoded once, cached, executed as threaded code",
    .capabilities = ENGINE_FLAT | ENGINE_OS | ENGINE_LEGACY | ENGINE_VIRTUAL_TIME,
    .counters = COUNTER_BIT(INSTRUCTIONS) | COUNTER_BIT(TLB_HITS) | COUNTER_BIT(TLB_MISSES) | COUNTER_BIT(TLB_FLUSHES) |
                COUNTER_BIT(WALK_REFS) | COUNTER_BIT(TRUE_FAULTS) | COUNTER_BIT(BLOCKS_DECODED) |
                COUNTER_BIT(BLOCKS_CHAINED) | COUNTER_BIT(BLOCKS_INVALIDATED) | COUNTER_BIT(CACHE_FLUSHES) |
                COUNTER_BIT(INTERRUPTS) | COUNTER_BIT(EXCEPTIONS) | COUNTER_BIT(UNKNOWN_INSTRUCTIONS),
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

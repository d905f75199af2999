/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine.c - emulate/interp: hardware emulation by our own interpreter.
 *
 * The whole CPU is software, in core/x86; this file only puts it behind the contract of engine.h. Read core/x86/cpu.h
 * next.
 */
#include "x86/cpu_engine.h"
#include <errno.h>

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
    CPU_ENGINE_OPS,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine.c - full/bt: full virtualization by dynamic binary translation.
 *
 * The CPU is the software CPU of core/x86 with a translator put over it, and, but for full/bt:all, a direct executor
 * beside it (full/direct), which takes user code. This file puts them behind the contract of engine.h.
 *
 * Read next: run.c.
 */
#include "full/bt/bt.h"
#include "full/direct/direct.h"
#include "x86/cpu_engine.h"
#include <errno.h>

int bt_probe(struct reason *why)
{
    if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("popcnt"))
        return fail(why, EOPNOTSUPP, "the host's CPU lacks SSE4.2 or POPCNT, which carry out the guest's");
    struct bt *bt = bt_create(why);
    if (!bt)
        return -ENOMEM;
    bt_destroy(bt);
    return 0;
}

struct engine *bt_engine_create(const struct engine_host *host, struct reason *why)
{
    struct bt *bt = bt_create(why);
    struct cpu *cpu = bt ? cpu_create(host, why) : NULL;
    if (!cpu) {
        bt_destroy(bt);
        return NULL;
    }
    cpu->translator = &bt->translator;
    return (struct engine *)cpu;
}

void bt_engine_destroy(struct engine *engine)
{
    struct bt *bt = engine ? bt_of(cpu_of(engine)) : NULL;
    cpu_destroy(cpu_of(engine));
    bt_destroy(bt);
}

/* ---- the variants: who runs user code ---- */

static int probe_with_direct(struct reason *why)
{
    int err = bt_probe(why);
    return err ? err : direct_probe(why);
}

static struct engine *create_with(const struct engine_host *host, enum direct_policy policy, struct reason *why)
{
    struct engine *engine = bt_engine_create(host, why);
    if (engine && direct_create(cpu_of(engine), policy, why)) {
        bt_engine_destroy(engine);
        return NULL;
    }
    return engine;
}

static struct engine *create_adaptive(const struct engine_host *host, struct reason *why)
{
    return create_with(host, DIRECT_ADAPTIVE, why);
}

static struct engine *create_direct(const struct engine_host *host, struct reason *why)
{
    return create_with(host, DIRECT_ALWAYS, why);
}

static void destroy_with_direct(struct engine *engine)
{
    direct_destroy(cpu_of(engine));
    bt_engine_destroy(engine);
}

#define CAPABILITIES (ENGINE_FLAT | ENGINE_OS | ENGINE_LEGACY | ENGINE_VIRTUAL_TIME)
#define SOFTWARE_COUNTERS                                                                                     \
    (COUNTER_BIT(TLB_MISSES) | COUNTER_BIT(TLB_FLUSHES) | COUNTER_BIT(WALK_REFS) | COUNTER_BIT(TRUE_FAULTS) | \
     COUNTER_BIT(BLOCKS_DECODED) | COUNTER_BIT(BLOCKS_TRANSLATED) | COUNTER_BIT(TRACES) |                     \
     COUNTER_BIT(BLOCKS_CHAINED) | COUNTER_BIT(BLOCKS_INVALIDATED) | COUNTER_BIT(CACHE_FLUSHES) |             \
     COUNTER_BIT(INTERRUPTS) | COUNTER_BIT(EXCEPTIONS) | COUNTER_BIT(UNKNOWN_INSTRUCTIONS))
#define SHADOW_COUNTERS (COUNTER_BIT(SHADOW_FILLS) | COUNTER_BIT(HIDDEN_FAULTS) | COUNTER_BIT(PT_WRITES))

const struct engine_ops full_bt = {
    .abi = ENGINE_ABI,
    .name = "full/bt",
    .technique = "full",
    .text =
        "binary translation of the kernel; user code runs directly, or translated too where that is measured cheaper",
    .capabilities = CAPABILITIES,
    .counters = SOFTWARE_COUNTERS | SHADOW_COUNTERS,
    .probe = probe_with_direct,
    .create = create_adaptive,
    .destroy = destroy_with_direct,
    CPU_ENGINE_OPS,
};

const struct engine_ops full_bt_direct = {
    .abi = ENGINE_ABI,
    .name = "full/bt:direct",
    .technique = "full",
    .text = "binary translation of the kernel; user code always runs directly",
    .capabilities = CAPABILITIES,
    .counters = SOFTWARE_COUNTERS | SHADOW_COUNTERS,
    .probe = probe_with_direct,
    .create = create_direct,
    .destroy = destroy_with_direct,
    CPU_ENGINE_OPS,
};

const struct engine_ops full_bt_all = {
    .abi = ENGINE_ABI,
    .name = "full/bt:all",
    .technique = "full",
    .text = "binary translation of everything, kernel and user code alike",
    .capabilities = CAPABILITIES,
    .counters = SOFTWARE_COUNTERS | COUNTER_BIT(INSTRUCTIONS),
    .probe = bt_probe,
    .create = bt_engine_create,
    .destroy = bt_engine_destroy,
    CPU_ENGINE_OPS,
};

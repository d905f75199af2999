/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine.c - full/static: the engine of full/bt:all, with a translation that was made before the guest started.
 *
 * What is left of the kernel, and all that the image doesn't hold - user programs, code made at run time - is
 * translated when it gets hot, by the same translator. Statistics count both kinds of blocks.
 *
 * Read next: install.c.
 */
#include "full/bt/bt.h"
#include "full/static/static.h"
#include "x86/cpu_engine.h"
#include <errno.h>
#include <stdlib.h>

static void destroy(struct engine *engine)
{
    struct static_translation *t = engine ? bt_of(cpu_of(engine))->kept : NULL;
    bt_engine_destroy(engine);
    if (t)
        translation_close(t);
    free(t);
}

static struct engine *create(const struct engine_host *host, struct reason *why)
{
    struct static_translation *t = calloc(1, sizeof(*t));
    struct engine *engine = t ? bt_engine_create(host, why) : NULL;
    if (!t)
        fail(why, ENOMEM, "no memory for the engine full/static");
    if (!engine) {
        free(t);
        return NULL;
    }
    struct bt *bt = bt_of(cpu_of(engine));
    bt->kept = t;
    bt->translator.block_made = static_block_made;
    return engine;
}

/* From now on blocks are taken from `t`, which belongs to the engine then. */
static int use(struct engine *engine, struct static_translation *t, const char *kernel, struct reason *why)
{
    struct bt *bt = bt_of(cpu_of(engine));
    if (t->header && t->header->routines != (size_t)(bt->first - bt->memory)) {
        translation_close(t);
        return fail(why, ENOEXEC, "the translation of %s was made for other routines than this program has", kernel);
    }
    translation_close(bt->kept);
    *bt->kept = *t;
    if (cpu_of(engine)->blocks->used) /* blocks that were made without it */
        block_cache_flush(cpu_of(engine));
    return 0;
}

static int kernel_loaded(struct engine *engine, const char *kernel, struct reason *why)
{
    struct static_translation t;
    int err = store_get(&t, kernel, why);
    return err ? err : use(engine, &t, kernel, why);
}

static int kernel_loaded_fresh(struct engine *engine, const char *kernel, struct reason *why)
{
    struct static_translation t;
    int err = store_make(&t, kernel, why);
    return err ? err : use(engine, &t, kernel, why);
}

#define COMMON                                                                                                   \
    .abi = ENGINE_ABI, .technique = "full",                                                                      \
    .capabilities = ENGINE_FLAT | ENGINE_OS | ENGINE_LEGACY | ENGINE_VIRTUAL_TIME,                               \
    .counters = COUNTER_BIT(INSTRUCTIONS) | COUNTER_BIT(TLB_MISSES) | COUNTER_BIT(TLB_FLUSHES) |                 \
                COUNTER_BIT(WALK_REFS) | COUNTER_BIT(TRUE_FAULTS) | COUNTER_BIT(BLOCKS_DECODED) |                \
                COUNTER_BIT(BLOCKS_TRANSLATED) | COUNTER_BIT(TRACES) | COUNTER_BIT(STATIC_BLOCKS) |              \
                COUNTER_BIT(DYNAMIC_BLOCKS) | COUNTER_BIT(DYNAMIC_KERNEL_BLOCKS) | COUNTER_BIT(BLOCKS_CHAINED) | \
                COUNTER_BIT(BLOCKS_INVALIDATED) | COUNTER_BIT(CACHE_FLUSHES) | COUNTER_BIT(INTERRUPTS) |         \
                COUNTER_BIT(EXCEPTIONS) | COUNTER_BIT(UNKNOWN_INSTRUCTIONS),                                     \
    .probe = bt_probe, .create = create, .destroy = destroy, CPU_ENGINE_OPS

const struct engine_ops full_static = {
    .name = "full/static",
    .text = "binary translation of the kernel's image ahead of time, kept in a file; the rest as full/bt:all",
    .kernel_loaded = kernel_loaded,
    COMMON,
};

/* What does the file save? The same without one. */
const struct engine_ops full_static_fresh = {
    .name = "full/static:fresh",
    .text = "the same, with the image translated anew at every start",
    .kernel_loaded = kernel_loaded_fresh,
    COMMON,
};

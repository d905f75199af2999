/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exits.c - the hooks: what the library tells while it runs, noted in the engine for run.c.
 *
 * One hook runs often, that of the block. It counts instructions, and it is the one place where the library is stopped:
 * see parts.h. The others only note what ended the run.
 *
 * Counting: a block's instructions are counted when it is entered; run.c gives back those that weren't executed when
 * the library stops inside. Two things the library does are seen by the address of the next block:
 *  - Each iteration of a REP string instruction enters a block anew, at the instruction itself. It is counted once.
 *  - A store into the very block that executes it makes the library go on with a block of one instruction, the storing
 *    one, inside the old. What lies behind it in the old block is given back. (When the storing instruction is also the
 *    block's last one - a CALL that pushes onto itself - this can't be told from a loop, and it is counted twice.)
 */
#include "emulate/unicorn/parts.h"
#include <errno.h>

static void stop_here(struct engine *e, enum stop why)
{
    e->stop = why;
    uc_emu_stop(e->uc);
}

static void on_block(uc_engine *uc, uint64_t address, uint32_t size, void *engine)
{
    struct engine *e = engine;
    const struct block *block;
    bool repeats = e->entered.rep_at == address && address;
    uint64_t count;

    (void)uc;
    if (unlikely(e->stepping)) { /* device.c and ours.c count for themselves */
        if (e->step_seen++)
            stop_here(e, STOP_STEPPED);
        return;
    }
    block = block_known(e, address, size);
    count = repeats ? 0 : block->count;
    if (!repeats && address >= e->entered.address && address + size < e->entered.end)
        e->retired -= count_between(e, address, e->entered.end);

    if (unlikely(__atomic_load_n(&e->kicked, __ATOMIC_RELAXED)))
        stop_here(e, STOP_KICK);
    else if (unlikely(block->ours))
        stop_here(e, STOP_OURS);
    else if (unlikely(count > e->limit - e->retired))
        stop_here(e, STOP_BUDGET);
    if (unlikely(e->stop != STOP_NONE)) {
        e->address = address;
        e->size = size;
        e->retired -= repeats; /* it isn't through, and will be counted when it is entered again */
        e->entered = (struct entered){0};
        return;
    }
    e->retired += count;
    e->entered = (struct entered){.address = address, .end = address + size, .rep_at = block->rep_at};
}

/* A new translation: what we knew of a block at this address may be of other code. */
static void on_translation(uc_engine *uc, uc_tb *block, uc_tb *before, void *engine)
{
    struct engine *e = engine;

    (void)uc, (void)before;
    block_forget(e, block->pc);
    COUNT(e->host->stats, BLOCKS_DECODED);
}

static void on_exception(uc_engine *uc, uint32_t vector, void *engine)
{
    struct engine *e = engine;

    (void)uc;
    e->vector = vector;
    e->spoiled = true;
    stop_here(e, STOP_EXCEPTION);
}

/* False: the run ends with UC_ERR_INSN_INVALID. */
static bool on_invalid(uc_engine *uc, void *engine)
{
    struct engine *e = engine;

    (void)uc;
    e->spoiled = true;
    e->stop = STOP_INVALID;
    return false;
}

/* False: the run ends at once, the instruction undone. */
static bool on_unmapped(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *engine)
{
    struct engine *e = engine;

    (void)uc, (void)value;
    e->stop = type == UC_MEM_FETCH_UNMAPPED ? STOP_FETCH : STOP_DEVICE;
    e->address = address;
    e->size = (uint32_t)size;
    return false;
}

/*
 * Does nothing. That there is such a hook for addresses outside RAM makes the library note the exact RIP of every
 * instruction that accesses memory; without it, the RIP of a device access would be the block's (2.0.1).
 */
static void on_access(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *engine)
{
    (void)uc, (void)type, (void)address, (void)size, (void)value, (void)engine;
}

int hooks_add(struct engine *e, struct reason *why)
{
    const struct {
        int type;
        void *function;
        uint64_t first, last; /* first > last: everywhere */
    } hooks[] = {
        {UC_HOOK_BLOCK, (void *)on_block, 1, 0},
        {UC_HOOK_EDGE_GENERATED, (void *)on_translation, 1, 0},
        {UC_HOOK_INTR, (void *)on_exception, 1, 0},
        {UC_HOOK_INSN_INVALID, (void *)on_invalid, 1, 0},
        {UC_HOOK_MEM_UNMAPPED, (void *)on_unmapped, 1, 0},
        {UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, (void *)on_access, e->host->ram->size, UINT64_MAX},
    };

    for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
        uc_hook unused;
        uc_err err = uc_hook_add(e->uc, &unused, hooks[i].type, hooks[i].function, e, hooks[i].first, hooks[i].last);

        if (err)
            return fail(why, EIO, "emulate/unicorn: the library refuses a hook: %s", uc_strerror(err));
    }
    return 0;
}

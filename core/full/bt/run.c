/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.c - the one place where the interpreter enters native code and takes over again.
 *
 * Read next: translate.c.
 */
#include "full/bt/bt.h"
#include "x86/mem.h"
#include <string.h>

/* ---- entering native code, and going on where it left ---- */

static unsigned pack_flags(const struct lazy_flags *f)
{
    uint32_t flags = flags_get(f);
    return (flags & 0xd5) << 8 | !!(flags & FLAG_OF);
}
static void unpack_flags(struct lazy_flags *f, unsigned packed)
{
    flags_set(f, (packed >> 8 & 0xd5) | (packed & 1 ? FLAG_OF : 0));
}

static bool user_mode(const struct cpu *cpu)
{
    return cpu->cpl == 3;
}

/* A return cache holds code of blocks, for addresses of one regime: it is emptied when either may have changed. */
static void check_return_cache(struct cpu *cpu, bool user)
{
    const uint64_t *counter = cpu->stats->counter;
    uint64_t valid =
        (cpu->blocks->known[user].flushes << 32) + counter[COUNTER_BLOCKS_INVALIDATED] + counter[COUNTER_CACHE_FLUSHES];
    if (likely(valid == cpu->native.returns_valid[user]))
        return;
    for (unsigned i = 0; i < RETURNS; i++)
        cpu->returns[user][i] = (struct native_return){0, bt_of(cpu)->no_return};
    cpu->native.other_top[user] = cpu->returns[user];
    cpu->native.returns_valid[user] = valid;
    if (user == user_mode(cpu))
        cpu->native.top = cpu->returns[user];
}

/* That of the present privilege comes into use. */
static void check_returns(struct cpu *cpu)
{
    const bool user = user_mode(cpu), held = cpu->native.top >= cpu->returns[1];
    if (held != user) {
        cpu->native.other_top[held] = cpu->native.top;
        cpu->native.top = cpu->native.other_top[user];
    }
    check_return_cache(cpu, false);
    check_return_cache(cpu, true);
}

/*
 * ---- a stay in native code: what it keeps in another form than the interpreter ----
 *
 * A stay has a budget of instructions. It is no more than bt->slice, because native code looks at nothing else: a kick
 * is seen when the budget is used up.
 */
/*
 * What native code may execute when its budget is used up: the rest of a trace that it was left in (it looks at the
 * budget at the top only), and what the next one is accounted when it finds the budget used up.
 */
#define STAY_RESERVE (2 * BLOCK_MAX)

/* Where stores are that weren't in their clear stretch, these are chosen now. */
static void choose_clear(struct cpu *cpu)
{
    cpu->native.chosen_at = cpu->icount;
    for (unsigned kind = 0; kind < STORES_KINDS; kind++)
        if (cpu->native.strayed[kind])
            tlb_clear_around(&cpu->tlb, kind, gva(cpu->native.strayed[kind]), cpu->cpl != 3);
    memset(cpu->native.strayed, 0, sizeof(cpu->native.strayed));
}

static void stay_begin(struct cpu *cpu)
{
    const uint64_t limit = cpu->icount_limit < cpu->look_at ? cpu->icount_limit : cpu->look_at;
    const uint64_t remaining = limit - cpu->icount; /* look_is_due() was asked */
    const uint64_t slice = bt_of(cpu)->slice;
    check_returns(cpu);
    if (unlikely(cpu->icount - cpu->native.chosen_at >= slice))
        choose_clear(cpu);
    cpu->native.begun = (int64_t)(remaining < slice ? remaining : slice) - STAY_RESERVE;
    cpu->native.budget = cpu->native.begun;
    cpu->native.flags = (uint16_t)pack_flags(&cpu->lf);
}

static void stay_end(struct cpu *cpu)
{
    cpu->icount += (uint64_t)(cpu->native.begun - cpu->native.budget);
    unpack_flags(&cpu->lf, cpu->native.flags);
}

/* Must the executor be asked soon? */
static bool look_is_due(const struct cpu *cpu)
{
    return cpu->look_at < cpu->icount + STAY_RESERVE;
}

/* ---- where native code left, and where to go on: in native code (code) or with a record (next, NULL: run loop) ----
 */

struct going {
    const void *code;
    const struct insn *next;
};

static struct going go_native(const void *code)
{
    return (struct going){.code = code};
}
static struct going interpret(const struct insn *next)
{
    return (struct going){.next = next};
}

static struct block *block_entered_at(const struct insn *first)
{
    return (struct block *)((uintptr_t)first - offsetof(struct block, insn));
}

/* A record in the middle of a block that native code has accounted. */
static void enter_at(struct cpu *cpu, const struct insn *record)
{
    cpu->block = block_entered_at(record - record->pos - 1);
}

/* Is something to be done before the next block that only the run loop does? */
static bool run_loop_wanted(const struct cpu *cpu)
{
    return cpu->attention || cpu->event.valid || cpu->exit_ready || cpu->halted || cpu->interrupt_shadow ||
           (cpu->window_wanted && (cpu->sysflags & FLAG_IF)) || (cpu->sysflags & FLAG_TF) ||
           cpu->icount_limit - cpu->icount < STAY_RESERVE || (cpu->cpl == 3 && cpu->user_direct) || look_is_due(cpu);
}

/* Goes on at cpu->rip. */
static struct going go_on(struct cpu *cpu)
{
    if (unlikely(run_loop_wanted(cpu)))
        return interpret(NULL);
    const struct insn *first = jump_to(cpu, cpu->rip);
    struct block *block = first ? block_entered_at(first) : block_find(cpu, false);
    const bool unseen = !first && block->crossing; /* is it of the pages that are there now? */
    return block->native == cpu->translator->cold || unseen ? interpret(block->insn) : go_native(block->native);
}

/* Must the CPU stop at the end of this block, whose instructions are counted? */
static bool stop_soon(const struct cpu *cpu)
{
    return cpu->attention || cpu->icount_limit - cpu->icount < STAY_RESERVE || look_is_due(cpu);
}

/* The CPU was found in the block. True: it has other native code now. */
static bool found(struct cpu *cpu, struct block *block)
{
    const unsigned samples = bt_of(cpu)->samples;
    if (block->paused == UINT16_MAX)
        return false;
    if (++block->paused == samples)
        return bt_translate_trace(cpu, block);
    return block->paused == 2 * samples && bt_translate_sides(cpu, block);
}

/*
 * The budget is used up, and the block accounted. Often all that is needed is a new one. Where this happens again and
 * again is where time is spent: a trace is made of it.
 */
static struct going go_on_after_pause(struct cpu *cpu, const struct insn *record)
{
    struct block *block = block_entered_at(record - record->pos - 1);
    if (likely(!stop_soon(cpu))) {
        if (likely(!found(cpu, block)))
            return go_native(cpu->native.retry);
    }
    enter_at(cpu, record);
    return interpret(record);
}

/* The interpreter executes what native code left in front of; native code goes on behind. */
static struct going execute(struct cpu *cpu, const struct insn *record)
{
    const void *resume = cpu->native.resume;
    enter_at(cpu, record);
    if (record->flags & INSN_LAST)
        return interpret(record);
    do {
        if (unlikely(stop_soon(cpu)))
            return interpret(record); /* and the rest of the block: the next one stops */
        if (!cpu_execute(cpu, record))
            return go_on(cpu);
        record++;
    } while (record->flags & INSN_LEFT);
    return go_native(resume);
}

/* The same for an instruction that ends its block. */
static struct going execute_system(struct cpu *cpu, const struct insn *record)
{
    const uint64_t cr3 = cpu->paging.cr3;
    enter_at(cpu, record);
    if (cpu_execute(cpu, record))
        cpu->rip = cpu_next_rip(cpu, record);
    if (cpu->executor && cpu->paging.cr3 != cr3) /* it decides for each address space */
        return interpret(NULL);
    return go_on(cpu);
}

/* A TLB probe found nothing. Does it find something now? */
static bool fill_missed(struct cpu *cpu, unsigned miss)
{
    const uint64_t page = cpu->native.missed_page;
    const struct tlb_entry *slot = &cpu->tlb_data[tlb_index(page)];
    if ((page & ~PAGE_MASK) || slot != cpu->native.missed_slot)
        return false; /* unaligned, or it crosses into another page */
    if (!mem_fill(cpu, gva(page), miss & MISS_STORES ? ACCESS_WRITE : ACCESS_READ))
        return false;
    return (miss & MISS_WRITE ? slot->write : slot->read) == page;
}

#define ODD 64 /* probes in vain that make a block be translated anew */

/* Does the page answer to no probe, whoever asks? (It may be that the access crosses pages, here and now.) */
static bool in_vain(const struct cpu *cpu)
{
    const uint64_t page = cpu->native.missed_page;
    const struct tlb_entry *slot = cpu->native.missed_slot;
    return slot == &cpu->tlb_data[tlb_index(page)] && slot->page == page;
}

/*
 * What can't be accessed directly, by the interpreter; where several accesses hang on the probe, the block's rest too.
 * An instruction that this happens to again and again is left to the interpreter without a probe in future.
 */
static struct going execute_missed(struct cpu *cpu, const struct insn *record, unsigned miss)
{
    struct block *block = block_entered_at(record - record->pos - 1);
    bool anew = in_vain(cpu) && ++block->heat >= bt_of(cpu)->translator.heat + ODD;
    if (anew) {
        block->heat = (uint16_t)bt_of(cpu)->translator.heat;
        anew = bt_translate_odd(cpu, block, block_entered_at(cpu->native.unit), record);
    }
    if (!anew && !(miss & MISS_WINDOW))
        return execute(cpu, record);
    enter_at(cpu, record);
    return interpret(record);
}

/* A call that is done but for the jump, to a place that the jump table doesn't know. */
static struct going finish_call(struct cpu *cpu, const struct insn *record)
{
    if (unlikely(!canonical(cpu->native.scratch))) {
        cpu->gpr[RSP] += 8; /* the target is at fault: the call has no effect */
        enter_at(cpu, record);
        return interpret(record);
    }
    cpu->rip = cpu->native.scratch;
    return go_on(cpu);
}

/*
 * Behind STI. The interpreter would run the next instruction alone, and never make a block that begins there; so it is
 * made here. Should the CPU stop in front of it, the shadow is on.
 */
static const struct insn *follow_shadowed(struct cpu *cpu, const struct insn *record)
{
    struct block *next = record->link;
    if (!next) {
        cpu->rip = cpu->gpr[GPR_PAGE] + record->imm;
        cpu->blocks->link_from = record;
        next = block_find(cpu, false);
    }
    cpu->interrupt_shadow = block_must_stop(cpu, next);
    return next->insn;
}

/* A branch within its page goes the interpreter's way once more, and is patched if the target has native code. */
static const struct insn *follow_link(struct cpu *cpu, const struct link *link)
{
    cpu->block = link->from;
    const struct insn *next = link->shadowed ? follow_shadowed(cpu, link->record) : branch_to(cpu, link->record);
    if (!next || !cpu->block || !link->record->link) /* no block: the cache was emptied, and links with it */
        return next;
    const struct block *target = link->record->link;
    if (target->native != cpu->translator->cold && !target->crossing) {
        emit_patch(link->jump, link->flags ? target->native_flags : target->native);
        COUNT(cpu->stats, BLOCKS_CHAINED);
    }
    return next;
}

static struct going left_native(struct cpu *cpu, struct left left)
{
    const void *what = (const void *)(uintptr_t)left.what; /* NOLINT: made by cache.c from a pointer */
    switch ((enum leave)left.why) {
    case LEAVE_RECORD: return execute(cpu, what);
    case LEAVE_SYSTEM: return execute_system(cpu, what);
    case LEAVE_PAUSE: return go_on_after_pause(cpu, what);
    case LEAVE_BLOCK: return interpret(((const struct block *)what)->insn);
    case LEAVE_CALL: return finish_call(cpu, what);
    case LEAVE_LINK: return interpret(follow_link(cpu, what));
    case LEAVE_RIP: cpu->rip = left.what; return go_on(cpu);
    default: return execute_missed(cpu, what, (unsigned)left.why - LEAVE_MISS);
    }
}

/* One stay, with what needs no more than a filled TLB in between. */
static struct going stay_native(struct cpu *cpu, const void *code)
{
    const struct bt *bt = bt_of(cpu);
    stay_begin(cpu);
    struct left left = bt->enter(cpu, code);
    while (left.why >= LEAVE_MISS && fill_missed(cpu, (unsigned)left.why - LEAVE_MISS))
        left = bt->enter(cpu, cpu->native.retry);
    stay_end(cpu);
    return left_native(cpu, left);
}

const struct insn *op_enter_native(struct cpu *cpu, const struct insn *in)
{
    struct block *block = in->link;
    if (unlikely(block_must_stop(cpu, block) || look_is_due(cpu)))
        return end_block(cpu, cpu_rip(cpu, in));
    if (unlikely(cpu->icount_limit - cpu->icount < STAY_RESERVE)) { /* the last ones are counted exactly */
        block_account(cpu, block);
        return in + 1;
    }
    struct going going = go_native(block->native);
    do
        going = stay_native(cpu, going.code);
    while (going.code);
    return going.next;
}

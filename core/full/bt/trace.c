/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace.c - several blocks translated as one, along the way that is taken most.
 *
 * A block alone pays for its borders: its instructions are accounted, flags that the next one may not want are saved, a
 * window of memory is closed. So where the CPU spends its time - as it is found there when the budget of a stay is used
 * up, which makes a fair sample - the block is translated again together with those that follow: a unit that is
 * entered at its top only, and left at its end or, when a branch goes the other way, at its side. A loop is put behind
 * itself several times.
 *
 * All blocks are of one page: they die together. Each stays a block of its own, which other code may jump to.
 *
 * Read before: translate.c. Read next: flags.c.
 */
#include "full/bt/bt.h"

#define LOOP_MAX 40 /* instructions, of all the times round */

/* May native code go on in the block, inside a unit? */
static const struct block *usable(const struct unit *t, const struct insn *in)
{
    if (in->imm >= PAGE_SIZE)
        return NULL;
    const struct block *block = in->imm == (t->block->gpa.v & ~PAGE_MASK) ? t->block : in->link;
    const bool fine = block && !block->dead && !block->crossing && block->native != t->bt->translator.cold;
    return fine && (block == t->block || t->count + block->count <= BLOCK_MAX) ? block : NULL;
}

/* Of the two ways of a conditional jump that where the CPU was found more often. */
static const struct block *likelier(const struct unit *t, const struct block *taken, const struct block *not_taken)
{
    if (!taken || !not_taken)
        return taken ? taken : not_taken;
    if (taken->paused == not_taken->paused)
        return taken == t->block ? taken : not_taken;
    return taken->paused > not_taken->paused ? taken : not_taken;
}

/* The block behind the last one of the unit; NULL: the unit ends with it. */
static const struct block *successor(const struct unit *t)
{
    const struct insn *last = t->step[t->count - 1].in;
    const struct decoded *d = decoded_step(t, t->count - 1);
    if (!(last->flags & INSN_LAST))
        return usable(t, last + 1);
    const bool direct = is_imm(d, 0) && d->z.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR;
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_JMP:
    case ZYDIS_MNEMONIC_CALL: return direct ? usable(t, last) : NULL;
    default:
        if (d->z.meta.category != ZYDIS_CATEGORY_COND_BR || !d->z.cpu_flags || !flag_use(d).reads)
            return NULL;
        return likelier(t, usable(t, last), usable(t, last + 1));
    }
}

bool goes_to_top(const struct unit *t)
{
    const uint64_t top = t->block->gpa.v & ~PAGE_MASK;
    const struct insn *last = t->step[t->count - 1].in;
    return (last->flags & INSN_LAST) ? last->imm == top || last[1].imm == top : last[1].imm == top;
}

/* Is the block in the unit already? */
static bool holds(const struct unit *t, const struct block *block)
{
    for (unsigned i = 0; i < t->count; i++)
        if (t->step[i].block == block)
            return true;
    return false;
}

void trace_follow(struct unit *t, const uint8_t *page)
{
    const struct block *next = t->block;
    unsigned loop = 0; /* instructions of one time round */
    do {
        unit_append(t, (struct block *)next, page);
        next = successor(t);
        if (next == t->block && !loop)
            loop = t->count;
        if (next && next->loops && next != t->block)
            return; /* there native code stays for a while */
    } while (next && (loop ? t->count + loop <= LOOP_MAX || next != t->block : !holds(t, next)));
}

/* The other way of a conditional jump inside the unit, if it has native code; else NULL. */
static struct block *side(const struct unit *t, unsigned i)
{
    const struct insn *in = t->step[i].in;
    if (decoded_step(t, i)->z.meta.category != ZYDIS_CATEGORY_COND_BR || i + 1 == t->count)
        return NULL;
    const struct insn *out = in->imm == t->step[i + 1].block->gpa.v % PAGE_SIZE ? in + 1 : in;
    struct block *block = out->imm < PAGE_SIZE ? out->link : NULL;
    return block && !block->dead && !block->crossing && block->native != t->bt->translator.cold ? block : NULL;
}

unsigned trace_sides(const struct unit *t, struct block *sides[TRACE_SIDES])
{
    unsigned count = 0;
    for (unsigned i = 0; i < t->count && count < TRACE_SIDES; i++) {
        struct block *block = side(t, i);
        if (block && block->paused < t->bt->samples)
            sides[count++] = block;
    }
    return count;
}

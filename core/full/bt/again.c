/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * again.c - a block is translated anew: with an instruction left to the interpreter, or as the head of a trace. Its old
 * code stays where it is, for whoever comes back into the midst of it; its entries lead to the new code.
 *
 * Read before: translate.c. Read next: trace.c.
 */
#include "full/bt/bt.h"

/* The bytes at an old entry lead to the new one; both expect the same of the flags. */
static void lead_on(const void *from, const void *to)
{
    struct emitter e = {.at = (uint8_t *)(uintptr_t)from, .end = (uint8_t *)(uintptr_t)from + 8};
    emit_jump_to(&e, ALWAYS, to);
}

/* The block has new entries: what enters by the old ones is led there. False: it has none, and the old ones serve on.
 */
static bool replace_entries(struct block *block, bool made, const void *native, const void *native_flags)
{
    if (!made) {
        block->native = native;
        block->native_flags = native_flags;
        return false;
    }
    lead_on(native, block->native);
    if (native_flags != native)
        lead_on(native_flags, block->native_flags);
    return true;
}

static bool translate_again(struct cpu *cpu, struct block *block)
{
    block->loops = false;
    const void *native = block->native, *native_flags = block->native_flags;
    if (block->dead || native == cpu->translator->cold || !bt_has_room(bt_of(cpu)))
        return false;
    return replace_entries(block, bt_translate(cpu, block), native, native_flags);
}

bool bt_translate_odd(struct cpu *cpu, struct block *block, struct block *head, const struct insn *odd)
{
    block->insn[odd->pos + 1].flags |= INSN_ODD;
    if (head != block && translate_again(cpu, head)) /* a trace is that no more */
        return true;
    return translate_again(cpu, block);
}

bool bt_translate_trace(struct cpu *cpu, struct block *head)
{
    const void *native = head->native, *native_flags = head->native_flags;
    if (head->dead || head->crossing || native == cpu->translator->cold || !bt_has_room(bt_of(cpu)))
        return false;
    struct unit *t = unit_begin(cpu, head, true);
    trace_follow(t, code_of(cpu, head));
    choose_registers(t);
    bool made = false;
    while ((t->count > head->count || t->swaps) && !made && !t->failed) {
        made = translate_unit(cpu, t);
        own_registers(t);
        while (!made && t->count && t->step[t->count - 1].through > t->first_left)
            t->count--; /* it ends in front of the block that the interpreter has to do with */
    }
    head->loops = made && goes_to_top(t);
    return replace_entries(head, made, native, native_flags);
}

bool bt_translate_sides(struct cpu *cpu, struct block *head)
{
    struct block *sides[TRACE_SIDES];
    struct unit *t = unit_begin(cpu, head, true);
    trace_follow(t, code_of(cpu, head));
    unsigned count = trace_sides(t, sides);
    bool any = false;
    for (unsigned i = 0; i < count; i++) {
        sides[i]->paused = (uint16_t)bt_of(cpu)->samples;
        any |= bt_translate_trace(cpu, sides[i]);
    }
    return any;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * window.c - one TLB probe for several accesses.
 *
 * Compiled code accesses memory in groups: registers pushed one after the other, fields of one structure, spilled
 * values. A probe for an operand [base + disp] looks ahead for more accesses by the same base, and probes the range of
 * them all: the window. While it is open, SCRATCH_B holds the page's addend, and an access inside needs no probe, can't
 * fault, and leaves the status flags alone. If the range isn't within one page, the interpreter takes over in front of
 * the first access, as it does for any probe that fails.
 *
 * What may go wrong is that SCRATCH_B or the base changes. Whoever writes SCRATCH_B closes the window; the base's
 * changes are followed here, instruction by instruction.
 *
 * Read next: copy.c.
 */
#include "full/bt/bt.h"

#define WINDOW_MAX 160 /* bytes: a wider one crosses pages too often */

/* An access by [base + disp] without index: PUSH, POP, CALL, RET, or an operand of an ordinary instruction. */
struct access_by_base {
    unsigned base; /* guest register */
    int64_t disp;
    unsigned size;
    bool write;
};

static bool plain_operand(const struct insn *in)
{
    return (in->flags & INSN_MEM) && in->base < 16 && in->index == GPR_ZERO && in->addrsize == 8 && in->seg != SEG_FS &&
           in->seg != SEG_GS;
}

static bool stack_access(const struct insn *in, const struct decoded *d, struct access_by_base *a)
{
    if ((in->flags & INSN_MEM) || (d->z.operand_width != 64 && d->z.meta.category != ZYDIS_CATEGORY_RET))
        return false;
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_PUSH:
    case ZYDIS_MNEMONIC_CALL: *a = (struct access_by_base){RSP, -8, 8, true}; return true;
    case ZYDIS_MNEMONIC_POP:
    case ZYDIS_MNEMONIC_RET: *a = (struct access_by_base){RSP, 0, 8, false}; return true;
    default: return false;
    }
}

static bool operand_access(const struct insn *in, const struct decoded *d, struct access_by_base *a)
{
    if (!plain_operand(in) || d->z.mnemonic == ZYDIS_MNEMONIC_LEA)
        return false;
    for (unsigned i = 0; i < d->z.operand_count_visible; i++)
        if (is_mem(d, i) && operand_bytes(d, i) <= 16) {
            *a = (struct access_by_base){in->base, in->disp, operand_bytes(d, i),
                                         d->operand[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE};
            return true;
        }
    return false;
}

/* By how much the instruction changes a register: false if that isn't known. */
static bool change_of(const struct insn *in, const struct decoded *d, unsigned r, int64_t *change)
{
    *change = 0;
    bool wide = d->z.operand_width == 64;
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_PUSH:
    case ZYDIS_MNEMONIC_POP:
        if (!wide)
            return r != RSP;
        if (r == RSP)
            *change = d->z.mnemonic == ZYDIS_MNEMONIC_PUSH ? -8 : 8;
        break;
    case ZYDIS_MNEMONIC_CALL:
        if (r == RSP)
            *change = -8;
        break;
    case ZYDIS_MNEMONIC_ADD:
    case ZYDIS_MNEMONIC_SUB:
        if (wide && is_reg(d, 0) && is_imm(d, 1) && (unsigned)ZydisRegisterGetId(d->operand[0].reg.value) == r) {
            *change = d->z.mnemonic == ZYDIS_MNEMONIC_ADD ? (int64_t)in->imm : -(int64_t)in->imm;
            return *change == (int32_t)*change;
        }
        break;
    default: break;
    }
    bool stack = *change && r == RSP;
    for (unsigned i = 0; i < d->z.operand_count; i++) {
        const ZydisDecodedOperand *o = &d->operand[i];
        if (!is_reg(d, i) || !(o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
            continue;
        bool implicit = o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN;
        ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, o->reg.value);
        if (ZydisRegisterGetClass(whole) == ZYDIS_REGCLASS_GPR64 && (unsigned)ZydisRegisterGetId(whole) == r &&
            !(stack && implicit))
            return false;
    }
    return true;
}

/* ---- while a block is translated ---- */

void window_close(struct unit *t)
{
    t->window.open = false;
}

bool window_covers(const struct unit *t, int base, int32_t disp, struct probe p)
{
    const struct window *w = &t->window;
    return w->open && !p.aligned && w->base == base && disp >= w->low && disp + (int32_t)p.size <= w->high &&
           (w->write || !p.write);
}

/* The range to probe for an access of `in` at [r + disp], and for those behind it. */
static struct window look_ahead(const struct unit *t, unsigned r, int32_t disp, struct probe p)
{
    struct window w = {true, p.write, t->host[r], disp, disp + (int32_t)p.size};
    int64_t moved = 0;
    for (unsigned i = t->now; i < t->count; i++) {
        const struct insn *next = t->step[i].in;
        const struct decoded *d = decoded_step(t, i);
        struct access_by_base a;
        bool known = stack_access(next, d, &a) || operand_access(next, d, &a);
        if (!known && (next->flags & INSN_MEM) && d->z.mnemonic != ZYDIS_MNEMONIC_LEA)
            break;
        if (known && a.base == r) {
            int64_t low = a.disp + moved + lag_of(t, r), high = low + a.size;
            low = low < w.low ? low : w.low;
            high = high > w.high ? high : w.high;
            if (high - low > WINDOW_MAX)
                break;
            w.low = (int32_t)low;
            w.high = (int32_t)high;
            w.write |= a.write;
        } else if (known && i > t->now) {
            break; /* another probe, which takes SCRATCH_B */
        }
        int64_t change;
        if (!change_of(next, d, r, &change))
            break;
        moved += change;
        if (moved != (int8_t)moved)
            break;
    }
    return w;
}

struct window window_for(const struct unit *t, int base, int32_t disp, struct probe p)
{
    for (unsigned r = 0; r < 16 && !p.aligned; r++)
        if (t->host[r] == base)
            return look_ahead(t, r, disp, p);
    return (struct window){false, p.write, base, disp, disp + (int32_t)p.size};
}

void window_follow(struct unit *t, const struct insn *in, const struct decoded *d, bool lagging)
{
    struct window *w = &t->window;
    for (unsigned r = 0; r < 16 && w->open; r++) {
        int64_t change;
        if (t->host[r] != w->base || (r == RSP && lagging))
            continue;
        if (!change_of(in, d, r, &change) || change != (int16_t)change) {
            w->open = false;
            return;
        }
        w->low -= (int32_t)change;
        w->high -= (int32_t)change;
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* oracle_arrange.c - what makes a random input meaningful for an instruction. See oracle_arrange.h. */
#include "oracle_arrange.h"
#include <string.h>

/* Does the address of the memory operand hang on this register? */
static bool addresses(const struct oracle_trial *t, unsigned reg)
{
    const struct oracle_operand *mem = &t->insn.mem;
    return mem->present && mem->kind == BASE_REGISTERS && (mem->base == reg || mem->index == reg);
}

static void set_low(uint64_t *reg, uint64_t value, unsigned size)
{
    memcpy(reg, &value, size);
}

void arrange_dividend(struct oracle_trial *t, struct oracle_random *r)
{
    if (oracle_once_in(r, 2))
        return;
    unsigned size = t->insn.opsize;
    bool is_signed = t->insn.row->mnemonic == ZYDIS_MNEMONIC_IDIV;
    uint64_t *high = &t->in.gpr[RDX], low = t->in.gpr[RAX];
    if (size == 1) {
        set_low(&t->in.gpr[RAX], is_signed ? (uint64_t)(int8_t)low : (uint8_t)low, 2);
    } else if (!addresses(t, RDX)) {
        unsigned unused = 64 - 8 * size;
        set_low(high, is_signed ? (uint64_t)((int64_t)(low << unused) >> 63) : oracle_below(r, 2), size);
    }
}

void arrange_count(struct oracle_trial *t, struct oracle_random *r)
{
    if (!addresses(t, RCX) && !oracle_once_in(r, 8))
        set_low(&t->in.gpr[RCX], oracle_once_in(r, 4) ? 1 : oracle_below(r, 70), 1);
}

void arrange_bit_offset(struct oracle_trial *t, struct oracle_random *r)
{
    unsigned reg = t->insn.reg[1];
    if (!t->insn.mem.present || addresses(t, reg) || reg >= GPR_COUNT)
        return;
    /* Operand and bit stay aligned, so that a locked access doesn't cross a cache line. */
    oracle_aim(t, ORACLE_DATA + 0x1000 + 8 * oracle_below(r, 0x200), r);
    if (oracle_once_in(r, 8) || addresses(t, reg))
        return;
    int64_t bits = (int64_t)oracle_below(r, 0x8000) - 0x4000;
    set_low(&t->in.gpr[reg], (uint64_t)(oracle_once_in(r, 4) ? bits * 8 : bits), t->insn.opsize);
}

void arrange_compare(struct oracle_trial *t, struct oracle_random *r)
{
    if (oracle_once_in(r, 2))
        return;
    if (t->insn.mem.present)
        oracle_poke(t->image, t->target, t->in.gpr[RAX], t->insn.opsize);
    else if (t->insn.opsize > 1)
        t->in.gpr[t->insn.reg[0]] = t->in.gpr[RAX];
}

void arrange_compare_pair(struct oracle_trial *t, struct oracle_random *r)
{
    unsigned half = t->insn.mem.size / 2;
    if (oracle_once_in(r, 2))
        return;
    oracle_poke(t->image, t->target, t->in.gpr[RAX], half);
    oracle_poke(t->image, t->target + half, t->in.gpr[RDX], half);
}

void arrange_table(struct oracle_trial *t, struct oracle_random *r)
{
    t->in.gpr[RBX] = ORACLE_DATA + oracle_below(r, ORACLE_DATA_SIZE);
}

void arrange_stack(struct oracle_trial *t, struct oracle_random *r)
{
    uint64_t sp;
    if (addresses(t, RSP))
        return;
    switch (oracle_below(r, 16)) {
    case 0: sp = ORACLE_STACK + oracle_below(r, 12); break; /* no room to push */
    case 1: sp = ORACLE_STACK + ORACLE_STACK_SIZE - oracle_below(r, 12); break;
    case 2: sp = ORACLE_STACK + PAGE_SIZE - 4 + oracle_below(r, 8); break;
    case 3: sp = ORACLE_READONLY + PAGE_SIZE / 2; break;
    case 4: sp = (UINT64_C(1) << 62) + (oracle_random(r) >> 3); break; /* not canonical: #SS */
    case 5: sp = ORACLE_STACK + oracle_below(r, ORACLE_STACK_SIZE); break;
    default: sp = ORACLE_STACK + PAGE_SIZE + 8 * oracle_below(r, 128); break;
    }
    t->in.gpr[RSP] = sp;
}

void arrange_popped_flags(struct oracle_trial *t, struct oracle_random *r)
{
    arrange_stack(t, r);
    oracle_poke(t->image, t->in.gpr[RSP], oracle_random(r) & ~(uint64_t)FLAG_TF, 8);
}

void arrange_frame(struct oracle_trial *t, struct oracle_random *r)
{
    arrange_stack(t, r);
    t->in.gpr[RBP] = ORACLE_STACK + oracle_below(r, ORACLE_STACK_SIZE);
    if (oracle_once_in(r, 8))
        t->in.gpr[RBP] = oracle_once_in(r, 2) ? oracle_random(r) | UINT64_C(1) << 63 : oracle_below(r, 64);
}

/* A place to go: in the code (all INT3), or where no code may be. */
static uint64_t pick_target(struct oracle_random *r)
{
    switch (oracle_below(r, 16)) {
    case 0: return ORACLE_DATA + oracle_below(r, PAGE_SIZE); /* may not be executed */
    case 1: return ORACLE_CODE + ORACLE_CODE_SIZE + oracle_below(r, PAGE_SIZE);
    default: return ORACLE_CODE + 0x100 + oracle_below(r, 0x600);
    }
}

void arrange_target(struct oracle_trial *t, struct oracle_random *r)
{
    unsigned reg = t->insn.reg[0];
    arrange_stack(t, r);
    if (t->insn.mem.present)
        oracle_poke(t->image, t->target, pick_target(r), 8);
    else if (reg < GPR_COUNT)
        t->in.gpr[reg] = pick_target(r);
}

/*
 * A CALL to a non-canonical address that can't push either has two faults, and CPUs disagree on which comes first. So
 * the target is not read from the code (all INT3: not canonical), and CALL RSP has an RSP that can be pushed to.
 */
void arrange_call(struct oracle_trial *t, struct oracle_random *r)
{
    arrange_target(t, r);
    if (t->insn.mem.present && t->target - ORACLE_CODE + 8 < ORACLE_CODE_SIZE + 8) {
        oracle_aim(t, ORACLE_DATA + 8 * oracle_below(r, 0x200), r);
        oracle_poke(t->image, t->target, pick_target(r), 8);
    } else if (!t->insn.mem.present && t->insn.reg[0] == RSP) {
        t->in.gpr[RSP] = ORACLE_STACK + PAGE_SIZE + 8 * oracle_below(r, 128);
    }
}

void arrange_return(struct oracle_trial *t, struct oracle_random *r)
{
    arrange_stack(t, r);
    oracle_poke(t->image, t->in.gpr[RSP], pick_target(r), 8);
}

void arrange_base(struct oracle_trial *t, struct oracle_random *r)
{
    unsigned reg = t->insn.reg[0];
    if (reg < GPR_COUNT && !oracle_once_in(r, 4))
        t->in.gpr[reg] = (uint64_t)((int64_t)(t->in.gpr[reg] << 16) >> 16);
}

/* ---- strings ---- */

static uint64_t pick_count(struct oracle_random *r)
{
    switch (oracle_below(r, 8)) {
    case 0: return oracle_below(r, 3);
    case 1: return oracle_random(r) >> oracle_below(r, 60); /* until it faults */
    case 2:
    case 3: return oracle_below(r, 3000);
    default: return oracle_below(r, 40);
    }
}

static uint64_t pick_pointer(struct oracle_random *r)
{
    switch (oracle_below(r, 12)) {
    case 0: return ORACLE_DATA + ORACLE_DATA_SIZE - oracle_below(r, 80);
    case 1: return ORACLE_DATA + oracle_below(r, 80);
    case 2: return ORACLE_READONLY + oracle_below(r, PAGE_SIZE);
    case 3: return ORACLE_DATA + ORACLE_DATA_SIZE + oracle_below(r, 16);
    case 4: return ORACLE_DATA + PAGE_SIZE - 40 + oracle_below(r, 80);
    case 5: return ORACLE_DATA + PAGE_SIZE + 8 * oracle_below(r, PAGE_SIZE / 8);
    default: return ORACLE_DATA + oracle_below(r, ORACLE_DATA_SIZE);
    }
}

/* Makes CMPS and SCAS find (or not find) what they look for, for a while. */
static void make_equal(struct oracle_trial *t, uint64_t from, uint64_t to, struct oracle_random *r)
{
    unsigned size = t->insn.opsize, steps = oracle_below(r, 100);
    int64_t step = t->in.rflags & FLAG_DF ? -(int64_t)size : (int64_t)size;
    bool scan = t->insn.row->mnemonic >= ZYDIS_MNEMONIC_SCASB && t->insn.row->mnemonic <= ZYDIS_MNEMONIC_SCASW;
    for (unsigned i = 0; i < steps; i++, from += (uint64_t)step, to += (uint64_t)step) {
        size_t left;
        uint64_t value = t->in.gpr[RAX];
        const uint8_t *source = oracle_at(t->image, from, &left);
        if (!scan) {
            if (!source || left < size)
                return;
            memcpy(&value, source, size);
        }
        oracle_poke(t->image, to, value, size);
    }
}

void arrange_string(struct oracle_trial *t, struct oracle_random *r)
{
    uint64_t from = pick_pointer(r), to = pick_pointer(r);
    if (oracle_once_in(r, 4)) /* overlapping */
        to = from + oracle_below(r, 64) - 32;
    t->in.gpr[RCX] = pick_count(r);
    if (oracle_once_in(r, 2))
        make_equal(t, from, to, r);
    t->in.gpr[RSI] = from, t->in.gpr[RDI] = to;
    switch (t->insn.bytes[0]) {
    case 0x64: t->in.gpr[RSI] -= t->in.fs_base; break;
    case 0x65: t->in.gpr[RSI] -= t->in.gs_base; break;
    case 0x67: /* only the lower halves count; RCX, RSI and RDI come out zero-extended where they are written */
        t->in.gpr[RSI] |= oracle_random(r) << 32, t->in.gpr[RDI] |= oracle_random(r) << 32;
        t->in.gpr[RCX] = (t->in.gpr[RCX] & 0xffff) | oracle_random(r) << 32;
        break;
    default: break;
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle_sequence.c - random programs of up to 64 instructions on both CPUs, and the shortest program that still
 * differs.
 *
 * What single instructions can't show is shown here: that lazily kept flags survive what stands between their writer
 * and their reader, that block boundaries and links don't matter. RBX, R14 and R15 are never written: they hold
 * addresses and a small index, so that memory operands mean something at the end of a long program too. Jumps go
 * forward only.
 *
 * A flag that is undefined behind one instruction must not be read by a later one. So for each instruction the flags
 * that may be undefined before it are known, and one that would read such a flag is not taken.
 */
#include "oracle_arrange.h"
#include <stdio.h>
#include <string.h>

#define START     (ORACLE_CODE + PAGE_SIZE - 256) /* most programs cross the page boundary */
#define KEPT      (1u << RSP | 1u << RBX | 1u << R14 | 1u << R15)
#define JUMP_MAX  4 /* steps; a short jump must reach */
#define SHOWN_MAX 3

#define LOAD_LENGTH 5 /* bytes of MOV r32, imm32 */

/*
 * An instruction of a program, with what loads its pointers just before it: string instructions have RSI, RDI and RCX
 * set, and nobody jumps in between. No program may reach memory of this process that isn't the oracle's.
 */
struct step {
    struct oracle_insn insn;
    uint8_t loads[3 * LOAD_LENGTH];
    uint8_t loads_length;
    uint8_t jump; /* a branch: how many steps further its target is (1: the next one) */
};

struct program {
    struct step step[ORACLE_SEQUENCE];
    unsigned count;
    struct oracle_regs in;
};

/* A program in memory: where each step begins and its instruction stands, and which flags may be undefined before it.
 */
struct layout {
    uint8_t code[ORACLE_SEQUENCE * (ORACLE_INSN_LENGTH + 3 * LOAD_LENGTH)];
    unsigned begin[ORACLE_SEQUENCE + 1], offset[ORACLE_SEQUENCE + 1];
    uint32_t undefined[ORACLE_SEQUENCE + 1];
    bool compares[ORACLE_SEQUENCE + 1]; /* CMPS: either of its addresses may be CR2 */
};

/* ---- laying a program out ---- */

static unsigned jump_target(const struct program *p, unsigned from)
{
    unsigned to = from + p->step[from].jump;
    return to < p->count ? to : p->count;
}

static void place_step(const struct program *p, struct layout *l, unsigned i)
{
    const struct oracle_insn *insn = &p->step[i].insn;
    uint8_t *code = l->code + l->offset[i];
    memcpy(l->code + l->begin[i], p->step[i].loads, p->step[i].loads_length);
    oracle_place(insn, START + l->offset[i], code);
    if (insn->branch_at) {
        int32_t distance = (int32_t)(l->begin[jump_target(p, i)] - l->begin[i + 1]);
        memcpy(code + insn->branch_at, &distance, insn->branch_size);
    }
}

/* Adds what instruction i does to the knowledge about undefined flags. False when it would read one. */
static bool follow_flags(const struct program *p, struct layout *l, unsigned i)
{
    struct oracle_decoded d;
    if (!oracle_decode(l->code + l->offset[i], p->step[i].insn.length, &d))
        return false;
    uint32_t before = l->undefined[i], ever = oracle_undefined_flags_ever(&d);
    if (d.z.cpu_flags && (d.z.cpu_flags->tested & before))
        return false;
    l->compares[i] = ever & UNDEFINED_FAULT;
    l->undefined[i + 1] |= (before & ~oracle_defined_flags(&d)) | (ever & FLAGS_STATUS);
    if (p->step[i].insn.branch_at)
        l->undefined[jump_target(p, i)] |= before;
    return true;
}

/* False when the program reads an undefined flag. */
static bool lay_out(const struct program *p, struct layout *l)
{
    memset(l, 0, sizeof(*l));
    for (unsigned i = 0; i < p->count; i++) {
        l->offset[i] = l->begin[i] + p->step[i].loads_length;
        l->begin[i + 1] = l->offset[i + 1] = l->offset[i] + p->step[i].insn.length;
    }
    for (unsigned i = 0; i < p->count; i++) {
        place_step(p, l, i);
        if (!follow_flags(p, l, i))
            return false;
    }
    return true;
}

/* ---- making a program ---- */

/* Results that are undefined for some values can't be followed through a program. */
static bool result_may_be_undefined(const struct oracle_insn *insn)
{
    switch (insn->row->mnemonic) {
    case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHRD: return insn->opsize == 2;
    case ZYDIS_MNEMONIC_BSF:
    case ZYDIS_MNEMONIC_BSR: return insn->opsize == 4;
    default: return false;
    }
}

static void add_load(struct step *step, unsigned reg, uint64_t value)
{
    uint32_t low = (uint32_t)value;
    step->loads[step->loads_length] = (uint8_t)(0xb8 + reg); /* MOV r32, imm32 */
    memcpy(step->loads + step->loads_length + 1, &low, sizeof(low));
    step->loads_length += LOAD_LENGTH;
}

static void add_pointers(struct step *step, struct oracle_random *r)
{
    add_load(step, RSI, ORACLE_DATA + oracle_below(r, ORACLE_DATA_SIZE));
    add_load(step, RDI, ORACLE_DATA + oracle_below(r, ORACLE_DATA_SIZE));
    add_load(step, RCX, oracle_below(r, 100));
}

static const struct oracle_row *pick_row(const struct oracle_group *const *groups, struct oracle_random *r)
{
    unsigned count = 0;
    while (groups[count])
        count++;
    const struct oracle_group *group = groups[oracle_below(r, count)];
    const struct oracle_row *row = &group->rows[oracle_below(r, (unsigned)group->count)];
    return row->flags & ROW_ALONE ? NULL : row;
}

static void make_program(struct program *p, const struct oracle_group *const *groups, bool bases,
                         struct oracle_random *r)
{
    const struct oracle_choice choice = {.written = 0xffff & ~KEPT,
                                         .read = 0xffff,
                                         .base = 1u << RBX | 1u << R14,
                                         .index = 1u << R15,
                                         .bases = bases,
                                         .calm = true};
    unsigned wanted = 1 + oracle_below(r, ORACLE_SEQUENCE);
    struct layout l;
    p->count = 0;
    for (unsigned tries = 0; p->count < wanted && tries < 2000; tries++) {
        const struct oracle_row *row = pick_row(groups, r);
        struct step *step = &p->step[p->count];
        *step = (struct step){.jump = (uint8_t)(1 + oracle_below(r, JUMP_MAX))};
        if (!row || !oracle_encode(row, &choice, r, &step->insn) || result_may_be_undefined(&step->insn))
            continue;
        if (row->arrange == arrange_string)
            add_pointers(step, r);
        p->count++;
        if (!lay_out(p, &l))
            p->count--;
    }
}

static void make_input(struct program *p, struct oracle_random *r)
{
    struct oracle_regs *in = &p->in;
    for (unsigned i = 0; i < GPR_COUNT; i++)
        in->gpr[i] = oracle_value(r, 8);
    in->gpr[RBX] = ORACLE_DATA + 0x1400;
    in->gpr[R14] = ORACLE_DATA + 0x1c00;
    in->gpr[R15] = oracle_below(r, 16);
    in->gpr[RSP] = ORACLE_STACK + PAGE_SIZE + 8 * oracle_below(r, 8) - 32;
    in->rip = START;
    in->rflags = (oracle_random(r) & (FLAGS_STATUS | FLAG_DF)) | FLAG_ONE | FLAG_IF;
    in->fs_base = 0x40, in->gs_base = 0x80;
    in->mxcsr = 0x1f80 | oracle_below(r, 4) << 13; /* all exceptions masked, any rounding */
    for (unsigned i = 0; i < sizeof(in->xmm) / 8; i++) {
        uint64_t value = oracle_value(r, 8);
        memcpy(&in->xmm[0][0] + 8 * i, &value, sizeof(value));
    }
}

/* ---- running it ---- */

/* What is undefined where the run has ended. */
static uint32_t undefined_at(const struct program *p, const struct layout *l, const struct oracle_outcome *host)
{
    uint64_t at = host->regs.rip - START - (host->vector == VEC_BP);
    for (unsigned i = 0; i <= p->count; i++)
        if (at == l->offset[i])
            return l->undefined[i] | (l->compares[i] ? UNDEFINED_FAULT : 0) |
                   (host->vector == VEC_DE ? FLAGS_STATUS : 0);
    return 0;
}

struct result {
    struct layout layout;
    uint32_t undefined;
    struct oracle_outcome host, guest;
};

/* False when the program can't be judged or both CPUs agree. */
static bool differs(struct oracle *o, const struct program *p, struct result *result)
{
    if (!lay_out(p, &result->layout))
        return false;
    oracle_load_code(o, START, result->layout.code, result->layout.begin[p->count]);
    if (oracle_agree(o, &p->in, o->image, 0, &result->host, &result->guest))
        return false;
    result->undefined = undefined_at(p, &result->layout, &result->host);
    return !oracle_agree(o, &p->in, o->image, result->undefined, &result->host, &result->guest);
}

static struct program without(const struct program *p, unsigned which)
{
    struct program shorter = *p;
    shorter.count--;
    memmove(&shorter.step[which], &shorter.step[which + 1], (shorter.count - which) * sizeof(shorter.step[0]));
    for (unsigned i = 0; i < which; i++)
        if (i + shorter.step[i].jump > which && shorter.step[i].jump > 1)
            shorter.step[i].jump--;
    return shorter;
}

/* Drops instructions as long as the difference persists. */
static void minimise(struct oracle *o, struct program *p)
{
    struct result result;
    for (bool shorter = true; shorter;) {
        shorter = false;
        for (unsigned i = p->count; i-- > 0 && p->count > 1;) {
            struct program candidate = without(p, i);
            if (differs(o, &candidate, &result))
                *p = candidate, shorter = true;
        }
    }
}

unsigned oracle_run_sequences(struct oracle *o, const struct oracle_group *const *groups, unsigned count)
{
    struct oracle_random r = {o->seed};
    struct program program;
    struct result result;
    unsigned failed = 0;
    uint64_t *words = (uint64_t *)(void *)o->image;
    for (size_t i = 0; i < sizeof(*o->image) / 8; i++)
        words[i] = oracle_random(&r);
    for (unsigned i = 0; i < count; i++) {
        make_program(&program, groups, o->host->has_bases, &r);
        make_input(&program, &r);
        if (!differs(o, &program, &result) || failed++ >= SHOWN_MAX)
            continue;
        unsigned before = program.count;
        minimise(o, &program);
        if (!differs(o, &program, &result))
            continue;
        printf("\n  program %u differs (%u instructions, minimised from %u):\n", i, program.count, before);
        oracle_show_code(START, result.layout.code, result.layout.begin[program.count]);
        oracle_show(o, &program.in, result.undefined, &result.host, &result.guest);
    }
    return failed;
}

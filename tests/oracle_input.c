/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle_input.c - registers and memory for one trial.
 *
 * Registers get random values that are likely to be interesting; those that form the address of the memory operand are
 * then chosen so that it points where the trial wants it: mostly into the data, sometimes across pages, or where it
 * faults.
 *
 * Read next: oracle_flags.c.
 */
#include "oracle.h"
#include <string.h>

uint8_t *oracle_at(struct oracle_memory *memory, uint64_t address, size_t *left)
{
    const struct {
        uint64_t first, size;
        uint8_t *bytes;
    } regions[] = {{ORACLE_CODE, ORACLE_CODE_SIZE, memory->code},
                   {ORACLE_DATA, ORACLE_DATA_SIZE, memory->data},
                   {ORACLE_READONLY, PAGE_SIZE, memory->readonly},
                   {ORACLE_STACK, ORACLE_STACK_SIZE, memory->stack}};
    for (size_t i = 0; i < ARRAY_SIZE(regions); i++) {
        if (address - regions[i].first >= regions[i].size)
            continue;
        *left = regions[i].size - (address - regions[i].first);
        return regions[i].bytes + (address - regions[i].first);
    }
    return NULL;
}

void oracle_poke(struct oracle_memory *image, uint64_t address, uint64_t value, unsigned size)
{
    size_t left;
    for (unsigned i = 0; i < size && i < 8; i++) {
        uint8_t *byte = oracle_at(image, address + i, &left);
        if (byte)
            *byte = (uint8_t)(value >> (8 * i));
    }
}

/* Where a memory operand may point. */
static uint64_t pick_address(struct oracle_random *r, unsigned size)
{
    const uint64_t data_end = ORACLE_DATA + ORACLE_DATA_SIZE;
    unsigned across = size > 1 ? 1 + oracle_below(r, size - 1) : 0; /* bytes before a boundary */
    switch (oracle_below(r, 40)) {
    case 0:
    case 1:
    case 2:
    case 3: return ORACLE_DATA + PAGE_SIZE * (1 + oracle_below(r, 2)) - across;
    case 4:
    case 5: return data_end - across;
    case 6: return data_end + oracle_below(r, PAGE_SIZE - 64);
    case 7: return ORACLE_DATA - across;
    case 8:
    case 9: return ORACLE_READONLY + oracle_below(r, PAGE_SIZE - 64);
    case 10: return ORACLE_READONLY - across;
    case 11: return (UINT64_C(1) << 62) + (oracle_random(r) >> 3); /* not canonical */
    case 12: return ORACLE_STACK + oracle_below(r, ORACLE_STACK_SIZE - 64);
    case 13: return ORACLE_CODE + oracle_below(r, ORACLE_CODE_SIZE - 64);
    default: return ORACLE_DATA + 64 + oracle_below(r, ORACLE_DATA_SIZE - 128);
    }
}

static uint64_t keep_aligned(const struct oracle_insn *insn, uint64_t address, struct oracle_random *r)
{
    unsigned size = insn->mem.size;
    if ((insn->row->flags & ROW_ALIGNED) && !oracle_once_in(r, 16))
        return address & ~UINT64_C(15);
    /* A locked access across a cache line is a bus lock: some hosts forbid it, all punish it. */
    bool locked = (insn->row->flags & ROW_LOCK) || insn->row->mnemonic == ZYDIS_MNEMONIC_XCHG;
    if (locked && size && (address & 63) + size > 64)
        return address & ~(uint64_t)(size - 1);
    return address;
}

/* A base for FS or GS: any canonical user address. */
static uint64_t pick_base(struct oracle_random *r)
{
    return oracle_random(r) >> 17;
}

/* Makes the registers of `mem` add up to `offset`; answers with the offset that was reached. */
static uint64_t solve(const struct oracle_operand *mem, struct oracle_regs *in, uint64_t offset)
{
    uint64_t index = mem->index < GPR_COUNT ? in->gpr[mem->index] * mem->scale : 0;
    uint64_t mask = mem->address_size == 4 ? UINT32_MAX : UINT64_MAX;
    uint64_t rest = offset - (uint64_t)(int64_t)mem->disp;
    if (mem->base < GPR_COUNT) {
        uint64_t *base = &in->gpr[mem->base];
        *base = ((rest - index) & mask) | (*base & ~mask);
        return offset;
    }
    uint64_t *only = &in->gpr[mem->index], quotient = (rest & mask) / mem->scale;
    *only = quotient | (*only & ~mask);
    return (quotient * mem->scale + (uint64_t)(int64_t)mem->disp) & mask;
}

bool oracle_aim(struct oracle_trial *t, uint64_t address, struct oracle_random *r)
{
    const struct oracle_operand *mem = &t->insn.mem;
    bool based = mem->segment == SEG_FS || mem->segment == SEG_GS;
    uint64_t *base = mem->segment == SEG_FS ? &t->in.fs_base : &t->in.gs_base;
    if (!mem->present)
        return false;
    /* Not every address can be formed. Then a safe one: elsewhere the host may have memory that isn't ours. */
    if (address >> 47 && (mem->kind != BASE_REGISTERS || mem->address_size == 4))
        address = ORACLE_DATA + PAGE_SIZE;
    if (mem->kind != BASE_REGISTERS) {
        if (based)
            *base = address - mem->target;
        t->target = (based ? *base : 0) + mem->target;
        return t->target == address;
    }
    uint64_t offset = address;
    if (based && mem->address_size == 8)
        offset -= *base;
    else if (based) { /* the offset has 32 bits: the base must do the rest */
        offset = (uint32_t)oracle_random(r);
        *base = address - offset;
    } else if (mem->address_size == 4)
        offset = (uint32_t)offset;
    t->target = solve(mem, &t->in, offset) + (based ? *base : 0);
    return t->target == address;
}

static void random_registers(struct oracle_regs *in, struct oracle_random *r)
{
    for (unsigned i = 0; i < GPR_COUNT; i++)
        in->gpr[i] = oracle_value(r, oracle_once_in(r, 2) ? 8 : 1u << oracle_below(r, 3));
    if (oracle_once_in(r, 2)) /* else RSP is a number like any other */
        in->gpr[RSP] = ORACLE_STACK + PAGE_SIZE + 8 * oracle_below(r, 64);
    in->rflags = (oracle_random(r) & (FLAGS_STATUS | FLAG_DF | FLAG_ID)) | FLAG_ONE | FLAG_IF;
    if (oracle_once_in(r, 16))
        in->rflags |= FLAG_AC; /* unaligned accesses fault */
    in->mxcsr = 0x1f80;
    for (unsigned i = 0; i < sizeof(in->xmm) / 8; i++) {
        uint64_t value = oracle_value(r, 8);
        memcpy(&in->xmm[0][0] + 8 * i, &value, sizeof(value));
    }
}

void oracle_input(struct oracle_trial *t, struct oracle_random *r, bool bases)
{
    const struct oracle_operand *mem = &t->insn.mem;
    random_registers(&t->in, r);
    t->in.rip = t->at;
    t->in.fs_base = bases ? pick_base(r) : 0;
    t->in.gs_base = bases ? pick_base(r) : 0;
    t->target = 0;
    if (mem->present && mem->size) {
        oracle_aim(t, keep_aligned(&t->insn, pick_address(r, mem->size), r), r);
        if (!oracle_once_in(r, 4))
            for (unsigned i = 0; i < mem->size; i += 8)
                oracle_poke(t->image, t->target + i, oracle_value(r, mem->size < 8 ? mem->size : 8),
                            mem->size < 8 ? mem->size : 8);
    }
    if (t->insn.row->arrange)
        t->insn.row->arrange(t, r);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* string.h - what the string instructions share: counters, addresses, bursts. Used by string.c and io.c. */
#ifndef VIRTLAB_X86_STRING_H
#define VIRTLAB_X86_STRING_H

#include "x86/operands.h"

static inline bool string_repeats(const struct insn *in)
{
    return in->flags & (INSN_REP | INSN_REPNE);
}

/* rCX, as wide as the address size. */
static inline uint64_t string_count(const struct cpu *cpu, const struct insn *in)
{
    return reg_read(cpu, RCX, in->addrsize);
}
static inline void string_count_down(struct cpu *cpu, const struct insn *in, uint64_t done)
{
    reg_write(cpu, RCX, in->addrsize, string_count(cpu, in) - done);
}

/* Linear address of the element that rSI or rDI names. */
static inline uint64_t string_address(struct cpu *cpu, const struct insn *in, unsigned seg, unsigned index,
                                      enum access access)
{
    return linear(cpu, in, seg, reg_read(cpu, index, in->addrsize), in->opsize, access);
}

/* Moves rSI or rDI by `count` elements, down when DF is set. */
static inline void string_advance(struct cpu *cpu, const struct insn *in, unsigned index, uint64_t count)
{
    uint64_t distance = count * in->opsize;
    uint64_t value = reg_read(cpu, index, in->addrsize);
    reg_write(cpu, index, in->addrsize, cpu->sysflags & FLAG_DF ? value - distance : value + distance);
}

/*
 * How many elements from `at` on may be handled at once: all within the page and, outside 64-bit mode, one only (each
 * is held against the segment's limit), one with DF set, and never more than rCX or `most`.
 */
static inline uint64_t string_burst(const struct cpu *cpu, const struct insn *in, uint64_t at, uint64_t most)
{
    if (!string_repeats(in) || (cpu->sysflags & (FLAG_DF | FLAG_TF)) || in->addrsize != 8)
        return 1;
    uint64_t fits = (PAGE_SIZE - (at & ~PAGE_MASK)) / in->opsize, count = string_count(cpu, in);
    if (fits > most)
        fits = most;
    if (fits > count)
        fits = count;
    return fits ? fits : 1;
}

/* The host memory behind `at`, if an access of this kind may go straight to it. */
static inline uint8_t *string_direct(struct cpu *cpu, uint64_t at, bool write)
{
    const struct tlb_entry *e = &cpu->tlb_data[tlb_index(at)];
    return (write ? e->write : e->read) == (at & PAGE_MASK) ? (uint8_t *)(at + e->addend) : NULL;
}

/* Takes the source's segment (DS, or as a prefix says) from the hidden operand. */
static inline void string_segment(const struct decoded *d, struct insn *in)
{
    for (unsigned i = 0; i < d->z.operand_count; i++)
        if (is_mem(d, i) && ZydisRegisterGetId(d->operand[i].mem.base) == RSI)
            in->seg = (uint8_t)ZydisRegisterGetId(d->operand[i].mem.segment);
}

#endif

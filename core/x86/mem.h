/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem.h - how an instruction reaches memory: effective address -> linear address -> software TLB -> host memory.
 *
 * The fast path is inline: one TLB probe. Everything else (page walk, faults, devices, code pages, accesses that cross
 * a page) is in mem.c. Every function here may leave through cpu_unwind(), so it takes the instruction.
 */
#ifndef VIRTLAB_X86_MEM_H
#define VIRTLAB_X86_MEM_H

#include "x86/insn.h"
#include <string.h>

/* The memory operand's offset in its segment, wrapped to the address size. */
static inline uint64_t effective_address(const struct cpu *cpu, const struct insn *in)
{
    uint64_t offset = cpu->gpr[in->base] + (cpu->gpr[in->index] << in->scale) + (uint64_t)in->disp;
    if (likely(in->addrsize == 8))
        return offset;
    return in->addrsize == 4 ? (uint32_t)offset : (uint16_t)offset;
}

/* Linear address of `offset` in a segment outside 64-bit mode: checks limit and type; may raise #GP or #SS. */
uint64_t linear_legacy(struct cpu *cpu, const struct insn *in, unsigned seg, uint64_t offset, unsigned size,
                       enum access access);

/* The same in any mode. */
static inline uint64_t linear(struct cpu *cpu, const struct insn *in, unsigned seg, uint64_t offset, unsigned size,
                              enum access access)
{
    if (likely(in->flags & INSN_FLAT))
        return offset + cpu->seg_base[seg];
    return linear_legacy(cpu, in, seg, offset, size, access);
}

/* Linear address of the memory operand, for an access of `size` bytes. */
static inline uint64_t operand_address(struct cpu *cpu, const struct insn *in, unsigned size, enum access access)
{
    return linear(cpu, in, in->seg, effective_address(cpu, in), size, access);
}

/*
 * Slow paths: any size up to 16 (power of two), any alignment, devices. `purpose` decides how a fault looks: the load
 * of a read-modify-write faults as the write that will follow, and a stack access to a non-canonical address is #SS.
 */
enum mem_purpose { MEM_PLAIN, MEM_MODIFY, MEM_STACK };
void mem_load_slow(struct cpu *cpu, const struct insn *in, uint64_t at, void *to, unsigned size,
                   enum mem_purpose purpose);
void mem_store_slow(struct cpu *cpu, const struct insn *in, uint64_t at, const void *from, unsigned size,
                    enum mem_purpose purpose);

/* Can this guest-physical address be read through EPT? If not, it exits: for the PAE pointers, which CR3 names. */
void mem_second_level(struct cpu *cpu, const struct insn *in, gpa_t at);

/*
 * Looks the page up for a data access, as the access itself would, and puts it into the software TLB; for translators.
 * False: the access would fault. Whether there is a tag for it then is another question.
 */
bool mem_fill(struct cpu *cpu, gva_t page, enum access access);

/* Checks that `size` bytes can be written (faults as the write would) without writing: for instructions with more
 * stores. */
void mem_probe_write(struct cpu *cpu, const struct insn *in, uint64_t at, unsigned size);
/* The same for a push of `size` bytes. */
void mem_probe_push(struct cpu *cpu, const struct insn *in, unsigned size);

/*
 * Loads and stores at a linear address, by width in bits: ld8..ld128 and st8..st128; lm8..lm64 load what will be
 * modified and stored; push and pop use sl16..sl64 and ss16..ss64.
 */
#define MEM_LOAD(name, bits, type, tag, purpose)                                       \
    static inline type name##bits(struct cpu *cpu, const struct insn *in, uint64_t at) \
    {                                                                                  \
        const struct tlb_entry *e = &cpu->tlb_data[tlb_index(at)];                     \
        type value;                                                                    \
        if (likely(e->tag == ((at + sizeof(type) - 1) & PAGE_MASK)))                   \
            memcpy(&value, (const void *)(at + e->addend), sizeof(type));              \
        else                                                                           \
            mem_load_slow(cpu, in, at, &value, sizeof(type), purpose);                 \
        return value;                                                                  \
    }
#define MEM_STORE(name, bits, type, purpose)                                                       \
    static inline void name##bits(struct cpu *cpu, const struct insn *in, uint64_t at, type value) \
    {                                                                                              \
        const struct tlb_entry *e = &cpu->tlb_data[tlb_index(at)];                                 \
        if (likely(e->write == ((at + sizeof(type) - 1) & PAGE_MASK)))                             \
            memcpy((void *)(at + e->addend), &value, sizeof(type));                                \
        else                                                                                       \
            mem_store_slow(cpu, in, at, &value, sizeof(type), purpose);                            \
    }
#define MEM_ACCESS(bits, type)                \
    MEM_LOAD(ld, bits, type, read, MEM_PLAIN) \
    MEM_STORE(st, bits, type, MEM_PLAIN)
#define MEM_MODIFIED(bits) MEM_LOAD(lm, bits, uint##bits##_t, write, MEM_MODIFY)
#define MEM_STACKED(bits)                               \
    MEM_LOAD(sl, bits, uint##bits##_t, read, MEM_STACK) \
    MEM_STORE(ss, bits, uint##bits##_t, MEM_STACK)
MEM_ACCESS(8, uint8_t)
MEM_ACCESS(16, uint16_t)
MEM_ACCESS(32, uint32_t)
MEM_ACCESS(64, uint64_t)
MEM_ACCESS(128, xmm_t)
MEM_MODIFIED(8)
MEM_MODIFIED(16)
MEM_MODIFIED(32)
MEM_MODIFIED(64)
MEM_STACKED(16)
MEM_STACKED(32)
MEM_STACKED(64)
#undef MEM_ACCESS
#undef MEM_MODIFIED
#undef MEM_STACKED

/* By size in bytes: 1, 2, 4, 8. */
static inline uint64_t mem_load(struct cpu *cpu, const struct insn *in, uint64_t at, unsigned size)
{
    switch (size) {
    case 1: return ld8(cpu, in, at);
    case 2: return ld16(cpu, in, at);
    case 4: return ld32(cpu, in, at);
    default: return ld64(cpu, in, at);
    }
}
/* The load of a read-modify-write. */
static inline uint64_t mem_load_modify(struct cpu *cpu, const struct insn *in, uint64_t at, unsigned size)
{
    switch (size) {
    case 1: return lm8(cpu, in, at);
    case 2: return lm16(cpu, in, at);
    case 4: return lm32(cpu, in, at);
    default: return lm64(cpu, in, at);
    }
}
static inline void mem_store(struct cpu *cpu, const struct insn *in, uint64_t at, unsigned size, uint64_t value)
{
    switch (size) {
    case 1: st8(cpu, in, at, value); break;
    case 2: st16(cpu, in, at, value); break;
    case 4: st32(cpu, in, at, value); break;
    default: st64(cpu, in, at, value); break;
    }
}

/* The r/m operand, register or memory, by size in bytes; for handlers that aren't specialised. */
static inline uint64_t rm_read(struct cpu *cpu, const struct insn *in, unsigned size)
{
    if (in->flags & INSN_MEM)
        return mem_load(cpu, in, operand_address(cpu, in, size, ACCESS_READ), size);
    return reg_read(cpu, in->rm, size);
}
static inline void rm_write(struct cpu *cpu, const struct insn *in, unsigned size, uint64_t value)
{
    if (in->flags & INSN_MEM)
        mem_store(cpu, in, operand_address(cpu, in, size, ACCESS_WRITE), size, value);
    else
        reg_write(cpu, in->rm, size, value);
}

/*
 * System accesses: descriptor tables, TSS, the stack of event delivery. Always supervisor, at a linear address, never
 * excused from SMAP by AC.
 */
uint64_t sys_load(struct cpu *cpu, const struct insn *in, uint64_t at, unsigned size);
void sys_store(struct cpu *cpu, const struct insn *in, uint64_t at, unsigned size, uint64_t value);

/*
 * The stack of the present CPL, `size` bytes of 2, 4 or 8. stack_top() is RSP masked to the stack's width. push()
 * stores and moves RSP; pop() loads and moves it. When an instruction pushes more than once, use stack_store() with
 * offsets and stack_set() at the end, so that it can be begun anew.
 */
static inline uint64_t stack_offset(const struct cpu *cpu, int64_t distance)
{
    return (cpu->gpr[RSP] + (uint64_t)distance) & cpu->stack_mask;
}
static inline void stack_move(struct cpu *cpu, int64_t distance)
{
    cpu->gpr[RSP] = (cpu->gpr[RSP] & ~cpu->stack_mask) | stack_offset(cpu, distance);
}
static inline void stack_store(struct cpu *cpu, const struct insn *in, int64_t distance, unsigned size, uint64_t value)
{
    uint64_t at = linear(cpu, in, SEG_SS, stack_offset(cpu, distance), size, ACCESS_WRITE);
    switch (size) {
    case 2: ss16(cpu, in, at, (uint16_t)value); break;
    case 4: ss32(cpu, in, at, (uint32_t)value); break;
    default: ss64(cpu, in, at, value); break;
    }
}
static inline uint64_t stack_load(struct cpu *cpu, const struct insn *in, int64_t distance, unsigned size)
{
    uint64_t at = linear(cpu, in, SEG_SS, stack_offset(cpu, distance), size, ACCESS_READ);
    switch (size) {
    case 2: return sl16(cpu, in, at);
    case 4: return sl32(cpu, in, at);
    default: return sl64(cpu, in, at);
    }
}
static inline void push(struct cpu *cpu, const struct insn *in, unsigned size, uint64_t value)
{
    stack_store(cpu, in, -(int64_t)size, size, value);
    stack_move(cpu, -(int64_t)size);
}
static inline uint64_t pop(struct cpu *cpu, const struct insn *in, unsigned size)
{
    uint64_t value = stack_load(cpu, in, 0, size);
    stack_move(cpu, size);
    return value;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * string.c - MOVS, STOS, LODS, CMPS, SCAS, with REP, REPE and REPNE.
 *
 * A REP instruction is a loop that can be interrupted behind every element: rCX, rSI and rDI always say how far it is.
 * MOVS and STOS are done in bulk within a page when both sides are plain memory. Between bursts it looks whether
 * something waits; then it stops, and goes on from its own address later.
 */
#include "x86/string.h"
#include "x86/block.h"

/* Must a repeating instruction stop here, incomplete? */
static bool must_pause(const struct cpu *cpu)
{
    return (cpu->attention & ~(uint32_t)ATTENTION_SINGLE) || cpu->posted_count || (cpu->sysflags & FLAG_TF) ||
           cpu->latch.reads;
}

/* One step of an instruction (`count` elements done, or false for its end by condition) and the loop around it. */
typedef uint64_t step_fn(struct cpu *cpu, const struct insn *in, bool *stop);

static inline __attribute__((always_inline)) const struct insn *repeat(struct cpu *cpu, const struct insn *in,
                                                                       step_fn *step)
{
    bool stop = false;
    if (!string_repeats(in)) {
        step(cpu, in, &stop);
        return in + 1;
    }
    while (string_count(cpu, in)) {
        uint64_t done = step(cpu, in, &stop);
        string_count_down(cpu, in, done);
        if (stop || !string_count(cpu, in))
            break;
        cpu->mem_accesses += done;
        cpu->latch.used = 0;
        if (must_pause(cpu)) {
            cpu->latch = (struct io_latch){0};
            return cpu_stop_at(cpu, in);
        }
    }
    return in + 1;
}

/*
 * Copies forward element by element in effect: with an overlap that lets the copy see its own output (the classical way
 * to fill memory) it must really go by elements.
 */
static void copy_forward(uint8_t *to, const uint8_t *from, uint64_t bytes, unsigned size)
{
    if (to <= from || (uint64_t)(to - from) >= bytes) {
        memmove(to, from, bytes);
        return;
    }
    for (uint64_t i = 0; i < bytes; i += size)
        memmove(to + i, from + i, size);
}

static inline uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t step_movs(struct cpu *cpu, const struct insn *in, bool *stop)
{
    (void)stop;
    uint64_t from = string_address(cpu, in, in->seg, RSI, ACCESS_READ);
    uint64_t to = string_address(cpu, in, SEG_ES, RDI, ACCESS_WRITE), count = 1;
    uint8_t *source = string_direct(cpu, from, false), *destination = string_direct(cpu, to, true);
    if (source && destination)
        count = least(string_burst(cpu, in, from, PAGE_SIZE), string_burst(cpu, in, to, PAGE_SIZE));
    if (count > 1)
        copy_forward(destination, source, count * in->opsize, in->opsize);
    else
        mem_store(cpu, in, to, in->opsize, mem_load(cpu, in, from, in->opsize));
    string_advance(cpu, in, RSI, count);
    string_advance(cpu, in, RDI, count);
    return count;
}

/* Mostly zeros, which memset() does best. */
static void fill(uint8_t *to, uint64_t value, uint64_t count, unsigned size)
{
    value &= UINT64_MAX >> (64 - 8 * size);
    if (size == 1 || !value) {
        memset(to, (int)value, count * size);
        return;
    }
    for (uint64_t i = 0; i < count; i++)
        memcpy(to + i * size, &value, size);
}

static uint64_t step_stos(struct cpu *cpu, const struct insn *in, bool *stop)
{
    (void)stop;
    uint64_t to = string_address(cpu, in, SEG_ES, RDI, ACCESS_WRITE), count = 1;
    uint8_t *destination = string_direct(cpu, to, true);
    if (destination)
        count = string_burst(cpu, in, to, PAGE_SIZE);
    if (count > 1)
        fill(destination, cpu->gpr[RAX], count, in->opsize);
    else
        mem_store(cpu, in, to, in->opsize, cpu->gpr[RAX]);
    string_advance(cpu, in, RDI, count);
    return count;
}

static uint64_t step_lods(struct cpu *cpu, const struct insn *in, bool *stop)
{
    (void)stop;
    uint64_t value = mem_load(cpu, in, string_address(cpu, in, in->seg, RSI, ACCESS_READ), in->opsize);
    reg_write(cpu, in->opsize == 1 ? RAX * 8 : RAX, in->opsize, value);
    string_advance(cpu, in, RSI, 1);
    return 1;
}

/* CMPS and SCAS: REPE goes on while equal, REPNE while not. */
static void compare(struct cpu *cpu, const struct insn *in, uint64_t a, uint64_t b, bool *stop)
{
    flags_sub(&cpu->lf, a, b, a - b, in->opsize * 8);
    *stop = flag_zf(&cpu->lf) != !!(in->flags & INSN_REP);
}

static uint64_t step_cmps(struct cpu *cpu, const struct insn *in, bool *stop)
{
    uint64_t a = mem_load(cpu, in, string_address(cpu, in, in->seg, RSI, ACCESS_READ), in->opsize);
    uint64_t b = mem_load(cpu, in, string_address(cpu, in, SEG_ES, RDI, ACCESS_READ), in->opsize);
    compare(cpu, in, a, b, stop);
    string_advance(cpu, in, RSI, 1);
    string_advance(cpu, in, RDI, 1);
    return 1;
}

static uint64_t step_scas(struct cpu *cpu, const struct insn *in, bool *stop)
{
    uint64_t b = mem_load(cpu, in, string_address(cpu, in, SEG_ES, RDI, ACCESS_READ), in->opsize);
    compare(cpu, in, reg_read(cpu, in->opsize == 1 ? RAX * 8 : RAX, in->opsize), b, stop);
    string_advance(cpu, in, RDI, 1);
    return 1;
}

#define STRING(name)                                                            \
    static const struct insn *op_##name(struct cpu *cpu, const struct insn *in) \
    {                                                                           \
        return repeat(cpu, in, step_##name);                                    \
    }
STRING(movs)
STRING(stos)
STRING(lods)
STRING(cmps)
STRING(scas)

enum string { MOVS, STOS, LODS, CMPS, SCAS };

/* d->arg: operation * 16 + element size */
static bool select_string(const struct decoded *d, struct insn *in)
{
    static insn_fn *const fn[] = {op_movs, op_stos, op_lods, op_cmps, op_scas};
    if (d->z.meta.category != ZYDIS_CATEGORY_STRINGOP) /* MOVSD and CMPSD are SSE2's too */
        return false;
    in->opsize = (uint8_t)(d->arg & 15);
    in->fn = fn[d->arg / 16];
    string_segment(d, in);
    return true;
}

#define SIZES(name, op)                                                                                             \
    {ZYDIS_MNEMONIC_##name##B, select_string, op * 16 + 1}, {ZYDIS_MNEMONIC_##name##W, select_string, op * 16 + 2}, \
        {ZYDIS_MNEMONIC_##name##D, select_string, op * 16 + 4},                                                     \
    {                                                                                                               \
        ZYDIS_MNEMONIC_##name##Q, select_string, op * 16 + 8                                                        \
    }
const struct family_row family_string[] = {
    SIZES(MOVS, MOVS), SIZES(STOS, STOS), SIZES(LODS, LODS), SIZES(CMPS, CMPS), SIZES(SCAS, SCAS), {0, NULL, 0},
};

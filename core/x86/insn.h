/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * insn.h - the decode record: one guest instruction, decoded once, executed many times.
 *
 * decode.c turns the bytes into records; a family file (alu.c, mov.c ...) chooses each one's handler. A handler
 * executes its record and goes on to the next one. Two ways to go on, both right: NEXT(cpu, in);      jumps to the next
 * record's handler (a tail call: threaded code). For short hot handlers. return in + 1;      comes back to the loop in
 * run.c, which calls the next one. For all the others. A handler that ends its block sets cpu->rip and returns NULL
 * (end_block), or goes on in another block (branch.c).
 */
#ifndef VIRTLAB_X86_INSN_H
#define VIRTLAB_X86_INSN_H

#include "x86/cpu.h"

typedef const struct insn *insn_fn(struct cpu *cpu, const struct insn *in);

enum insn_flag {
    INSN_MEM = 1,    /* the r/m operand is memory */
    INSN_ODD = 2,    /* a translator has found that it keeps meeting devices or watched pages */
    INSN_REP = 4,    /* F3 on a string instruction: REP, REPE */
    INSN_REPNE = 8,  /* F2 on a string instruction */
    INSN_FLAT = 16,  /* decoded in 64-bit mode: no segment limits, address = offset + base */
    INSN_LAST = 32,  /* the block ends behind it: it changes control flow or what decoding depends on */
    INSN_IMM2 = 64,  /* `imm2` is valid (ENTER) */
    INSN_LEFT = 128, /* a translator leaves it to the interpreter, together with the one before it */
};

struct insn {
    insn_fn *fn;
    /*
     * The immediate, sign-extended as the operand's encoding says. Of a relative branch: the target, as a signed
     * distance from the start of the code page (target = gpr[GPR_PAGE] + imm).
     */
    uint64_t imm;
    union {
        struct block *link; /* branch.c: the target's block, once known */
        const void *data;   /* a family's own */
    };
    int64_t disp; /* displacement of the memory operand (RIP-relative: from the code page's start) */
    uint16_t off; /* offset of the instruction in its code page */
    uint8_t len;  /* its length in bytes */
    uint8_t pos;  /* its place in its block, from 0 */
    /*
     * Register operands. For 8-bit general registers a byte offset into cpu->gpr (AH is 1), else the register's number:
     * general, XMM, MM, segment, control, debug or x87 stack. `rm` is ModRM.rm's register, or, without ModRM, the first
     * operand; `reg` is ModRM.reg's, or the second.
     */
    uint8_t reg, rm;
    uint8_t base, index, scale; /* of the memory operand: numbers in cpu->gpr (GPR_ZERO for none), shift count */
    uint8_t seg;                /* of the memory operand: enum segment */
    uint8_t opsize;             /* operand size in bytes: 1, 2, 4, 8 (that of the first operand for ALU and MOV) */
    uint8_t addrsize;           /* address size in bytes: 2, 4, 8 */
    uint8_t flags;              /* enum insn_flag */
    uint8_t op;                 /* a family's own: a condition, a shift kind ... */
    uint8_t imm2;
    uint8_t refs; /* data accesses it makes, for the statistics */
};

/*
 * Builds that can't count on tail calls (sanitizers, no optimisation) come back to the loop instead. gcc makes them
 * when it optimises; clang has to be told. tests/test_tailcalls.sh looks at what came of it.
 */
#ifdef __clang__
#define TAIL __attribute__((musttail))
#else
#define TAIL
#endif
#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
#define NEXT(cpu, in) return (void)(cpu), (in) + 1
#define GO(cpu, next) return (void)(cpu), (next)
#else
#define NEXT(cpu, in) TAIL return (in)[1].fn((cpu), (in) + 1)
#define GO(cpu, next)                        \
    do {                                     \
        const struct insn *go_on = (next);   \
        if (unlikely(!go_on))                \
            return NULL;                     \
        TAIL return go_on->fn((cpu), go_on); \
    } while (0)
#endif

/* The instruction pointer of `in`, and of the one behind it, wrapped as the code size demands. */
static inline uint64_t cpu_wrap_rip(const struct cpu *cpu, uint64_t rip)
{
    return cpu->code_size == CODE64 ? rip : cpu->code_size == CODE32 ? (uint32_t)rip : (uint16_t)rip;
}
static inline uint64_t cpu_rip(const struct cpu *cpu, const struct insn *in)
{
    return cpu_wrap_rip(cpu, cpu->gpr[GPR_PAGE] + in->off);
}
static inline uint64_t cpu_next_rip(const struct cpu *cpu, const struct insn *in)
{
    return cpu_wrap_rip(cpu, cpu->gpr[GPR_PAGE] + in->off + in->len);
}

/* Ends the block: execution goes on at cpu->rip, through the run loop. */
static inline const struct insn *end_block(struct cpu *cpu, uint64_t rip)
{
    cpu->rip = rip;
    return NULL;
}

/* Registers by record field. R8 takes the byte offset that decode.c left for 8-bit operands. */
typedef uint16_t __attribute__((may_alias)) alias16_t;
typedef uint32_t __attribute__((may_alias)) alias32_t;
#define R8(cpu, r)  (((uint8_t *)(cpu)->gpr)[r])
#define R16(cpu, r) (*(alias16_t *)&(cpu)->gpr[r])
#define R32(cpu, r) (*(alias32_t *)&(cpu)->gpr[r])
#define R64(cpu, r) ((cpu)->gpr[r])

/* A general register by operand size in bytes; a 32-bit write clears the upper half, as in 64-bit mode (SDM
 * 1, 3.4.1.1). */
static inline uint64_t reg_read(const struct cpu *cpu, unsigned r, unsigned size)
{
    switch (size) {
    case 1: return ((const uint8_t *)cpu->gpr)[r];
    case 2: return (uint16_t)cpu->gpr[r];
    case 4: return (uint32_t)cpu->gpr[r];
    default: return cpu->gpr[r];
    }
}
static inline void reg_write(struct cpu *cpu, unsigned r, unsigned size, uint64_t value)
{
    switch (size) {
    case 1: ((uint8_t *)cpu->gpr)[r] = value; break;
    case 2: cpu->gpr[r] = (cpu->gpr[r] & ~UINT64_C(0xffff)) | (uint16_t)value; break;
    case 4: cpu->gpr[r] = (uint32_t)value; break;
    default: cpu->gpr[r] = value; break;
    }
}

/*
 * Choosing a handler. decode.c has filled in everything but fn (and op, data); a family's select function sets them
 * from the mnemonic, or returns false: no such instruction on this CPU, #UD. `d` gives the whole of Zydis' decoding.
 */
struct decoded;
typedef bool select_fn(const struct decoded *d, struct insn *in);

/* One row of a family's table: mnemonic (enum ZydisMnemonic_), its chooser, a word for the chooser (d->arg). */
struct family_row {
    unsigned mnemonic;
    select_fn *select;
    unsigned arg;
};

/* A family: rows until .select is NULL. families[] in decode.c lists them all. */
extern const struct family_row family_alu[], family_mov[], family_shift[], family_muldiv[], family_bit[],
    family_branch[], family_string[], family_stack[], family_io[], family_system[], family_segment[], family_syscall[],
    family_control[], family_x87[], family_sse_move[], family_sse_int[], family_sse_float[], family_misc[];

#endif

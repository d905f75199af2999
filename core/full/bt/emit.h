/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * emit.h - a small assembler: writes x86-64 instructions into the code cache.
 *
 * Two general forms, register-register and register-memory, and names for what the translator needs most. Registers are
 * numbers 0 to 15 of the *host*. The encoding rules are in SDM 2, chapter 2.
 *
 * Read next: bt.h.
 */
#ifndef VIRTLAB_BT_EMIT_H
#define VIRTLAB_BT_EMIT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What in the code holds only for the place where it and the VMM's data are: absolute pointers, and distances to code
 * that was there before. Whoever keeps translated code for another run (full/static) has them recorded.
 */
struct relocation {
    const uint8_t *at;  /* the 8 bytes of the pointer, or the 4 of the distance */
    const void *target; /* what it points to */
    bool distance;
};
#define RELOCATIONS_MAX 4096
struct relocations {
    unsigned count; /* more than RELOCATIONS_MAX: some were lost */
    struct relocation entry[RELOCATIONS_MAX];
};

struct emitter {
    uint8_t *at, *end;               /* past `end` nothing is written; full() tells */
    struct relocations *relocations; /* NULL: nobody wants to know */
};

enum { NO_REG = -1 };

/* [base + index << scale + disp]; base or index may be NO_REG. */
struct host_mem {
    int base, index;
    unsigned scale;
    int32_t disp;
};

enum opcode_map { MAP_PRIMARY, MAP_0F, MAP_0F38, MAP_0F3A };

/* What stands in front of ModRM. */
struct host_op {
    uint8_t prefix[3]; /* 66, F2, F3, in the order of the original; 0: none */
    uint8_t map;       /* enum opcode_map */
    uint8_t opcode;
    bool w;         /* REX.W: 64-bit operands */
    bool force_rex; /* a byte register that only a REX prefix can name: SPL, BPL, SIL, DIL */
    bool no_rex;    /* names AH..DH, which no instruction with a REX prefix can */
};

/* Forgets what was emitted from `at` on. */
void emit_rewind(struct emitter *e, uint8_t *at);

static inline bool emit_full(const struct emitter *e)
{
    return e->at + 64 > e->end;
}
void emit8(struct emitter *e, uint8_t byte);
void emit32(struct emitter *e, uint32_t value);
void emit64(struct emitter *e, uint64_t value);

/* False: this can't be encoded (AH..DH next to a register that needs REX). `reg` is ModRM.reg, a register or digit. */
bool emit_reg(struct emitter *e, struct host_op op, int reg, int rm);
bool emit_mem(struct emitter *e, struct host_op op, int reg, struct host_mem m);

/* 64-bit moves and arithmetic. */
void emit_mov(struct emitter *e, int to, int from);
void emit_load(struct emitter *e, int to, struct host_mem m);
void emit_store(struct emitter *e, struct host_mem m, int from);
void emit_lea(struct emitter *e, int to, struct host_mem m);
void emit_constant(struct emitter *e, int to, uint64_t value);
/* The address of something of the VMM's: every pointer that native code holds is emitted by this one function. */
void emit_pointer(struct emitter *e, int to, const void *target);

/* By their numbers in opcodes 80 to 83 and C0, D0 (SDM 2, table A-6). */
enum alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };
enum shift { SHIFT_SHL = 4, SHIFT_SHR = 5, SHIFT_SAR = 7 };
void emit_alu(struct emitter *e, enum alu alu, int to, int from);
void emit_alu_mem(struct emitter *e, enum alu alu, int to, struct host_mem m);
void emit_alu_constant(struct emitter *e, enum alu alu, int to, int32_t value);
void emit_shift(struct emitter *e, enum shift kind, int reg, unsigned count);

/* LEA to, [rip + distance]; the distance is set by emit_patch(). */
uint8_t *emit_lea_code(struct emitter *e, int to);
/* ADD or SUB of a constant to the low byte alone. */
void emit_byte(struct emitter *e, enum alu alu, int reg, uint8_t value);

/* Conditions of jumps, by the low four bits of the opcode. */
enum condition {
    IF_O,
    IF_NO,
    IF_B,
    IF_AE,
    IF_E,
    IF_NE,
    IF_BE,
    IF_A,
    IF_S,
    IF_NS,
    IF_P,
    IF_NP,
    IF_L,
    IF_GE,
    IF_LE,
    IF_G
};
#define ALWAYS 16u

/* A jump whose distance is set later; returns where it stands, for emit_patch(). */
uint8_t *emit_jump(struct emitter *e, unsigned condition);
/* To code that is there already, in this block or elsewhere. */
void emit_jump_to(struct emitter *e, unsigned condition, const void *target);
/* CALL, which is patched like a jump; PUSH of a quadword in memory, then RET: where it says. */
uint8_t *emit_call(struct emitter *e);
void emit_push_return(struct emitter *e, struct host_mem m);
void emit_jump_register(struct emitter *e, int reg);
void emit_jump_mem(struct emitter *e, struct host_mem m);
void emit_patch(uint8_t *jump, const void *target);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * emit.c - the assembler's encodings.
 *
 * Read emit.h first; next: bt.h.
 */
#include "full/bt/emit.h"
#include <stddef.h>
#include <string.h>

enum { HOST_RSP = 4, HOST_RBP = 5 };

static void emit_bytes(struct emitter *e, const void *bytes, size_t count)
{
    if (e->at + count > e->end)
        return;
    memcpy(e->at, bytes, count);
    e->at += count;
}
void emit8(struct emitter *e, uint8_t byte)
{
    emit_bytes(e, &byte, 1);
}
void emit32(struct emitter *e, uint32_t value)
{
    emit_bytes(e, &value, 4);
}
void emit64(struct emitter *e, uint64_t value)
{
    emit_bytes(e, &value, 8);
}

static void record(struct emitter *e, const uint8_t *at, const void *target, bool distance)
{
    struct relocations *r = e->relocations;
    if (r && r->count++ < RELOCATIONS_MAX)
        r->entry[r->count - 1] = (struct relocation){at, target, distance};
}

void emit_rewind(struct emitter *e, uint8_t *at)
{
    struct relocations *r = e->relocations;
    e->at = at;
    while (r && r->count && r->count <= RELOCATIONS_MAX && r->entry[r->count - 1].at >= at)
        r->count--;
}

/* ---- the two general forms ---- */

/* Prefixes, REX and opcode. The upper bits of the register numbers go into REX.R, .X and .B. */
static bool emit_head(struct emitter *e, const struct host_op *op, int reg, int index, int base)
{
    static const uint8_t escape[][2] = {{0, 0}, {0x0f, 0}, {0x0f, 0x38}, {0x0f, 0x3a}};
    uint8_t rex = (uint8_t)(op->w << 3 | (reg >= 8) << 2 | (index >= 8) << 1 | (base >= 8));
    if (op->no_rex && (rex || op->force_rex))
        return false;
    for (unsigned i = 0; i < sizeof(op->prefix) && op->prefix[i]; i++)
        emit8(e, op->prefix[i]);
    if (rex || op->force_rex)
        emit8(e, 0x40 | rex);
    for (unsigned i = 0; i < 2 && escape[op->map][i]; i++)
        emit8(e, escape[op->map][i]);
    emit8(e, op->opcode);
    return true;
}

static void emit_modrm(struct emitter *e, unsigned mod, int reg, int rm)
{
    emit8(e, (uint8_t)(mod << 6 | (reg & 7) << 3 | (rm & 7)));
}

bool emit_reg(struct emitter *e, struct host_op op, int reg, int rm)
{
    if (!emit_head(e, &op, reg, 0, rm))
        return false;
    emit_modrm(e, 3, reg, rm);
    return true;
}

bool emit_mem(struct emitter *e, struct host_op op, int reg, struct host_mem m)
{
    if (!emit_head(e, &op, reg, m.index, m.base))
        return false;
    /* Without a base: a SIB with base 101 and 32 bits of displacement. RBP and R13 as base always need one. */
    unsigned mod = m.base == NO_REG ? 0 : !m.disp && (m.base & 7) != HOST_RBP ? 0 : m.disp == (int8_t)m.disp ? 1 : 2;
    if (m.base != NO_REG && m.index == NO_REG && (m.base & 7) != HOST_RSP) {
        emit_modrm(e, mod, reg, m.base);
    } else {
        emit_modrm(e, mod, reg, HOST_RSP); /* 100: a SIB byte follows; in it, 100 is "no index" */
        int index = m.index == NO_REG ? HOST_RSP : m.index & 7, base = m.base == NO_REG ? HOST_RBP : m.base & 7;
        emit8(e, (uint8_t)(m.scale << 6 | (unsigned)index << 3 | (unsigned)base));
    }
    if (mod == 1)
        emit8(e, (uint8_t)m.disp);
    else if (mod == 2 || m.base == NO_REG)
        emit32(e, (uint32_t)m.disp);
    return true;
}

/* ---- what the translator needs most ---- */

#define OP64(code) ((struct host_op){.opcode = (code), .w = true})

void emit_mov(struct emitter *e, int to, int from)
{
    if (to != from)
        (void)emit_reg(e, OP64(0x89), from, to);
}
void emit_load(struct emitter *e, int to, struct host_mem m)
{
    (void)emit_mem(e, OP64(0x8b), to, m);
}
void emit_store(struct emitter *e, struct host_mem m, int from)
{
    (void)emit_mem(e, OP64(0x89), from, m);
}
void emit_lea(struct emitter *e, int to, struct host_mem m)
{
    (void)emit_mem(e, OP64(0x8d), to, m);
}

/* MOV of a 64-bit constant. */
static void emit_wide(struct emitter *e, int to, uint64_t value)
{
    emit8(e, (uint8_t)(0x48 | (to >= 8)));
    emit8(e, (uint8_t)(0xb8 | (to & 7)));
    emit64(e, value);
}
void emit_constant(struct emitter *e, int to, uint64_t value)
{
    if (value == (uint64_t)(int32_t)value) {
        (void)emit_reg(e, OP64(0xc7), 0, to);
        emit32(e, (uint32_t)value);
        return;
    }
    emit_wide(e, to, value);
}
void emit_pointer(struct emitter *e, int to, const void *target)
{
    emit_wide(e, to, (uintptr_t)target); /* 64 bits, whatever the value: the next one may be larger */
    record(e, e->at - 8, target, false);
}

void emit_alu(struct emitter *e, enum alu alu, int to, int from)
{
    (void)emit_reg(e, OP64((uint8_t)(alu << 3 | 3)), to, from);
}
void emit_alu_mem(struct emitter *e, enum alu alu, int to, struct host_mem m)
{
    (void)emit_mem(e, OP64((uint8_t)(alu << 3 | 3)), to, m);
}
void emit_alu_constant(struct emitter *e, enum alu alu, int to, int32_t value)
{
    bool small = value == (int8_t)value;
    (void)emit_reg(e, OP64(small ? 0x83 : 0x81), (int)alu, to);
    if (small)
        emit8(e, (uint8_t)value);
    else
        emit32(e, (uint32_t)value);
}
void emit_shift(struct emitter *e, enum shift kind, int reg, unsigned count)
{
    (void)emit_reg(e, OP64(0xc1), (int)kind, reg);
    emit8(e, (uint8_t)count);
}

uint8_t *emit_lea_code(struct emitter *e, int to)
{
    emit8(e, (uint8_t)(0x48 | (to >= 8) << 2));
    emit8(e, 0x8d);
    emit_modrm(e, 0, to, HOST_RBP); /* 101 without a displacement size: RIP-relative */
    uint8_t *at = e->at;
    emit32(e, 0);
    return at;
}
void emit_byte(struct emitter *e, enum alu alu, int reg, uint8_t value)
{
    (void)emit_reg(e, (struct host_op){.opcode = 0x80, .force_rex = true}, (int)alu, reg);
    emit8(e, value);
}

/* ---- jumps: always with 32-bit distances, so that they can be set again ---- */

uint8_t *emit_jump(struct emitter *e, unsigned condition)
{
    if (condition == ALWAYS) {
        emit8(e, 0xe9);
    } else {
        emit8(e, 0x0f);
        emit8(e, (uint8_t)(0x80 | condition));
    }
    uint8_t *at = e->at;
    emit32(e, 0);
    return at;
}
uint8_t *emit_call(struct emitter *e)
{
    emit8(e, 0xe8);
    uint8_t *at = e->at;
    emit32(e, 0);
    return at;
}
void emit_push_return(struct emitter *e, struct host_mem m)
{
    (void)emit_mem(e, (struct host_op){.opcode = 0xff}, 6, m);
    emit8(e, 0xc3);
}
void emit_patch(uint8_t *jump, const void *target)
{
    int32_t distance = (int32_t)((const uint8_t *)target - (jump + 4));
    memcpy(jump, &distance, 4);
}
void emit_jump_to(struct emitter *e, unsigned condition, const void *target)
{
    uint8_t *jump = emit_jump(e, condition);
    if (jump + 4 > e->end)
        return;
    emit_patch(jump, target);
    record(e, jump, target, true);
}
void emit_jump_register(struct emitter *e, int reg)
{
    (void)emit_reg(e, (struct host_op){.opcode = 0xff}, 4, reg);
}
void emit_jump_mem(struct emitter *e, struct host_mem m)
{
    (void)emit_mem(e, (struct host_op){.opcode = 0xff}, 4, m);
}

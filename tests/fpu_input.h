/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fpu_input.h - what test_sse_x87.c tries: forms of instructions, and states to execute them from.
 *
 * A form is a mnemonic and the kinds of its operands; encode() makes an instruction of it, with random registers.
 * States are random, from pools of numbers that are likely to make trouble.
 */
#ifndef VIRTLAB_FPU_INPUT_H
#define VIRTLAB_FPU_INPUT_H

#include "fpu_rig.h"
#include <Zydis/Zydis.h>

enum kind {
    K_NONE,
    K_XMM,
    K_XMM0,
    K_MMX,
    K_R1,
    K_R2,
    K_R4,
    K_R8,
    K_IMM,
    K_ST0,
    K_STI,
    K_MEM
}; /* K_MEM + bytes index */
static const uint16_t mem_bytes[] = {1, 2, 4, 8, 10, 14, 16, 28, 64, 94, 108, 512};
enum { K_END = K_MEM + ARRAY_SIZE(mem_bytes) };

struct form {
    ZydisMnemonic mnemonic;
    unsigned operands;
    uint8_t kind[3];
};

static uint64_t seed = 88172645463325252u;
static uint64_t random64(void) /* xorshift64* */
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * UINT64_C(2685821657736338717);
}
static unsigned below(unsigned n)
{
    return (unsigned)(random64() >> 33) % n;
}

static ZydisRegister random_register(enum kind kind)
{
    static const uint8_t general[] = {RAX, RCX, RDX, RBX, R8, R9, R10, R15}; /* not those that hold addresses */
    unsigned r = general[below(ARRAY_SIZE(general))];
    switch (kind) {
    case K_XMM: return (ZydisRegister)(ZYDIS_REGISTER_XMM0 + (int)below(16));
    case K_XMM0: return ZYDIS_REGISTER_XMM0;
    case K_MMX: return (ZydisRegister)(ZYDIS_REGISTER_MM0 + (int)below(8));
    case K_R1: return ZydisRegisterEncode(ZYDIS_REGCLASS_GPR8, (ZyanU8)(r < 4 ? r : r + 4));
    case K_R2: return ZydisRegisterEncode(ZYDIS_REGCLASS_GPR16, (ZyanU8)r);
    case K_R4: return ZydisRegisterEncode(ZYDIS_REGCLASS_GPR32, (ZyanU8)r);
    case K_R8: return ZydisRegisterEncode(ZYDIS_REGCLASS_GPR64, (ZyanU8)r);
    case K_ST0: return ZYDIS_REGISTER_ST0;
    default: return (ZydisRegister)(ZYDIS_REGISTER_ST0 + (int)below(8));
    }
}

/* Memory is at [RSI + FPU_OPERAND]; MASKMOVDQU's at [RDI]. */
static size_t encode(const struct form *f, uint8_t *bytes)
{
    ZydisEncoderRequest request;
    memset(&request, 0, sizeof(request));
    request.machine_mode = ZYDIS_MACHINE_MODE_LONG_64;
    request.mnemonic = f->mnemonic;
    request.operand_count = (ZyanU8)f->operands;
    for (unsigned i = 0; i < f->operands; i++) {
        ZydisEncoderOperand *o = &request.operands[i];
        if (f->kind[i] == K_IMM) {
            o->type = ZYDIS_OPERAND_TYPE_IMMEDIATE;
            o->imm.u = below(2) ? below(256) : below(16);
        } else if (f->kind[i] >= K_MEM) {
            o->type = ZYDIS_OPERAND_TYPE_MEMORY;
            o->mem.base = ZYDIS_REGISTER_RSI;
            o->mem.displacement = FPU_OPERAND;
            o->mem.size = mem_bytes[f->kind[i] - K_MEM];
        } else {
            o->type = ZYDIS_OPERAND_TYPE_REGISTER;
            o->reg.value = random_register((enum kind)f->kind[i]);
        }
    }
    ZyanUSize length = ZYDIS_MAX_INSTRUCTION_LENGTH;
    return ZYAN_SUCCESS(ZydisEncoderEncodeInstruction(&request, bytes, &length)) ? length : 0;
}

static const char *form_text(const struct form *f)
{
    static const char *const names[] = {"", "xmm", "xmm0", "mm", "r8", "r16", "r32", "r64", "imm8", "st0", "sti"};
    static char text[80];
    int at = snprintf(text, sizeof(text), "%s", ZydisMnemonicGetString(f->mnemonic));
    for (unsigned i = 0; i < f->operands; i++) {
        const char *comma = i ? "," : "";
        if (f->kind[i] >= K_MEM)
            at += snprintf(text + at, sizeof(text) - (size_t)at, "%s m%u", comma, mem_bytes[f->kind[i] - K_MEM] * 8u);
        else
            at += snprintf(text + at, sizeof(text) - (size_t)at, "%s %s", comma, names[f->kind[i]]);
    }
    return text;
}

/* ---- states ---- */

static const uint32_t singles[] = {0,          0x80000000, 1,          0x80000001, 0x007fffff, 0x00800000, 0x00800001,
                                   0x3f800000, 0xbf800000, 0x3f7fffff, 0x40000000, 0x4b800000, 0x4f000000, 0xcf000000,
                                   0x5f000000, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc12345,
                                   0x7f800001, 0xffa54321, 0x3eaaaaab, 0x40490fdb, 0x42c80000, 0x20000000, 0x1f800000};
static const uint64_t doubles[] = {0,
                                   0x8000000000000000,
                                   1,
                                   0x800fffffffffffff,
                                   0x0010000000000000,
                                   0x0010000000000001,
                                   0x3ff0000000000000,
                                   0xbff0000000000000,
                                   0x3fefffffffffffff,
                                   0x3fd5555555555555,
                                   0x400921fb54442d18,
                                   0x41dfffffffc00000,
                                   0xc1e0000000000000,
                                   0x41e0000000000000,
                                   0x43e0000000000000,
                                   0x7fefffffffffffff,
                                   0x7ff0000000000000,
                                   0xfff0000000000000,
                                   0x7ff8000000000000,
                                   0xfff8123456789abc,
                                   0x7ff0000000000001,
                                   0xfff4123456789abc,
                                   0x36a0000000000000,
                                   0x380fffffffffffff,
                                   0x47efffffffffffff,
                                   0x1ff0000000000000,
                                   0x4330000000000001};

static uint32_t random_single(void)
{
    return below(3) ? singles[below(ARRAY_SIZE(singles))] : (uint32_t)random64();
}
static uint64_t random_double(void)
{
    switch (below(4)) {
    case 0: return random64();
    case 1: return random_single() | (uint64_t)random_single() << 32;
    default: return doubles[below(ARRAY_SIZE(doubles))];
    }
}

/* 80 bits: a normal number of any or of moderate size, a special, or one of the forms that no FPU since the 387 makes.
 */
static void random_extended(uint8_t *to)
{
    static const uint16_t exponents[] = {0,      1,      2,      0x3f80, 0x3c00, 0x3fbf, 0x3ffe,
                                         0x3fff, 0x4000, 0x4003, 0x400e, 0x401e, 0x403e, 0x43fe,
                                         0x43ff, 0x407e, 0x407f, 0x7ffe, 0x7fff, 0x3bcd};
    static const uint64_t significands[] = {
        0x8000000000000000, 0xffffffffffffffff, 0xc000000000000000, 0, 0x8000000000000001,
        0xa000000000000000, 0xc90fdaa22168c235, 0x4000000000000000, 1, 0xffffff8000000000,
        0xfffffffffffffc00};
    uint16_t exponent = exponents[below(ARRAY_SIZE(exponents))];
    uint64_t significand = significands[below(ARRAY_SIZE(significands))];
    if (below(2))
        exponent = (uint16_t)(0x3fff - 70 + (int)below(140));
    if (below(2))
        significand = random64() | UINT64_C(1) << 63;
    if (!below(16))
        exponent = (uint16_t)random64() & 0x7fff;
    exponent |= (uint16_t)(below(2) << 15);
    memset(to, 0, 16);
    memcpy(to, &significand, 8);
    memcpy(to + 8, &exponent, 2);
}

/* One exception in `n` states is unmasked; bits 5:0 of the masks. */
static unsigned random_masks(unsigned n)
{
    return below(n) ? 0x3f : below(64);
}

static void random_x87(struct fxsave_image *fx)
{
    static const uint8_t precision[] = {0, 2, 3, 3};
    unsigned masks = random_masks(4), flags = below(4) ? 0 : below(64) & masks;
    if (!below(40))
        flags = below(64); /* perhaps an exception is pending */
    bool pending = flags & ~masks;
    unsigned top = below(8);
    fx->fcw = (uint16_t)(0x40 | masks | precision[below(4)] << 8 | below(4) << 10);
    fx->fsw = (uint16_t)(flags | (below(2) ? 0x4700 & random64() : 0) | top << 11 | (pending ? 0x8080 : 0));
    switch (below(8)) {
    case 0: fx->ftw = (uint8_t)random64(); break;
    case 1: fx->ftw = 0xff; break;
    default: fx->ftw = (uint8_t) ~(1 << ((top + 7) & 7)); break; /* all but the one that a push needs */
    }
    for (unsigned i = 0; i < 8; i++)
        random_extended(fx->st[i]);
}

static void random_memory(uint8_t *to, size_t bytes)
{
    for (size_t i = 0; i + 16 <= bytes; i += 16) {
        uint64_t pair[2] = {random_double(), random_double()};
        if (!below(4))
            pair[0] = (uint64_t)((int64_t)random64() >> below(64));
        memcpy(to + i, pair, 16);
        if (!below(3))
            random_extended(to + i);
    }
}

/* A few instructions read memory that isn't numbers. */
static void shape_memory(const struct form *f, struct fpu_context *c)
{
    uint64_t at = c->gpr[RSI] - (uint64_t)rig.context->memory + FPU_OPERAND;
    uint8_t *operand = c->memory + at;
    uint32_t mxcsr;
    if (at + sizeof(struct fxsave_image) > FPU_MEMORY)
        return;
    if (f->mnemonic == ZYDIS_MNEMONIC_LDMXCSR) {
        mxcsr = (uint32_t)random64() & (below(2) ? 0xffff : 0xfffdffff); /* bit 17 is AMD's own */
        memcpy(operand, &mxcsr, 4);
    } else if (f->mnemonic == ZYDIS_MNEMONIC_FBLD) {
        for (unsigned i = 0; i < 10; i++)
            operand[i] = (uint8_t)(below(10) << 4 | below(10));
    } else if (f->mnemonic == ZYDIS_MNEMONIC_FXRSTOR || f->mnemonic == ZYDIS_MNEMONIC_FXRSTOR64) {
        struct fxsave_image image = c->fx;
        random_x87(&image);
        image.mxcsr = (uint32_t)random64() & (below(4) ? 0xffff : 0xfffdffff);
        memcpy(operand, &image, sizeof(image));
    } else if (f->mnemonic == ZYDIS_MNEMONIC_PCMPESTRI || f->mnemonic == ZYDIS_MNEMONIC_PCMPESTRM) {
        c->gpr[RAX] = below(4) ? below(40) - UINT64_C(20) : random64();
        c->gpr[RDX] = below(4) ? below(40) - UINT64_C(20) : random64();
    }
}

static bool is_string_compare(ZydisMnemonic m)
{
    return m == ZYDIS_MNEMONIC_PCMPESTRI || m == ZYDIS_MNEMONIC_PCMPESTRM || m == ZYDIS_MNEMONIC_PCMPISTRI ||
           m == ZYDIS_MNEMONIC_PCMPISTRM;
}

static void random_context(const struct form *f, struct fpu_context *c)
{
    memset(c, 0, sizeof(*c));
    random_x87(&c->fx);
    c->fx.mxcsr = random_masks(4) << 7 | below(4) << 13 | (below(4) ? 0 : 0x8000) | (below(4) ? 0 : 0x40) |
                  (below(2) ? 0 : below(64));
    for (unsigned i = 0; i < 16; i++) {
        uint64_t pair[2] = {random_double(), random_double()};
        memcpy(c->fx.xmm[i], pair, 16);
        if (!below(4))
            memset(c->fx.xmm[i], 0, 8 * (1 + below(2)));
        for (unsigned k = 0; is_string_compare(f->mnemonic) && k < 16; k++)
            c->fx.xmm[i][k] = (uint8_t)(below(8) ? 'a' + below(4) : below(4) ? 0 : random64());
    }
    for (unsigned i = 0; i < GPR_COUNT; i++)
        c->gpr[i] = random64() >> below(64);
    random_memory(c->memory, sizeof(c->memory));
    for (unsigned k = 0; is_string_compare(f->mnemonic) && k < 16; k++)
        c->memory[FPU_OPERAND + k] = (uint8_t)(below(8) ? 'a' + below(4) : 0);
    c->rflags = RESERVED_FLAG | (random64() & FLAGS_STATUS);
    /* Operands are aligned, or not, or reach over the end of the memory, which is the end of a page. */
    c->gpr[RSI] = (uint64_t)rig.context->memory + (below(8) ? 0 : below(16));
    if (!below(16))
        c->gpr[RSI] = (uint64_t)rig.context->memory + FPU_MEMORY - FPU_OPERAND - below(17);
    c->gpr[RDI] = (uint64_t)rig.context->memory + FPU_OPERAND + below(16);
    shape_memory(f, c);
}

#endif

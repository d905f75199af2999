/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * operands.h - names for writing one handler for each operand width.
 *
 * A handler for 32-bit operands is the handler for 64-bit ones with another type. The families write it once, as a
 * macro over the width in bits, and instantiate it four times; FOR_WIDTHS and the accessors by width below are all
 * there is to it.
 */
#ifndef VIRTLAB_X86_OPERANDS_H
#define VIRTLAB_X86_OPERANDS_H

#include "x86/decode.h"
#include "x86/mem.h"

#define FOR_WIDTHS(M, ...) M(8, __VA_ARGS__) M(16, __VA_ARGS__) M(32, __VA_ARGS__) M(64, __VA_ARGS__)

/* Register reads by width are R8..R64 (insn.h); writes differ in one thing: 32-bit ones clear the upper half. */
#define W8(cpu, r, v)  (R8(cpu, r) = (uint8_t)(v))
#define W16(cpu, r, v) (R16(cpu, r) = (uint16_t)(v))
#define W32(cpu, r, v) (R64(cpu, r) = (uint32_t)(v))
#define W64(cpu, r, v) (R64(cpu, r) = (v))

/* A handler for each width, indexed by width_index(). */
struct by_width {
    insn_fn *fn[4];
};
#define BY_WIDTH(name)                            \
    {                                             \
        {                                         \
            name##8, name##16, name##32, name##64 \
        }                                         \
    }

static inline unsigned width_index(unsigned bytes)
{
    return (unsigned)__builtin_ctz(bytes | 16) & 3;
}

/* Sets the handler for in->opsize; false when the size is none of 1, 2, 4, 8. */
static inline bool use(struct insn *in, const struct by_width *handlers)
{
    if (!in->opsize || in->opsize > 8 || (in->opsize & (in->opsize - 1)))
        return false;
    in->fn = handlers->fn[width_index(in->opsize)];
    return true;
}

#endif

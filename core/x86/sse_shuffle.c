/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sse_shuffle.c - integer SSE and MMX with an immediate: shuffles, blends, byte shifts, single lanes in and out.
 *
 * The host's instructions want the immediate at compile time, so these are written out, each as a function of
 * destination, source and immediate that gives the new destination. Select functions are called from sse_int.c's table.
 */
#include "x86/sse.h"

/* ---- xmm = f(xmm, xmm/m128, imm8) ---- */

typedef xmm_t shuffle_fn(xmm_t d, xmm_t s, unsigned imm);

/*
 * Results are put together in registers and stored whole: a 16-byte load right behind stores of single lanes has to
 * wait for them to reach the cache.
 */
static inline uint64_t pair(uint32_t low, uint32_t high)
{
    return (uint64_t)high << 32 | low;
}

static inline xmm_t pshufd(xmm_t d, xmm_t s, unsigned imm)
{
    (void)d;
    return (xmm_t){
        .u64 = {pair(s.u32[imm & 3], s.u32[(imm >> 2) & 3]), pair(s.u32[(imm >> 4) & 3], s.u32[(imm >> 6) & 3])}};
}

static inline xmm_t shufps(xmm_t d, xmm_t s, unsigned imm)
{
    return (xmm_t){
        .u64 = {pair(d.u32[imm & 3], d.u32[(imm >> 2) & 3]), pair(s.u32[(imm >> 4) & 3], s.u32[(imm >> 6) & 3])}};
}

/* Four words of eight bytes. */
static inline uint64_t shuffle_words(uint64_t words, unsigned imm)
{
    uint64_t result = 0;
    for (unsigned i = 0; i < 4; i++)
        result |= (words >> 16 * (imm >> 2 * i & 3) & 0xffff) << 16 * i;
    return result;
}

static inline xmm_t pshuflw(xmm_t d, xmm_t s, unsigned imm)
{
    (void)d;
    return (xmm_t){.u64 = {shuffle_words(s.u64[0], imm), s.u64[1]}};
}

static inline xmm_t pshufhw(xmm_t d, xmm_t s, unsigned imm)
{
    (void)d;
    return (xmm_t){.u64 = {s.u64[0], shuffle_words(s.u64[1], imm)}};
}

static inline xmm_t shufpd(xmm_t d, xmm_t s, unsigned imm)
{
    return (xmm_t){.u64 = {d.u64[imm & 1], s.u64[(imm >> 1) & 1]}};
}

static inline xmm_t pblendw(xmm_t d, xmm_t s, unsigned imm)
{
    for (unsigned i = 0; i < 8; i++)
        d.u16[i] = imm >> i & 1 ? s.u16[i] : d.u16[i];
    return d;
}

static inline xmm_t blendps(xmm_t d, xmm_t s, unsigned imm)
{
    for (unsigned i = 0; i < 4; i++)
        d.u32[i] = imm >> i & 1 ? s.u32[i] : d.u32[i];
    return d;
}

static inline xmm_t blendpd(xmm_t d, xmm_t s, unsigned imm)
{
    for (unsigned i = 0; i < 2; i++)
        d.u64[i] = imm >> i & 1 ? s.u64[i] : d.u64[i];
    return d;
}

/* A shift of the whole register, by any number of bytes. */
typedef unsigned __int128 uint128_t;

static inline xmm_t shift_left(xmm_t v, unsigned bytes)
{
    uint128_t whole = (uint128_t)v.u64[1] << 64 | v.u64[0];
    whole = bytes < 16 ? whole << 8 * bytes : 0;
    return (xmm_t){.u64 = {(uint64_t)whole, (uint64_t)(whole >> 64)}};
}

static inline xmm_t shift_right(xmm_t v, unsigned bytes)
{
    uint128_t whole = (uint128_t)v.u64[1] << 64 | v.u64[0];
    whole = bytes < 16 ? whole >> 8 * bytes : 0;
    return (xmm_t){.u64 = {(uint64_t)whole, (uint64_t)(whole >> 64)}};
}

/* 16 bytes out of the 32 of d:s, from byte `imm` on. */
static inline xmm_t palignr(xmm_t d, xmm_t s, unsigned imm)
{
    xmm_t high = imm < 16 ? shift_left(d, 16 - imm) : shift_right(d, imm - 16), low = shift_right(s, imm);
    return (xmm_t){.u64 = {high.u64[0] | low.u64[0], high.u64[1] | low.u64[1]}};
}

/* Eight sums of absolute differences of four bytes: a sliding window of d against one block of s. */
static inline xmm_t mpsadbw(xmm_t d, xmm_t s, unsigned imm)
{
    xmm_t sums = {0};
    const uint8_t *window = d.u8 + (imm & 4), *block = s.u8 + (imm & 3) * 4;
    for (unsigned i = 0; i < 8; i++)
        for (unsigned k = 0; k < 4; k++)
            sums.u16[i] += (uint16_t)abs(window[i + k] - block[k]);
    return sums;
}

/* clang-format off */
#define SHUFFLES(X) \
    X(PSHUFD, pshufd) X(PSHUFLW, pshuflw) X(PSHUFHW, pshufhw) X(SHUFPS, shufps) X(SHUFPD, shufpd) \
    X(PBLENDW, pblendw) X(BLENDPS, blendps) X(BLENDPD, blendpd) X(PALIGNR, palignr) X(MPSADBW, mpsadbw)
/* clang-format on */

#define HANDLERS(NAME, host)                                                             \
    static const struct insn *xmm_##host(struct cpu *cpu, const struct insn *in)         \
    {                                                                                    \
        sse_ready(cpu, in);                                                              \
        cpu->xmm[in->reg] = host(cpu->xmm[in->reg], cpu->xmm[in->rm], (uint8_t)in->imm); \
        NEXT(cpu, in);                                                                   \
    }                                                                                    \
    static const struct insn *xmm_##host##_mem(struct cpu *cpu, const struct insn *in)   \
    {                                                                                    \
        sse_ready(cpu, in);                                                              \
        xmm_t s = ld128(cpu, in, sse_aligned(cpu, in, ACCESS_READ));                     \
        cpu->xmm[in->reg] = host(cpu->xmm[in->reg], s, (uint8_t)in->imm);                \
        NEXT(cpu, in);                                                                   \
    }
SHUFFLES(HANDLERS)

/* ---- byte shifts of a whole register ---- */

static const struct insn *pslldq(struct cpu *cpu, const struct insn *in)
{
    sse_ready(cpu, in);
    cpu->xmm[in->rm] = shift_left(cpu->xmm[in->rm], (uint8_t)in->imm);
    return in + 1;
}

static const struct insn *psrldq(struct cpu *cpu, const struct insn *in)
{
    sse_ready(cpu, in);
    cpu->xmm[in->rm] = shift_right(cpu->xmm[in->rm], (uint8_t)in->imm);
    return in + 1;
}

/* ---- MMX ---- */

static const struct insn *mmx_pshufw(struct cpu *cpu, const struct insn *in)
{
    mmx_ready(cpu, in);
    xmm_t s = {.u64 = {mmx_rm(cpu, in, 8)}};
    mmx_enter(cpu);
    mmx_write(cpu, in->reg, pshuflw(s, s, (uint8_t)in->imm).u64[0]);
    return in + 1;
}

static const struct insn *mmx_palignr(struct cpu *cpu, const struct insn *in)
{
    mmx_ready(cpu, in);
    xmm_t both = {.u64 = {mmx_rm(cpu, in, 8), mmx_read(cpu, in->reg)}};
    mmx_enter(cpu);
    mmx_write(cpu, in->reg, palignr((xmm_t){0}, both, (uint8_t)in->imm).u64[0]);
    return in + 1;
}

bool select_shuffle(const struct decoded *d, struct insn *in)
{
#define CASE(NAME, host) \
    case ZYDIS_MNEMONIC_##NAME: return sse_choose(d, in, &(struct sse_forms){xmm_##host, xmm_##host##_mem, NULL, NULL});
    if (d->z.mnemonic == ZYDIS_MNEMONIC_PALIGNR && is_mmx(d, 0))
        return handled_by(in, mmx_palignr);
    switch (d->z.mnemonic) {
        SHUFFLES(CASE)
    case ZYDIS_MNEMONIC_PSHUFW: return handled_by(in, mmx_pshufw);
    case ZYDIS_MNEMONIC_PSLLDQ: return handled_by(in, pslldq);
    case ZYDIS_MNEMONIC_PSRLDQ: return handled_by(in, psrldq);
    default: return false;
    }
}

/* ---- single lanes: PINSRx, PEXTRx, EXTRACTPS, INSERTPS; in->op is the lane's size ---- */

static inline void lane_get(const void *vector, unsigned lane, unsigned size, uint64_t *value)
{
    *value = 0;
    memcpy(value, (const uint8_t *)vector + lane * size, size);
}

static const struct insn *pinsr(struct cpu *cpu, const struct insn *in)
{
    sse_ready(cpu, in);
    unsigned size = in->op, lane = in->imm & (16 / size - 1);
    uint64_t value;
    if (in->flags & INSN_MEM)
        value = mem_load(cpu, in, operand_address(cpu, in, size, ACCESS_READ), size);
    else
        value = R64(cpu, in->rm);
    memcpy(&cpu->xmm[in->reg].u8[lane * size], &value, size);
    return in + 1;
}

/* The forms whose destination is the r/m operand. */
static const struct insn *pextr(struct cpu *cpu, const struct insn *in)
{
    sse_ready(cpu, in);
    unsigned size = in->op, lane = in->imm & (16 / size - 1);
    uint64_t value;
    lane_get(&cpu->xmm[in->reg], lane, size, &value);
    if (in->flags & INSN_MEM)
        mem_store(cpu, in, operand_address(cpu, in, size, ACCESS_WRITE), size, value);
    else
        R64(cpu, in->rm) = value;
    return in + 1;
}

/* The old form of PEXTRW: to a general register in ModRM.reg. */
static const struct insn *pextrw_reg(struct cpu *cpu, const struct insn *in)
{
    sse_ready(cpu, in);
    R64(cpu, in->reg) = cpu->xmm[in->rm].u16[in->imm & 7];
    return in + 1;
}

static const struct insn *insertps(struct cpu *cpu, const struct insn *in)
{
    sse_ready(cpu, in);
    uint32_t value;
    if (in->flags & INSN_MEM)
        value = ld32(cpu, in, operand_address(cpu, in, 4, ACCESS_READ));
    else
        value = cpu->xmm[in->rm].u32[(in->imm >> 6) & 3];
    xmm_t *d = &cpu->xmm[in->reg];
    d->u32[(in->imm >> 4) & 3] = value;
    *d = blendps(*d, (xmm_t){0}, in->imm & 15);
    return in + 1;
}

static const struct insn *mmx_pinsrw(struct cpu *cpu, const struct insn *in)
{
    mmx_ready(cpu, in);
    xmm_t d = {.u64 = {mmx_read(cpu, in->reg)}};
    if (in->flags & INSN_MEM)
        d.u16[in->imm & 3] = ld16(cpu, in, operand_address(cpu, in, 2, ACCESS_READ));
    else
        d.u16[in->imm & 3] = R16(cpu, in->rm);
    mmx_enter(cpu);
    mmx_write(cpu, in->reg, d.u64[0]);
    return in + 1;
}

static const struct insn *mmx_pextrw(struct cpu *cpu, const struct insn *in)
{
    mmx_ready(cpu, in);
    xmm_t s = {.u64 = {mmx_read(cpu, in->rm)}};
    mmx_enter(cpu);
    R64(cpu, in->reg) = s.u16[in->imm & 3];
    return in + 1;
}

bool select_lane(const struct decoded *d, struct insn *in)
{
    in->op = (uint8_t)d->arg;
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_INSERTPS: return handled_by(in, insertps);
    case ZYDIS_MNEMONIC_PINSRW: return handled_by(in, is_mmx(d, 0) ? mmx_pinsrw : pinsr);
    case ZYDIS_MNEMONIC_PEXTRW:
        if (is_mmx(d, 1))
            return handled_by(in, mmx_pextrw);
        return handled_by(in, d->operand[1].encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM ? pextrw_reg : pextr);
    case ZYDIS_MNEMONIC_PINSRB:
    case ZYDIS_MNEMONIC_PINSRD:
    case ZYDIS_MNEMONIC_PINSRQ: return handled_by(in, pinsr);
    default: return handled_by(in, pextr);
    }
}

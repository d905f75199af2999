/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sse_move.c - moves of XMM registers, and the table of all moves.
 *
 * Each handler is one move of one size between one kind of operands. Non-temporal moves are moves: the software CPU
 * keeps program order and caches nothing that a guest could see.
 *
 * Read next: sse_move_mmx.c, with the moves of MMX registers, masked stores and fences.
 */
#include "x86/sse.h"

/* ---- 16 bytes ---- */

/* xmm, xmm; which of the two is the destination depends on the opcode. */
HANDLER(move128)
{
    sse_ready(cpu, in);
    XMM(cpu, in->reg) = XMM(cpu, in->rm);
    NEXT(cpu, in);
}
HANDLER(move128_back)
{
    sse_ready(cpu, in);
    XMM(cpu, in->rm) = XMM(cpu, in->reg);
    NEXT(cpu, in);
}
HANDLER(load128)
{
    sse_ready(cpu, in);
    cpu->xmm[in->reg] = ld128(cpu, in, operand_address(cpu, in, 16, ACCESS_READ));
    NEXT(cpu, in);
}
HANDLER(load128_aligned)
{
    sse_ready(cpu, in);
    cpu->xmm[in->reg] = ld128(cpu, in, sse_aligned(cpu, in, ACCESS_READ));
    NEXT(cpu, in);
}
HANDLER(store128)
{
    sse_ready(cpu, in);
    st128(cpu, in, operand_address(cpu, in, 16, ACCESS_WRITE), cpu->xmm[in->reg]);
    NEXT(cpu, in);
}
HANDLER(store128_aligned)
{
    sse_ready(cpu, in);
    st128(cpu, in, sse_aligned(cpu, in, ACCESS_WRITE), cpu->xmm[in->reg]);
    NEXT(cpu, in);
}

enum { UNALIGNED, ALIGNED };
static bool select_128(const struct decoded *d, struct insn *in)
{
    bool aligned = d->arg == ALIGNED;
    if (!(in->flags & INSN_MEM))
        in->fn = to_rm(d) ? move128_back : move128;
    else if (to_rm(d))
        in->fn = aligned ? store128_aligned : store128;
    else
        in->fn = aligned ? load128_aligned : load128;
    return true;
}

/* ---- scalars and halves. A load of a scalar clears the rest of the register, a move between registers keeps it. ----
 */

HANDLER(load32)
{
    sse_ready(cpu, in);
    uint32_t value = ld32(cpu, in, operand_address(cpu, in, 4, ACCESS_READ));
    XMM(cpu, in->reg) = _mm_cvtsi32_si128((int)value);
    NEXT(cpu, in);
}
HANDLER(load64)
{
    sse_ready(cpu, in);
    uint64_t value = ld64(cpu, in, operand_address(cpu, in, 8, ACCESS_READ));
    XMM(cpu, in->reg) = _mm_cvtsi64_si128((long long)value);
    NEXT(cpu, in);
}
HANDLER(store32)
{
    sse_ready(cpu, in);
    st32(cpu, in, operand_address(cpu, in, 4, ACCESS_WRITE), cpu->xmm[in->reg].u32[0]);
    NEXT(cpu, in);
}
HANDLER(store64)
{
    sse_ready(cpu, in);
    st64(cpu, in, operand_address(cpu, in, 8, ACCESS_WRITE), cpu->xmm[in->reg].u64[0]);
    NEXT(cpu, in);
}
/*
 * d with the low half of s in its low or high half. The register is then stored whole: a 16-byte load right behind a
 * store of one half would have to wait for it to reach the cache.
 */
static inline __m128i with_low(__m128i d, __m128i s)
{
    return _mm_unpacklo_epi64(s, _mm_unpackhi_epi64(d, d));
}
static inline __m128i with_high(__m128i d, __m128i s)
{
    return _mm_unpacklo_epi64(d, s);
}

HANDLER(load_low)
{
    sse_ready(cpu, in);
    uint64_t value = ld64(cpu, in, operand_address(cpu, in, 8, ACCESS_READ));
    XMM(cpu, in->reg) = with_low(XMM(cpu, in->reg), _mm_cvtsi64_si128((long long)value));
    NEXT(cpu, in);
}
HANDLER(load_high)
{
    sse_ready(cpu, in);
    uint64_t value = ld64(cpu, in, operand_address(cpu, in, 8, ACCESS_READ));
    XMM(cpu, in->reg) = with_high(XMM(cpu, in->reg), _mm_cvtsi64_si128((long long)value));
    NEXT(cpu, in);
}
HANDLER(store_high)
{
    sse_ready(cpu, in);
    st64(cpu, in, operand_address(cpu, in, 8, ACCESS_WRITE), cpu->xmm[in->reg].u64[1]);
    NEXT(cpu, in);
}

/* Between registers. */
#define MOVE_SCALAR(name, host, d, s)                             \
    HANDLER(name)                                                 \
    {                                                             \
        sse_ready(cpu, in);                                       \
        __m128i value = XMM(cpu, in->d);                          \
        asm(host " %1, %0" : "+x"(value) : "x"(XMM(cpu, in->s))); \
        XMM(cpu, in->d) = value;                                  \
        NEXT(cpu, in);                                            \
    }
MOVE_SCALAR(move32, "movss", reg, rm)
MOVE_SCALAR(move32_back, "movss", rm, reg)
MOVE_SCALAR(move64, "movsd", reg, rm)
MOVE_SCALAR(move64_back, "movsd", rm, reg)
MOVE_SCALAR(movhlps, "movhlps", reg, rm)
MOVE_SCALAR(movlhps, "movlhps", reg, rm)

static bool select_scalar(const struct decoded *d, struct insn *in)
{
    if (!is_xmm(d, 0) && !is_xmm(d, 1))
        return false; /* the string instruction MOVSD */
    bool mem = in->flags & INSN_MEM, wide = d->z.mnemonic == ZYDIS_MNEMONIC_MOVSD;
    if (mem)
        in->fn = to_rm(d) ? (wide ? store64 : store32) : (wide ? load64 : load32);
    else
        in->fn = to_rm(d) ? (wide ? move64_back : move32_back) : (wide ? move64 : move32);
    return true;
}

enum { LOW, HIGH };
static bool select_half(const struct decoded *d, struct insn *in)
{
    if (!(in->flags & INSN_MEM))
        in->fn = d->arg == LOW ? movhlps : movlhps; /* the register forms of the same opcodes */
    else if (to_rm(d))
        in->fn = d->arg == LOW ? store64 : store_high;
    else
        in->fn = d->arg == LOW ? load_low : load_high;
    return true;
}

/* ---- MOVD, MOVQ: between XMM or MMX and general registers or memory ---- */

HANDLER(xmm_from_gpr32)
{
    sse_ready(cpu, in);
    XMM(cpu, in->reg) = _mm_cvtsi32_si128((int)R32(cpu, in->rm));
    NEXT(cpu, in);
}
HANDLER(xmm_from_gpr64)
{
    sse_ready(cpu, in);
    XMM(cpu, in->reg) = _mm_cvtsi64_si128((long long)R64(cpu, in->rm));
    NEXT(cpu, in);
}
HANDLER(gpr32_from_xmm)
{
    sse_ready(cpu, in);
    R64(cpu, in->rm) = cpu->xmm[in->reg].u32[0];
    NEXT(cpu, in);
}
HANDLER(gpr64_from_xmm)
{
    sse_ready(cpu, in);
    R64(cpu, in->rm) = cpu->xmm[in->reg].u64[0];
    NEXT(cpu, in);
}
/* MOVQ xmm, xmm clears the upper half. */
HANDLER(movq_xmm)
{
    sse_ready(cpu, in);
    XMM(cpu, in->reg) = _mm_move_epi64(XMM(cpu, in->rm));
    NEXT(cpu, in);
}
HANDLER(movq_xmm_back)
{
    sse_ready(cpu, in);
    XMM(cpu, in->rm) = _mm_move_epi64(XMM(cpu, in->reg));
    NEXT(cpu, in);
}

static bool select_movd_movq(const struct decoded *d, struct insn *in)
{
    if (is_mmx(d, 0) || is_mmx(d, 1))
        return select_mmx_move(d, in);
    bool both = is_xmm(d, 0) && is_xmm(d, 1), load = is_xmm(d, 0);
    bool wide = operand_bytes(d, load ? 1 : 0) == 8;
    if (both)
        in->fn = to_rm(d) ? movq_xmm_back : movq_xmm;
    else if (in->flags & INSN_MEM)
        in->fn = load ? (wide ? load64 : load32) : (wide ? store64 : store32);
    else
        in->fn = load ? (wide ? xmm_from_gpr64 : xmm_from_gpr32) : (wide ? gpr64_from_xmm : gpr32_from_xmm);
    return true;
}

/* ---- masks of signs to a general register ---- */

#define SIGN_MASK(host)                                            \
    HANDLER(host)                                                  \
    {                                                              \
        sse_ready(cpu, in);                                        \
        uint32_t mask;                                             \
        asm(#host " %1, %0" : "=r"(mask) : "x"(XMM(cpu, in->rm))); \
        R64(cpu, in->reg) = mask;                                  \
        NEXT(cpu, in);                                             \
    }
SIGN_MASK(pmovmskb)
SIGN_MASK(movmskps)
SIGN_MASK(movmskpd)
HANDLER(mmx_pmovmskb)
{
    mmx_ready(cpu, in);
    mmx_enter(cpu);
    R64(cpu, in->reg) = (unsigned)_mm_movemask_epi8(_mm_cvtsi64_si128((long long)mmx_read(cpu, in->rm)));
    return in + 1;
}

static bool select_sign_mask(const struct decoded *d, struct insn *in)
{
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_MOVMSKPS: return handled_by(in, movmskps);
    case ZYDIS_MNEMONIC_MOVMSKPD: return handled_by(in, movmskpd);
    default: return handled_by(in, is_mmx(d, 1) ? mmx_pmovmskb : pmovmskb);
    }
}

const struct family_row family_sse_move[] = {
    {ZYDIS_MNEMONIC_MOVAPS, select_128, ALIGNED},
    {ZYDIS_MNEMONIC_MOVAPD, select_128, ALIGNED},
    {ZYDIS_MNEMONIC_MOVDQA, select_128, ALIGNED},
    {ZYDIS_MNEMONIC_MOVNTPS, select_128, ALIGNED},
    {ZYDIS_MNEMONIC_MOVNTPD, select_128, ALIGNED},
    {ZYDIS_MNEMONIC_MOVNTDQ, select_128, ALIGNED},
    {ZYDIS_MNEMONIC_MOVNTDQA, select_128, ALIGNED},
    {ZYDIS_MNEMONIC_MOVUPS, select_128, UNALIGNED},
    {ZYDIS_MNEMONIC_MOVUPD, select_128, UNALIGNED},
    {ZYDIS_MNEMONIC_MOVDQU, select_128, UNALIGNED},
    {ZYDIS_MNEMONIC_LDDQU, select_128, UNALIGNED},
    {ZYDIS_MNEMONIC_MOVSS, select_scalar, 0},
    {ZYDIS_MNEMONIC_MOVSD, select_scalar, 0},
    {ZYDIS_MNEMONIC_MOVLPS, select_half, LOW},
    {ZYDIS_MNEMONIC_MOVLPD, select_half, LOW},
    {ZYDIS_MNEMONIC_MOVHLPS, select_half, LOW},
    {ZYDIS_MNEMONIC_MOVHPS, select_half, HIGH},
    {ZYDIS_MNEMONIC_MOVHPD, select_half, HIGH},
    {ZYDIS_MNEMONIC_MOVLHPS, select_half, HIGH},
    {ZYDIS_MNEMONIC_MOVD, select_movd_movq, 0},
    {ZYDIS_MNEMONIC_MOVQ, select_movd_movq, 0},
    {ZYDIS_MNEMONIC_MOVNTQ, select_mmx_move, 0},
    {ZYDIS_MNEMONIC_MOVQ2DQ, select_other, 0},
    {ZYDIS_MNEMONIC_MOVDQ2Q, select_other, 0},
    {ZYDIS_MNEMONIC_PMOVMSKB, select_sign_mask, 0},
    {ZYDIS_MNEMONIC_MOVMSKPS, select_sign_mask, 0},
    {ZYDIS_MNEMONIC_MOVMSKPD, select_sign_mask, 0},
    {ZYDIS_MNEMONIC_MOVNTI, select_movnti, 0},
    {ZYDIS_MNEMONIC_MASKMOVDQU, select_masked, 0},
    {ZYDIS_MNEMONIC_MASKMOVQ, select_masked, 0},
    {ZYDIS_MNEMONIC_LDMXCSR, select_mxcsr, 0},
    {ZYDIS_MNEMONIC_STMXCSR, select_mxcsr, 0},
    {ZYDIS_MNEMONIC_CLFLUSH, select_other, 0},
    {ZYDIS_MNEMONIC_EMMS, select_other, 0},
    {ZYDIS_MNEMONIC_LFENCE, select_other, 0},
    {ZYDIS_MNEMONIC_MFENCE, select_other, 0},
    {ZYDIS_MNEMONIC_SFENCE, select_other, 0},
    {ZYDIS_MNEMONIC_PAUSE, select_other, 0},
    {ZYDIS_MNEMONIC_PREFETCH, select_other, 0},
    {ZYDIS_MNEMONIC_PREFETCHW, select_other, 0},
    {ZYDIS_MNEMONIC_PREFETCHNTA, select_other, 0},
    {ZYDIS_MNEMONIC_PREFETCHT0, select_other, 0},
    {ZYDIS_MNEMONIC_PREFETCHT1, select_other, 0},
    {ZYDIS_MNEMONIC_PREFETCHT2, select_other, 0},
    {0, NULL, 0},
};

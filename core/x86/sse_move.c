/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sse_move.c - SSE and MMX moves, and what goes with them: non-temporal stores, prefetches, fences, EMMS.
 *
 * The software CPU keeps program order and caches nothing that a guest could see, so non-temporal moves are moves, and
 * fences and prefetches do nothing. Each handler is one move of one size between one kind of operands.
 */
#include "x86/sse.h"

#define HANDLER(name) static const struct insn *name(struct cpu *cpu, const struct insn *in)

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

/* A register destination that isn't ModRM.reg's is ModRM.rm's. */
static bool to_rm(const struct decoded *d)
{
    return is_mem(d, 0) || d->operand[0].encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM;
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
HANDLER(load_low)
{
    sse_ready(cpu, in);
    cpu->xmm[in->reg].u64[0] = ld64(cpu, in, operand_address(cpu, in, 8, ACCESS_READ));
    NEXT(cpu, in);
}
HANDLER(load_high)
{
    sse_ready(cpu, in);
    cpu->xmm[in->reg].u64[1] = ld64(cpu, in, operand_address(cpu, in, 8, ACCESS_READ));
    NEXT(cpu, in);
}
HANDLER(store_high)
{
    sse_ready(cpu, in);
    st64(cpu, in, operand_address(cpu, in, 8, ACCESS_WRITE), cpu->xmm[in->reg].u64[1]);
    NEXT(cpu, in);
}

/* Between registers: lane of the destination = lane of the source. */
#define MOVE_LANE(name, lane, to, d, s)                      \
    HANDLER(name)                                            \
    {                                                        \
        sse_ready(cpu, in);                                  \
        cpu->xmm[in->d].lane[to] = cpu->xmm[in->s].lane[to]; \
        NEXT(cpu, in);                                       \
    }
MOVE_LANE(move32, u32, 0, reg, rm)
MOVE_LANE(move32_back, u32, 0, rm, reg)
MOVE_LANE(move64, u64, 0, reg, rm)
MOVE_LANE(move64_back, u64, 0, rm, reg)
HANDLER(movhlps)
{
    sse_ready(cpu, in);
    cpu->xmm[in->reg].u64[0] = cpu->xmm[in->rm].u64[1];
    NEXT(cpu, in);
}
HANDLER(movlhps)
{
    sse_ready(cpu, in);
    cpu->xmm[in->reg].u64[1] = cpu->xmm[in->rm].u64[0];
    NEXT(cpu, in);
}

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

/* MMX: in->op is the size, 4 or 8. */
HANDLER(mmx_load)
{
    mmx_ready(cpu, in);
    uint64_t value = mem_load(cpu, in, operand_address(cpu, in, in->op, ACCESS_READ), in->op);
    mmx_enter(cpu);
    mmx_write(cpu, in->reg, value);
    return in + 1;
}
HANDLER(mmx_store)
{
    mmx_ready(cpu, in);
    mem_store(cpu, in, operand_address(cpu, in, in->op, ACCESS_WRITE), in->op, mmx_read(cpu, in->reg));
    mmx_enter(cpu);
    return in + 1;
}
HANDLER(mmx_from_gpr)
{
    mmx_ready(cpu, in);
    mmx_enter(cpu);
    mmx_write(cpu, in->reg, reg_read(cpu, in->rm, in->op));
    return in + 1;
}
HANDLER(gpr_from_mmx)
{
    mmx_ready(cpu, in);
    mmx_enter(cpu);
    reg_write(cpu, in->rm, in->op, mmx_read(cpu, in->reg));
    return in + 1;
}
HANDLER(movq_mmx)
{
    mmx_ready(cpu, in);
    mmx_enter(cpu);
    mmx_write(cpu, in->reg, mmx_read(cpu, in->rm));
    return in + 1;
}
HANDLER(movq_mmx_back)
{
    mmx_ready(cpu, in);
    mmx_enter(cpu);
    mmx_write(cpu, in->rm, mmx_read(cpu, in->reg));
    return in + 1;
}

static bool select_mmx_move(const struct decoded *d, struct insn *in)
{
    unsigned other = is_mmx(d, 0) ? 1 : 0;
    in->op = (uint8_t)operand_bytes(d, other);
    if (is_mmx(d, 0) && is_mmx(d, 1))
        in->fn = to_rm(d) ? movq_mmx_back : movq_mmx;
    else if (in->flags & INSN_MEM)
        in->fn = other ? mmx_load : mmx_store;
    else
        in->fn = other ? mmx_from_gpr : gpr_from_mmx;
    return true;
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

HANDLER(movq2dq)
{
    sse_ready(cpu, in);
    mmx_ready(cpu, in);
    mmx_enter(cpu);
    cpu->xmm[in->reg] = (xmm_t){.u64 = {mmx_read(cpu, in->rm)}};
    return in + 1;
}
HANDLER(movdq2q)
{
    sse_ready(cpu, in);
    mmx_ready(cpu, in);
    mmx_enter(cpu);
    mmx_write(cpu, in->reg, cpu->xmm[in->rm].u64[0]);
    return in + 1;
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

/* ---- stores: non-temporal of a general register, and of selected bytes ---- */

HANDLER(movnti) /* needs no SSE state */
{
    mem_store(cpu, in, operand_address(cpu, in, in->op, ACCESS_WRITE), in->op, R64(cpu, in->reg));
    return in + 1;
}

/*
 * MASKMOVDQU and MASKMOVQ store the bytes whose mask byte has its sign set to [rDI], one by one: all pages are probed
 * before the first is stored. With no byte selected nothing is accessed.
 */
static void store_masked(struct cpu *cpu, const struct insn *in, const uint8_t *bytes, const uint8_t *mask,
                         unsigned size)
{
    struct insn at_rdi = *in;
    at_rdi.base = RDI;
    at_rdi.index = GPR_ZERO;
    at_rdi.disp = 0;
    uint64_t at = operand_address(cpu, &at_rdi, size, ACCESS_WRITE);
    for (unsigned i = 0; i < size; i++)
        if (mask[i] & 0x80)
            mem_probe_write(cpu, in, at + i, 1);
    for (unsigned i = 0; i < size; i++)
        if (mask[i] & 0x80)
            st8(cpu, in, at + i, bytes[i]);
}
HANDLER(maskmovdqu)
{
    sse_ready(cpu, in);
    store_masked(cpu, in, cpu->xmm[in->reg].u8, cpu->xmm[in->rm].u8, 16);
    return in + 1;
}
HANDLER(maskmovq)
{
    mmx_ready(cpu, in);
    uint64_t bytes = mmx_read(cpu, in->reg), mask = mmx_read(cpu, in->rm);
    store_masked(cpu, in, (const uint8_t *)&bytes, (const uint8_t *)&mask, 8);
    mmx_enter(cpu);
    return in + 1;
}

static bool select_movnti(const struct decoded *d, struct insn *in)
{
    in->op = (uint8_t)operand_bytes(d, 0);
    in->fn = movnti;
    return true;
}

/* The segment of a hidden operand isn't in the record: DS, or what a prefix says. */
static bool select_masked(const struct decoded *d, struct insn *in)
{
    for (unsigned i = 0; i < d->z.operand_count; i++)
        if (is_mem(d, i))
            in->seg = (uint8_t)ZydisRegisterGetId(d->operand[i].mem.segment);
    in->fn = is_mmx(d, 0) || is_mmx(d, 1) ? maskmovq : maskmovdqu;
    return true;
}

/* ---- no data at all ---- */

HANDLER(nothing)
{
    NEXT(cpu, in);
}
/* CLFLUSH is checked as a load of one byte. */
HANDLER(clflush)
{
    ld8(cpu, in, operand_address(cpu, in, 1, ACCESS_READ));
    return in + 1;
}
/* Ends MMX code: all x87 registers are empty. Also waits for pending x87 exceptions, as all of MMX does. */
HANDLER(emms)
{
    mmx_ready(cpu, in);
    cpu->x87.top = 0;
    cpu->x87.used = 0;
    return in + 1;
}

static bool select_other(const struct decoded *d, struct insn *in)
{
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_MOVQ2DQ: return handled_by(in, movq2dq);
    case ZYDIS_MNEMONIC_MOVDQ2Q: return handled_by(in, movdq2q);
    case ZYDIS_MNEMONIC_CLFLUSH: return handled_by(in, clflush);
    case ZYDIS_MNEMONIC_EMMS: return handled_by(in, emms);
    default: return handled_by(in, nothing);
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

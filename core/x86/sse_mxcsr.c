/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sse_mxcsr.c - the guest's MXCSR in the host's, SSE's exceptions, and the conditions for SSE at all.
 *
 * Usually all exceptions are masked. Then cpu->mxcsr itself is in the host's register, and the host's CPU collects the
 * sticky flags; mxcsr_sync() brings them home when somebody asks.
 *
 * When the guest has one unmasked, the host's stay masked (the VMM wants no SIGFPE), but its flags start from zero with
 * each operation, and sse_check_exceptions() decides from them. What it has to derive is how the flags differ between a
 * masked and an unmasked exception (SDM 1, 11.5.2 and 11.5.3):
 *  - an unmasked invalid, divide-by-zero or denormal exception is found before the operation: nothing else is flagged;
 *  - unmasked underflow is raised for every tiny result, masked only for one that is inexact, too;
 *  - flush-to-zero works only while underflow is masked.
 * One thing is not derived: beside an unmasked overflow or underflow, PE tells whether the result would be inexact even
 * with an unlimited exponent. Here it tells whether the masked result is.
 */
#include "x86/sse.h"

enum { IE = 1, DE = 2, ZE = 4, OE = 8, UE = 16, PE = 32, BEFORE = IE | DE | ZE };

static unsigned unmasked(uint32_t mxcsr)
{
    return ~(mxcsr >> 7) & MXCSR_FLAGS;
}

/* What the host's register holds for the guest's. */
static uint32_t host_mxcsr(uint32_t mxcsr)
{
    if (!unmasked(mxcsr))
        return mxcsr;
    uint32_t host = (mxcsr | MXCSR_MASKS) & ~MXCSR_FLAGS;
    return unmasked(mxcsr) & UE ? host & ~MXCSR_FTZ : host;
}

void mxcsr_sync(struct cpu *cpu)
{
    cpu->mxcsr |= _mm_getcsr() & MXCSR_FLAGS;
}

void mxcsr_load(struct cpu *cpu, uint32_t value)
{
    cpu->mxcsr = value;
    _mm_setcsr(host_mxcsr(value));
    fpu_mode_changed(cpu);
}

/* Is one of the result's numbers denormal? */
static bool tiny(__m128i result, enum sse_result kind)
{
    xmm_t r;
    _mm_store_si128((__m128i *)&r, result);
    unsigned singles = kind == RESULT_SS ? 1 : kind == RESULT_PS ? 4 : 0;
    unsigned doubles = kind == RESULT_SD ? 1 : kind == RESULT_PD ? 2 : 0;
    for (unsigned i = 0; i < singles; i++)
        if (!(r.u32[i] & 0x7f800000) && (r.u32[i] & 0x7fffff))
            return true;
    for (unsigned i = 0; i < doubles; i++)
        if (!(r.u64[i] & UINT64_C(0x7ff0000000000000)) && (r.u64[i] & UINT64_C(0xfffffffffffff)))
            return true;
    return false;
}

void sse_check_exceptions(struct cpu *cpu, const struct insn *in, __m128i result, enum sse_result kind)
{
    unsigned flags = _mm_getcsr() & MXCSR_FLAGS, raise = unmasked(cpu->mxcsr);
    if ((raise & UE) && tiny(result, kind))
        flags |= UE;
    if (!flags)
        return;
    if (flags & raise & BEFORE)
        flags &= BEFORE;
    cpu->mxcsr |= flags;
    _mm_setcsr(host_mxcsr(cpu->mxcsr));
    if (flags & raise)
        cpu_raise(cpu, in, cpu->paging.cr4 & CR4_OSXMMEXCPT ? VEC_XM : VEC_UD);
}

const struct insn *sse_finish_checked(struct cpu *cpu, const struct insn *in, __m128i result, enum sse_result kind)
{
    sse_check_exceptions(cpu, in, result, kind);
    XMM(cpu, in->reg) = result;
    return in + 1;
}

/* ---- conditions (SDM 3, table 13-1 and 2.5) ---- */

void sse_not_ready(struct cpu *cpu, const struct insn *in)
{
    if ((cpu->paging.cr0 & CR0_EM) || !(cpu->paging.cr4 & CR4_OSFXSR))
        cpu_raise(cpu, in, VEC_UD);
    cpu_raise(cpu, in, VEC_NM);
}

void mmx_not_ready(struct cpu *cpu, const struct insn *in)
{
    if (cpu->paging.cr0 & CR0_EM)
        cpu_raise(cpu, in, VEC_UD);
    cpu_raise(cpu, in, cpu->paging.cr0 & CR0_TS ? VEC_NM : VEC_MF);
}

/* ---- LDMXCSR, STMXCSR ---- */

static const struct insn *ldmxcsr(struct cpu *cpu, const struct insn *in)
{
    sse_ready(cpu, in);
    uint32_t value = ld32(cpu, in, operand_address(cpu, in, 4, ACCESS_READ));
    if (value & ~MXCSR_VALID)
        cpu_raise_error(cpu, in, VEC_GP, 0);
    mxcsr_load(cpu, value);
    return in + 1;
}

static const struct insn *stmxcsr(struct cpu *cpu, const struct insn *in)
{
    sse_ready(cpu, in);
    mxcsr_sync(cpu);
    st32(cpu, in, operand_address(cpu, in, 4, ACCESS_WRITE), cpu->mxcsr);
    return in + 1;
}

bool select_mxcsr(const struct decoded *d, struct insn *in)
{
    in->fn = d->z.mnemonic == ZYDIS_MNEMONIC_LDMXCSR ? ldmxcsr : stmxcsr;
    return true;
}

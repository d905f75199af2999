/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sse_convert.c - SSE conversions between floating point and the integers of general and MMX registers.
 *
 * Those between XMM registers are lines of sse_float.c's list.
 */
#include "x86/sse.h"

/* ---- CVTSI2SS, CVTSI2SD: xmm, r/m32 or r/m64 ---- */

#define FROM_GPR(host, bits)                                                                   \
    static const struct insn *host##_##bits(struct cpu *cpu, const struct insn *in)            \
    {                                                                                          \
        sse_ready(cpu, in);                                                                    \
        uint##bits##_t s = R##bits(cpu, in->rm);                                               \
        __m128i d = XMM(cpu, in->reg);                                                         \
        asm volatile(#host " %1, %0" : "+x"(d) : "r"(s));                                      \
        SSE_FINISH(cpu, in, d, RESULT_OTHER);                                                  \
    }                                                                                          \
    static const struct insn *host##_##bits##_mem(struct cpu *cpu, const struct insn *in)      \
    {                                                                                          \
        sse_ready(cpu, in);                                                                    \
        uint##bits##_t s = ld##bits(cpu, in, operand_address(cpu, in, bits / 8, ACCESS_READ)); \
        __m128i d = XMM(cpu, in->reg);                                                         \
        asm volatile(#host " %1, %0" : "+x"(d) : "r"(s));                                      \
        SSE_FINISH(cpu, in, d, RESULT_OTHER);                                                  \
    }
FROM_GPR(cvtsi2ss, 32)
FROM_GPR(cvtsi2ss, 64)
FROM_GPR(cvtsi2sd, 32)
FROM_GPR(cvtsi2sd, 64)

bool select_from_gpr(const struct decoded *d, struct insn *in)
{
    bool mem = in->flags & INSN_MEM, wide = operand_bytes(d, 1) == 8;
    if (d->z.mnemonic == ZYDIS_MNEMONIC_CVTSI2SS)
        in->fn = wide ? (mem ? cvtsi2ss_64_mem : cvtsi2ss_64) : (mem ? cvtsi2ss_32_mem : cvtsi2ss_32);
    else
        in->fn = wide ? (mem ? cvtsi2sd_64_mem : cvtsi2sd_64) : (mem ? cvtsi2sd_32_mem : cvtsi2sd_32);
    return true;
}

/* ---- CVT(T)SS2SI, CVT(T)SD2SI: r32 or r64, xmm/m ---- */

#define TO_GPR_BITS(host, bytes, bits)                                              \
    static const struct insn *host##_##bits(struct cpu *cpu, const struct insn *in) \
    {                                                                               \
        sse_ready(cpu, in);                                                         \
        __m128i s = sse_rm(cpu, in, bytes);                                         \
        uint##bits##_t d;                                                           \
        asm volatile(#host " %1, %0" : "=r"(d) : "x"(s));                           \
        sse_exceptions(cpu, in, s, RESULT_OTHER);                                   \
        R64(cpu, in->reg) = d;                                                      \
        NEXT(cpu, in);                                                              \
    }
#define TO_GPR(host, bytes) TO_GPR_BITS(host, bytes, 32) TO_GPR_BITS(host, bytes, 64)
TO_GPR(cvtss2si, 4)
TO_GPR(cvttss2si, 4)
TO_GPR(cvtsd2si, 8)
TO_GPR(cvttsd2si, 8)

bool select_to_gpr(const struct decoded *d, struct insn *in)
{
    bool wide = operand_bytes(d, 0) == 8;
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_CVTSS2SI: return handled_by(in, wide ? cvtss2si_64 : cvtss2si_32);
    case ZYDIS_MNEMONIC_CVTTSS2SI: return handled_by(in, wide ? cvttss2si_64 : cvttss2si_32);
    case ZYDIS_MNEMONIC_CVTSD2SI: return handled_by(in, wide ? cvtsd2si_64 : cvtsd2si_32);
    default: return handled_by(in, wide ? cvttsd2si_64 : cvttsd2si_32);
    }
}

/*
 * ---- with MMX registers: executed by the host's, see MMX_EXECUTE in sse.h ----
 * They make TOP zero even when they then raise #XM, as AMD's do.
 */

/*
 * To floating point. A memory operand of CVTPI2PD touches no x87 state; CVTPI2PS's does all the same (SDM 2A,
 * "CVTPI2PS").
 */
#define FROM_MMX(host)                                                                            \
    static const struct insn *host(struct cpu *cpu, const struct insn *in)                        \
    {                                                                                             \
        bool mmx = !(in->flags & INSN_MEM);                                                       \
        sse_ready(cpu, in);                                                                       \
        if (mmx)                                                                                  \
            mmx_ready(cpu, in);                                                                   \
        uint64_t s = mmx_rm(cpu, in, 8);                                                          \
        __m128i d = XMM(cpu, in->reg);                                                            \
        asm volatile("movq %1, %%mm0\n\t" #host " %%mm0, %0\n\temms" : "+x"(d) : "r"(s) : "mm0"); \
        if (mmx)                                                                                  \
            mmx_enter(cpu);                                                                       \
        sse_exceptions(cpu, in, d, RESULT_OTHER);                                                 \
        XMM(cpu, in->reg) = d;                                                                    \
        return in + 1;                                                                            \
    }
FROM_MMX(cvtpi2ps)
FROM_MMX(cvtpi2pd)

#define TO_MMX(host, bytes)                                                                    \
    static const struct insn *host(struct cpu *cpu, const struct insn *in)                     \
    {                                                                                          \
        sse_ready(cpu, in);                                                                    \
        mmx_ready(cpu, in);                                                                    \
        __m128i s = sse_rm(cpu, in, bytes);                                                    \
        uint64_t d;                                                                            \
        asm volatile(#host " %1, %%mm0\n\tmovq %%mm0, %0\n\temms" : "=r"(d) : "x"(s) : "mm0"); \
        mmx_enter(cpu);                                                                        \
        sse_exceptions(cpu, in, s, RESULT_OTHER);                                              \
        mmx_write(cpu, in->reg, d);                                                            \
        return in + 1;                                                                         \
    }
TO_MMX(cvtps2pi, 8)
TO_MMX(cvttps2pi, 8)
TO_MMX(cvtpd2pi, 16)
TO_MMX(cvttpd2pi, 16)

bool select_convert_mmx(const struct decoded *d, struct insn *in)
{
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_CVTPI2PS: return handled_by(in, cvtpi2ps);
    case ZYDIS_MNEMONIC_CVTPI2PD: return handled_by(in, cvtpi2pd);
    case ZYDIS_MNEMONIC_CVTPS2PI: return handled_by(in, cvtps2pi);
    case ZYDIS_MNEMONIC_CVTTPS2PI: return handled_by(in, cvttps2pi);
    case ZYDIS_MNEMONIC_CVTPD2PI: return handled_by(in, cvtpd2pi);
    default: return handled_by(in, cvttpd2pi);
    }
}

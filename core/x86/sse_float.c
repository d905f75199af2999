/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sse_float.c - SSE floating point of the form  xmm = xmm OP xmm/m  and comparisons.
 *
 * As in sse_int.c, a line of the list is an instruction, executed by the host's of the same name. `volatile` keeps an
 * operation where it stands: it writes flags in the host's MXCSR, which is the guest's while the guest runs (fpu.h).
 * The fourth column says what the result consists of, for unmasked underflow (sse_mxcsr.c).
 *
 * Read next: sse_convert.c (conversions to and from integer registers), sse_mxcsr.c (flags and exceptions).
 */
#include "x86/sse.h"

/* clang-format off */
#define FLOAT_OPERATIONS(X)                                                                                          \
    X(ADDPS, addps, 16, RESULT_PS)    X(ADDPD, addpd, 16, RESULT_PD)                                                 \
    X(ADDSS, addss, 4, RESULT_SS)     X(ADDSD, addsd, 8, RESULT_SD)                                                  \
    X(SUBPS, subps, 16, RESULT_PS)    X(SUBPD, subpd, 16, RESULT_PD)                                                 \
    X(SUBSS, subss, 4, RESULT_SS)     X(SUBSD, subsd, 8, RESULT_SD)                                                  \
    X(MULPS, mulps, 16, RESULT_PS)    X(MULPD, mulpd, 16, RESULT_PD)                                                 \
    X(MULSS, mulss, 4, RESULT_SS)     X(MULSD, mulsd, 8, RESULT_SD)                                                  \
    X(DIVPS, divps, 16, RESULT_PS)    X(DIVPD, divpd, 16, RESULT_PD)                                                 \
    X(DIVSS, divss, 4, RESULT_SS)     X(DIVSD, divsd, 8, RESULT_SD)                                                  \
    X(MINPS, minps, 16, RESULT_OTHER) X(MINPD, minpd, 16, RESULT_OTHER)                                              \
    X(MINSS, minss, 4, RESULT_OTHER)  X(MINSD, minsd, 8, RESULT_OTHER)                                               \
    X(MAXPS, maxps, 16, RESULT_OTHER) X(MAXPD, maxpd, 16, RESULT_OTHER)                                              \
    X(MAXSS, maxss, 4, RESULT_OTHER)  X(MAXSD, maxsd, 8, RESULT_OTHER)                                               \
    X(SQRTPS, sqrtps, 16, RESULT_OTHER) X(SQRTPD, sqrtpd, 16, RESULT_OTHER)                                          \
    X(SQRTSS, sqrtss, 4, RESULT_OTHER)  X(SQRTSD, sqrtsd, 8, RESULT_OTHER)                                           \
    X(RCPPS, rcpps, 16, RESULT_OTHER)     X(RCPSS, rcpss, 4, RESULT_OTHER)                                           \
    X(RSQRTPS, rsqrtps, 16, RESULT_OTHER) X(RSQRTSS, rsqrtss, 4, RESULT_OTHER)                                       \
    X(ADDSUBPS, addsubps, 16, RESULT_PS)  X(ADDSUBPD, addsubpd, 16, RESULT_PD)                                       \
    X(HADDPS, haddps, 16, RESULT_PS)      X(HADDPD, haddpd, 16, RESULT_PD)                                           \
    X(HSUBPS, hsubps, 16, RESULT_PS)      X(HSUBPD, hsubpd, 16, RESULT_PD)                                           \
    X(CVTSS2SD, cvtss2sd, 4, RESULT_OTHER)    X(CVTSD2SS, cvtsd2ss, 8, RESULT_SS)                                    \
    X(CVTPS2PD, cvtps2pd, 8, RESULT_OTHER)    X(CVTPD2PS, cvtpd2ps, 16, RESULT_PS)                                   \
    X(CVTDQ2PS, cvtdq2ps, 16, RESULT_OTHER)   X(CVTDQ2PD, cvtdq2pd, 8, RESULT_OTHER)                                 \
    X(CVTPS2DQ, cvtps2dq, 16, RESULT_OTHER)   X(CVTPD2DQ, cvtpd2dq, 16, RESULT_OTHER)                                \
    X(CVTTPS2DQ, cvttps2dq, 16, RESULT_OTHER) X(CVTTPD2DQ, cvttpd2dq, 16, RESULT_OTHER)
/* clang-format on */

#define HANDLERS(NAME, host, bytes, kind)                                             \
    static const struct insn *op_##host(struct cpu *cpu, const struct insn *in)       \
    {                                                                                 \
        sse_ready(cpu, in);                                                           \
        __m128i d = XMM(cpu, in->reg);                                                \
        asm volatile(#host " %1, %0" : "+x"(d) : "xm"(XMM(cpu, in->rm)));             \
        SSE_FINISH(cpu, in, d, kind);                                                 \
    }                                                                                 \
    static const struct insn *op_##host##_mem(struct cpu *cpu, const struct insn *in) \
    {                                                                                 \
        sse_ready(cpu, in);                                                           \
        __m128i s = sse_source(cpu, in, bytes), d = XMM(cpu, in->reg);                \
        asm volatile(#host " %1, %0" : "+x"(d) : "x"(s));                             \
        SSE_FINISH(cpu, in, d, kind);                                                 \
    }
FLOAT_OPERATIONS(HANDLERS)

#define INDEX(NAME, host, bytes, kind) FLOAT_##host,
enum { FLOAT_OPERATIONS(INDEX) };
#define FORMS(NAME, host, bytes, kind) [FLOAT_##host] = {op_##host, op_##host##_mem, NULL, NULL},
static const struct sse_forms forms[] = {FLOAT_OPERATIONS(FORMS)};

static bool select_float(const struct decoded *d, struct insn *in)
{
    return sse_choose(d, in, &forms[d->arg]);
}

/* ---- COMISx, UCOMISx: ZF PF CF as the flags of an unsigned comparison, all set when unordered ---- */

/* clang-format off */
#define COMPARISONS(X) X(COMISS, comiss, 4) X(UCOMISS, ucomiss, 4) X(COMISD, comisd, 8) X(UCOMISD, ucomisd, 8)
/* clang-format on */

#define COMPARE(host, source)                                                                               \
    sse_ready(cpu, in);                                                                                     \
    __m128i s = source;                                                                                     \
    bool zf, pf, cf;                                                                                        \
    asm volatile(#host " %4, %3" : "=@ccz"(zf), "=@ccp"(pf), "=@ccc"(cf) : "x"(XMM(cpu, in->reg)), "x"(s)); \
    sse_exceptions(cpu, in, s, RESULT_OTHER);                                                               \
    flags_set(&cpu->lf, (zf ? FLAG_ZF : 0) | (pf ? FLAG_PF : 0) | (cf ? FLAG_CF : 0));                      \
    NEXT(cpu, in)

#define COMPARE_HANDLERS(NAME, host, bytes)                                           \
    static const struct insn *op_##host(struct cpu *cpu, const struct insn *in)       \
    {                                                                                 \
        COMPARE(host, XMM(cpu, in->rm));                                              \
    }                                                                                 \
    static const struct insn *op_##host##_mem(struct cpu *cpu, const struct insn *in) \
    {                                                                                 \
        COMPARE(host, sse_source(cpu, in, bytes));                                    \
    }
COMPARISONS(COMPARE_HANDLERS)

static bool select_comparison(const struct decoded *d, struct insn *in)
{
#define CASE(NAME, host, bytes) \
    case ZYDIS_MNEMONIC_##NAME: return handled_by(in, in->flags & INSN_MEM ? op_##host##_mem : op_##host);
    switch (d->z.mnemonic) {
        COMPARISONS(CASE)
    default: return false;
    }
#undef CASE
}

/* ---- with an immediate, which the host's instruction wants as a constant: one case for each value that differs ----
 */

/* clang-format off */
#define EXECUTE(host, value) \
    case value: asm volatile(#host " $" #value ", %1, %0" : "+x"(d) : "x"(s)); break;
#define CASES_8(host)                                                                 \
    EXECUTE(host, 0) EXECUTE(host, 1) EXECUTE(host, 2) EXECUTE(host, 3)               \
    EXECUTE(host, 4) EXECUTE(host, 5) EXECUTE(host, 6) EXECUTE(host, 7)
#define CASES_16(host)                                                                \
    CASES_8(host)                                                                     \
    EXECUTE(host, 8) EXECUTE(host, 9) EXECUTE(host, 10) EXECUTE(host, 11)             \
    EXECUTE(host, 12) EXECUTE(host, 13) EXECUTE(host, 14) EXECUTE(host, 15)
/* DPPS and DPPD: bits 7:4 choose the products, bits 3:0 where the sum goes; here everywhere, see DOT_PRODUCT. */
#define CASES_DOT(host)                                                               \
    EXECUTE(host, 0x0f) EXECUTE(host, 0x1f) EXECUTE(host, 0x2f) EXECUTE(host, 0x3f)   \
    EXECUTE(host, 0x4f) EXECUTE(host, 0x5f) EXECUTE(host, 0x6f) EXECUTE(host, 0x7f)   \
    EXECUTE(host, 0x8f) EXECUTE(host, 0x9f) EXECUTE(host, 0xaf) EXECUTE(host, 0xbf)   \
    EXECUTE(host, 0xcf) EXECUTE(host, 0xdf) EXECUTE(host, 0xef) EXECUTE(host, 0xff)
/* clang-format on */

#define SWITCH(host, cases)                                               \
    static inline __m128i do_##host(__m128i d, __m128i s, unsigned value) \
    {                                                                     \
        switch (value) {                                                  \
            cases(host) default : break;                                  \
        }                                                                 \
        return d;                                                         \
    }
#define WITH_IMMEDIATE(host, bytes, cases, mask)                                            \
    SWITCH(host, cases)                                                                     \
    static const struct insn *op_##host(struct cpu *cpu, const struct insn *in)             \
    {                                                                                       \
        sse_ready(cpu, in);                                                                 \
        __m128i d = do_##host(XMM(cpu, in->reg), sse_rm(cpu, in, bytes), in->imm & (mask)); \
        sse_exceptions(cpu, in, d, RESULT_OTHER);                                           \
        XMM(cpu, in->reg) = d;                                                              \
        return in + 1;                                                                      \
    }
WITH_IMMEDIATE(cmpps, 16, CASES_8, 7)
WITH_IMMEDIATE(cmppd, 16, CASES_8, 7)
WITH_IMMEDIATE(cmpss, 4, CASES_8, 7)
WITH_IMMEDIATE(cmpsd, 8, CASES_8, 7)
WITH_IMMEDIATE(roundps, 16, CASES_16, 15)
WITH_IMMEDIATE(roundpd, 16, CASES_16, 15)
WITH_IMMEDIATE(roundss, 4, CASES_16, 15)
WITH_IMMEDIATE(roundsd, 8, CASES_16, 15)

/*
 * Products, then sums: an unmasked exception of a product is raised before there are sums. The low bits of the
 * immediate name the lanes that the sum goes to; the others become zero.
 */
#define DOT_PRODUCT(host, product, lanes, lane, kind)                                                 \
    SWITCH(host, CASES_DOT)                                                                           \
    static const struct insn *op_##host(struct cpu *cpu, const struct insn *in)                       \
    {                                                                                                 \
        sse_ready(cpu, in);                                                                           \
        __m128i d = XMM(cpu, in->reg), s = sse_rm(cpu, in, 16);                                       \
        if (unlikely(cpu->fpu_guard & GUARD_UNMASKED)) {                                              \
            xmm_t used = {0};                                                                         \
            for (unsigned i = 0; i < (lanes); i++)                                                    \
                used.lane[i] -= in->imm >> (4 + i) & 1;                                               \
            __m128i p = _mm_and_si128(d, *(__m128i *)&used), q = _mm_and_si128(s, *(__m128i *)&used); \
            asm volatile(product " %1, %0" : "+x"(p) : "x"(q));                                       \
            sse_check_exceptions(cpu, in, p, kind);                                                   \
        }                                                                                             \
        d = do_##host(d, s, (in->imm & 0xf0) | 0x0f);                                                 \
        sse_exceptions(cpu, in, d, kind);                                                             \
        XMM(cpu, in->reg) = d;                                                                        \
        for (unsigned i = 0; i < (lanes); i++)                                                        \
            if (!(in->imm >> i & 1))                                                                  \
                cpu->xmm[in->reg].lane[i] = 0;                                                        \
        return in + 1;                                                                                \
    }
DOT_PRODUCT(dpps, "mulps", 4, u32, RESULT_PS)
DOT_PRODUCT(dppd, "mulpd", 2, u64, RESULT_PD)

static bool select_immediate(const struct decoded *d, struct insn *in)
{
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_CMPPS: return handled_by(in, op_cmpps);
    case ZYDIS_MNEMONIC_CMPPD: return handled_by(in, op_cmppd);
    case ZYDIS_MNEMONIC_CMPSS: return handled_by(in, op_cmpss);
    case ZYDIS_MNEMONIC_CMPSD: return is_xmm(d, 0) && handled_by(in, op_cmpsd); /* there is a string instruction, too */
    case ZYDIS_MNEMONIC_ROUNDPS: return handled_by(in, op_roundps);
    case ZYDIS_MNEMONIC_ROUNDPD: return handled_by(in, op_roundpd);
    case ZYDIS_MNEMONIC_ROUNDSS: return handled_by(in, op_roundss);
    case ZYDIS_MNEMONIC_ROUNDSD: return handled_by(in, op_roundsd);
    case ZYDIS_MNEMONIC_DPPS: return handled_by(in, op_dpps);
    case ZYDIS_MNEMONIC_DPPD: return handled_by(in, op_dppd);
    default: return false;
    }
}

/* ---- the family's table ---- */

#define ROW(NAME, host, bytes, kind)      {ZYDIS_MNEMONIC_##NAME, select_float, FLOAT_##host},
#define COMPARISON_ROW(NAME, host, bytes) {ZYDIS_MNEMONIC_##NAME, select_comparison, 0},
const struct family_row family_sse_float[] = {
    FLOAT_OPERATIONS(ROW) COMPARISONS(COMPARISON_ROW){ZYDIS_MNEMONIC_CMPPS, select_immediate, 0},
    {ZYDIS_MNEMONIC_CMPPD, select_immediate, 0},
    {ZYDIS_MNEMONIC_CMPSS, select_immediate, 0},
    {ZYDIS_MNEMONIC_CMPSD, select_immediate, 0},
    {ZYDIS_MNEMONIC_ROUNDPS, select_immediate, 0},
    {ZYDIS_MNEMONIC_ROUNDPD, select_immediate, 0},
    {ZYDIS_MNEMONIC_ROUNDSS, select_immediate, 0},
    {ZYDIS_MNEMONIC_ROUNDSD, select_immediate, 0},
    {ZYDIS_MNEMONIC_DPPS, select_immediate, 0},
    {ZYDIS_MNEMONIC_DPPD, select_immediate, 0},
    {ZYDIS_MNEMONIC_CVTSI2SS, select_from_gpr, 0},
    {ZYDIS_MNEMONIC_CVTSI2SD, select_from_gpr, 0},
    {ZYDIS_MNEMONIC_CVTSS2SI, select_to_gpr, 0},
    {ZYDIS_MNEMONIC_CVTSD2SI, select_to_gpr, 0},
    {ZYDIS_MNEMONIC_CVTTSS2SI, select_to_gpr, 0},
    {ZYDIS_MNEMONIC_CVTTSD2SI, select_to_gpr, 0},
    {ZYDIS_MNEMONIC_CVTPI2PS, select_convert_mmx, 0},
    {ZYDIS_MNEMONIC_CVTPI2PD, select_convert_mmx, 0},
    {ZYDIS_MNEMONIC_CVTPS2PI, select_convert_mmx, 0},
    {ZYDIS_MNEMONIC_CVTPD2PI, select_convert_mmx, 0},
    {ZYDIS_MNEMONIC_CVTTPS2PI, select_convert_mmx, 0},
    {ZYDIS_MNEMONIC_CVTTPD2PI, select_convert_mmx, 0},
    {0, NULL, 0},
};

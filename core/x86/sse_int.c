/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sse_int.c - integer SSE and MMX, instructions of the form  xmm = xmm OP xmm/m128  and  mm = mm OP mm/m64.
 *
 * The lists below are the whole of it: each line names an instruction, and the macros under the lists make its handlers
 * from the host's instruction of the same name. Also here: shifts by an immediate, PTEST, and the table of the family.
 *
 * Read next: sse_shuffle.c (what takes an immediate), sse_string.c (SSE4.2's string comparison).
 */
#include "x86/sse.h"

/* clang-format off */
/* Instructions that MMX has too. */
#define MMX_AND_SSE(X)                                                                                               \
    X(PADDB, paddb) X(PADDW, paddw) X(PADDD, paddd) X(PADDQ, paddq)                                                  \
    X(PADDSB, paddsb) X(PADDSW, paddsw) X(PADDUSB, paddusb) X(PADDUSW, paddusw)                                      \
    X(PSUBB, psubb) X(PSUBW, psubw) X(PSUBD, psubd) X(PSUBQ, psubq)                                                  \
    X(PSUBSB, psubsb) X(PSUBSW, psubsw) X(PSUBUSB, psubusb) X(PSUBUSW, psubusw)                                      \
    X(PMULLW, pmullw) X(PMULHW, pmulhw) X(PMULHUW, pmulhuw) X(PMULUDQ, pmuludq) X(PMADDWD, pmaddwd)                  \
    X(PAVGB, pavgb) X(PAVGW, pavgw) X(PSADBW, psadbw)                                                                \
    X(PMINUB, pminub) X(PMINSW, pminsw) X(PMAXUB, pmaxub) X(PMAXSW, pmaxsw)                                          \
    X(PAND, pand) X(PANDN, pandn) X(POR, por) X(PXOR, pxor)                                                          \
    X(PCMPEQB, pcmpeqb) X(PCMPEQW, pcmpeqw) X(PCMPEQD, pcmpeqd)                                                      \
    X(PCMPGTB, pcmpgtb) X(PCMPGTW, pcmpgtw) X(PCMPGTD, pcmpgtd)                                                      \
    X(PACKSSWB, packsswb) X(PACKSSDW, packssdw) X(PACKUSWB, packuswb)                                                \
    X(PUNPCKHBW, punpckhbw) X(PUNPCKHWD, punpckhwd) X(PUNPCKHDQ, punpckhdq)                                          \
    X(PSHUFB, pshufb) X(PABSB, pabsb) X(PABSW, pabsw) X(PABSD, pabsd)                                                \
    X(PHADDW, phaddw) X(PHADDD, phaddd) X(PHADDSW, phaddsw) X(PHSUBW, phsubw) X(PHSUBD, phsubd) X(PHSUBSW, phsubsw)  \
    X(PMADDUBSW, pmaddubsw) X(PMULHRSW, pmulhrsw) X(PSIGNB, psignb) X(PSIGNW, psignw) X(PSIGND, psignd)

/* The same, but MMX reads 4 bytes from memory. */
#define MMX_UNPACK_LOW(X) X(PUNPCKLBW, punpcklbw) X(PUNPCKLWD, punpcklwd) X(PUNPCKLDQ, punpckldq)

/* MMX has them too, and there is a form with an immediate count. */
#define SHIFTS(X)                                                                                                    \
    X(PSLLW, psllw) X(PSLLD, pslld) X(PSLLQ, psllq) X(PSRLW, psrlw) X(PSRLD, psrld) X(PSRLQ, psrlq)                  \
    X(PSRAW, psraw) X(PSRAD, psrad)

/* SSE alone; the number is how many bytes the memory operand has. */
#define SSE_ONLY(X)                                                                                                  \
    X(PUNPCKLQDQ, punpcklqdq, 16) X(PUNPCKHQDQ, punpckhqdq, 16)                                                      \
    X(UNPCKLPS, unpcklps, 16) X(UNPCKHPS, unpckhps, 16) X(UNPCKLPD, unpcklpd, 16) X(UNPCKHPD, unpckhpd, 16)          \
    X(ANDPS, andps, 16) X(ANDNPS, andnps, 16) X(ORPS, orps, 16) X(XORPS, xorps, 16)                                  \
    X(ANDPD, andpd, 16) X(ANDNPD, andnpd, 16) X(ORPD, orpd, 16) X(XORPD, xorpd, 16)                                  \
    X(MOVSLDUP, movsldup, 16) X(MOVSHDUP, movshdup, 16) X(MOVDDUP, movddup, 8)                                       \
    X(PMULDQ, pmuldq, 16) X(PMULLD, pmulld, 16) X(PACKUSDW, packusdw, 16) X(PHMINPOSUW, phminposuw, 16)              \
    X(PMINSB, pminsb, 16) X(PMINSD, pminsd, 16) X(PMINUW, pminuw, 16) X(PMINUD, pminud, 16)                          \
    X(PMAXSB, pmaxsb, 16) X(PMAXSD, pmaxsd, 16) X(PMAXUW, pmaxuw, 16) X(PMAXUD, pmaxud, 16)                          \
    X(PCMPEQQ, pcmpeqq, 16) X(PCMPGTQ, pcmpgtq, 16)                                                                  \
    X(PMOVSXBW, pmovsxbw, 8) X(PMOVSXBD, pmovsxbd, 4) X(PMOVSXBQ, pmovsxbq, 2)                                       \
    X(PMOVSXWD, pmovsxwd, 8) X(PMOVSXWQ, pmovsxwq, 4) X(PMOVSXDQ, pmovsxdq, 8)                                       \
    X(PMOVZXBW, pmovzxbw, 8) X(PMOVZXBD, pmovzxbd, 4) X(PMOVZXBQ, pmovzxbq, 2)                                       \
    X(PMOVZXWD, pmovzxwd, 8) X(PMOVZXWQ, pmovzxwq, 4) X(PMOVZXDQ, pmovzxdq, 8)

/* The third operand is XMM0. */
#define BLENDS(X) X(PBLENDVB, pblendvb) X(BLENDVPS, blendvps) X(BLENDVPD, blendvpd)
/* clang-format on */

/* ---- handlers ---- */

#define XMM_REG(host)                                                            \
    static const struct insn *xmm_##host(struct cpu *cpu, const struct insn *in) \
    {                                                                            \
        sse_ready(cpu, in);                                                      \
        __m128i d = XMM(cpu, in->reg);                                           \
        asm(#host " %1, %0" : "+x"(d) : "xm"(XMM(cpu, in->rm)));                 \
        XMM(cpu, in->reg) = d;                                                   \
        NEXT(cpu, in);                                                           \
    }
#define XMM_MEM(host, bytes)                                                           \
    static const struct insn *xmm_##host##_mem(struct cpu *cpu, const struct insn *in) \
    {                                                                                  \
        sse_ready(cpu, in);                                                            \
        __m128i s = sse_source(cpu, in, bytes), d = XMM(cpu, in->reg);                 \
        asm(#host " %1, %0" : "+x"(d) : "x"(s));                                       \
        XMM(cpu, in->reg) = d;                                                         \
        NEXT(cpu, in);                                                                 \
    }
#define MMX_ANY(host, bytes)                                                     \
    static const struct insn *mmx_##host(struct cpu *cpu, const struct insn *in) \
    {                                                                            \
        mmx_ready(cpu, in);                                                      \
        uint64_t s = mmx_rm(cpu, in, bytes), d = mmx_read(cpu, in->reg);         \
        MMX_EXECUTE(#host, d, s);                                                \
        mmx_enter(cpu);                                                          \
        mmx_write(cpu, in->reg, d);                                              \
        return in + 1;                                                           \
    }

#define BOTH(NAME, host)            XMM_REG(host) XMM_MEM(host, 16) MMX_ANY(host, 8)
#define BOTH4(NAME, host)           XMM_REG(host) XMM_MEM(host, 16) MMX_ANY(host, 4)
#define XMM_ONLY(NAME, host, bytes) XMM_REG(host) XMM_MEM(host, bytes)
MMX_AND_SSE(BOTH)
MMX_UNPACK_LOW(BOTH4)
SHIFTS(BOTH)
SSE_ONLY(XMM_ONLY)

/* A shift by an immediate is the same shift by a register that holds it; its register is the r/m operand. */
#define SHIFT_IMMEDIATE(NAME, host)                                                    \
    static const struct insn *xmm_##host##_imm(struct cpu *cpu, const struct insn *in) \
    {                                                                                  \
        sse_ready(cpu, in);                                                            \
        __m128i s = _mm_cvtsi32_si128((uint8_t)in->imm), d = XMM(cpu, in->rm);         \
        asm(#host " %1, %0" : "+x"(d) : "x"(s));                                       \
        XMM(cpu, in->rm) = d;                                                          \
        NEXT(cpu, in);                                                                 \
    }                                                                                  \
    static const struct insn *mmx_##host##_imm(struct cpu *cpu, const struct insn *in) \
    {                                                                                  \
        mmx_ready(cpu, in);                                                            \
        uint64_t s = (uint8_t)in->imm, d = mmx_read(cpu, in->rm);                      \
        MMX_EXECUTE(#host, d, s);                                                      \
        mmx_enter(cpu);                                                                \
        mmx_write(cpu, in->rm, d);                                                     \
        return in + 1;                                                                 \
    }
SHIFTS(SHIFT_IMMEDIATE)

#define BLEND(NAME, host)                                                        \
    static const struct insn *xmm_##host(struct cpu *cpu, const struct insn *in) \
    {                                                                            \
        sse_ready(cpu, in);                                                      \
        __m128i s = sse_rm(cpu, in, 16), d = XMM(cpu, in->reg);                  \
        register __m128i mask asm("xmm0") = XMM(cpu, 0);                         \
        asm(#host " %%xmm0, %1, %0" : "+x"(d) : "x"(s), "x"(mask));              \
        XMM(cpu, in->reg) = d;                                                   \
        return in + 1;                                                           \
    }
BLENDS(BLEND)

/* ZF: no bit of the source is set where the destination's is; CF: none where it isn't. */
static const struct insn *ptest(struct cpu *cpu, const struct insn *in)
{
    sse_ready(cpu, in);
    __m128i s = sse_rm(cpu, in, 16);
    bool zf, cf;
    asm("ptest %3, %2" : "=@ccz"(zf), "=@ccc"(cf) : "x"(XMM(cpu, in->reg)), "x"(s));
    flags_set(&cpu->lf, (zf ? FLAG_ZF : 0) | (cf ? FLAG_CF : 0));
    return in + 1;
}

/* ---- choosing ---- */

#define INDEX(NAME, host)              INT_##host,
#define INDEX_BYTES(NAME, host, bytes) INT_##host,
enum { MMX_AND_SSE(INDEX) MMX_UNPACK_LOW(INDEX) SHIFTS(INDEX) SSE_ONLY(INDEX_BYTES) BLENDS(INDEX) };

#define FORMS(NAME, host)            [INT_##host] = {xmm_##host, xmm_##host##_mem, mmx_##host, mmx_##host},
#define FORMS_XMM(NAME, host, bytes) [INT_##host] = {xmm_##host, xmm_##host##_mem, NULL, NULL},
#define FORMS_BLEND(NAME, host)      [INT_##host] = {xmm_##host, xmm_##host, NULL, NULL},
static const struct sse_forms forms[] = {MMX_AND_SSE(FORMS) MMX_UNPACK_LOW(FORMS) SHIFTS(FORMS) SSE_ONLY(FORMS_XMM)
                                             BLENDS(FORMS_BLEND)};

#define FORMS_IMMEDIATE(NAME, host) [INT_##host] = {xmm_##host##_imm, NULL, mmx_##host##_imm, NULL},
static const struct sse_forms shift_forms[] = {SHIFTS(FORMS_IMMEDIATE)};

static bool select_int(const struct decoded *d, struct insn *in)
{
    return sse_choose(d, in, is_imm(d, 1) ? &shift_forms[d->arg] : &forms[d->arg]);
}

static bool select_ptest(const struct decoded *d, struct insn *in)
{
    (void)d;
    in->fn = ptest;
    return true;
}

#define ROW(NAME, host)            {ZYDIS_MNEMONIC_##NAME, select_int, INT_##host},
#define ROW_XMM(NAME, host, bytes) ROW(NAME, host)
const struct family_row family_sse_int[] = {
    MMX_AND_SSE(ROW) MMX_UNPACK_LOW(ROW) SHIFTS(ROW) SSE_ONLY(ROW_XMM)
        BLENDS(ROW){ZYDIS_MNEMONIC_PTEST, select_ptest, 0},
    {ZYDIS_MNEMONIC_PSHUFD, select_shuffle, 0},
    {ZYDIS_MNEMONIC_PSHUFLW, select_shuffle, 0},
    {ZYDIS_MNEMONIC_PSHUFHW, select_shuffle, 0},
    {ZYDIS_MNEMONIC_PSHUFW, select_shuffle, 0},
    {ZYDIS_MNEMONIC_SHUFPS, select_shuffle, 0},
    {ZYDIS_MNEMONIC_SHUFPD, select_shuffle, 0},
    {ZYDIS_MNEMONIC_PALIGNR, select_shuffle, 0},
    {ZYDIS_MNEMONIC_PSLLDQ, select_shuffle, 0},
    {ZYDIS_MNEMONIC_PSRLDQ, select_shuffle, 0},
    {ZYDIS_MNEMONIC_PBLENDW, select_shuffle, 0},
    {ZYDIS_MNEMONIC_BLENDPS, select_shuffle, 0},
    {ZYDIS_MNEMONIC_BLENDPD, select_shuffle, 0},
    {ZYDIS_MNEMONIC_MPSADBW, select_shuffle, 0},
    {ZYDIS_MNEMONIC_PINSRB, select_lane, 1},
    {ZYDIS_MNEMONIC_PINSRW, select_lane, 2},
    {ZYDIS_MNEMONIC_PINSRD, select_lane, 4},
    {ZYDIS_MNEMONIC_PINSRQ, select_lane, 8},
    {ZYDIS_MNEMONIC_PEXTRB, select_lane, 1},
    {ZYDIS_MNEMONIC_PEXTRW, select_lane, 2},
    {ZYDIS_MNEMONIC_PEXTRD, select_lane, 4},
    {ZYDIS_MNEMONIC_PEXTRQ, select_lane, 8},
    {ZYDIS_MNEMONIC_EXTRACTPS, select_lane, 4},
    {ZYDIS_MNEMONIC_INSERTPS, select_lane, 4},
    {ZYDIS_MNEMONIC_PCMPISTRI, select_string_compare, 0},
    {ZYDIS_MNEMONIC_PCMPISTRM, select_string_compare, 0},
    {ZYDIS_MNEMONIC_PCMPESTRI, select_string_compare, 0},
    {ZYDIS_MNEMONIC_PCMPESTRM, select_string_compare, 0},
    {ZYDIS_MNEMONIC_CRC32, select_crc32, 0},
    {0, NULL, 0},
};

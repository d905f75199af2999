/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sse.h - what the SSE and MMX handlers share: access to operands, readiness, MXCSR, MMX registers.
 *
 * Most instructions are one line of a list in their file, (mnemonic, host instruction), from which macros make a
 * handler for a register source and one for a memory source. The operation itself is inline assembly and not an
 * intrinsic: a compiler may swap the operands of an addition or move it, and NaN results and flags would tell.
 */
#ifndef VIRTLAB_X86_SSE_H
#define VIRTLAB_X86_SSE_H

#include "x86/decode.h"
#include "x86/fpu.h"
#include "x86/mem.h"
#include <emmintrin.h>

#define MXCSR_FLAGS 0x003fu /* IE DE ZE OE UE PE */
#define MXCSR_DAZ   0x0040u
#define MXCSR_MASKS 0x1f80u
#define MXCSR_FTZ   0x8000u
#define MXCSR_VALID 0xffffu /* MXCSR_MASK of FXSAVE: all bits but the reserved ones (SDM 1, 11.6.6) */
#define MXCSR_RESET 0x1f80u

/* A vector register as the compiler's vector type. */
#define XMM(cpu, r) (*(__m128i *)&(cpu)->xmm[r])

/* ---- readiness ---- */

/* Raises what CR0 and CR4 ask for (SDM 3, table 13-1): #UD or #NM, for MMX also a pending x87 exception's #MF. */
_Noreturn void sse_not_ready(struct cpu *cpu, const struct insn *in);
_Noreturn void mmx_not_ready(struct cpu *cpu, const struct insn *in);

static inline void sse_ready(struct cpu *cpu, const struct insn *in)
{
    if (unlikely(cpu->fpu_guard & GUARD_SSE))
        sse_not_ready(cpu, in);
}
static inline void mmx_ready(struct cpu *cpu, const struct insn *in)
{
    if (unlikely(cpu->fpu_guard & GUARD_X87))
        mmx_not_ready(cpu, in);
}

/* ---- MXCSR (sse_mxcsr.c) ---- */

/*
 * The host's MXCSR holds the guest's, its exceptions masked. It collects the sticky flags, and mxcsr_sync() fetches
 * them. While the guest has exceptions unmasked the host's flags are kept clear instead, and sse_check_exceptions()
 * looks at them after each operation.
 */
void mxcsr_sync(struct cpu *cpu);
void mxcsr_load(struct cpu *cpu, uint32_t value);

/* What an operation's result consists of, for the detection of tiny numbers. */
enum sse_result { RESULT_OTHER, RESULT_SS, RESULT_PS, RESULT_SD, RESULT_PD };
void sse_check_exceptions(struct cpu *cpu, const struct insn *in, __m128i result, enum sse_result kind);
/* The same, then the rest of a handler: the result goes to ModRM.reg's register. */
const struct insn *sse_finish_checked(struct cpu *cpu, const struct insn *in, __m128i result, enum sse_result kind);

/* Behind an operation and before its result is stored: raises #XM (or #UD) if an unmasked exception has occurred. */
static inline void sse_exceptions(struct cpu *cpu, const struct insn *in, __m128i result, enum sse_result kind)
{
    if (unlikely(cpu->fpu_guard & GUARD_UNMASKED))
        sse_check_exceptions(cpu, in, result, kind);
}

/* Ends a hot handler. The check is a tail call, so that the handler itself needs no stack frame. */
#define SSE_FINISH(cpu, in, result, kind)                             \
    do {                                                              \
        if (unlikely((cpu)->fpu_guard & GUARD_UNMASKED))              \
            return sse_finish_checked((cpu), (in), (result), (kind)); \
        XMM(cpu, (in)->reg) = (result);                               \
        NEXT(cpu, in);                                                \
    } while (0)

/* ---- memory operands ---- */

/* The address of a 16-byte operand, which must be aligned (SDM 1, 10.4.1.1). */
static inline uint64_t sse_aligned(struct cpu *cpu, const struct insn *in, enum access access)
{
    uint64_t at = operand_address(cpu, in, 16, access);
    if (unlikely(at & 15))
        cpu_raise_error(cpu, in, VEC_GP, 0);
    return at;
}
static inline __m128i sse_load128(struct cpu *cpu, const struct insn *in, uint64_t at)
{
    xmm_t value = ld128(cpu, in, at);
    return _mm_load_si128((const __m128i *)&value);
}
static inline void sse_store128(struct cpu *cpu, const struct insn *in, uint64_t at, __m128i value)
{
    xmm_t v;
    _mm_store_si128((__m128i *)&v, value);
    st128(cpu, in, at, v);
}

/* A memory source of `bytes` bytes in the low part of a register: 16 (aligned), 8, 4 or 2. A constant, when inlined. */
static inline __m128i sse_source(struct cpu *cpu, const struct insn *in, unsigned bytes)
{
    if (bytes == 16)
        return sse_load128(cpu, in, sse_aligned(cpu, in, ACCESS_READ));
    uint64_t at = operand_address(cpu, in, bytes, ACCESS_READ);
    if (bytes == 8)
        return _mm_cvtsi64_si128((long long)ld64(cpu, in, at));
    return _mm_cvtsi32_si128(bytes == 4 ? (int)ld32(cpu, in, at) : ld16(cpu, in, at));
}

/* The r/m operand, register or memory, for handlers that aren't specialised. */
static inline __m128i sse_rm(struct cpu *cpu, const struct insn *in, unsigned bytes)
{
    return in->flags & INSN_MEM ? sse_source(cpu, in, bytes) : XMM(cpu, in->rm);
}

/* ---- MMX registers: the significands of the x87's physical ones (SDM 1, 9.2.1) ---- */

static inline uint64_t mmx_read(const struct cpu *cpu, unsigned r)
{
    uint64_t value;
    memcpy(&value, &cpu->x87.r[r], 8);
    return value;
}
/* A write sets the exponent to all ones, so that the x87 sees a NaN (SDM 1, 9.5.1). */
static inline void mmx_write(struct cpu *cpu, unsigned r, uint64_t value)
{
    memcpy(&cpu->x87.r[r], &value, 8);
    memset((uint8_t *)&cpu->x87.r[r] + 8, 0xff, 2);
}
/* Every MMX instruction but EMMS makes TOP zero and all registers used; when nothing can fault any more. */
static inline void mmx_enter(struct cpu *cpu)
{
    cpu->x87.top = 0;
    cpu->x87.used = 0xff;
}
static inline uint64_t mmx_rm(struct cpu *cpu, const struct insn *in, unsigned bytes)
{
    if (in->flags & INSN_MEM)
        return mem_load(cpu, in, operand_address(cpu, in, bytes, ACCESS_READ), bytes);
    return mmx_read(cpu, in->rm);
}

/*
 * A host MMX instruction on two 64-bit values. The host's x87 is empty before (no compiled code uses it while the guest
 * runs), and EMMS empties it again.
 */
#define MMX_EXECUTE(host, d, s)                                                                        \
    asm volatile("movq %1, %%mm1\n\tmovq %0, %%mm0\n\t" host " %%mm1, %%mm0\n\tmovq %%mm0, %0\n\temms" \
                 : "+r"(d)                                                                             \
                 : "r"(s)                                                                              \
                 : "mm0", "mm1")

/* ---- choosing among a list's handlers ---- */

struct sse_forms {
    insn_fn *xmm_reg, *xmm_mem, *mmx_reg, *mmx_mem;
};

static inline bool is_class(const struct decoded *d, unsigned i, ZydisRegisterClass class)
{
    return i < d->z.operand_count && is_reg(d, i) && ZydisRegisterGetClass(d->operand[i].reg.value) == class;
}
static inline bool is_xmm(const struct decoded *d, unsigned i)
{
    return is_class(d, i, ZYDIS_REGCLASS_XMM);
}
static inline bool is_mmx(const struct decoded *d, unsigned i)
{
    return is_class(d, i, ZYDIS_REGCLASS_MMX);
}

/* Takes the form that fits the first operand's class and the r/m operand's kind. */
static inline bool sse_choose(const struct decoded *d, struct insn *in, const struct sse_forms *forms)
{
    bool mem = in->flags & INSN_MEM;
    if (is_mmx(d, 0))
        in->fn = mem ? forms->mmx_mem : forms->mmx_reg;
    else
        in->fn = mem ? forms->xmm_mem : forms->xmm_reg;
    return in->fn != NULL;
}

#define HANDLER(name) static const struct insn *name(struct cpu *cpu, const struct insn *in)

/* A register destination that isn't ModRM.reg's is ModRM.rm's. */
static inline bool to_rm(const struct decoded *d)
{
    return is_mem(d, 0) || d->operand[0].encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM;
}

/* Select functions of tables in one file whose handlers are in another. */
select_fn select_shuffle, select_lane, select_string_compare, select_crc32, select_mxcsr, select_from_gpr,
    select_to_gpr, select_convert_mmx, select_mmx_move, select_movnti, select_masked, select_other;

#endif

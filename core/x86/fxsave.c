/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fxsave.c - FXSAVE and FXRSTOR (SDM 1, 10.5), and the same state for save and restore of the whole CPU.
 *
 * Both go through struct fpu_state, whose fields are those of the FXSAVE area. Also here: what keeps the host's control
 * words and the guest's apart, fpu_enter() and fpu_leave().
 */
#include "x86/sse.h"
#include "x86/x87.h"

/* ---- the guest's state as a whole ---- */

void fpu_mode_changed(struct cpu *cpu)
{
    uint64_t cr0 = cpu->paging.cr0, cr4 = cpu->paging.cr4;
    uint32_t guard = 0;
    if ((cr0 & (CR0_EM | CR0_TS)) || !(cr4 & CR4_OSFXSR))
        guard |= GUARD_SSE;
    if ((cr0 & (CR0_EM | CR0_TS)) || (cpu->x87.fsw & FSW_ES))
        guard |= GUARD_X87;
    if ((cpu->mxcsr & MXCSR_MASKS) != MXCSR_MASKS)
        guard |= GUARD_UNMASKED;
    cpu->fpu_guard = guard;
}

void fpu_enter(struct cpu *cpu)
{
    cpu->fpu_host.mxcsr = _mm_getcsr();
    asm volatile("fnstcw %0" : "=m"(cpu->fpu_host.fcw));
    mxcsr_load(cpu, cpu->mxcsr);
    x87_control_changed(cpu);
}

void fpu_leave(struct cpu *cpu)
{
    mxcsr_sync(cpu);
    _mm_setcsr(cpu->fpu_host.mxcsr);
    asm volatile("fnclex\n\tfldcw %0" : : "m"(cpu->fpu_host.fcw));
}

void fpu_reset(struct cpu *cpu)
{
    memset(cpu->xmm, 0, sizeof(cpu->xmm));
    memset(&cpu->x87, 0, sizeof(cpu->x87));
    x87_init(cpu);
    cpu->mxcsr = MXCSR_RESET;
    fpu_mode_changed(cpu);
}

void fpu_get_state(const struct cpu *cpu, struct fpu_state *state)
{
    const struct x87 *x = &cpu->x87;
    memset(state, 0, sizeof(*state));
    state->fcw = x->fcw;
    state->fsw = x87_fsw(cpu);
    state->ftw = x->used;
    state->fop = x->fop;
    state->fip = x->fip;
    state->fdp = x->fdp;
    state->mxcsr = cpu->mxcsr;
    for (unsigned i = 0; i < 8; i++)
        memcpy(state->st[i], &x->r[(x->top + i) & 7], 10);
    memcpy(state->xmm, cpu->xmm, sizeof(state->xmm));
}

static void set_x87(struct cpu *cpu, const struct fpu_state *state)
{
    struct x87 *x = &cpu->x87;
    x->fcw = (uint16_t)((state->fcw & ~FCW_RESERVED) | FCW_ONE);
    x->fsw = state->fsw & (uint16_t) ~(FSW_TOP | FSW_ES | FSW_B);
    x->top = state->fsw >> 11 & 7;
    x->used = state->ftw;
    x->fop = state->fop & 0x7ff;
    x->fip = state->fip;
    x->fdp = state->fdp;
    for (unsigned i = 0; i < 8; i++)
        memcpy(&x->r[(x->top + i) & 7], state->st[i], 10);
    x87_update_pending(cpu);
}

void fpu_set_state(struct cpu *cpu, const struct fpu_state *state)
{
    memcpy(cpu->xmm, state->xmm, sizeof(state->xmm));
    cpu->mxcsr = state->mxcsr & MXCSR_VALID;
    set_x87(cpu, state);
}

/* ---- FXSAVE, FXRSTOR ---- */

/* The area's first 160 bytes; behind them are 16 XMM registers, 8 outside 64-bit mode. */
struct fxsave_head {
    uint16_t fcw, fsw;
    uint8_t ftw, reserved;
    uint16_t fop;
    uint64_t fip, fdp; /* without REX.W: 32 bits of offset, then a selector, which is zero here */
    uint32_t mxcsr, mxcsr_mask;
    uint8_t st[8][16];
};
_Static_assert(sizeof(struct fxsave_head) == 160, "SDM 1, table 10-2");

enum { AREA = 512, BLOCK = 16, HEAD_BLOCKS = 10 };
enum { OP_64BIT_POINTERS = 1 };

static uint64_t area_address(struct cpu *cpu, const struct insn *in, enum access access)
{
    if (unlikely(cpu->paging.cr0 & (CR0_EM | CR0_TS)))
        cpu_raise(cpu, in, VEC_NM);
    uint64_t at = operand_address(cpu, in, AREA, access);
    if (at & (BLOCK - 1))
        cpu_raise_error(cpu, in, VEC_GP, 0);
    return at;
}

static unsigned xmm_count(const struct cpu *cpu)
{
    return cpu->code_size == CODE64 ? 16 : 8;
}

static const struct insn *fxsave(struct cpu *cpu, const struct insn *in)
{
    uint64_t at = area_address(cpu, in, ACCESS_WRITE);
    mem_probe_write(cpu, in, at, 1);
    mem_probe_write(cpu, in, at + AREA - 1, 1);

    mxcsr_sync(cpu);
    struct fpu_state state;
    fpu_get_state(cpu, &state);
    uint64_t pointer_mask = in->op & OP_64BIT_POINTERS ? UINT64_MAX : UINT32_MAX;
    struct fxsave_head head = {
        .fcw = state.fcw,
        .fsw = state.fsw,
        .ftw = state.ftw,
        .fop = state.fop,
        .fip = state.fip & pointer_mask,
        .fdp = state.fdp & pointer_mask,
        .mxcsr = state.mxcsr,
        .mxcsr_mask = MXCSR_VALID,
    };
    memcpy(head.st, state.st, sizeof(head.st));
    for (unsigned i = 0; i < HEAD_BLOCKS; i++) {
        xmm_t block;
        memcpy(&block, (const uint8_t *)&head + i * BLOCK, BLOCK);
        st128(cpu, in, at + i * BLOCK, block);
    }
    for (unsigned i = 0; i < xmm_count(cpu); i++)
        st128(cpu, in, at + (HEAD_BLOCKS + i) * BLOCK, cpu->xmm[i]);
    return in + 1;
}

static const struct insn *fxrstor(struct cpu *cpu, const struct insn *in)
{
    uint64_t at = area_address(cpu, in, ACCESS_READ);
    struct fxsave_head head;
    xmm_t xmm[16];
    for (unsigned i = 0; i < HEAD_BLOCKS; i++) {
        xmm_t block = ld128(cpu, in, at + i * BLOCK);
        memcpy((uint8_t *)&head + i * BLOCK, &block, BLOCK);
    }
    for (unsigned i = 0; i < xmm_count(cpu); i++)
        xmm[i] = ld128(cpu, in, at + (HEAD_BLOCKS + i) * BLOCK);
    if (head.mxcsr & ~MXCSR_VALID)
        cpu_raise_error(cpu, in, VEC_GP, 0);

    uint64_t pointer_mask = in->op & OP_64BIT_POINTERS ? UINT64_MAX : UINT32_MAX;
    struct fpu_state state = {
        .fcw = head.fcw,
        .fsw = head.fsw,
        .ftw = head.ftw,
        .fop = head.fop,
        .fip = head.fip & pointer_mask,
        .fdp = head.fdp & pointer_mask,
    };
    memcpy(state.st, head.st, sizeof(state.st));
    set_x87(cpu, &state);
    memcpy(cpu->xmm, xmm, xmm_count(cpu) * BLOCK);
    x87_control_changed(cpu);
    mxcsr_load(cpu, head.mxcsr);
    return in + 1;
}

bool select_fxsave(const struct decoded *d, struct insn *in)
{
    bool save = d->z.mnemonic == ZYDIS_MNEMONIC_FXSAVE || d->z.mnemonic == ZYDIS_MNEMONIC_FXSAVE64;
    in->op = d->z.raw.rex.W ? OP_64BIT_POINTERS : 0;
    in->fn = save ? fxsave : fxrstor;
    return true;
}

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

/* ---- ... as an image ---- */

_Static_assert(sizeof(struct fpu_image) == 512, "SDM 1, table 10-3");

void fpu_save_image(struct cpu *cpu, struct fpu_image *image)
{
    const struct x87 *x = &cpu->x87;
    mxcsr_sync(cpu);
    *image = (struct fpu_image){
        .fcw = x->fcw,
        .fsw = x87_fsw(cpu),
        .ftw = x->used,
        .fop = x->fop,
        .fip = x->fip,
        .fdp = x->fdp,
        .mxcsr = cpu->mxcsr,
        .mxcsr_mask = MXCSR_VALID,
    };
    for (unsigned i = 0; i < 8; i++)
        memcpy(image->st[i], &x->r[(x->top + i) & 7], 10);
    memcpy(image->xmm, cpu->xmm, sizeof(image->xmm));
}

void fpu_load_image(struct cpu *cpu, const struct fpu_image *image)
{
    struct fpu_state state = {
        .fcw = image->fcw,
        .fsw = image->fsw,
        .ftw = image->ftw,
        .fop = image->fop,
        .fip = image->fip,
        .fdp = image->fdp,
    };
    memcpy(state.st, image->st, sizeof(state.st));
    set_x87(cpu, &state);
    memcpy(cpu->xmm, image->xmm, sizeof(cpu->xmm));
    x87_control_changed(cpu);
    mxcsr_load(cpu, image->mxcsr & MXCSR_VALID);
}

/* ---- FXSAVE, FXRSTOR ---- */

/* In memory the image has 8 XMM registers, outside 64-bit mode, and leaves what is behind them alone. */
enum { AREA = sizeof(struct fpu_image), BLOCK = 16, HEAD_BLOCKS = offsetof(struct fpu_image, xmm) / BLOCK };
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

/* Blocks of the image that are in memory. */
static unsigned block_count(const struct cpu *cpu)
{
    return HEAD_BLOCKS + (cpu->code_size == CODE64 ? 16 : 8);
}

/* Without REX.W: 32 bits of offset, then a selector, which is zero here. */
static void shorten_pointers(const struct insn *in, struct fpu_image *image)
{
    if (in->op & OP_64BIT_POINTERS)
        return;
    image->fip = (uint32_t)image->fip;
    image->fdp = (uint32_t)image->fdp;
}

static const struct insn *fxsave(struct cpu *cpu, const struct insn *in)
{
    uint64_t at = area_address(cpu, in, ACCESS_WRITE);
    mem_probe_write(cpu, in, at, 1);
    mem_probe_write(cpu, in, at + AREA - 1, 1);

    struct fpu_image image;
    fpu_save_image(cpu, &image);
    shorten_pointers(in, &image);
    for (unsigned i = 0; i < block_count(cpu); i++) {
        xmm_t block;
        memcpy(&block, (const uint8_t *)&image + i * BLOCK, BLOCK);
        st128(cpu, in, at + i * BLOCK, block);
    }
    return in + 1;
}

static const struct insn *fxrstor(struct cpu *cpu, const struct insn *in)
{
    uint64_t at = area_address(cpu, in, ACCESS_READ);
    struct fpu_image image;
    memcpy(image.xmm, cpu->xmm, sizeof(image.xmm));
    for (unsigned i = 0; i < block_count(cpu); i++) {
        xmm_t block = ld128(cpu, in, at + i * BLOCK);
        memcpy((uint8_t *)&image + i * BLOCK, &block, BLOCK);
    }
    if (image.mxcsr & ~MXCSR_VALID)
        cpu_raise_error(cpu, in, VEC_GP, 0);
    shorten_pointers(in, &image);
    fpu_load_image(cpu, &image);
    return in + 1;
}

bool select_fxsave(const struct decoded *d, struct insn *in)
{
    bool save = d->z.mnemonic == ZYDIS_MNEMONIC_FXSAVE || d->z.mnemonic == ZYDIS_MNEMONIC_FXSAVE64;
    in->op = d->z.raw.rex.W ? OP_64BIT_POINTERS : 0;
    in->fn = save ? fxsave : fxrstor;
    return true;
}

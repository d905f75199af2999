/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87_control.c - x87 control instructions, and the environment and state in FNSTENV's and FNSAVE's formats.
 *
 * The environment has four formats, 16 or 32 bits wide, for protected or for real mode (SDM 1, 8.1.10). Unlike FXSAVE's
 * it has a full tag word, which is computed here from the values.
 */
#include "x86/x87.h"

/* ---- control ---- */

static const struct insn *fninit(struct cpu *cpu, const struct insn *in)
{
    x87_ready_nowait(cpu, in);
    x87_init(cpu);
    x87_control_changed(cpu);
    return in + 1;
}

static const struct insn *fnclex(struct cpu *cpu, const struct insn *in)
{
    x87_ready_nowait(cpu, in);
    cpu->x87.fsw &= FSW_CC;
    x87_control_changed(cpu);
    return in + 1;
}

static void set_fcw(struct cpu *cpu, uint16_t fcw)
{
    cpu->x87.fcw = (uint16_t)((fcw & ~FCW_RESERVED) | FCW_ONE);
    x87_control_changed(cpu);
}

static const struct insn *fldcw(struct cpu *cpu, const struct insn *in)
{
    x87_ready(cpu, in);
    set_fcw(cpu, ld16(cpu, in, operand_address(cpu, in, 2, ACCESS_READ)));
    return in + 1;
}

static const struct insn *fnstcw(struct cpu *cpu, const struct insn *in)
{
    x87_ready_nowait(cpu, in);
    st16(cpu, in, operand_address(cpu, in, 2, ACCESS_WRITE), cpu->x87.fcw);
    return in + 1;
}

static const struct insn *fnstsw(struct cpu *cpu, const struct insn *in)
{
    x87_ready_nowait(cpu, in);
    rm_write(cpu, in, 2, x87_fsw(cpu));
    return in + 1;
}

/* CR0.MP decides whether WAIT heeds CR0.TS; CR0.EM is nothing to it (SDM 3, table 2-2). */
static const struct insn *fwait(struct cpu *cpu, const struct insn *in)
{
    if (unlikely((cpu->paging.cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS)))
        cpu_raise(cpu, in, VEC_NM);
    if (unlikely(cpu->x87.fsw & FSW_ES))
        cpu_raise(cpu, in, VEC_MF);
    return in + 1;
}

static const struct insn *fnop(struct cpu *cpu, const struct insn *in)
{
    x87_ready(cpu, in);
    return in + 1;
}

/* FENI, FDISI, FSETPM: of the 8087 and 287; they do nothing and don't wait. */
static const struct insn *nothing(struct cpu *cpu, const struct insn *in)
{
    x87_ready_nowait(cpu, in);
    return in + 1;
}

bool select_x87_control(const struct decoded *d, struct insn *in)
{
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_FNINIT: return handled_by(in, fninit);
    case ZYDIS_MNEMONIC_FNCLEX: return handled_by(in, fnclex);
    case ZYDIS_MNEMONIC_FLDCW: return handled_by(in, fldcw);
    case ZYDIS_MNEMONIC_FNSTCW: return handled_by(in, fnstcw);
    case ZYDIS_MNEMONIC_FNSTSW: return handled_by(in, fnstsw);
    case ZYDIS_MNEMONIC_FWAIT: return handled_by(in, fwait);
    case ZYDIS_MNEMONIC_FNOP: return handled_by(in, fnop);
    default: return handled_by(in, nothing);
    }
}

/* ---- the full tag word: for each physical register 0 valid, 1 zero, 2 special, 3 empty ---- */

static unsigned tag_of(const long double *r)
{
    uint64_t significand;
    uint16_t exponent;
    memcpy(&significand, r, 8);
    memcpy(&exponent, (const uint8_t *)r + 8, 2);
    exponent &= 0x7fff;
    if (exponent == 0 && significand == 0)
        return 1;
    return exponent == 0 || exponent == 0x7fff || !(significand >> 63) ? 2 : 0;
}

static uint16_t full_tags(const struct cpu *cpu)
{
    unsigned tags = 0;
    for (unsigned i = 0; i < 8; i++)
        tags |= (cpu->x87.used >> i & 1 ? tag_of(&cpu->x87.r[i]) : 3) << (2 * i);
    return (uint16_t)tags;
}

static uint8_t abridged_tags(unsigned full)
{
    unsigned used = 0;
    for (unsigned i = 0; i < 8; i++)
        used |= ((full >> (2 * i) & 3) != 3u) << i;
    return (uint8_t)used;
}

/* ---- the environment: seven fields of `width` bytes ---- */

enum { ENVIRONMENT_FIELDS = 7, STATE_MAX = 108 };

/* in->op: width of a field, 2 or 4; is there the register stack behind it? */
enum { OP_WIDTH = 7, OP_REGISTERS = 8 };

/* In real-address and virtual-8086 mode, linear addresses of 20 bits (32 bits) are stored instead of offsets. */
static void environment_fields(const struct cpu *cpu, unsigned width, uint32_t field[ENVIRONMENT_FIELDS])
{
    const struct x87 *x = &cpu->x87;
    uint32_t fip = (uint32_t)x->fip, fdp = (uint32_t)x->fdp;
    field[0] = x->fcw;
    field[1] = x87_fsw(cpu);
    field[2] = full_tags(cpu);
    field[3] = fip;
    field[5] = fdp;
    if (cpu_real_segments(cpu)) {
        unsigned high = width == 2 ? 0xf : 0xffff;
        fip += (uint32_t)cpu->seg[SEG_CS].base;
        field[3] = fip & 0xffff;
        field[4] = (fip >> 16 & high) << 12 | x->fop;
        field[5] = fdp & 0xffff;
        field[6] = (fdp >> 16 & high) << 12;
    } else {
        field[4] = width == 4 ? (uint32_t)x->fop << 16 : 0; /* FCS is zero */
        field[6] = 0;                                       /* and so is FDS */
    }
    if (width == 4) /* the unused halves of the first fields read as ones */
        for (unsigned i = 0; i < 3; i++)
            field[i] |= 0xffff0000;
    if (width == 4)
        field[6] |= cpu_real_segments(cpu) ? 0 : 0xffff0000;
}

static void take_environment(struct cpu *cpu, unsigned width, const uint32_t field[ENVIRONMENT_FIELDS])
{
    struct x87 *x = &cpu->x87;
    x->fsw = field[1] & ~(FSW_TOP | FSW_ES | FSW_B) & 0xffff;
    x->top = field[1] >> 11 & 7;
    x->used = abridged_tags(field[2]);
    x->fip = field[3];
    x->fdp = field[5];
    if (cpu_real_segments(cpu)) {
        x->fip = ((field[4] & 0x0ffff000) << 4 | (field[3] & 0xffff)) - (uint32_t)cpu->seg[SEG_CS].base;
        x->fdp = (field[6] & 0x0ffff000) << 4 | (field[5] & 0xffff);
        x->fop = field[4] & 0x7ff;
    } else if (width == 4) {
        x->fop = field[4] >> 16 & 0x7ff;
    }
    set_fcw(cpu, (uint16_t)field[0]);
}

static unsigned state_bytes(const struct insn *in)
{
    return ENVIRONMENT_FIELDS * (in->op & OP_WIDTH) + (in->op & OP_REGISTERS ? 80 : 0);
}

/* Stores FNSTENV's or FNSAVE's area; all of it is probed before the first byte is stored. */
static void store_state(struct cpu *cpu, const struct insn *in)
{
    unsigned width = in->op & OP_WIDTH, bytes = state_bytes(in);
    uint64_t at = operand_address(cpu, in, bytes, ACCESS_WRITE);
    mem_probe_write(cpu, in, at, 1);
    mem_probe_write(cpu, in, at + bytes - 1, 1);

    uint32_t field[ENVIRONMENT_FIELDS];
    environment_fields(cpu, width, field);
    for (unsigned i = 0; i < ENVIRONMENT_FIELDS; i++)
        mem_store(cpu, in, at + i * width, width, field[i]);
    at += ENVIRONMENT_FIELDS * width;
    for (unsigned i = 0; in->op & OP_REGISTERS && i < 8; i++, at += 10) {
        uint16_t part[5];
        memcpy(part, x87_st(cpu, i), 10);
        for (unsigned k = 0; k < 5; k++)
            st16(cpu, in, at + 2 * k, part[k]);
    }
}

/* Loads it; everything is read before anything is changed. */
static void load_state(struct cpu *cpu, const struct insn *in)
{
    unsigned width = in->op & OP_WIDTH, bytes = state_bytes(in);
    uint64_t at = operand_address(cpu, in, bytes, ACCESS_READ);
    uint16_t part[STATE_MAX / 2];
    for (unsigned i = 0; i < bytes / 2; i++)
        part[i] = ld16(cpu, in, at + 2 * i);

    uint32_t field[ENVIRONMENT_FIELDS] = {0};
    for (unsigned i = 0; i < ENVIRONMENT_FIELDS; i++)
        memcpy(&field[i], (const uint8_t *)part + i * width, width);
    take_environment(cpu, width, field);
    for (unsigned i = 0; in->op & OP_REGISTERS && i < 8; i++)
        memcpy(x87_st(cpu, i), (const uint8_t *)part + ENVIRONMENT_FIELDS * width + 10 * i, 10);
}

/* FNSTENV masks all exceptions afterwards. */
static const struct insn *fnstenv(struct cpu *cpu, const struct insn *in)
{
    x87_ready_nowait(cpu, in);
    store_state(cpu, in);
    set_fcw(cpu, cpu->x87.fcw | FSW_EXCEPTIONS);
    return in + 1;
}

static const struct insn *fnsave(struct cpu *cpu, const struct insn *in)
{
    x87_ready_nowait(cpu, in);
    store_state(cpu, in);
    x87_init(cpu);
    x87_control_changed(cpu);
    return in + 1;
}

/* FLDENV, FRSTOR. */
static const struct insn *restore(struct cpu *cpu, const struct insn *in)
{
    x87_ready(cpu, in);
    load_state(cpu, in);
    return in + 1;
}

bool select_x87_environment(const struct decoded *d, struct insn *in)
{
    bool registers = d->z.mnemonic == ZYDIS_MNEMONIC_FNSAVE || d->z.mnemonic == ZYDIS_MNEMONIC_FRSTOR;
    unsigned bytes = operand_bytes(d, 0) - (registers ? 80 : 0);
    in->op = (uint8_t)(bytes / ENVIRONMENT_FIELDS | (registers ? OP_REGISTERS : 0));
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_FNSTENV: return handled_by(in, fnstenv);
    case ZYDIS_MNEMONIC_FNSAVE: return handled_by(in, fnsave);
    default: return handled_by(in, restore);
    }
}

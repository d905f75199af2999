/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sse_move_mmx.c - moves of MMX registers; and what moves nothing that could be seen: prefetches, fences, CLFLUSH.
 *
 * Also the masked stores, MOVNTI and EMMS. Select functions are called from sse_move.c's table.
 */
#include "x86/sse.h"

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

bool select_mmx_move(const struct decoded *d, struct insn *in)
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

bool select_movnti(const struct decoded *d, struct insn *in)
{
    in->op = (uint8_t)operand_bytes(d, 0);
    in->fn = movnti;
    return true;
}

/* The segment of a hidden operand isn't in the record: DS, or what a prefix says. */
bool select_masked(const struct decoded *d, struct insn *in)
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
    (void)cpu;
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

bool select_other(const struct decoded *d, struct insn *in)
{
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_MOVQ2DQ: return handled_by(in, movq2dq);
    case ZYDIS_MNEMONIC_MOVDQ2Q: return handled_by(in, movdq2q);
    case ZYDIS_MNEMONIC_CLFLUSH: return handled_by(in, clflush);
    case ZYDIS_MNEMONIC_EMMS: return handled_by(in, emms);
    default: return handled_by(in, nothing);
    }
}

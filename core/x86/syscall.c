/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syscall.c - SYSCALL, SYSRET, SYSENTER, SYSEXIT: in and out of the kernel without tables in memory (SDM 3, 5.8.7 and
 * 5.8.8). The segments are not read from descriptors but set flat, which is why these are fast.
 *
 * Where Intel and AMD differ: SYSCALL works in 64-bit mode only, SYSENTER in all protected modes, and SYSRET to a
 * non-canonical address faults while still in ring 0: Intel's ways, as the vendor in CPUID says.
 */
#include "x86/protect.h"

static struct segment_reg flat_code(unsigned selector, unsigned dpl, uint32_t size)
{
    return (struct segment_reg){.selector = (uint16_t)((selector & ~SELECTOR_RPL) | dpl),
                                .limit = UINT32_MAX,
                                .attr = 0x9b | dpl << 5 | ATTR_G | size};
}

static struct segment_reg flat_stack(unsigned selector, unsigned dpl)
{
    return (struct segment_reg){.selector = (uint16_t)((selector & ~SELECTOR_RPL) | dpl),
                                .limit = UINT32_MAX,
                                .attr = 0x93 | dpl << 5 | ATTR_G | ATTR_DB};
}

static const struct insn *go(struct cpu *cpu, unsigned cpl, struct segment_reg cs, struct segment_reg ss, uint64_t rip)
{
    struct entry_point to = {.cs = cs, .rip = rip, .cpl = (uint8_t)cpl};
    cpu->seg[SEG_SS] = ss;
    code_enter(cpu, &to);
    return NULL;
}

/* ---- SYSCALL, SYSRET ---- */

void cpu_syscall(struct cpu *cpu, uint64_t next)
{
    cpu_count_sensitive(cpu, EXIT_INDEX_SYSCALL);
    uint64_t rflags = cpu_rflags(cpu);
    unsigned selector = cpu->star >> 32 & 0xffff;
    cpu->gpr[RCX] = next;
    cpu->gpr[R11] = rflags;
    cpu_set_rflags(cpu, rflags & ~cpu->sfmask);
    go(cpu, 0, flat_code(selector, 0, ATTR_L), flat_stack(selector + 8, 0), cpu->lstar);
}

static const struct insn *op_syscall(struct cpu *cpu, const struct insn *in)
{
    if (cpu->code_size != CODE64 || !(cpu->paging.efer & EFER_SCE))
        cpu_raise(cpu, in, VEC_UD);
    cpu_syscall(cpu, cpu_next_rip(cpu, in));
    return NULL;
}

static const struct insn *op_sysret(struct cpu *cpu, const struct insn *in)
{
    if (cpu->code_size != CODE64 || !(cpu->paging.efer & EFER_SCE))
        cpu_raise(cpu, in, VEC_UD);
    const bool to64 = in->opsize == 8;
    const uint64_t rip = to64 ? cpu->gpr[RCX] : (uint32_t)cpu->gpr[RCX];
    if (cpu->cpl != 0 || !canonical(rip))
        cpu_raise_error(cpu, in, VEC_GP, 0);
    cpu_sensitive(cpu, in, EXIT_INDEX_KERNEL_RETURN, 0);
    unsigned selector = cpu->star >> 48;
    struct segment_reg cs = to64 ? flat_code(selector + 16, 3, ATTR_L) : flat_code(selector, 3, ATTR_DB);
    cpu_set_rflags(cpu, cpu->gpr[R11] & FLAGS_LOADABLE);
    return go(cpu, 3, cs, flat_stack(selector + 8, 3), rip);
}

/* ---- SYSENTER, SYSEXIT ---- */

static const struct insn *op_sysenter(struct cpu *cpu, const struct insn *in)
{
    unsigned selector = (uint16_t)cpu->sysenter_cs;
    if (!cpu_protected(cpu) || selector_null((uint16_t)selector))
        cpu_raise_error(cpu, in, VEC_GP, 0);
    cpu_sensitive(cpu, in, EXIT_INDEX_SYSCALL, 0);
    const bool wide = cpu_long_mode(cpu);
    cpu->gpr[RSP] = wide ? cpu->sysenter_esp : (uint32_t)cpu->sysenter_esp;
    cpu_set_rflags(cpu, cpu_rflags(cpu) & ~(uint64_t)(FLAG_VM | FLAG_IF));
    return go(cpu, 0, flat_code(selector, 0, wide ? ATTR_L : ATTR_DB), flat_stack(selector + 8, 0),
              wide ? cpu->sysenter_eip : (uint32_t)cpu->sysenter_eip);
}

static const struct insn *op_sysexit(struct cpu *cpu, const struct insn *in)
{
    unsigned selector = (uint16_t)cpu->sysenter_cs;
    const bool to64 = in->opsize == 8;
    if (!cpu_protected(cpu) || cpu->cpl != 0 || selector_null((uint16_t)selector))
        cpu_raise_error(cpu, in, VEC_GP, 0);
    if (to64 && (!canonical(cpu->gpr[RCX]) || !canonical(cpu->gpr[RDX])))
        cpu_raise_error(cpu, in, VEC_GP, 0);
    cpu_sensitive(cpu, in, EXIT_INDEX_KERNEL_RETURN, 0);
    cpu->gpr[RSP] = to64 ? cpu->gpr[RCX] : (uint32_t)cpu->gpr[RCX];
    unsigned first = selector + (to64 ? 32 : 16);
    return go(cpu, 3, flat_code(first, 3, to64 ? ATTR_L : ATTR_DB), flat_stack(first + 8, 3),
              to64 ? cpu->gpr[RDX] : (uint32_t)cpu->gpr[RDX]);
}

/* ---- choosing ---- */

static bool select_syscall(const struct decoded *d, struct insn *in)
{
    in->flags |= INSN_LAST;
    in->opsize = d->z.attributes & ZYDIS_ATTRIB_HAS_REX && d->z.raw.rex.W ? 8 : 4;
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_SYSCALL: in->fn = op_syscall; break;
    case ZYDIS_MNEMONIC_SYSRET: in->fn = op_sysret; break;
    case ZYDIS_MNEMONIC_SYSENTER: in->fn = op_sysenter; break;
    default: in->fn = op_sysexit; break;
    }
    return true;
}

static bool select_iret(const struct decoded *d, struct insn *in)
{
    in->flags |= INSN_LAST;
    in->opsize = d->z.mnemonic == ZYDIS_MNEMONIC_IRET ? 2 : d->z.mnemonic == ZYDIS_MNEMONIC_IRETD ? 4 : 8;
    in->seg = SEG_SS; /* for the memory slow path: a bad address is #SS */
    in->fn = op_iret;
    return true;
}

const struct family_row family_syscall[] = {
    {ZYDIS_MNEMONIC_SYSCALL, select_syscall, 0},  {ZYDIS_MNEMONIC_SYSRET, select_syscall, 0},
    {ZYDIS_MNEMONIC_SYSENTER, select_syscall, 0}, {ZYDIS_MNEMONIC_SYSEXIT, select_syscall, 0},
    {ZYDIS_MNEMONIC_INT, select_int, 0},          {ZYDIS_MNEMONIC_INT1, select_int, 0},
    {ZYDIS_MNEMONIC_INT3, select_int, 0},         {ZYDIS_MNEMONIC_INTO, select_int, 0},
    {ZYDIS_MNEMONIC_IRET, select_iret, 0},        {ZYDIS_MNEMONIC_IRETD, select_iret, 0},
    {ZYDIS_MNEMONIC_IRETQ, select_iret, 0},       {0},
};

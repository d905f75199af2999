/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * system.c - the rest of the privileged instructions: HLT, CLI, STI, time-stamp counter, descriptor-table registers,
 * caches; and those that are defined to be undefined.
 */
#include "x86/protect.h"

/* ---- HLT, CLI, STI ---- */

static const struct insn *op_hlt(struct cpu *cpu, const struct insn *in)
{
    require_cpl0(cpu, in);
    cpu_intercept(cpu, in, EXIT_INDEX_HLT, 0);
    COUNT_TAKEN(cpu->stats, HLT); /* the one instruction here that always goes to the machine */
    cpu->halted = true;
    return end_block(cpu, cpu_next_rip(cpu, in));
}

/* May the program change IF? (SDM 1, 18.3; protected-mode virtual interrupts are not offered) */
static void require_iopl(struct cpu *cpu, const struct insn *in)
{
    if (cpu_protected(cpu) && cpu->cpl > cpu_iopl(cpu))
        cpu_raise_error(cpu, in, VEC_GP, 0);
    cpu_sensitive(cpu, in, EXIT_INDEX_IF_CHANGE, 0);
}

static const struct insn *op_cli(struct cpu *cpu, const struct insn *in)
{
    require_iopl(cpu, in);
    cpu->sysflags &= ~FLAG_IF;
    return in + 1;
}

/* No interrupt comes before the instruction behind STI is complete, so that STI; HLT loses none (SDM 2, STI). */
static const struct insn *op_sti(struct cpu *cpu, const struct insn *in)
{
    require_iopl(cpu, in);
    if (!(cpu->sysflags & FLAG_IF))
        cpu->interrupt_shadow = true;
    cpu->sysflags |= FLAG_IF;
    return end_block(cpu, cpu_next_rip(cpu, in));
}

/* ---- CLAC, STAC: the kernel's leave to touch user pages under SMAP (SDM 2) ---- */

static const struct insn *set_ac(struct cpu *cpu, const struct insn *in, uint32_t ac)
{
    if (cpu->cpl != 0)
        cpu_raise(cpu, in, VEC_UD);
    cpu->sysflags = (cpu->sysflags & ~FLAG_AC) | ac;
    cpu_mode_changed(cpu);
    return end_block(cpu, cpu_next_rip(cpu, in));
}

static const struct insn *op_clac(struct cpu *cpu, const struct insn *in)
{
    return set_ac(cpu, in, 0);
}

static const struct insn *op_stac(struct cpu *cpu, const struct insn *in)
{
    return set_ac(cpu, in, FLAG_AC);
}

/* ---- time and performance counters ---- */

static void read_tsc(struct cpu *cpu, const struct insn *in, enum exit_index why)
{
    if (cpu_protected(cpu) && (cpu->paging.cr4 & CR4_TSD) && cpu->cpl > 0)
        cpu_raise_error(cpu, in, VEC_GP, 0);
    cpu_sensitive(cpu, in, why, 0);
    uint64_t tsc = cpu->host->tsc(cpu->host->context, cpu_icount(cpu, in)) + (uint64_t)cpu->tsc_offset;
    cpu->gpr[RAX] = (uint32_t)tsc;
    cpu->gpr[RDX] = tsc >> 32;
}

static const struct insn *op_rdtsc(struct cpu *cpu, const struct insn *in)
{
    read_tsc(cpu, in, EXIT_INDEX_RDTSC);
    return in + 1;
}

static const struct insn *op_rdtscp(struct cpu *cpu, const struct insn *in)
{
    read_tsc(cpu, in, EXIT_INDEX_RDTSCP);
    cpu->gpr[RCX] = (uint32_t)cpu->tsc_aux;
    return in + 1;
}

/* There are no performance counters: every index is out of range. */
static const struct insn *op_rdpmc(struct cpu *cpu, const struct insn *in)
{
    cpu_sensitive(cpu, in, EXIT_INDEX_RDPMC, 0);
    cpu_raise_error(cpu, in, VEC_GP, 0);
}

/* ---- GDTR, IDTR ---- */

/* The operand: two bytes of limit, then the base. With 16-bit operands the base has 24 bits (SDM 2, LGDT). */
static void load_table(struct cpu *cpu, const struct insn *in, struct table_reg *table)
{
    require_cpl0(cpu, in);
    cpu_sensitive(cpu, in, EXIT_INDEX_GDTR_IDTR, (uint64_t)in->disp);
    const unsigned size = in->flags & INSN_FLAT ? 8 : 4;
    uint64_t at = effective_address(cpu, in);
    uint64_t limit = mem_load(cpu, in, linear(cpu, in, in->seg, at, 2, ACCESS_READ), 2);
    uint64_t base = mem_load(cpu, in, linear(cpu, in, in->seg, at + 2, size, ACCESS_READ), size);
    if (in->opsize == 2)
        base &= 0xffffff;
    if (!canonical(base))
        cpu_raise_error(cpu, in, VEC_GP, 0);
    *table = (struct table_reg){.base = base, .limit = (uint16_t)limit};
}

static void store_table(struct cpu *cpu, const struct insn *in, struct table_reg table)
{
    if ((cpu->paging.cr4 & CR4_UMIP) && cpu->cpl > 0)
        cpu_raise_error(cpu, in, VEC_GP, 0);
    cpu_sensitive(cpu, in, EXIT_INDEX_GDTR_IDTR, (uint64_t)in->disp);
    const unsigned size = in->flags & INSN_FLAT ? 8 : 4;
    if (in->opsize == 2)
        table.base &= 0xffffff;
    uint64_t at = effective_address(cpu, in);
    uint64_t limit = linear(cpu, in, in->seg, at, 2, ACCESS_WRITE);
    uint64_t base = linear(cpu, in, in->seg, at + 2, size, ACCESS_WRITE);
    mem_probe_write(cpu, in, base, size);
    mem_store(cpu, in, limit, 2, table.limit);
    mem_store(cpu, in, base, size, table.base);
}

static const struct insn *op_lgdt(struct cpu *cpu, const struct insn *in)
{
    load_table(cpu, in, &cpu->gdtr);
    return in + 1;
}

static const struct insn *op_lidt(struct cpu *cpu, const struct insn *in)
{
    load_table(cpu, in, &cpu->idtr);
    return in + 1;
}

static const struct insn *op_sgdt(struct cpu *cpu, const struct insn *in)
{
    store_table(cpu, in, cpu->gdtr);
    return in + 1;
}

static const struct insn *op_sidt(struct cpu *cpu, const struct insn *in)
{
    store_table(cpu, in, cpu->idtr);
    return in + 1;
}

/* ---- caches: there are none to write back or invalidate ---- */

static const struct insn *op_wbinvd(struct cpu *cpu, const struct insn *in)
{
    require_cpl0(cpu, in);
    cpu_sensitive(cpu, in, EXIT_INDEX_WBINVD, 0);
    return in + 1;
}

static const struct insn *op_invd(struct cpu *cpu, const struct insn *in)
{
    require_cpl0(cpu, in);
    cpu_sensitive(cpu, in, EXIT_INDEX_INVD, 0);
    return in + 1;
}

/* ---- UD0, UD1, UD2, and what is undefined on a CPU that lacks the feature or the mode ---- */

static const struct insn *op_undefined(struct cpu *cpu, const struct insn *in)
{
    cpu_raise(cpu, in, VEC_UD);
}

/*
 * VMX instructions: undefined outside VMX operation, and never carried out by guest code: in non-root operation each
 * exits, at any privilege. Root code is C (hwassist/vtx/vmx.h). `op` is the exit reason.
 */
static const struct insn *op_vmx(struct cpu *cpu, const struct insn *in)
{
    bool here = cpu_protected(cpu) && !cpu_v86(cpu) && (!cpu_long_mode(cpu) || cpu->code_size == CODE64);
    if (here || in->op == EXIT_INDEX_VMCALL)
        cpu_intercept(cpu, in, (enum exit_index)in->op, (uint64_t)in->disp);
    cpu_raise(cpu, in, VEC_UD);
}

/* ---- choosing ---- */

static insn_fn *const handlers[] = {
    [ZYDIS_MNEMONIC_HLT] = op_hlt,     [ZYDIS_MNEMONIC_CLI] = op_cli,       [ZYDIS_MNEMONIC_STI] = op_sti,
    [ZYDIS_MNEMONIC_RDTSC] = op_rdtsc, [ZYDIS_MNEMONIC_RDTSCP] = op_rdtscp, [ZYDIS_MNEMONIC_RDPMC] = op_rdpmc,
    [ZYDIS_MNEMONIC_LGDT] = op_lgdt,   [ZYDIS_MNEMONIC_LIDT] = op_lidt,     [ZYDIS_MNEMONIC_SGDT] = op_sgdt,
    [ZYDIS_MNEMONIC_SIDT] = op_sidt,   [ZYDIS_MNEMONIC_WBINVD] = op_wbinvd, [ZYDIS_MNEMONIC_INVD] = op_invd,
    [ZYDIS_MNEMONIC_CPUID] = op_cpuid, [ZYDIS_MNEMONIC_RDMSR] = op_rdmsr,   [ZYDIS_MNEMONIC_WRMSR] = op_wrmsr,
    [ZYDIS_MNEMONIC_CLAC] = op_clac,   [ZYDIS_MNEMONIC_STAC] = op_stac,
};

static bool select_system(const struct decoded *d, struct insn *in)
{
    in->opsize = operand_width(d);
    in->op = (uint8_t)d->arg;
    in->fn = handlers[d->z.mnemonic];
    return true;
}

/* These change what the run loop or the decoder must know. */
static bool select_last(const struct decoded *d, struct insn *in)
{
    in->flags |= INSN_LAST;
    return select_system(d, in);
}

static bool select_undefined(const struct decoded *d, struct insn *in)
{
    (void)d;
    in->flags |= INSN_LAST;
    in->fn = op_undefined;
    return true;
}

static bool select_vmx(const struct decoded *d, struct insn *in)
{
    in->flags |= INSN_LAST;
    in->opsize = d->code_size == CODE64 ? 8 : 4;
    in->op = (uint8_t)d->arg;
    in->fn = op_vmx;
    return true;
}

#define UNDEFINED(mnemonic)                            \
    {                                                  \
        ZYDIS_MNEMONIC_##mnemonic, select_undefined, 0 \
    }

const struct family_row family_system[] = {
    {ZYDIS_MNEMONIC_HLT, select_last, 0},
    {ZYDIS_MNEMONIC_STI, select_last, 0},
    {ZYDIS_MNEMONIC_WRMSR, select_last, 0},
    {ZYDIS_MNEMONIC_CLAC, select_last, 0},
    {ZYDIS_MNEMONIC_STAC, select_last, 0},
    {ZYDIS_MNEMONIC_CLI, select_system, 0},
    {ZYDIS_MNEMONIC_RDTSC, select_system, 0},
    {ZYDIS_MNEMONIC_RDTSCP, select_system, 0},
    {ZYDIS_MNEMONIC_RDPMC, select_last, 0},
    {ZYDIS_MNEMONIC_SGDT, select_system, 0}, /* the numbers are VT-x's, for who intercepts them (SDM 3, 28.2.5) */
    {ZYDIS_MNEMONIC_SIDT, select_system, 1},
    {ZYDIS_MNEMONIC_LGDT, select_system, 2},
    {ZYDIS_MNEMONIC_LIDT, select_system, 3},
    {ZYDIS_MNEMONIC_WBINVD, select_system, 0},
    {ZYDIS_MNEMONIC_INVD, select_system, 0},
    {ZYDIS_MNEMONIC_CPUID, select_system, 0},
    {ZYDIS_MNEMONIC_RDMSR, select_system, 0},
    UNDEFINED(UD0),
    UNDEFINED(UD1),
    UNDEFINED(UD2),
    UNDEFINED(RSM), /* outside system-management mode */
    UNDEFINED(MONITOR),
    UNDEFINED(MWAIT),
    UNDEFINED(XGETBV), /* CR4.OSXSAVE can't be set */
    UNDEFINED(XSETBV),
    UNDEFINED(INVPCID),
    UNDEFINED(VMFUNC),
    {ZYDIS_MNEMONIC_VMCALL, select_vmx, EXIT_INDEX_VMCALL},
    {ZYDIS_MNEMONIC_VMLAUNCH, select_vmx, EXIT_INDEX_VMLAUNCH},
    {ZYDIS_MNEMONIC_VMRESUME, select_vmx, EXIT_INDEX_VMRESUME},
    {ZYDIS_MNEMONIC_VMXOFF, select_vmx, EXIT_INDEX_VMXOFF},
    {ZYDIS_MNEMONIC_VMXON, select_vmx, EXIT_INDEX_VMXON},
    {ZYDIS_MNEMONIC_VMCLEAR, select_vmx, EXIT_INDEX_VMCLEAR},
    {ZYDIS_MNEMONIC_VMPTRLD, select_vmx, EXIT_INDEX_VMPTRLD},
    {ZYDIS_MNEMONIC_VMPTRST, select_vmx, EXIT_INDEX_VMPTRST},
    {ZYDIS_MNEMONIC_VMREAD, select_vmx, EXIT_INDEX_VMREAD},
    {ZYDIS_MNEMONIC_VMWRITE, select_vmx, EXIT_INDEX_VMWRITE},
    {ZYDIS_MNEMONIC_INVEPT, select_vmx, EXIT_INDEX_INVEPT},
    {ZYDIS_MNEMONIC_INVVPID, select_vmx, EXIT_INDEX_INVVPID},
    UNDEFINED(VMMCALL), /* EFER.SVME can't be set */
    UNDEFINED(VMRUN),
    UNDEFINED(VMLOAD),
    UNDEFINED(VMSAVE),
    UNDEFINED(CLGI),
    UNDEFINED(STGI),
    UNDEFINED(SKINIT),
    UNDEFINED(INVLPGA),
    {0},
};

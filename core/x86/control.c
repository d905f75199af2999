/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control.c - control and debug registers: MOV to and from them, LMSW, SMSW, CLTS, INVLPG (SDM 3, 2.5 and 17.2).
 *
 * Here the CPU changes its nature: real to protected mode, paging on and off, long mode. A write is checked whole, then
 * done whole; what follows from it (flushed translations, another code size) comes last, and the block ends.
 */
#include "x86/protect.h"

static _Noreturn void refuse(struct cpu *cpu, const struct insn *in)
{
    cpu_raise_error(cpu, in, VEC_GP, 0);
}

static bool pae_paging(const struct paging *p)
{
    return (p->cr0 & CR0_PG) && (p->cr4 & CR4_PAE) && !(p->efer & EFER_LMA);
}

/* Takes over a new set of paging registers; with PAE paging the four pointers are read now (SDM 3, 4.4.1). */
static void use_paging(struct cpu *cpu, const struct insn *in, struct paging *next, bool reload)
{
    if (reload && pae_paging(next) && next->eptp)
        mem_second_level(cpu, in, gpa(next->cr3 & 0xffffffe0));
    if (reload && pae_paging(next) && !mmu_load_pdptes(next, cpu->host->ram))
        refuse(cpu, in);
    cpu->paging = *next;
}

/* ---- CR0 ---- */

#define CR0_DEFINED (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)

/* Paging goes on or off: with EFER.LME that is long mode (SDM 3, 9.8.5). */
static void switch_paging(struct cpu *cpu, const struct insn *in, struct paging *next)
{
    if (next->cr0 & CR0_PG) {
        if (!(next->efer & EFER_LME))
            return;
        bool tss16 = !(cpu->seg[SEG_TR].attr & SYS_32BIT);
        if (!(next->cr4 & CR4_PAE) || (cpu->seg[SEG_CS].attr & ATTR_L) || tss16)
            refuse(cpu, in);
        next->efer |= EFER_LMA;
    } else {
        if (cpu->code_size == CODE64)
            refuse(cpu, in);
        next->efer &= ~EFER_LMA;
    }
}

static void write_cr0(struct cpu *cpu, const struct insn *in, uint64_t value)
{
    value = cpu_cr0_written(cpu, value);
    if (value >> 32 || ((value & CR0_PG) && !(value & CR0_PE)) || ((value & CR0_NW) && !(value & CR0_CD)))
        refuse(cpu, in);
    struct paging next = cpu->paging;
    next.cr0 = (value & CR0_DEFINED) | CR0_ET;
    uint64_t changed = next.cr0 ^ cpu->paging.cr0;
    if (changed & CR0_PG)
        switch_paging(cpu, in, &next);
    use_paging(cpu, in, &next, changed & (CR0_PG | CR0_CD | CR0_NW));
    if (changed & (CR0_PG | CR0_PE | CR0_WP))
        cpu_flush_tlb(cpu, true);
    if (changed & CR0_PE)
        cpu->cpl = 0;
    cpu_mode_changed(cpu);
}

/* ---- CR3, CR4, CR8 ---- */

static void write_cr3(struct cpu *cpu, const struct insn *in, uint64_t value)
{
    if (cpu_long_mode(cpu) && value >> CPU_PHYSICAL_BITS)
        refuse(cpu, in);
    struct paging next = cpu->paging;
    next.cr3 = value;
    use_paging(cpu, in, &next, true);
    cpu_flush_tlb(cpu, false);
}

/* What CPUID offers (cpuid.c); every other bit is reserved. */
#define CR4_OFFERED                                                                                             \
    (CR4_TSD | CR4_PSE | CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_UMIP | CR4_FSGSBASE | CR4_SMEP | \
     CR4_SMAP)
#define CR4_PAGING (CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP)

static void write_cr4(struct cpu *cpu, const struct insn *in, uint64_t value)
{
    const uint64_t offered = cpu->nonroot ? CR4_OFFERED | CR4_VMXE : CR4_OFFERED;
    value = cpu_cr4_written(cpu, value);
    if (value & ~offered || (cpu_long_mode(cpu) && !(value & CR4_PAE)))
        refuse(cpu, in);
    struct paging next = cpu->paging;
    next.cr4 = value;
    uint64_t changed = value ^ cpu->paging.cr4;
    use_paging(cpu, in, &next, changed & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP));
    if (changed & CR4_PAGING)
        cpu_flush_tlb(cpu, true);
    cpu_mode_changed(cpu);
}

static void write_cr8(struct cpu *cpu, const struct insn *in, uint64_t value)
{
    if (value > 15)
        refuse(cpu, in);
    cpu->cr8 = value;
    if (cpu->host->cr8_changed)
        cpu->host->cr8_changed(cpu->host->context, value);
}

/* ---- MOV to and from CR ---- */

static const struct insn *op_mov_to_cr(struct cpu *cpu, const struct insn *in)
{
    require_cpl0(cpu, in);
    cpu_sensitive(cpu, in, EXIT_INDEX_CR_ACCESS, cr_qualification(CR_MOV_TO, in->reg, in->rm));
    uint64_t value = reg_read(cpu, in->rm, in->opsize);
    switch (in->reg) {
    case 0: write_cr0(cpu, in, value); break;
    case 2: cpu->cr2 = value; break;
    case 3: write_cr3(cpu, in, value); break;
    case 4: write_cr4(cpu, in, value); break;
    default: write_cr8(cpu, in, value); break;
    }
    return end_block(cpu, cpu_next_rip(cpu, in));
}

static const struct insn *op_mov_from_cr(struct cpu *cpu, const struct insn *in)
{
    require_cpl0(cpu, in);
    cpu_sensitive(cpu, in, EXIT_INDEX_CR_ACCESS, cr_qualification(CR_MOV_FROM, in->reg, in->rm));
    uint64_t value;
    switch (in->reg) {
    case 0: value = cpu_cr0_seen(cpu); break;
    case 2: value = cpu->cr2; break;
    case 3: value = cpu->paging.cr3; break;
    case 4: value = cpu_cr4_seen(cpu); break;
    default: value = cpu->cr8; break;
    }
    reg_write(cpu, in->rm, in->opsize, value);
    return in + 1;
}

/* ---- debug registers: state only, no breakpoint ever fires ---- */

#define DR6_WRITABLE 0x0000e00fu
#define DR6_FIXED    0xffff0ff0u
#define DR7_WRITABLE 0xffff23ffu
#define DR7_FIXED    0x00000400u

/* DR4 and DR5 are other names for DR6 and DR7: CR4.DE, which would forbid that, is not offered. */
static unsigned debug_number(const struct insn *in)
{
    return in->reg == 4 || in->reg == 5 ? in->reg + 2u : in->reg;
}

/* DR7.GD: a debugger guards its registers, once. */
static void check_debug_access(struct cpu *cpu, const struct insn *in, bool from)
{
    cpu_sensitive(cpu, in, EXIT_INDEX_DR_ACCESS, dr_qualification(from, in->reg, in->rm)); /* first: SDM 3, 26.1.3 */
    require_cpl0(cpu, in);
    if (cpu->dr7 & DR7_GD) {
        cpu->dr6 |= DR6_BD;
        cpu->dr7 &= ~(uint64_t)DR7_GD;
        cpu_raise(cpu, in, VEC_DB);
    }
}

static const struct insn *op_mov_to_dr(struct cpu *cpu, const struct insn *in)
{
    check_debug_access(cpu, in, false);
    uint64_t value = reg_read(cpu, in->rm, in->opsize);
    unsigned number = debug_number(in);
    if (number >= 6 && value >> 32)
        refuse(cpu, in);
    if (number == 6)
        cpu->dr6 = (value & DR6_WRITABLE) | DR6_FIXED;
    else if (number == 7)
        cpu->dr7 = (value & DR7_WRITABLE) | DR7_FIXED;
    else
        cpu->dr[number] = value;
    return in + 1;
}

static const struct insn *op_mov_from_dr(struct cpu *cpu, const struct insn *in)
{
    check_debug_access(cpu, in, true);
    unsigned number = debug_number(in);
    reg_write(cpu, in->rm, in->opsize, number == 6 ? cpu->dr6 : number == 7 ? cpu->dr7 : cpu->dr[number]);
    return in + 1;
}

/* ---- LMSW, SMSW, CLTS ---- */

static const struct insn *op_lmsw(struct cpu *cpu, const struct insn *in)
{
    const uint64_t loaded = CR0_MP | CR0_EM | CR0_TS;
    require_cpl0(cpu, in);
    uint64_t value = rm_read(cpu, in, 2), cr0 = cpu->paging.cr0;
    cpu_sensitive(cpu, in, EXIT_INDEX_CR_ACCESS, lmsw_qualification(in->flags & INSN_MEM, (uint16_t)value));
    write_cr0(cpu, in, (cr0 & ~loaded) | (value & (loaded | CR0_PE))); /* sets PE, but never clears it */
    return end_block(cpu, cpu_next_rip(cpu, in));
}

static const struct insn *op_smsw(struct cpu *cpu, const struct insn *in)
{
    if ((cpu->paging.cr4 & CR4_UMIP) && cpu->cpl > 0)
        refuse(cpu, in);
    cpu_count_sensitive(cpu, EXIT_INDEX_CR_ACCESS); /* VT-x never intercepts it, but has it read the shadow */
    rm_write(cpu, in, in->flags & INSN_MEM ? 2 : in->opsize, cpu_cr0_seen(cpu));
    return in + 1;
}

static const struct insn *op_clts(struct cpu *cpu, const struct insn *in)
{
    require_cpl0(cpu, in);
    cpu_sensitive(cpu, in, EXIT_INDEX_CR_ACCESS, cr_qualification(CR_CLTS, 0, 0));
    cpu->paging.cr0 = cpu_cr0_written(cpu, cpu->paging.cr0 & ~CR0_TS);
    return in + 1;
}

/* ---- INVLPG ---- */

static const struct insn *op_invlpg(struct cpu *cpu, const struct insn *in)
{
    require_cpl0(cpu, in);
    uint64_t at = effective_address(cpu, in) + cpu->seg_base[in->seg];
    if (!cpu_long_mode(cpu))
        at = (uint32_t)at;
    cpu_sensitive(cpu, in, EXIT_INDEX_INVLPG, at);
    if (canonical(at))
        cpu_flush_page(cpu, gva(at));
    return end_block(cpu, cpu_next_rip(cpu, in));
}

/* ---- choosing ---- */

static bool is_class(const struct decoded *d, unsigned i, ZydisRegisterClass class)
{
    return is_reg(d, i) && ZydisRegisterGetClass(d->operand[i].reg.value) == class;
}

bool select_mov_control(const struct decoded *d, struct insn *in)
{
    in->opsize = d->code_size == CODE64 ? 8 : 4;
    bool to = is_class(d, 0, ZYDIS_REGCLASS_CONTROL) || is_class(d, 0, ZYDIS_REGCLASS_DEBUG);
    unsigned special = to ? 0 : 1;
    in->reg = (uint8_t)ZydisRegisterGetId(d->operand[special].reg.value);
    in->rm = is_reg(d, 1 - special) ? (uint8_t)ZydisRegisterGetId(d->operand[1 - special].reg.value) : 0;
    if (is_class(d, special, ZYDIS_REGCLASS_CONTROL)) {
        if (in->reg == 1 || (in->reg > 4 && in->reg != 8))
            return false;
        in->fn = to ? op_mov_to_cr : op_mov_from_cr;
        in->flags |= to ? INSN_LAST : 0;
        return true;
    }
    in->fn = to ? op_mov_to_dr : op_mov_from_dr;
    return is_class(d, special, ZYDIS_REGCLASS_DEBUG) && in->reg < 8;
}

static bool select_control(const struct decoded *d, struct insn *in)
{
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_LMSW:
        in->fn = op_lmsw;
        in->flags |= INSN_LAST;
        return true;
    case ZYDIS_MNEMONIC_INVLPG:
        in->fn = op_invlpg;
        in->flags |= INSN_LAST;
        return true;
    case ZYDIS_MNEMONIC_SMSW: in->fn = op_smsw; return true;
    default: in->fn = op_clts; return true;
    }
}

const struct family_row family_control[] = {
    {ZYDIS_MNEMONIC_LMSW, select_control, 0},
    {ZYDIS_MNEMONIC_SMSW, select_control, 0},
    {ZYDIS_MNEMONIC_CLTS, select_control, 0},
    {ZYDIS_MNEMONIC_INVLPG, select_control, 0},
    {0},
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msr.c - RDMSR and WRMSR: the model-specific registers (SDM 4, chapter 2).
 *
 * One row of a table is one register: either a field of struct cpu with a rule for what may be written, or a function.
 * An index that is in no row does not exist: #GP, which every system expects that probes for registers.
 *
 * Read next: cpuid.c, which says which of them a guest may expect.
 */
#include "x86/protect.h"

/* False: the value is refused with #GP. */
typedef bool msr_write_fn(struct cpu *cpu, const struct insn *in, uint64_t value);
typedef uint64_t msr_read_fn(struct cpu *cpu, const struct insn *in);

enum msr_rule {
    ANY,
    CANONICAL,
    LOW32,    /* the upper half is reserved */
    ZERO,     /* only zero may be written */
    READONLY, /* #GP on any write */
};

struct msr {
    uint32_t index;
    enum msr_rule rule;
    size_t field; /* offset in struct cpu, when there is no read function */
    msr_read_fn *read;
    msr_write_fn *write;
};

/* ---- registers with effects ---- */

static uint64_t read_tsc(struct cpu *cpu, const struct insn *in)
{
    return cpu->host->tsc(cpu->host->context, cpu_icount(cpu, in)) + (uint64_t)cpu->tsc_offset;
}

static bool write_tsc(struct cpu *cpu, const struct insn *in, uint64_t value)
{
    cpu->tsc_offset += (int64_t)(value - read_tsc(cpu, in));
    return true;
}

static uint64_t read_zero(struct cpu *cpu, const struct insn *in)
{
    (void)cpu, (void)in;
    return 0;
}

/*
 * IA32_ARCH_CAPABILITIES: RDCL_NO, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO, PSCHANGE_MC_NO, TAA_NO, SBDR_SSDP_NO, FBSDP_NO,
 * PSDP_NO, GDS_NO, RFDS_NO. An interpreter speculates on nothing, so a guest need not defend itself.
 */
static uint64_t read_arch_capabilities(struct cpu *cpu, const struct insn *in)
{
    (void)cpu, (void)in;
    return 0x0c00e179;
}

static uint64_t read_efer(struct cpu *cpu, const struct insn *in)
{
    (void)in;
    return cpu->paging.efer;
}

/* LME changes only while paging is off; LMA is the CPU's own (SDM 3, 9.8.5). */
static bool write_efer(struct cpu *cpu, const struct insn *in, uint64_t value)
{
    (void)in;
    uint64_t old = cpu->paging.efer;
    if (value & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE))
        return false;
    if (((value ^ old) & EFER_LME) && (cpu->paging.cr0 & CR0_PG))
        return false;
    cpu->paging.efer = (value & ~EFER_LMA) | (old & EFER_LMA);
    if ((value ^ old) & EFER_NXE)
        cpu_flush_tlb(cpu, true);
    cpu_mode_changed(cpu);
    return true;
}

static uint64_t read_fs_base(struct cpu *cpu, const struct insn *in)
{
    (void)in;
    return cpu->seg[SEG_FS].base;
}

static bool write_fs_base(struct cpu *cpu, const struct insn *in, uint64_t value)
{
    (void)in;
    cpu->seg[SEG_FS].base = cpu->seg_base[SEG_FS] = value;
    return true;
}

static uint64_t read_gs_base(struct cpu *cpu, const struct insn *in)
{
    (void)in;
    return cpu->seg[SEG_GS].base;
}

static bool write_gs_base(struct cpu *cpu, const struct insn *in, uint64_t value)
{
    (void)in;
    cpu->seg[SEG_GS].base = cpu->seg_base[SEG_GS] = value;
    return true;
}

/* Bits 8 (this is the bootstrap processor) and 11 (enabled), and the page's address; no x2APIC mode. */
static bool write_apic_base(struct cpu *cpu, const struct insn *in, uint64_t value)
{
    (void)in;
    if (value >> CPU_PHYSICAL_BITS || (value & 0x6ff))
        return false;
    cpu->apic_base = value;
    if (cpu->host->apic_base_changed)
        cpu->host->apic_base_changed(cpu->host->context, value);
    return true;
}

/* Eight memory types (SDM 3, 11.12.2); they have no effect here, but must be types. */
static bool write_pat(struct cpu *cpu, const struct insn *in, uint64_t value)
{
    (void)in;
    for (unsigned i = 0; i < 8; i++) {
        unsigned type = value >> 8 * i & 0xff;
        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    cpu->pat = value;
    return true;
}

/* Fast strings (bit 0) can be switched; the rest says what isn't there, and stays. */
static bool write_misc_enable(struct cpu *cpu, const struct insn *in, uint64_t value)
{
    (void)in;
    if ((value ^ cpu->misc_enable) & ~UINT64_C(1))
        return false;
    cpu->misc_enable = value;
    return true;
}

/* ---- the table ---- */

#define FIELD(index, rule, member)                            \
    {                                                         \
        index, rule, offsetof(struct cpu, member), NULL, NULL \
    }

static const struct msr msrs[] = {
    {0x0010, ANY, 0, read_tsc, write_tsc},
    {0x0017, READONLY, 0, read_zero, NULL}, /* IA32_PLATFORM_ID */
    {0x001b, ANY, offsetof(struct cpu, apic_base), NULL, write_apic_base},
    {0x008b, ZERO, 0, read_zero, NULL},     /* IA32_BIOS_SIGN_ID: microcode revision; systems write 0, then read */
    {0x00ce, READONLY, 0, read_zero, NULL}, /* MSR_PLATFORM_INFO */
    {0x010a, READONLY, 0, read_arch_capabilities, NULL}, /* IA32_ARCH_CAPABILITIES */
    FIELD(0x0174, LOW32, sysenter_cs),
    FIELD(0x0175, CANONICAL, sysenter_esp),
    FIELD(0x0176, CANONICAL, sysenter_eip),
    {0x0179, READONLY, 0, read_zero, NULL}, /* IA32_MCG_CAP: no machine-check banks */
    {0x017a, ZERO, 0, read_zero, NULL},     /* IA32_MCG_STATUS */
    {0x01a0, ANY, offsetof(struct cpu, misc_enable), NULL, write_misc_enable},
    {0x01d9, ZERO, 0, read_zero, NULL}, /* IA32_DEBUGCTL: nothing to switch on */
    {0x0277, ANY, offsetof(struct cpu, pat), NULL, write_pat},
    {0xc0000080, ANY, 0, read_efer, write_efer},
    FIELD(0xc0000081, ANY, star),
    FIELD(0xc0000082, CANONICAL, lstar),
    FIELD(0xc0000083, CANONICAL, cstar),
    FIELD(0xc0000084, LOW32, sfmask),
    {0xc0000100, CANONICAL, 0, read_fs_base, write_fs_base},
    {0xc0000101, CANONICAL, 0, read_gs_base, write_gs_base},
    FIELD(0xc0000102, CANONICAL, kernel_gs_base),
    FIELD(0xc0000103, LOW32, tsc_aux),
};

static const struct msr *find(uint32_t index)
{
    for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++)
        if (msrs[i].index == index)
            return &msrs[i];
    return NULL;
}

static bool obeys(enum msr_rule rule, uint64_t value)
{
    switch (rule) {
    case CANONICAL: return canonical(value);
    case LOW32: return value <= UINT32_MAX;
    case ZERO: return value == 0;
    case READONLY: return false;
    default: return true;
    }
}

static bool write_msr(struct cpu *cpu, const struct insn *in, const struct msr *msr, uint64_t value)
{
    if (!obeys(msr->rule, value))
        return false;
    if (msr->write)
        return msr->write(cpu, in, value);
    if (!msr->read)
        *(uint64_t *)((char *)cpu + msr->field) = value;
    return true;
}

static uint64_t value_of(struct cpu *cpu, const struct insn *in, const struct msr *msr)
{
    return msr->read ? msr->read(cpu, in) : *(const uint64_t *)((const char *)cpu + msr->field);
}

bool cpu_rdmsr(struct cpu *cpu, uint32_t index, uint64_t *value)
{
    const struct msr *msr = find(index);
    if (msr)
        *value = value_of(cpu, NULL, msr);
    return msr;
}

bool cpu_wrmsr(struct cpu *cpu, uint32_t index, uint64_t value)
{
    const struct msr *msr = find(index);
    return msr && write_msr(cpu, NULL, msr, value);
}

const struct insn *op_rdmsr(struct cpu *cpu, const struct insn *in)
{
    require_cpl0(cpu, in);
    cpu_sensitive(cpu, in, EXIT_INDEX_MSR_READ, 0);
    const struct msr *msr = find((uint32_t)cpu->gpr[RCX]);
    if (!msr)
        cpu_raise_error(cpu, in, VEC_GP, 0);
    uint64_t value = value_of(cpu, in, msr);
    cpu->gpr[RAX] = (uint32_t)value;
    cpu->gpr[RDX] = value >> 32;
    return in + 1;
}

const struct insn *op_wrmsr(struct cpu *cpu, const struct insn *in)
{
    require_cpl0(cpu, in);
    cpu_sensitive(cpu, in, EXIT_INDEX_MSR_WRITE, 0);
    const struct msr *msr = find((uint32_t)cpu->gpr[RCX]);
    uint64_t value = (uint32_t)cpu->gpr[RAX] | cpu->gpr[RDX] << 32;
    if (!msr || !write_msr(cpu, in, msr, value))
        cpu_raise_error(cpu, in, VEC_GP, 0);
    return end_block(cpu, cpu_next_rip(cpu, in));
}

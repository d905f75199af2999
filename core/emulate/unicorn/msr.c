/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msr.c - RDMSR and WRMSR: carried out here (ours.c), since the library knows few MSRs and says nothing of the others.
 *
 * Only the bases of FS and GS are the library's; the others are kept in engine.kept.
 */
#include "emulate/unicorn/parts.h"

#define EFER_TAKEN (EFER_SCE | EFER_LME | EFER_NXE)

static const struct msr {
    uint32_t number;
    size_t at;
} msrs[] = {
    {0x1b, offsetof(struct cpu_state, apic_base)},     {0x174, offsetof(struct cpu_state, sysenter_cs)},
    {0x175, offsetof(struct cpu_state, sysenter_esp)}, {0x176, offsetof(struct cpu_state, sysenter_eip)},
    {0x1a0, offsetof(struct cpu_state, misc_enable)},  {0x277, offsetof(struct cpu_state, pat)},
    {0xc0000080, offsetof(struct cpu_state, efer)},    {0xc0000081, offsetof(struct cpu_state, star)},
    {0xc0000082, offsetof(struct cpu_state, lstar)},   {0xc0000083, offsetof(struct cpu_state, cstar)},
    {0xc0000084, offsetof(struct cpu_state, sfmask)},  {0xc0000103, offsetof(struct cpu_state, tsc_aux)},
};

#define MSR_TSC       0x10
#define MSR_APIC_BASE 0x1b
#define MSR_EFER      0xc0000080
#define MSR_FS_BASE   0xc0000100
#define MSR_GS_BASE   0xc0000101

uint64_t library_msr(struct engine *e, uint32_t number, const uint64_t *value)
{
    uc_x86_msr msr = {.rid = number};

    if (value) {
        msr.value = *value;
        (void)uc_reg_write(e->uc, UC_X86_REG_MSR, &msr);
    } else {
        (void)uc_reg_read(e->uc, UC_X86_REG_MSR, &msr);
    }
    return msr.value;
}

static uint64_t *kept_msr(struct engine *e, uint32_t number)
{
    for (size_t i = 0; i < ARRAY_SIZE(msrs); i++)
        if (msrs[i].number == number)
            return state_field(&e->kept, msrs[i].at);
    return NULL;
}

bool msr_read(struct engine *e, uint32_t number, uint64_t *value)
{
    const uint64_t *kept = kept_msr(e, number);

    if (kept)
        *value = *kept;
    else if (number == MSR_TSC)
        *value = tsc_now(e);
    else if (number >= MSR_FS_BASE && number <= MSR_KERNEL_GS_BASE)
        *value = library_msr(e, number, NULL);
    else
        return false;
    return true;
}

bool msr_write(struct engine *e, uint32_t number, uint64_t value)
{
    uint64_t *kept = kept_msr(e, number);

    if (number == MSR_EFER) { /* LMA stays; LME can't change while paging is on (SDM 4, table 2-2) */
        if ((value & ~(EFER_TAKEN | EFER_LMA)) || (value & EFER_LME) != (*kept & EFER_LME))
            return false;
        *kept = (value & EFER_TAKEN) | (*kept & EFER_LMA);
    } else if (kept) {
        *kept = value;
        if (number == MSR_APIC_BASE && e->host->apic_base_changed)
            e->host->apic_base_changed(e->host->context, value);
    } else if (number == MSR_TSC) {
        e->tsc_offset += (int64_t)(value - tsc_now(e));
    } else if (number >= MSR_FS_BASE && number <= MSR_KERNEL_GS_BASE) {
        library_msr(e, number, &value);
    } else {
        return false;
    }
    return true;
}

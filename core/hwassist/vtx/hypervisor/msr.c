/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msr.c - RDMSR and WRMSR of the guest: the bitmap that lets harmless ones through, and those that exit.
 *
 * A register that the VMCS switches (FS base, EFER, PAT, SYSENTER ...), or that root code has no use for (STAR, LSTAR,
 * KERNEL_GS_BASE ...), the guest may have to itself. What belongs to the machine (the local APIC's base, the TSC) is
 * kept here. All others do not exist for the guest: #GP.
 */
#include "hwassist/vtx/hypervisor/hypervisor.h"
#include <string.h>

#define MSR_TSC       0x10u
#define MSR_APIC_BASE 0x1bu
#define MSR_EFER      0xc0000080u

/* The four bitmaps of a page (SDM 3, 25.6.9): reads of the low and the high registers, then writes. */
#define READ_LOW   0u
#define READ_HIGH  1024u
#define WRITE_LOW  2048u
#define WRITE_HIGH 3072u

static const uint32_t own_read[] = {
    MSR_TSC,    0x17,       0x8b,       0xce,       0x10a,      0x174,      0x175,      0x176,
    0x179,      0x17a,      0x1a0,      0x1d9,      0x277,      MSR_EFER,   0xc0000081, 0xc0000082,
    0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103,
};
static const uint32_t own_write[] = {
    0x8b,       0x174,      0x175,      0x176,      0x17a,      0x1a0,      0x1d9,      0x277,      MSR_EFER,
    0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103,
};

static void let_through(uint8_t *bitmap, uint32_t msr, unsigned low, unsigned high)
{
    unsigned first = msr >= 0xc0000000 ? high : low;
    msr &= 0x1fff;
    bitmap[first + msr / 8] &= (uint8_t) ~(1u << (msr & 7));
}

void msr_bitmap_fill(struct vcpu *vcpu)
{
    uint8_t *bitmap = page_at(vcpu, vcpu->msr_bitmap);
    memset(bitmap, 0xff, PAGE_SIZE);
    for (unsigned i = 0; i < ARRAY_SIZE(own_read); i++)
        let_through(bitmap, own_read[i], READ_LOW, READ_HIGH);
    for (unsigned i = 0; i < ARRAY_SIZE(own_write); i++)
        let_through(bitmap, own_write[i], WRITE_LOW, WRITE_HIGH);
    if (vcpu->shadow) /* NXE says how the guest's tables are read */
        bitmap[WRITE_HIGH + (MSR_EFER & 0x1fff) / 8] |= 1u << (MSR_EFER & 7);
}

static enum handled no_such_register(struct vcpu *vcpu)
{
    inject_error(vcpu, VEC_GP, 0);
    return RESUME;
}

enum handled handle_rdmsr(struct vcpu *vcpu)
{
    if ((uint32_t)vcpu->gpr[RCX] != MSR_APIC_BASE)
        return no_such_register(vcpu);
    vcpu->gpr[RAX] = (uint32_t)vcpu->apic_base;
    vcpu->gpr[RDX] = vcpu->apic_base >> 32;
    skip_instruction(vcpu);
    return RESUME;
}

enum handled handle_wrmsr(struct vcpu *vcpu)
{
    uint64_t value = (uint32_t)vcpu->gpr[RAX] | vcpu->gpr[RDX] << 32;
    switch ((uint32_t)vcpu->gpr[RCX]) {
    case MSR_TSC: wr(vcpu, VMCS_TSC_OFFSET, value - rdtsc(vcpu->vmx)); break;
    case MSR_APIC_BASE: return emulate(vcpu);
    case MSR_EFER: return emulate(vcpu);
    default: return no_such_register(vcpu);
    }
    skip_instruction(vcpu);
    return RESUME;
}

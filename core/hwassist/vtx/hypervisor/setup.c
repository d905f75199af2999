/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * setup.c - into VMX operation, and a VMCS for the guest: what of it stays the same for life.
 *
 *     1. IA32_FEATURE_CONTROL allows VMXON, and is locked           (SDM 3, 24.7)
 *     2. VMXON with a region that bears the revision identifier     (24.11.5)
 *     3. VMCLEAR and VMPTRLD of another: the VMCS                   (25.11)
 *     4. controls: what is wanted, made what is allowed             (appendix A)
 *     5. the host-state area: where VM exits lead
 *
 * Read next: run.c.
 */
#include "hwassist/vtx/hypervisor/hypervisor.h"
#include "mmu/ept.h"
#include <errno.h>

static uint64_t capability(struct vcpu *vcpu, uint32_t msr)
{
    uint64_t value = 0;
    (void)rdmsr(vcpu->vmx, msr, &value);
    return value;
}

/* A VMXON region or VMCS: nothing of it may be written but the revision. */
static gpa_t new_region(struct vcpu *vcpu)
{
    gpa_t region = page_new(vcpu);
    *(uint32_t *)page_at(vcpu, region) = (uint32_t)capability(vcpu, MSR_VMX_BASIC) & 0x7fffffff;
    return region;
}

static int enter_vmx_operation(struct vcpu *vcpu, struct reason *why)
{
    (void)wrmsr(vcpu->vmx, MSR_FEATURE_CONTROL, FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX);
    if (vmxon(vcpu->vmx, new_region(vcpu)) != VMX_SUCCEED)
        return fail(why, EIO, "VMXON failed");
    vcpu->vmcs = new_region(vcpu);
    if (vmclear(vcpu->vmx, vcpu->vmcs) != VMX_SUCCEED || vmptrld(vcpu->vmx, vcpu->vmcs) != VMX_SUCCEED)
        return fail(why, EIO, "VMCLEAR or VMPTRLD failed");
    return 0;
}

/* ---- controls ---- */

static void set_controls(struct vcpu *vcpu, enum vmcs_field field, uint32_t msr, uint32_t wanted)
{
    wr(vcpu, field, vmx_adjust(capability(vcpu, msr), wanted));
}

static void execution_controls(struct vcpu *vcpu, bool ept)
{
    const uint32_t always = CPU_HLT | CPU_TSC_OFFSETTING | CPU_UNCONDITIONAL_IO | CPU_MSR_BITMAPS | CPU_CR8_LOAD |
                            CPU_CR8_STORE | CPU_SECONDARY;
    const uint32_t shadowing = CPU_CR3_LOAD | CPU_CR3_STORE | CPU_INVLPG;
    set_controls(vcpu, VMCS_PIN_CONTROLS, MSR_VMX_TRUE_PINBASED, PIN_EXTERNAL_INTERRUPT | PIN_NMI);
    set_controls(vcpu, VMCS_CPU_CONTROLS, MSR_VMX_TRUE_PROCBASED, always | (ept ? 0 : shadowing));
    set_controls(vcpu, VMCS_CPU2_CONTROLS, MSR_VMX_PROCBASED2,
                 CPU2_RDTSCP | CPU2_VPID | (ept ? CPU2_EPT | CPU2_UNRESTRICTED : 0));
    vcpu->cpu_controls = (uint32_t)rd(vcpu, VMCS_CPU_CONTROLS);
    wr(vcpu, VMCS_VPID, 1);
    vcpu->msr_bitmap = page_new(vcpu);
    msr_bitmap_fill(vcpu);
    wr(vcpu, VMCS_MSR_BITMAP, vcpu->msr_bitmap.v);
    /* With EPT the guest keeps its own exceptions; without, every page fault is looked at. */
    wr(vcpu, VMCS_EXCEPTION_BITMAP, ept ? 0 : UINT32_C(1) << VEC_PF);
    if (ept) {
        vcpu->eptp = page_new(vcpu).v | EPTP_TYPE_WB | EPTP_WALK_4;
        wr(vcpu, VMCS_EPT_POINTER, vcpu->eptp);
    }
}

/*
 * Host-owned bits. NE and VMXE are fixed in VMX operation, whatever the guest believes; CD and NW a VM entry doesn't
 * load. A guest without EPT may not touch any bit that decides how its tables are read.
 */
static void masks(struct vcpu *vcpu, bool ept)
{
    const uint64_t paging0 = CR0_PG | CR0_PE | CR0_WP, paging4 = CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP | CR4_SMAP;
    wr(vcpu, VMCS_CR0_MASK, CR0_NE | CR0_CD | CR0_NW | CR0_ET | (ept ? 0 : paging0));
    wr(vcpu, VMCS_CR4_MASK, CR4_VMXE | (ept ? 0 : paging4));
}

static void transition_controls(struct vcpu *vcpu)
{
    set_controls(vcpu, VMCS_EXIT_CONTROLS, MSR_VMX_TRUE_EXIT,
                 EXIT_HOST_64BIT | EXIT_SAVE_DEBUG | EXIT_SAVE_PAT | EXIT_LOAD_PAT | EXIT_SAVE_EFER | EXIT_LOAD_EFER);
    set_controls(vcpu, VMCS_ENTRY_CONTROLS, MSR_VMX_TRUE_ENTRY, ENTRY_LOAD_DEBUG | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER);
    wr(vcpu, VMCS_VMCS_LINK_POINTER, UINT64_MAX);
}

/* ---- host state: 64-bit code; the selectors of a GDT such as any system has ---- */

#define HOST_CODE 0x08
#define HOST_DATA 0x10
#define HOST_TASK 0x18

static void host_state(struct vcpu *vcpu)
{
    wr(vcpu, VMCS_HOST_CR0, capability(vcpu, MSR_VMX_CR0_FIXED0) | CR0_ET | CR0_WP);
    wr(vcpu, VMCS_HOST_CR4, capability(vcpu, MSR_VMX_CR4_FIXED0) | CR4_PAE);
    wr(vcpu, VMCS_HOST_EFER, EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE);
    wr(vcpu, VMCS_HOST_PAT, UINT64_C(0x0007040600070406));
    wr(vcpu, VMCS_HOST_CS_SELECTOR, HOST_CODE);
    wr(vcpu, VMCS_HOST_SS_SELECTOR, HOST_DATA);
    wr(vcpu, VMCS_HOST_DS_SELECTOR, HOST_DATA);
    wr(vcpu, VMCS_HOST_ES_SELECTOR, HOST_DATA);
    wr(vcpu, VMCS_HOST_TR_SELECTOR, HOST_TASK);
    /* Bases, CR3, RSP and RIP stay 0: root code is C, and what stands behind vmresume() is where RIP leads. */
}

int setup_vmx(struct vcpu *vcpu, bool ept, struct reason *why)
{
    int error = enter_vmx_operation(vcpu, why);
    if (error)
        return error;
    execution_controls(vcpu, ept);
    masks(vcpu, ept);
    transition_controls(vcpu);
    host_state(vcpu);
    return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * checks_guest.c - VM entry's checks on the guest-state area but for its segments (SDM 3, 27.3.1). One that fails is no
 * failure of the instruction but a VM exit, with basic reason 33.
 *
 * Read next: checks_segments.c.
 */
#include "hwassist/vtx/processor.h"

/* Why an entry failed, where the qualification tells (27.8). */
enum entry_qualification { QUALIFICATION_PDPTE = 2, QUALIFICATION_NMI = 3, QUALIFICATION_LINK = 4 };

/* ---- control registers, debug registers, MSRs (27.3.1.1) ---- */

static bool check_efer(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    uint64_t efer = vmcs_get(v, GUEST_EFER);
    REQUIRE(vmx, efer_valid(efer), "guest IA32_EFER: reserved bits");
    REQUIRE(vmx, !!(efer & EFER_LMA) == entry_control(vmx, ENTRY_IA32E),
            "guest IA32_EFER.LMA is not IA-32e mode guest");
    REQUIRE(vmx, !(vmcs_get(v, GUEST_CR0) & CR0_PG) || !(efer & EFER_LMA) == !(efer & EFER_LME),
            "guest IA32_EFER: LMA is not LME, with paging on");
    return true;
}

static bool check_registers(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    uint64_t cr0 = vmcs_get(v, GUEST_CR0), cr4 = vmcs_get(v, GUEST_CR4);
    REQUIRE(vmx, vmx_cr0_valid(cr0, cpu2_control(vmx, CPU2_UNRESTRICTED)),
            "guest CR0: a bit not supported in VMX operation");
    REQUIRE(vmx, !(cr0 & CR0_PG) || (cr0 & CR0_PE), "guest CR0: PG without PE");
    REQUIRE(vmx, vmx_cr4_valid(cr4), "guest CR4: a bit not supported in VMX operation");
    if (entry_control(vmx, ENTRY_LOAD_DEBUG)) {
        REQUIRE(vmx, !vmcs_get(v, GUEST_DEBUGCTL), "guest IA32_DEBUGCTL: reserved bits");
        REQUIRE(vmx, !(vmcs_get(v, GUEST_DR7) >> 32), "guest DR7: beyond 32 bits");
    }
    if (entry_control(vmx, ENTRY_IA32E))
        REQUIRE(vmx, (cr0 & CR0_PG) && (cr4 & CR4_PAE), "IA-32e mode guest without CR0.PG and CR4.PAE");
    else
        REQUIRE(vmx, !(cr4 & CR4_PCIDE), "guest CR4.PCIDE outside IA-32e mode");
    REQUIRE(vmx, !(vmcs_get(v, GUEST_CR3) >> CPU_PHYSICAL_BITS), "guest CR3: beyond the physical-address width");
    REQUIRE(vmx, canonical(vmcs_get(v, GUEST_SYSENTER_ESP)), "guest IA32_SYSENTER_ESP: not canonical");
    REQUIRE(vmx, canonical(vmcs_get(v, GUEST_SYSENTER_EIP)), "guest IA32_SYSENTER_EIP: not canonical");
    REQUIRE(vmx, !entry_control(vmx, ENTRY_LOAD_PAT) || pat_valid(vmcs_get(v, GUEST_PAT)),
            "guest IA32_PAT: a memory type");
    return !entry_control(vmx, ENTRY_LOAD_EFER) || check_efer(vmx);
}

/* ---- descriptor tables, RIP, RFLAGS (27.3.1.3, 27.3.1.4) ---- */

static bool check_tables(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    REQUIRE(vmx, canonical(vmcs_get(v, GUEST_GDTR_BASE)), "guest GDTR base: not canonical");
    REQUIRE(vmx, canonical(vmcs_get(v, GUEST_IDTR_BASE)), "guest IDTR base: not canonical");
    REQUIRE(vmx, !(vmcs_get(v, GUEST_GDTR_LIMIT) >> 16), "guest GDTR limit: beyond 16 bits");
    REQUIRE(vmx, !(vmcs_get(v, GUEST_IDTR_LIMIT) >> 16), "guest IDTR limit: beyond 16 bits");
    return true;
}

#define RFLAGS_RESERVED UINT64_C(0xffffffffffc08028)

static bool check_flags(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    uint64_t rip = vmcs_get(v, GUEST_RIP), rflags = vmcs_get(v, GUEST_RFLAGS);
    uint32_t info = (uint32_t)vmcs_get(v, ENTRY_INTERRUPTION);
    bool code64 = entry_control(vmx, ENTRY_IA32E) && (vmcs_get(v, GUEST_CS_ATTR) & ATTR_L);
    REQUIRE(vmx, code64 || !(rip >> 32), "guest RIP: beyond 32 bits");
    REQUIRE(vmx, !code64 || rip >> 48 == 0 || rip >> 48 == 0xffff, "guest RIP: bits 63:48 are not alike");
    REQUIRE(vmx, !(rflags & RFLAGS_RESERVED) && (rflags & FLAG_ONE), "guest RFLAGS: reserved bits");
    REQUIRE(vmx, !(rflags & FLAG_VM) || (!entry_control(vmx, ENTRY_IA32E) && (vmcs_get(v, GUEST_CR0) & CR0_PE)),
            "guest RFLAGS.VM in a mode that lacks it");
    bool injects_interrupt = (info & INTERRUPTION_VALID) && !(info & INTERRUPTION_TYPE);
    REQUIRE(vmx, !injects_interrupt || (rflags & FLAG_IF), "an external interrupt is injected with RFLAGS.IF clear");
    return true;
}

/* ---- activity, interruptibility, pending debug exceptions (27.3.1.5) ---- */

/* What may be injected into a halted guest. */
static bool wakes(uint32_t info)
{
    unsigned vector = info & INTERRUPTION_VECTOR;
    switch ((info & INTERRUPTION_TYPE) >> 8) {
    case EVENT_EXTERNAL:
    case EVENT_NMI: return true;
    case EVENT_EXCEPTION: return vector == VEC_DB || vector == VEC_MC;
    case INTERRUPTION_OTHER: return vector == 0;
    default: return false;
    }
}

static bool check_activity(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    uint64_t activity = vmcs_get(v, GUEST_ACTIVITY), blocking = vmcs_get(v, GUEST_INTERRUPTIBILITY);
    uint32_t info = (uint32_t)vmcs_get(v, ENTRY_INTERRUPTION);
    REQUIRE(vmx, activity <= ACTIVITY_HLT, "guest activity state: not supported");
    if (activity == ACTIVITY_ACTIVE)
        return true;
    REQUIRE(vmx, !(vmcs_get(v, GUEST_SS_ATTR) & ATTR_DPL), "guest activity state: HLT outside ring 0");
    REQUIRE(vmx, !(blocking & (BLOCKING_STI | BLOCKING_MOV_SS)), "guest activity state: HLT in an interrupt shadow");
    REQUIRE(vmx, !(info & INTERRUPTION_VALID) || wakes(info), "an event is injected that can't come to a halted CPU");
    return true;
}

static bool check_interruptibility(struct vmx *vmx, uint64_t *qualification)
{
    const struct vmcs *v = vmx->vmcs;
    uint64_t blocking = vmcs_get(v, GUEST_INTERRUPTIBILITY), shadow = blocking & (BLOCKING_STI | BLOCKING_MOV_SS);
    uint32_t info = (uint32_t)vmcs_get(v, ENTRY_INTERRUPTION), type = (info & INTERRUPTION_TYPE) >> 8;
    bool injects = info & INTERRUPTION_VALID;
    REQUIRE(vmx, !(blocking >> 4), "guest interruptibility: reserved bits");
    REQUIRE(vmx, shadow != (BLOCKING_STI | BLOCKING_MOV_SS), "guest interruptibility: by STI and by MOV SS");
    REQUIRE(vmx, !(blocking & BLOCKING_STI) || (vmcs_get(v, GUEST_RFLAGS) & FLAG_IF),
            "guest interruptibility: by STI, with RFLAGS.IF clear");
    REQUIRE(vmx, !(blocking & BLOCKING_SMI), "guest interruptibility: by SMI, outside SMM");
    REQUIRE(vmx, !injects || type != EVENT_EXTERNAL || !shadow, "an external interrupt is injected into a shadow");
    if (injects && type == EVENT_NMI) {
        *qualification = QUALIFICATION_NMI;
        REQUIRE(vmx, !shadow, "an NMI is injected into a shadow");
        *qualification = 0;
        REQUIRE(vmx, !pin_control(vmx, PIN_VIRTUAL_NMIS) || !(blocking & BLOCKING_NMI),
                "a virtual NMI is injected while NMIs are blocked");
    }
    return true;
}

#define PENDING_DEBUG_RESERVED UINT64_C(0xfffffffffffeaff0)
#define PENDING_DEBUG_BS       UINT64_C(0x4000)

static bool check_pending_debug(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    uint64_t pending = vmcs_get(v, GUEST_PENDING_DEBUG);
    bool shadow = vmcs_get(v, GUEST_INTERRUPTIBILITY) & (BLOCKING_STI | BLOCKING_MOV_SS);
    REQUIRE(vmx, !(pending & PENDING_DEBUG_RESERVED), "guest pending debug exceptions: reserved bits");
    if (shadow || vmcs_get(v, GUEST_ACTIVITY) == ACTIVITY_HLT) /* IA32_DEBUGCTL.BTF is never set here */
        REQUIRE(vmx, !!(pending & PENDING_DEBUG_BS) == !!(vmcs_get(v, GUEST_RFLAGS) & FLAG_TF),
                "guest pending debug exceptions: BS is not RFLAGS.TF");
    return true;
}

bool check_guest_events(struct vmx *vmx, uint64_t *qualification)
{
    return check_activity(vmx) && check_interruptibility(vmx, qualification) && check_pending_debug(vmx);
}

/* ---- VMCS link pointer (27.3.1.5), PAE pointers (27.3.1.6) ---- */

static bool check_link(struct vmx *vmx)
{
    uint64_t link = vmcs_get(vmx->vmcs, VMCS_LINK_POINTER);
    if (link == UINT64_MAX)
        return true;
    const struct vmcs *other = ram_at(vmx->memory, gpa(link), VMCS_SIZE);
    REQUIRE(vmx, physical_valid(link, PAGE_SIZE), "VMCS link pointer: address");
    REQUIRE(vmx, other && other->revision == VMCS_REVISION, "VMCS link pointer: revision of the VMCS there");
    return true;
}

static bool check_pdptes(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    bool pae =
        (vmcs_get(v, GUEST_CR0) & CR0_PG) && (vmcs_get(v, GUEST_CR4) & CR4_PAE) && !entry_control(vmx, ENTRY_IA32E);
    if (!pae)
        return true;
    struct paging p = {.cr3 = vmcs_get(v, GUEST_CR3), .maxphyaddr = CPU_PHYSICAL_BITS};
    if (!cpu2_control(vmx, CPU2_EPT)) {
        REQUIRE(vmx, mmu_load_pdptes(&p, vmx->memory), "page-directory pointers in memory: reserved bits");
        return true;
    }
    const uint64_t reserved = ~((UINT64_C(1) << CPU_PHYSICAL_BITS) - 1) | 0x1e6;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t entry = vmcs_read(v, VMCS_GUEST_PDPTE0 + 2 * i);
        REQUIRE(vmx, !(entry & 1) || !(entry & reserved), "guest PDPTE fields: reserved bits");
    }
    return true;
}

bool check_guest(struct vmx *vmx, uint64_t *qualification)
{
    *qualification = 0;
    if (!check_registers(vmx) || !check_guest_segments(vmx) || !check_tables(vmx) || !check_flags(vmx) ||
        !check_guest_events(vmx, qualification))
        return false;
    *qualification = QUALIFICATION_LINK;
    if (!check_link(vmx))
        return false;
    *qualification = QUALIFICATION_PDPTE;
    return check_pdptes(vmx);
}

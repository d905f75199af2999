/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * invalidate.c - the tags of cached translations, INVEPT and INVVPID (SDM 3, 30.4 and chapter 31).
 *
 * A real TLB tags each entry with the VPID it was made under (0 for root, and for guests without VPID) and the EPT
 * tables it came through, so that an entry and an exit need flush nothing. The software TLB (mmu/tlb.h) holds entries
 * of one tag at a time, and this file remembers which: going on under the same tag finds them all again; a change of
 * tag, or none to go by, empties it. Root code is C and brings in no translations of its own.
 */
#include "hwassist/vtx/processor.h"

void tlb_use_tag(struct vmx *vmx)
{
    uint16_t vpid = cpu2_control(vmx, CPU2_VPID) ? (uint16_t)vmcs_get(vmx->vmcs, VPID) : 0;
    uint64_t eptp = vmx->cpu->paging.eptp & EPT_ADDRESS;
    if (vpid && vpid == vmx->tlb_tag.vpid && eptp == vmx->tlb_tag.eptp)
        return;
    cpu_flush_tlb(vmx->cpu, true);
    vmx->tlb_tag.vpid = vpid;
    vmx->tlb_tag.eptp = eptp;
}

/* Without VPID an exit flushes, as an entry does (30.4.3.1); the next entry sees to it that nothing is found. */
void tlb_leave_tag(struct vmx *vmx)
{
    if (!cpu2_control(vmx, CPU2_VPID))
        vmx->tlb_tag.vpid = 0;
}

enum vmx_result invept(struct vmx *vmx, unsigned type, uint64_t eptp, uint64_t reserved)
{
    if (!vmx->on)
        return VMX_UD;
    if (type != INVEPT_SINGLE_CONTEXT && type != INVEPT_ALL_CONTEXTS)
        return vmx_fail(vmx, VMX_ERROR_INVALIDATION_OPERAND);
    if (reserved || (type == INVEPT_SINGLE_CONTEXT && !ept_pointer_valid(eptp, CPU_PHYSICAL_BITS)))
        return vmx_fail(vmx, VMX_ERROR_INVALIDATION_OPERAND);
    if (type == INVEPT_ALL_CONTEXTS || (eptp & EPT_ADDRESS) == vmx->tlb_tag.eptp)
        cpu_flush_tlb(vmx->cpu, true);
    return VMX_SUCCEED;
}

enum vmx_result invvpid(struct vmx *vmx, unsigned type, uint64_t vpid, gva_t linear)
{
    if (!vmx->on)
        return VMX_UD;
    bool one = type != INVVPID_ALL_CONTEXTS;
    if (type > INVVPID_RETAINING_GLOBALS || vpid >> 16 || (one && !vpid) ||
        (type == INVVPID_ADDRESS && !canonical(linear.v)))
        return vmx_fail(vmx, VMX_ERROR_INVALIDATION_OPERAND);
    if (one && vpid != vmx->tlb_tag.vpid)
        return VMX_SUCCEED; /* nothing is cached under it */
    if (type == INVVPID_ADDRESS)
        cpu_flush_page(vmx->cpu, linear);
    else
        cpu_flush_tlb(vmx->cpu, type != INVVPID_RETAINING_GLOBALS);
    return VMX_SUCCEED;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * handlers.c - one function for each exit reason: what the hypervisor does in the guest's stead.
 *
 * Read next: msr.c, emulate.c.
 */
#include "hwassist/vtx/hypervisor/hypervisor.h"
#include <errno.h>
#include <string.h>

#define CPUID_1_EDX_APIC (UINT32_C(1) << 9)

static enum handled done(struct vcpu *vcpu)
{
    skip_instruction(vcpu);
    return RESUME;
}

static enum handled leave(struct vcpu *vcpu, enum vm_exit_kind kind)
{
    vcpu->exit->kind = kind;
    return TO_MACHINE;
}

/* ---- instructions without operands ---- */

/* The guest sees the processor's leaves, without what it is not given. */
static enum handled on_cpuid(struct vcpu *vcpu)
{
    struct cpuid_leaf leaf = root_cpuid(vcpu->vmx, (uint32_t)vcpu->gpr[RAX], (uint32_t)vcpu->gpr[RCX]);
    if ((uint32_t)vcpu->gpr[RAX] == 1) {
        leaf.ecx &= ~CPUID_1_ECX_VMX;
        if (!(vcpu->apic_base & APIC_BASE_ENABLE))
            leaf.edx &= ~CPUID_1_EDX_APIC;
    }
    vcpu->gpr[RAX] = leaf.eax;
    vcpu->gpr[RBX] = leaf.ebx;
    vcpu->gpr[RCX] = leaf.ecx;
    vcpu->gpr[RDX] = leaf.edx;
    return done(vcpu);
}

static enum handled on_hlt(struct vcpu *vcpu)
{
    skip_instruction(vcpu);
    if (vcpu->event.valid) /* the trap of single-stepping */
        return RESUME;
    vcpu->halted = true;
    return leave(vcpu, VM_EXIT_HLT);
}

/* INVD: the guest may not throw away what others have in the caches; writing back is harmless, and nothing here. */
static enum handled on_invd(struct vcpu *vcpu)
{
    return done(vcpu);
}

/* VMX instructions: this hypervisor offers none to its guest, and no hypercall. */
static enum handled on_vmx_instruction(struct vcpu *vcpu)
{
    inject_exception(vcpu, VEC_UD);
    return RESUME;
}

/* ---- ports: the exit qualification of SDM 3, table 28-5 ---- */

static enum handled on_io(struct vcpu *vcpu)
{
    uint64_t qualification = rd(vcpu, VMCS_EXIT_QUALIFICATION);
    bool in = qualification & 8, string = qualification & 16;
    if (string)
        return emulate(vcpu);
    vcpu->exit->io.port = (uint16_t)(qualification >> 16);
    vcpu->exit->io.size = (uint8_t)((qualification & 7) + 1);
    vcpu->exit->io.in = in;
    vcpu->exit->io.count = 1;
    vcpu->exit->io.data = vcpu->io_data;
    if (in) {
        vcpu->in_pending = true; /* finish_in() when the machine has answered */
    } else {
        memcpy(vcpu->io_data, &vcpu->gpr[RAX], sizeof(vcpu->io_data));
        skip_instruction(vcpu);
    }
    return leave(vcpu, VM_EXIT_IO);
}

void finish_in(struct vcpu *vcpu)
{
    unsigned size = vcpu->exit->io.size;
    uint64_t value = 0,
             mask = size == 4 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1; /* 32 bits clear the upper half */
    memcpy(&value, vcpu->io_data, size);
    vcpu->gpr[RAX] = (vcpu->gpr[RAX] & ~mask) | value;
    vcpu->in_pending = false;
    skip_instruction(vcpu);
}

/* ---- control registers: table 28-3 ---- */

static enum handled on_cr8(struct vcpu *vcpu, bool to, unsigned gpr)
{
    if (!to) {
        vcpu->gpr[gpr] = vcpu->cr8;
        return done(vcpu);
    }
    if (vcpu->gpr[gpr] > 15) {
        inject_error(vcpu, VEC_GP, 0);
        return RESUME;
    }
    vcpu->cr8 = vcpu->gpr[gpr];
    if (vcpu->machine->cr8_changed)
        vcpu->machine->cr8_changed(vcpu->machine->context, vcpu->cr8);
    return done(vcpu);
}

static enum handled on_cr_access(struct vcpu *vcpu)
{
    uint64_t qualification = rd(vcpu, VMCS_EXIT_QUALIFICATION);
    unsigned cr = qualification & 15, access = qualification >> 4 & 3, gpr = qualification >> 8 & 15;
    bool mov_to = access == 0, mov_from = access == 1;
    if (cr == 8)
        return on_cr8(vcpu, mov_to, gpr);
    if (cr == 3 && mov_to)
        return vtx_shadow_mov_to_cr3(vcpu, vcpu->gpr[gpr]);
    if (cr == 3 && mov_from) {
        vcpu->gpr[gpr] = vtx_shadow_cr3(vcpu);
        return done(vcpu);
    }
    return emulate(vcpu); /* CR0 and CR4 in bits that the host owns: modes change, which has many consequences */
}

static enum handled on_invlpg(struct vcpu *vcpu)
{
    return vtx_shadow_invlpg(vcpu, gva(rd(vcpu, VMCS_EXIT_QUALIFICATION)));
}

/* ---- memory ---- */

/* RAM not seen before is mapped; anything else in guest-physical memory is a device. */
static enum handled on_ept_violation(struct vcpu *vcpu)
{
    gpa_t at = gpa(rd(vcpu, VMCS_GUEST_PHYSICAL_ADDRESS));
    if (is_guest_ram(vcpu, at.v)) {
        ept_map(vcpu, at);
        return RESUME;
    }
    reclassify(vcpu, EXIT_INDEX_EPT_VIOLATION, EXIT_INDEX_MMIO);
    return emulate(vcpu);
}

/* Only page faults are intercepted, and only without EPT. */
static enum handled on_exception(struct vcpu *vcpu)
{
    return vtx_shadow_page_fault(vcpu);
}

/* ---- what comes from outside ---- */

static enum handled on_interrupt(struct vcpu *vcpu)
{
    return leave(vcpu, VM_EXIT_INTERRUPTED);
}

static enum handled on_timer(struct vcpu *vcpu)
{
    (void)vcpu;
    return RESUME; /* the loop sees that the budget is used up */
}

static enum handled on_window(struct vcpu *vcpu)
{
    return leave(vcpu, VM_EXIT_WINDOW);
}

static enum handled on_triple_fault(struct vcpu *vcpu)
{
    return leave(vcpu, VM_EXIT_SHUTDOWN);
}

/* ---- the table ---- */

typedef enum handled handler(struct vcpu *vcpu);

static handler *const handlers[] = {
    [EXIT_EXCEPTION] = on_exception,
    [EXIT_EXTERNAL_INTERRUPT] = on_interrupt,
    [EXIT_TRIPLE_FAULT] = on_triple_fault,
    [EXIT_INTERRUPT_WINDOW] = on_window,
    [EXIT_TASK_SWITCH] = emulate,
    [EXIT_CPUID] = on_cpuid,
    [EXIT_HLT] = on_hlt,
    [EXIT_INVD] = on_invd,
    [EXIT_INVLPG] = on_invlpg,
    [EXIT_VMCALL] = on_vmx_instruction,
    [EXIT_VMCLEAR] = on_vmx_instruction,
    [EXIT_VMLAUNCH] = on_vmx_instruction,
    [EXIT_VMPTRLD] = on_vmx_instruction,
    [EXIT_VMPTRST] = on_vmx_instruction,
    [EXIT_VMREAD] = on_vmx_instruction,
    [EXIT_VMRESUME] = on_vmx_instruction,
    [EXIT_VMWRITE] = on_vmx_instruction,
    [EXIT_VMXOFF] = on_vmx_instruction,
    [EXIT_VMXON] = on_vmx_instruction,
    [EXIT_CR_ACCESS] = on_cr_access,
    [EXIT_IO] = on_io,
    [EXIT_MSR_READ] = handle_rdmsr,
    [EXIT_MSR_WRITE] = handle_wrmsr,
    [EXIT_EPT_VIOLATION] = on_ept_violation,
    [EXIT_INVEPT] = on_vmx_instruction,
    [EXIT_PREEMPTION_TIMER] = on_timer,
    [EXIT_INVVPID] = on_vmx_instruction,
};

enum handled handle_exit(struct vcpu *vcpu, uint32_t reason)
{
    handler *handle = reason < ARRAY_SIZE(handlers) ? handlers[reason] : NULL;
    if (handle)
        return handle(vcpu);
    (void)fail(&vcpu->exit->why, EIO, "the guest exited for reason %u, which nobody asked for", reason);
    return leave(vcpu, VM_EXIT_ERROR);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.c - the guest's whole register file, out of and into the places where VT-x leaves it: the VMCS, the registers
 * that are not switched, MSRs, and what the hypervisor keeps itself.
 */
#include "hwassist/vtx/hypervisor/hypervisor.h"
#include <string.h>

/* ---- segments: fields that lie two encodings apart, in the order of enum segment ---- */

static struct segment_reg segment(struct vcpu *vcpu, unsigned i)
{
    return (struct segment_reg){.selector = (uint16_t)rd(vcpu, VMCS_GUEST_ES_SELECTOR + 2 * i),
                                .base = rd(vcpu, VMCS_GUEST_ES_BASE + 2 * i),
                                .limit = (uint32_t)rd(vcpu, VMCS_GUEST_ES_LIMIT + 2 * i),
                                .attr = (uint32_t)rd(vcpu, VMCS_GUEST_ES_ATTR + 2 * i)};
}

static void set_segment(struct vcpu *vcpu, unsigned i, const struct segment_reg *s)
{
    wr(vcpu, VMCS_GUEST_ES_SELECTOR + 2 * i, s->selector);
    wr(vcpu, VMCS_GUEST_ES_BASE + 2 * i, s->base);
    wr(vcpu, VMCS_GUEST_ES_LIMIT + 2 * i, s->limit);
    wr(vcpu, VMCS_GUEST_ES_ATTR + 2 * i, s->attr);
}

/* ---- control registers: what the guest sees, and what the processor has ---- */

static uint64_t seen(struct vcpu *vcpu, enum vmcs_field real, enum vmcs_field mask, enum vmcs_field shadow)
{
    uint64_t owned = rd(vcpu, mask);
    return (rd(vcpu, real) & ~owned) | (rd(vcpu, shadow) & owned);
}

static void set_control_registers(struct vcpu *vcpu, const struct cpu_state *s)
{
    wr(vcpu, VMCS_CR0_SHADOW, s->cr0);
    wr(vcpu, VMCS_CR4_SHADOW, s->cr4);
    wr(vcpu, VMCS_GUEST_EFER, s->efer);
    uint64_t entry = rd(vcpu, VMCS_ENTRY_CONTROLS) & ~(uint64_t)ENTRY_IA32E;
    wr(vcpu, VMCS_ENTRY_CONTROLS, entry | (s->efer & EFER_LMA ? ENTRY_IA32E : 0));
    if (vcpu->shadow) {
        vtx_shadow_load_state(vcpu, s);
        return;
    }
    wr(vcpu, VMCS_GUEST_CR0, (s->cr0 & ~(CR0_CD | CR0_NW)) | CR0_NE);
    wr(vcpu, VMCS_GUEST_CR4, s->cr4 | CR4_VMXE);
    wr(vcpu, VMCS_GUEST_CR3, s->cr3);
}

/* PAE paging under EPT: the four pointers are fields, as MOV to CR3 would have loaded them. */
static void set_pdptes(struct vcpu *vcpu, const struct cpu_state *s)
{
    struct paging p = {.cr3 = s->cr3, .maxphyaddr = vcpu->physical_bits};
    if (!(s->cr0 & CR0_PG) || !(s->cr4 & CR4_PAE) || (s->efer & EFER_LMA))
        return;
    if (!mmu_load_pdptes(&p, vcpu->machine->ram))
        memset(p.pdpte, 0, sizeof(p.pdpte));
    for (unsigned i = 0; i < 4; i++)
        wr(vcpu, VMCS_GUEST_PDPTE0 + 2 * i, p.pdpte[i]);
}

/* ---- MSRs that are not switched ---- */

static uint64_t msr(struct vcpu *vcpu, uint32_t index)
{
    uint64_t value = 0;
    (void)rdmsr(vcpu->vmx, index, &value);
    return value;
}

static const struct {
    uint32_t index;
    size_t field;
} shared[] = {
    {0xc0000081, offsetof(struct cpu_state, star)},           {0xc0000082, offsetof(struct cpu_state, lstar)},
    {0xc0000083, offsetof(struct cpu_state, cstar)},          {0xc0000084, offsetof(struct cpu_state, sfmask)},
    {0xc0000102, offsetof(struct cpu_state, kernel_gs_base)}, {0xc0000103, offsetof(struct cpu_state, tsc_aux)},
    {0x1a0, offsetof(struct cpu_state, misc_enable)},
};

/* ---- out ---- */

static void get_interruptibility(struct vcpu *vcpu, struct cpu_state *s)
{
    uint64_t blocking = rd(vcpu, VMCS_GUEST_INTERRUPTIBILITY);
    s->interrupt_shadow = blocking & (BLOCKING_STI | BLOCKING_MOV_SS);
    s->nmi_blocked = blocking & BLOCKING_NMI;
    s->halted = vcpu->halted;
    s->event = vcpu->event;
}

void vcpu_get_state(struct vcpu *vcpu, struct cpu_state *s)
{
    if (emulating(vcpu)) {
        emulator_get_state(vcpu, s);
        return;
    }
    struct vmx_registers registers = vmx_registers(vcpu->vmx);
    memset(s, 0, sizeof(*s));
    memcpy(s->gpr, vcpu->gpr, sizeof(s->gpr));
    for (unsigned i = 0; i < SEGMENT_COUNT; i++)
        s->seg[i] = segment(vcpu, i);
    s->rip = rd(vcpu, VMCS_GUEST_RIP);
    s->rflags = rd(vcpu, VMCS_GUEST_RFLAGS);
    s->gdtr = (struct table_reg){rd(vcpu, VMCS_GUEST_GDTR_BASE), (uint16_t)rd(vcpu, VMCS_GUEST_GDTR_LIMIT)};
    s->idtr = (struct table_reg){rd(vcpu, VMCS_GUEST_IDTR_BASE), (uint16_t)rd(vcpu, VMCS_GUEST_IDTR_LIMIT)};
    s->cr0 = seen(vcpu, VMCS_GUEST_CR0, VMCS_CR0_MASK, VMCS_CR0_SHADOW);
    s->cr2 = *registers.cr2;
    s->cr3 = vcpu->shadow ? vtx_shadow_cr3(vcpu) : rd(vcpu, VMCS_GUEST_CR3);
    s->cr4 = seen(vcpu, VMCS_GUEST_CR4, VMCS_CR4_MASK, VMCS_CR4_SHADOW);
    s->cr8 = vcpu->cr8;
    memcpy(s->dr, registers.dr, sizeof(s->dr));
    s->dr6 = *registers.dr6;
    s->dr7 = rd(vcpu, VMCS_GUEST_DR7);
    s->efer = rd(vcpu, VMCS_GUEST_EFER);
    for (unsigned i = 0; i < ARRAY_SIZE(shared); i++)
        *(uint64_t *)((char *)s + shared[i].field) = msr(vcpu, shared[i].index);
    s->sysenter_cs = rd(vcpu, VMCS_GUEST_SYSENTER_CS);
    s->sysenter_esp = rd(vcpu, VMCS_GUEST_SYSENTER_ESP);
    s->sysenter_eip = rd(vcpu, VMCS_GUEST_SYSENTER_EIP);
    s->pat = rd(vcpu, VMCS_GUEST_PAT);
    s->apic_base = vcpu->apic_base;
    s->tsc = rdtsc(vcpu->vmx) + rd(vcpu, VMCS_TSC_OFFSET);
    fxsave(vcpu->vmx, &s->fpu);
    get_interruptibility(vcpu, s);
}

/* ---- in ---- */

static void set_interruptibility(struct vcpu *vcpu, const struct cpu_state *s)
{
    uint64_t blocking = s->nmi_blocked ? BLOCKING_NMI : 0;
    if (s->interrupt_shadow)
        blocking |= s->rflags & FLAG_IF ? BLOCKING_STI : BLOCKING_MOV_SS;
    wr(vcpu, VMCS_GUEST_INTERRUPTIBILITY, blocking);
    wr(vcpu, VMCS_GUEST_ACTIVITY, 0);
    wr(vcpu, VMCS_GUEST_PENDING_DEBUG, s->interrupt_shadow && (s->rflags & FLAG_TF) ? 0x4000 : 0);
    vcpu->halted = s->halted;
    vcpu->event = s->event;
}

static void set_apic_base(struct vcpu *vcpu, uint64_t value)
{
    vcpu->apic_base = value;
    if (vcpu->machine->apic_base_changed)
        vcpu->machine->apic_base_changed(vcpu->machine->context, value);
}

void vcpu_load_state(struct vcpu *vcpu, const struct cpu_state *s)
{
    struct vmx_registers registers = vmx_registers(vcpu->vmx);
    emulator_forget(vcpu);
    vcpu->in_pending = false;
    memcpy(vcpu->gpr, s->gpr, sizeof(s->gpr));
    for (unsigned i = 0; i < SEGMENT_COUNT; i++)
        set_segment(vcpu, i, &s->seg[i]);
    wr(vcpu, VMCS_GUEST_RIP, s->rip);
    wr(vcpu, VMCS_GUEST_RFLAGS, s->rflags | FLAG_ONE);
    wr(vcpu, VMCS_GUEST_GDTR_BASE, s->gdtr.base), wr(vcpu, VMCS_GUEST_GDTR_LIMIT, s->gdtr.limit);
    wr(vcpu, VMCS_GUEST_IDTR_BASE, s->idtr.base), wr(vcpu, VMCS_GUEST_IDTR_LIMIT, s->idtr.limit);
    *registers.cr2 = s->cr2;
    memcpy(registers.dr, s->dr, sizeof(s->dr));
    *registers.dr6 = s->dr6;
    wr(vcpu, VMCS_GUEST_DR7, s->dr7);
    vcpu->cr8 = s->cr8;
    set_control_registers(vcpu, s);
    set_pdptes(vcpu, s);
    for (unsigned i = 0; i < ARRAY_SIZE(shared); i++)
        (void)wrmsr(vcpu->vmx, shared[i].index, *(const uint64_t *)((const char *)s + shared[i].field));
    wr(vcpu, VMCS_GUEST_SYSENTER_CS, s->sysenter_cs);
    wr(vcpu, VMCS_GUEST_SYSENTER_ESP, s->sysenter_esp);
    wr(vcpu, VMCS_GUEST_SYSENTER_EIP, s->sysenter_eip);
    wr(vcpu, VMCS_GUEST_PAT, s->pat);
    set_apic_base(vcpu, s->apic_base);
    wr(vcpu, VMCS_TSC_OFFSET, s->tsc - rdtsc(vcpu->vmx));
    fxrstor(vcpu->vmx, &s->fpu);
    set_interruptibility(vcpu, s);
    (void)invvpid(vcpu->vmx, INVVPID_SINGLE_CONTEXT, 1, gva(0));
}

/* What is refused: the software CPU's rules are those of any CPU, so the emulator is asked. */
int vcpu_set_state(struct vcpu *vcpu, const struct cpu_state *s, struct reason *why)
{
    int error = emulator_check_state(vcpu, s, why);
    if (!error)
        vcpu_load_state(vcpu, s);
    return error;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * entry.c - VM entries: VMLAUNCH and VMRESUME (SDM 3, chapter 27 and 31).
 *
 *     checks of controls and host state   fail: the next instruction, with error 7 or 8
 *     checks of guest state               fail: a VM exit at once, reason 33
 *     the guest's state is loaded, then the MSR-load area (fail: reason 34)
 *     an event may be injected
 *     the CPU executes guest code, until something exits
 *
 * Read next: intercepts.c, what exits; exits.c, the way back.
 */
#include "hwassist/vtx/processor.h"
#include <time.h>

/* ---- loading guest state (27.3.2) ---- */

/* CR0.ET, NW, CD are not the VMCS' to change. */
#define CR0_KEPT (CR0_ET | CR0_NW | CR0_CD)

static void load_control_registers(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    struct paging *p = &vmx->cpu->paging;
    p->cr0 = (vmcs_get(v, GUEST_CR0) & ~CR0_KEPT) | (p->cr0 & CR0_KEPT);
    p->cr3 = vmcs_get(v, GUEST_CR3);
    p->cr4 = vmcs_get(v, GUEST_CR4);
    if (entry_control(vmx, ENTRY_LOAD_EFER)) {
        p->efer = vmcs_get(v, GUEST_EFER);
    } else { /* LMA and LME follow the mode, the rest stays */
        uint64_t bits = entry_control(vmx, ENTRY_IA32E) ? EFER_LMA | EFER_LME : 0;
        p->efer = (p->efer & ~(EFER_LMA | (p->cr0 & CR0_PG ? EFER_LME : 0))) | bits;
    }
    p->eptp = cpu2_control(vmx, CPU2_EPT) ? vmcs_get(v, EPT_POINTER) : 0;
    for (unsigned i = 0; i < 4; i++)
        p->pdpte[i] = v->slot[VMCS_SLOT_GUEST_PDPTE0 + i];
    if (!p->eptp && (p->cr0 & CR0_PG) && (p->cr4 & CR4_PAE) && !(p->efer & EFER_LMA))
        (void)!mmu_load_pdptes(p, vmx->memory); /* checked before */
}

static void load_registers(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    struct cpu *cpu = vmx->cpu;
    if (entry_control(vmx, ENTRY_LOAD_DEBUG))
        cpu->dr7 = vmcs_get(v, GUEST_DR7);
    cpu->sysenter_cs = vmcs_get(v, GUEST_SYSENTER_CS);
    cpu->sysenter_esp = vmcs_get(v, GUEST_SYSENTER_ESP);
    cpu->sysenter_eip = vmcs_get(v, GUEST_SYSENTER_EIP);
    if (entry_control(vmx, ENTRY_LOAD_PAT))
        cpu->pat = vmcs_get(v, GUEST_PAT);
    for (unsigned i = 0; i < SEGMENT_COUNT; i++)
        cpu->seg[i] = vmcs_segment(v, i);
    cpu->gdtr = (struct table_reg){vmcs_get(v, GUEST_GDTR_BASE), (uint16_t)vmcs_get(v, GUEST_GDTR_LIMIT)};
    cpu->idtr = (struct table_reg){vmcs_get(v, GUEST_IDTR_BASE), (uint16_t)vmcs_get(v, GUEST_IDTR_LIMIT)};
    cpu->rip = vmcs_get(v, GUEST_RIP);
    cpu->gpr[RSP] = vmcs_get(v, GUEST_RSP);
    uint32_t rflags = (uint32_t)vmcs_get(v, GUEST_RFLAGS) & ~FLAG_RF;
    flags_set(&cpu->lf, rflags);
    cpu->sysflags = rflags & ~(FLAGS_STATUS | FLAG_ONE);
    cpu->cpl = !cpu_protected(cpu) ? 0 : cpu_v86(cpu) ? 3 : (cpu->seg[SEG_SS].attr & ATTR_DPL) >> 5;

    uint64_t blocking = vmcs_get(v, GUEST_INTERRUPTIBILITY);
    cpu->interrupt_shadow = blocking & (BLOCKING_STI | BLOCKING_MOV_SS);
    cpu->nmi_blocked = blocking & BLOCKING_NMI;
    cpu->halted = vmcs_get(v, GUEST_ACTIVITY) == ACTIVITY_HLT;
}

/* What of the controls the CPU asks about at every turn. */
static void load_nonroot(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    struct nonroot *n = &vmx->nonroot;
    n->cr0_mask = vmcs_get(v, CR0_MASK), n->cr0_shadow = vmcs_get(v, CR0_SHADOW);
    n->cr4_mask = vmcs_get(v, CR4_MASK), n->cr4_shadow = vmcs_get(v, CR4_SHADOW);
    n->vectoring.valid = n->injected = false;
    vmx->cpu->nonroot = n;
    vmx->cpu->tsc_offset = cpu_control(vmx, CPU_TSC_OFFSETTING) ? (int64_t)vmcs_get(v, TSC_OFFSET) : 0;
    vmx->timer_end = rdtsc(vmx) + (vmcs_get(v, PREEMPTION_TIMER) << VMX_TIMER_SHIFT);
}

void load_guest(struct vmx *vmx)
{
    load_control_registers(vmx);
    load_registers(vmx);
    load_nonroot(vmx);
    tlb_use_tag(vmx);
    cpu_mode_changed(vmx->cpu);
}

/* ---- MSR areas (27.4): pairs of index and value ---- */

struct msr_entry {
    uint32_t index, reserved;
    uint64_t value;
};

/* Registers that an area may not load: the VMCS has them (table 27.4). */
static bool loadable(uint32_t index)
{
    return index != 0xc0000100 && index != 0xc0000101 && index >> 8 != 8; /* FS and GS base; x2APIC */
}

unsigned load_msrs(struct vmx *vmx, gpa_t list, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        const struct msr_entry *e = ram_at(vmx->memory, gpa(list.v + i * sizeof(*e)), sizeof(*e));
        if (!e || e->reserved || !loadable(e->index) || !cpu_wrmsr(vmx->cpu, e->index, e->value))
            return (unsigned)i + 1;
    }
    return 0;
}

unsigned store_msrs(struct vmx *vmx, gpa_t list, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct msr_entry *e = ram_at(vmx->memory, gpa(list.v + i * sizeof(*e)), sizeof(*e));
        if (!e || e->reserved || !cpu_rdmsr(vmx->cpu, e->index, &e->value))
            return (unsigned)i + 1;
    }
    return 0;
}

/* ---- event injection (27.6) ---- */

static void inject(struct vmx *vmx)
{
    uint32_t info = (uint32_t)vmcs_get(vmx->vmcs, ENTRY_INTERRUPTION), type = (info & INTERRUPTION_TYPE) >> 8;
    bool injects = info & INTERRUPTION_VALID;
    vmx->trap_boundary = injects && (type == INTERRUPTION_OTHER || cpu_control(vmx, CPU_MONITOR_TRAP)) ? 0 : 1;
    if (!injects || type == INTERRUPTION_OTHER) /* the latter: a monitor trap is pending */
        return;
    bool software = type >= EVENT_SOFTWARE;
    vmx->cpu->event = (struct pending_event){
        .valid = true,
        .type = (uint8_t)type,
        .vector = info & INTERRUPTION_VECTOR,
        .has_error = info & INTERRUPTION_ERROR,
        .error_code = info & INTERRUPTION_ERROR ? (uint32_t)vmcs_get(vmx->vmcs, ENTRY_ERROR_CODE) : 0,
        .length = software ? (uint8_t)vmcs_get(vmx->vmcs, ENTRY_INSTRUCTION_LENGTH) : 0,
    };
    vmx->nonroot.injected = true;
}

/* ---- executing ---- */

/* The longest stretch between two looks at the preemption timer, in instructions. */
#define TIMER_SLICE 65536u

static uint64_t slice(struct vmx *vmx)
{
    if (cpu_control(vmx, CPU_MONITOR_TRAP) || !vmx->trap_boundary)
        return 1;
    if (!pin_control(vmx, PIN_PREEMPTION_TIMER))
        return 0;                    /* no end */
    uint64_t left = timer_left(vmx); /* ticks; an instruction takes at least one */
    return left == 0 ? 1 : left < TIMER_SLICE ? left : TIMER_SLICE;
}

/* The guest has halted, and HLT does not exit: nothing but an interrupt or the timer ends that. */
static void wait_for_interrupt(struct vmx *vmx)
{
    const struct timespec nap = {.tv_nsec = 50000};
    while (!(vmx->cpu->attention & ATTENTION_KICK) && timer_left(vmx) > 0)
        nanosleep(&nap, NULL);
}

/* What came back from the CPU without having exited by itself: see engine.h for how the CPU comes back. */
static void came_back(struct vmx *vmx, struct vm_exit *bus, bool slice_over)
{
    switch (bus->kind) {
    case VM_EXIT_SHUTDOWN: /* not seen as happening during a delivery (28.2.4) */
        vmx->nonroot.vectoring.valid = false;
        vmx->exit =
            (struct vm_exiting){.pending = true, .reason = EXIT_TRIPLE_FAULT, .counted = EXIT_INDEX_TRIPLE_FAULT};
        return;
    case VM_EXIT_HLT: wait_for_interrupt(vmx); return;
    case VM_EXIT_MMIO: /* nothing is attached to this processor's bus but memory */
        bus->mmio.value = UINT64_MAX;
        return;
    case VM_EXIT_IO: memset(bus->io.data, 0xff, bus->io.count * bus->io.size); return;
    default:
        if (slice_over || !pin_control(vmx, PIN_EXTERNAL_INTERRUPT))
            return;
        vmx->exit = (struct vm_exiting){
            .pending = true, .reason = EXIT_EXTERNAL_INTERRUPT, .counted = EXIT_INDEX_EXTERNAL_INTERRUPT};
    }
}

static void execute(struct vmx *vmx)
{
    struct cpu *cpu = vmx->cpu;
    struct vm_exit bus = {.kind = VM_EXIT_INTERRUPTED};
    while (!vmx->exit.pending) {
        uint64_t instructions = slice(vmx), end = cpu->icount + instructions;
        cpu_run(cpu, &bus, instructions);
        if (!vmx->exit.pending)
            came_back(vmx, &bus, instructions && cpu->icount >= end);
    }
}

/* ---- VMLAUNCH, VMRESUME ---- */

/* Root code goes on, unless the exit ended in a VMX abort. */
static enum vmx_result exited(struct vmx *vmx)
{
    if (likely(!vmx->vmcs->abort))
        return VMX_EXITED;
    vmx->on = false;
    return VMX_ABORTED;
}

static enum vmx_result enter(struct vmx *vmx, enum launch_state wanted, enum vmx_error otherwise)
{
    uint64_t qualification;
    if (!vmx->on)
        return VMX_UD;
    if (!vmx->vmcs)
        return VMX_FAIL_INVALID;
    if (vmx->vmcs->launch != wanted)
        return vmx_fail(vmx, otherwise);
    if (!check_controls(vmx))
        return vmx_fail(vmx, VMX_ERROR_ENTRY_CONTROLS);
    if (!check_host(vmx))
        return vmx_fail(vmx, VMX_ERROR_ENTRY_HOST_STATE);
    vmx->exit = (struct vm_exiting){.pending = false};
    vmx->vmcs->abort = 0;
    if (!check_guest(vmx, &qualification)) {
        entry_failed(vmx, EXIT_ENTRY_FAILURE, qualification);
        return exited(vmx);
    }
    load_guest(vmx);
    unsigned failed =
        load_msrs(vmx, gpa(vmcs_get(vmx->vmcs, ENTRY_MSR_LOAD_ADDRESS)), vmcs_get(vmx->vmcs, ENTRY_MSR_LOAD_COUNT));
    if (failed) {
        entry_failed(vmx, EXIT_MSR_LOADING, failed);
        return exited(vmx);
    }
    vmx->vmcs->launch = VMCS_LAUNCHED;
    vmx->refusal = NULL;
    inject(vmx);
    execute(vmx);
    vm_exit_complete(vmx);
    return exited(vmx);
}

enum vmx_result vmlaunch(struct vmx *vmx)
{
    return enter(vmx, VMCS_CLEAR, VMX_ERROR_VMLAUNCH_NOT_CLEAR);
}

enum vmx_result vmresume(struct vmx *vmx)
{
    return enter(vmx, VMCS_LAUNCHED, VMX_ERROR_VMRESUME_NOT_LAUNCHED);
}

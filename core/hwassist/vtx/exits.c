/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exits.c - VM exits (SDM 3, chapter 28): what happened is written into the VMCS, the guest's state is saved there, and
 * the host's is loaded.
 *
 * Read next: hypervisor/hypervisor.h, whose code goes on behind it.
 */
#include "hwassist/vtx/processor.h"

/* VMX aborts (28.7): nobody could be told in any other way, so the processor writes a number into the region and stops.
 */
enum abort { ABORT_STORING_MSRS = 1, ABORT_LOADING_MSRS = 4 };

/* ---- exit information (28.2) ---- */

static uint32_t interruption_of(const struct pending_event *event)
{
    return INTERRUPTION_VALID | event->vector | (uint32_t)event->type << 8 |
           (event->has_error ? INTERRUPTION_ERROR : 0);
}

/* The event that was being delivered when something on the way exited (28.2.4). */
static void record_vectoring(struct vmx *vmx)
{
    const struct pending_event *event = &vmx->nonroot.vectoring;
    vmcs_set(vmx->vmcs, VECTORING, event->valid ? interruption_of(event) : 0);
    if (!event->valid)
        return;
    vmcs_set(vmx->vmcs, VECTORING_ERROR_CODE, event->has_error ? event->error_code : 0);
    if (event->length)
        vmcs_set(vmx->vmcs, EXIT_INSTRUCTION_LENGTH, event->length);
}

static void record(struct vmx *vmx)
{
    struct vmcs *v = vmx->vmcs;
    const struct vm_exiting *e = &vmx->exit;
    vmcs_set(v, EXIT_REASON, e->reason);
    vmcs_set(v, EXIT_QUALIFICATION, e->qualification);
    vmcs_set(v, EXIT_INTERRUPTION, e->interruption);
    vmcs_set(v, EXIT_ERROR_CODE, e->error_code);
    vmcs_set(v, EXIT_INSTRUCTION_LENGTH, e->length);
    vmcs_set(v, EXIT_INSTRUCTION_INFO, e->info);
    vmcs_set(v, GUEST_LINEAR_ADDRESS, e->linear);
    vmcs_set(v, GUEST_PHYSICAL_ADDRESS, e->physical);
    record_vectoring(vmx);
    vmcs_set(v, ENTRY_INTERRUPTION, vmcs_get(v, ENTRY_INTERRUPTION) & ~(uint64_t)INTERRUPTION_VALID);
}

/* ---- saving guest state (28.3) ---- */

static void save_control_registers(struct vmx *vmx)
{
    struct vmcs *v = vmx->vmcs;
    const struct paging *p = &vmx->cpu->paging;
    vmcs_set(v, GUEST_CR0, p->cr0);
    vmcs_set(v, GUEST_CR3, p->cr3);
    vmcs_set(v, GUEST_CR4, p->cr4);
    if (exit_control(vmx, EXIT_SAVE_EFER))
        vmcs_set(v, GUEST_EFER, p->efer);
    uint64_t entry = vmcs_get(v, ENTRY_CONTROLS) & ~(uint64_t)ENTRY_IA32E;
    vmcs_set(v, ENTRY_CONTROLS, entry | (p->efer & EFER_LMA ? ENTRY_IA32E : 0)); /* IA32_VMX_MISC bit 5 */
    for (unsigned i = 0; p->eptp && i < 4; i++)
        v->slot[VMCS_SLOT_GUEST_PDPTE0 + i] = p->pdpte[i];
}

static uint64_t interruptibility(const struct cpu *cpu)
{
    uint64_t blocking = cpu->nmi_blocked ? BLOCKING_NMI : 0;
    if (cpu->interrupt_shadow) /* the CPU keeps one flag for both; with IF clear it can't have been STI */
        blocking |= cpu->sysflags & FLAG_IF ? BLOCKING_STI : BLOCKING_MOV_SS;
    return blocking;
}

static void save_registers(struct vmx *vmx)
{
    struct vmcs *v = vmx->vmcs;
    const struct cpu *cpu = vmx->cpu;
    if (exit_control(vmx, EXIT_SAVE_DEBUG)) {
        vmcs_set(v, GUEST_DR7, cpu->dr7);
        vmcs_set(v, GUEST_DEBUGCTL, 0);
    }
    vmcs_set(v, GUEST_SYSENTER_CS, cpu->sysenter_cs);
    vmcs_set(v, GUEST_SYSENTER_ESP, cpu->sysenter_esp);
    vmcs_set(v, GUEST_SYSENTER_EIP, cpu->sysenter_eip);
    if (exit_control(vmx, EXIT_SAVE_PAT))
        vmcs_set(v, GUEST_PAT, cpu->pat);
    for (unsigned i = 0; i < SEGMENT_COUNT; i++)
        vmcs_set_segment(v, i, &cpu->seg[i]);
    vmcs_set(v, GUEST_GDTR_BASE, cpu->gdtr.base);
    vmcs_set(v, GUEST_GDTR_LIMIT, cpu->gdtr.limit);
    vmcs_set(v, GUEST_IDTR_BASE, cpu->idtr.base);
    vmcs_set(v, GUEST_IDTR_LIMIT, cpu->idtr.limit);
    vmcs_set(v, GUEST_RIP, cpu->rip);
    vmcs_set(v, GUEST_RSP, cpu->gpr[RSP]);
    vmcs_set(v, GUEST_RFLAGS, cpu_rflags(cpu));
    vmcs_set(v, GUEST_INTERRUPTIBILITY, interruptibility(cpu));
    vmcs_set(v, GUEST_ACTIVITY, cpu->halted ? ACTIVITY_HLT : ACTIVITY_ACTIVE);
    vmcs_set(v, GUEST_PENDING_DEBUG, 0);
    if (exit_control(vmx, EXIT_SAVE_TIMER))
        vmcs_set(v, PREEMPTION_TIMER, timer_left(vmx) >> VMX_TIMER_SHIFT);
}

/* ---- loading host state (28.5) ---- */

static struct segment_reg host_code(const struct vmx *vmx, uint64_t selector)
{
    bool wide = exit_control(vmx, EXIT_HOST_64BIT);
    return (struct segment_reg){
        .selector = (uint16_t)selector, .limit = UINT32_MAX, .attr = 0x9b | ATTR_G | (wide ? ATTR_L : ATTR_DB)};
}

static struct segment_reg host_data(uint64_t selector, uint64_t base)
{
    if (!selector)
        return (struct segment_reg){.attr = ATTR_UNUSABLE, .base = base};
    return (struct segment_reg){
        .selector = (uint16_t)selector, .base = base, .limit = UINT32_MAX, .attr = 0x93 | ATTR_G | ATTR_DB};
}

static void load_host_segments(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    struct cpu *cpu = vmx->cpu;
    cpu->seg[SEG_CS] = host_code(vmx, vmcs_get(v, HOST_CS_SELECTOR));
    cpu->seg[SEG_SS] = host_data(vmcs_get(v, HOST_SS_SELECTOR), 0);
    cpu->seg[SEG_DS] = host_data(vmcs_get(v, HOST_DS_SELECTOR), 0);
    cpu->seg[SEG_ES] = host_data(vmcs_get(v, HOST_ES_SELECTOR), 0);
    cpu->seg[SEG_FS] = host_data(vmcs_get(v, HOST_FS_SELECTOR), vmcs_get(v, HOST_FS_BASE));
    cpu->seg[SEG_GS] = host_data(vmcs_get(v, HOST_GS_SELECTOR), vmcs_get(v, HOST_GS_BASE));
    cpu->seg[SEG_LDTR] = segment_null(0, 0);
    cpu->seg[SEG_TR] = (struct segment_reg){.selector = (uint16_t)vmcs_get(v, HOST_TR_SELECTOR),
                                            .base = vmcs_get(v, HOST_TR_BASE),
                                            .limit = 0x67,
                                            .attr = ATTR_P | SYS_TSS32_BUSY};
    cpu->gdtr = (struct table_reg){vmcs_get(v, HOST_GDTR_BASE), 0xffff};
    cpu->idtr = (struct table_reg){vmcs_get(v, HOST_IDTR_BASE), 0xffff};
}

static void load_host_registers(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    struct cpu *cpu = vmx->cpu;
    const uint64_t kept = CR0_ET | CR0_NW | CR0_CD;
    cpu->paging.cr0 = (vmcs_get(v, HOST_CR0) & ~kept) | (cpu->paging.cr0 & kept);
    cpu->paging.cr3 = vmcs_get(v, HOST_CR3);
    cpu->paging.cr4 = vmcs_get(v, HOST_CR4);
    cpu->paging.eptp = 0;
    if (exit_control(vmx, EXIT_LOAD_EFER))
        cpu->paging.efer = vmcs_get(v, HOST_EFER);
    else if (exit_control(vmx, EXIT_HOST_64BIT))
        cpu->paging.efer |= EFER_LME | EFER_LMA;
    else
        cpu->paging.efer &= ~(EFER_LME | EFER_LMA);
    if (exit_control(vmx, EXIT_LOAD_PAT))
        cpu->pat = vmcs_get(v, HOST_PAT);
    cpu->dr7 = 0x400;
    cpu->sysenter_cs = vmcs_get(v, HOST_SYSENTER_CS);
    cpu->sysenter_esp = vmcs_get(v, HOST_SYSENTER_ESP);
    cpu->sysenter_eip = vmcs_get(v, HOST_SYSENTER_EIP);
    cpu->rip = vmcs_get(v, HOST_RIP);
    cpu->gpr[RSP] = vmcs_get(v, HOST_RSP);
    flags_set(&cpu->lf, 0);
    cpu->sysflags = 0;
    cpu->cpl = 0;
}

/* Nothing of the guest stays pending: what matters is in the VMCS. What is derived from the mode (code size, stack
 * width) is left alone, for the CPU fetches no root code. */
static void load_host(struct vmx *vmx)
{
    struct cpu *cpu = vmx->cpu;
    load_host_registers(vmx);
    load_host_segments(vmx);
    cpu->nonroot = NULL;
    cpu->tsc_offset = 0;
    cpu->event.valid = false;
    cpu->interrupt_shadow = cpu->halted = cpu->exit_ready = cpu->io_pending = false;
    cpu->latch = (struct io_latch){0};
    cpu->posted_count = cpu->posted_next = 0;
    tlb_leave_tag(vmx);
    if (load_msrs(vmx, gpa(vmcs_get(vmx->vmcs, EXIT_MSR_LOAD_ADDRESS)), vmcs_get(vmx->vmcs, EXIT_MSR_LOAD_COUNT)))
        vmx->vmcs->abort = ABORT_LOADING_MSRS;
}

void vm_exit_complete(struct vmx *vmx)
{
    struct vmcs *v = vmx->vmcs;
    vmx->cpu->stats->exits[vmx->exit.counted].taken++;
    record(vmx);
    save_control_registers(vmx);
    save_registers(vmx);
    if (store_msrs(vmx, gpa(vmcs_get(v, EXIT_MSR_STORE_ADDRESS)), vmcs_get(v, EXIT_MSR_STORE_COUNT)))
        v->abort = ABORT_STORING_MSRS;
    load_host(vmx);
}

void entry_failed(struct vmx *vmx, uint32_t reason, uint64_t qualification)
{
    COUNT_TAKEN(vmx->cpu->stats, ENTRY_FAILURE);
    vmcs_set(vmx->vmcs, EXIT_REASON, reason | EXIT_ENTRY_FAILED);
    vmcs_set(vmx->vmcs, EXIT_QUALIFICATION, qualification);
    load_host(vmx);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * intercepts.c - what causes VM exits in non-root operation (SDM 3, chapter 26): instructions, exceptions, violations
 * of the second-level tables, and what comes between two instructions.
 *
 * These are the functions of the seam (x86/nonroot.h). One that exits describes the exit and leaves by cpu_unwind():
 * the instruction has had no effect, and RIP points to it.
 *
 * Read next: exits.c.
 */
#include "hwassist/vtx/processor.h"
#include "x86/string.h"

/* ---- exiting ---- */

static struct vm_exiting *exit_for(struct vmx *vmx, uint32_t reason, enum exit_index counted)
{
    vmx->exit = (struct vm_exiting){.pending = true, .reason = reason, .counted = counted};
    return &vmx->exit;
}

static _Noreturn void leave(struct cpu *cpu, const struct insn *in)
{
    if (in)
        vmx_of(cpu)->exit.length = in->len;
    cpu_unwind(cpu, in, UNWIND_INTERCEPT);
}

#define EXIT_NUMBER(number, symbol, name, text) [EXIT_INDEX_##symbol] = number,
static const uint16_t reason_of[EXIT_REASON_COUNT] = {EXIT_REASONS(EXIT_NUMBER)};

/* The instruction exits, with nothing to say but the qualification. */
static _Noreturn void exits(struct cpu *cpu, const struct insn *in, enum exit_index why, uint64_t qualification)
{
    exit_for(vmx_of(cpu), reason_of[why], why)->qualification = qualification;
    leave(cpu, in);
}

/* ---- control registers (26.1.3) ---- */

static bool is_cr3_target(const struct vmx *vmx, uint64_t value)
{
    uint64_t count = vmcs_get(vmx->vmcs, CR3_TARGET_COUNT);
    for (unsigned i = 0; i < count; i++)
        if (vmx->vmcs->slot[VMCS_SLOT_CR3_TARGET0 + i] == value)
            return true;
    return false;
}

static bool differs(uint64_t value, uint64_t shadow, uint64_t mask)
{
    return (value ^ shadow) & mask;
}

static bool write_exits(struct cpu *cpu, unsigned cr, uint64_t value)
{
    struct vmx *vmx = vmx_of(cpu);
    const struct nonroot *n = cpu->nonroot;
    switch (cr) {
    case 0: return differs(value, n->cr0_shadow, n->cr0_mask);
    case 3: return cpu_control(vmx, CPU_CR3_LOAD) && !is_cr3_target(vmx, value);
    case 4: return differs(value, n->cr4_shadow, n->cr4_mask);
    case 8: return cpu_control(vmx, CPU_CR8_LOAD);
    default: return false;
    }
}

/* A value that VMX operation doesn't allow is #GP, as any bad value is (24.8). */
static void check_fixed(struct cpu *cpu, const struct insn *in, unsigned cr, uint64_t value)
{
    bool valid = true;
    if (cr == 0)
        valid =
            vmx_cr0_valid((uint32_t)cpu_cr0_written(cpu, value) | CR0_ET, cpu2_control(vmx_of(cpu), CPU2_UNRESTRICTED));
    else if (cr == 4)
        valid = vmx_cr4_valid(cpu_cr4_written(cpu, value));
    if (!valid)
        cpu_raise_error(cpu, in, VEC_GP, 0);
}

/* LMSW sets PE but can't clear it, and writes MP, EM and TS. */
static bool lmsw_exits(const struct nonroot *n, uint64_t source)
{
    bool sets_pe = (source & ~n->cr0_shadow & n->cr0_mask) & CR0_PE;
    return sets_pe || differs(source, n->cr0_shadow, n->cr0_mask & (CR0_MP | CR0_EM | CR0_TS));
}

static void control_register(struct cpu *cpu, const struct insn *in, uint64_t qualification)
{
    struct vmx *vmx = vmx_of(cpu);
    const struct nonroot *n = cpu->nonroot;
    unsigned cr = qualification & 15;
    bool now = false;
    switch ((enum cr_access)(qualification >> 4 & 3)) {
    case CR_MOV_TO: {
        uint64_t value = reg_read(cpu, in->rm, in->opsize);
        now = write_exits(cpu, cr, value);
        if (!now)
            check_fixed(cpu, in, cr, value);
        break;
    }
    case CR_MOV_FROM: now = cpu_control(vmx, cr == 3 ? CPU_CR3_STORE : cr == 8 ? CPU_CR8_STORE : 0); break;
    case CR_CLTS: now = n->cr0_mask & n->cr0_shadow & CR0_TS; break;
    case CR_LMSW: now = lmsw_exits(n, qualification >> 16 & 0xffff); break;
    }
    if (!now)
        return;
    struct vm_exiting *e = exit_for(vmx, EXIT_CR_ACCESS, EXIT_INDEX_CR_ACCESS);
    e->qualification = qualification;
    if (qualification & 0x40) /* LMSW from memory */
        e->linear = effective_address(cpu, in) + cpu->seg_base[in->seg];
    leave(cpu, in);
}

/* ---- ports and MSRs: bitmaps (25.6.4, 25.6.9) ---- */

static bool bit_in(const struct vmx *vmx, uint64_t page, unsigned bit)
{
    const uint8_t *byte = ram_at(vmx->memory, gpa(page + bit / 8), 1);
    return !byte || (*byte >> (bit & 7) & 1); /* a bitmap outside memory reads as ones */
}

static bool port_exits(const struct vmx *vmx, unsigned port, unsigned size)
{
    if (!cpu_control(vmx, CPU_IO_BITMAPS))
        return cpu_control(vmx, CPU_UNCONDITIONAL_IO);
    if (port + size > 0x10000)
        return true; /* wraps around */
    for (unsigned p = port; p < port + size; p++) {
        uint64_t page = p < 0x8000 ? vmcs_get(vmx->vmcs, IO_BITMAP_A) : vmcs_get(vmx->vmcs, IO_BITMAP_B);
        if (bit_in(vmx, page, p & 0x7fff))
            return true;
    }
    return false;
}

static void port_access(struct cpu *cpu, const struct insn *in, uint64_t qualification)
{
    struct vmx *vmx = vmx_of(cpu);
    if (!port_exits(vmx, qualification >> 16, (qualification & 7) + 1))
        return;
    struct vm_exiting *e = exit_for(vmx, EXIT_IO, EXIT_INDEX_IO);
    e->qualification = qualification;
    if (qualification & IO_STRING) {
        unsigned index = qualification & IO_IN ? RDI : RSI, seg = qualification & IO_IN ? SEG_ES : in->seg;
        e->linear = cpu->seg_base[seg] + reg_read(cpu, index, in->addrsize);
        e->info = information_string(cpu, in);
    }
    leave(cpu, in);
}

static bool msr_exits(const struct vmx *vmx, uint32_t index, bool write)
{
    const uint32_t high = 0xc0000000;
    if (!cpu_control(vmx, CPU_MSR_BITMAPS))
        return true;
    if (index > 0x1fff && (index < high || index > high + 0x1fff))
        return true;
    uint64_t bitmap = vmcs_get(vmx->vmcs, MSR_BITMAP) + (write ? 2048 : 0) + (index >= high ? 1024 : 0);
    return bit_in(vmx, bitmap, index & 0x1fff);
}

/* ---- instructions ---- */

static void exits_by(struct cpu *cpu, const struct insn *in, enum exit_index why, bool control)
{
    if (control)
        exits(cpu, in, why, 0);
}

static uint64_t displacement(const struct cpu *cpu, const struct insn *in)
{
    if (!(in->flags & INSN_MEM))
        return 0;
    return (uint64_t)in->disp + (in->base == GPR_PAGE ? cpu->gpr[GPR_PAGE] : 0); /* RIP-relative: the sum */
}

/* LGDT and its kin, LLDT and its kin (26.1.3; tables 28-10 and 28-11): `op` says which of the four. */
static void descriptor_table(struct cpu *cpu, const struct insn *in, enum exit_index why)
{
    struct vmx *vmx = vmx_of(cpu);
    if (!cpu2_control(vmx, CPU2_DESCRIPTOR_TABLES))
        return;
    struct vm_exiting *e = exit_for(vmx, reason_of[why], why);
    e->qualification = displacement(cpu, in);
    e->info = information_memory(cpu, in) | (uint32_t)in->op << 28;
    if (why == EXIT_INDEX_GDTR_IDTR && in->opsize != 2)
        e->info |= 1u << 11;
    leave(cpu, in);
}

/* VMX instructions always exit (tables 28-12 to 28-14): `reg` is the register operand of four of them. */
static _Noreturn void vmx_instruction(struct cpu *cpu, const struct insn *in, enum exit_index why)
{
    struct vm_exiting *e = exit_for(vmx_of(cpu), reason_of[why], why);
    e->qualification = displacement(cpu, in);
    switch (why) {
    case EXIT_INDEX_VMREAD:
    case EXIT_INDEX_VMWRITE:
    case EXIT_INDEX_INVEPT:
    case EXIT_INDEX_INVVPID: e->info = information_memory(cpu, in) | (uint32_t)in->reg << 28; break;
    case EXIT_INDEX_VMCLEAR:
    case EXIT_INDEX_VMPTRLD:
    case EXIT_INDEX_VMPTRST:
    case EXIT_INDEX_VMXON: e->info = information_memory(cpu, in); break;
    default: break;
    }
    leave(cpu, in);
}

static void on_instruction(struct cpu *cpu, const struct insn *in, enum exit_index why, uint64_t qualification)
{
    struct vmx *vmx = vmx_of(cpu);
    switch (why) {
    case EXIT_INDEX_CPUID:
    case EXIT_INDEX_INVD: exits(cpu, in, why, 0);
    case EXIT_INDEX_HLT: exits_by(cpu, in, why, cpu_control(vmx, CPU_HLT)); break;
    case EXIT_INDEX_INVLPG:
        if (cpu_control(vmx, CPU_INVLPG))
            exits(cpu, in, why, qualification);
        break;
    case EXIT_INDEX_RDPMC: exits_by(cpu, in, why, cpu_control(vmx, CPU_RDPMC)); break;
    case EXIT_INDEX_RDTSC: exits_by(cpu, in, why, cpu_control(vmx, CPU_RDTSC)); break;
    case EXIT_INDEX_RDTSCP:
        if (!cpu2_control(vmx, CPU2_RDTSCP))
            cpu_raise(cpu, in, VEC_UD);
        exits_by(cpu, in, why, cpu_control(vmx, CPU_RDTSC));
        break;
    case EXIT_INDEX_CR_ACCESS: control_register(cpu, in, qualification); break;
    case EXIT_INDEX_DR_ACCESS:
        if (cpu_control(vmx, CPU_MOV_DR))
            exits(cpu, in, why, qualification);
        break;
    case EXIT_INDEX_IO: port_access(cpu, in, qualification); break;
    case EXIT_INDEX_MSR_READ: exits_by(cpu, in, why, msr_exits(vmx, (uint32_t)cpu->gpr[RCX], false)); break;
    case EXIT_INDEX_MSR_WRITE: exits_by(cpu, in, why, msr_exits(vmx, (uint32_t)cpu->gpr[RCX], true)); break;
    case EXIT_INDEX_GDTR_IDTR:
    case EXIT_INDEX_LDTR_TR: descriptor_table(cpu, in, why); break;
    case EXIT_INDEX_WBINVD: exits_by(cpu, in, why, cpu2_control(vmx, CPU2_WBINVD)); break;
    case EXIT_INDEX_VMCALL:
    case EXIT_INDEX_VMCLEAR:
    case EXIT_INDEX_VMLAUNCH:
    case EXIT_INDEX_VMPTRLD:
    case EXIT_INDEX_VMPTRST:
    case EXIT_INDEX_VMREAD:
    case EXIT_INDEX_VMRESUME:
    case EXIT_INDEX_VMWRITE:
    case EXIT_INDEX_VMXOFF:
    case EXIT_INDEX_VMXON:
    case EXIT_INDEX_INVEPT:
    case EXIT_INDEX_INVVPID: vmx_instruction(cpu, in, why);
    default: break; /* sensitive, but nothing that VT-x intercepts: POPF, SYSCALL, SWAPGS ... */
    }
}

static void on_task_switch(struct cpu *cpu, const struct insn *in, uint16_t selector, unsigned source)
{
    exit_for(vmx_of(cpu), EXIT_TASK_SWITCH, EXIT_INDEX_TASK_SWITCH)->qualification = selector | (uint64_t)source << 30;
    leave(cpu, in);
}

/* ---- exceptions (26.2) ---- */

/* The bitmap has a bit for each vector; for #PF, mask and match turn its meaning round (25.6.3). */
static bool bitmap_exits(const struct vmx *vmx, const struct pending_event *event)
{
    bool bit = vmcs_get(vmx->vmcs, EXCEPTION_BITMAP) >> event->vector & 1;
    if (event->vector != VEC_PF)
        return bit;
    bool matches = (event->error_code & vmcs_get(vmx->vmcs, PAGE_FAULT_MASK)) == vmcs_get(vmx->vmcs, PAGE_FAULT_MATCH);
    return matches ? bit : !bit;
}

#define DR6_CAUSES 0x600fu /* what the qualification of a #DB says: breakpoints 0 to 3, BD, BS */

static bool on_exception(struct cpu *cpu, const struct pending_event *event)
{
    struct vmx *vmx = vmx_of(cpu);
    if (!bitmap_exits(vmx, event))
        return false;
    struct vm_exiting *e = exit_for(vmx, EXIT_EXCEPTION, EXIT_INDEX_EXCEPTION);
    e->interruption = INTERRUPTION_VALID | event->vector | (uint32_t)event->type << 8;
    e->length = event->length;
    if (event->has_error) {
        e->interruption |= INTERRUPTION_ERROR;
        e->error_code = event->error_code;
    }
    if (event->vector == VEC_PF) { /* the address is the qualification; CR2 is as it was */
        e->qualification = cpu->cr2;
        cpu->cr2 = cpu->nonroot->cr2;
    } else if (event->vector == VEC_DB) { /* and so is DR6 */
        e->qualification = cpu->dr6 & DR6_CAUSES;
        cpu->dr6 &= ~(uint64_t)DR6_CAUSES;
    }
    return true;
}

/* ---- the second-level tables (30.3.3) ---- */

static void on_second_level(struct cpu *cpu, const struct insn *in, gva_t at, const struct translation *t)
{
    struct vmx *vmx = vmx_of(cpu);
    struct vm_exiting *e;
    if (t->ept == EPT_MISCONFIG) {
        e = exit_for(vmx, EXIT_EPT_MISCONFIG, EXIT_INDEX_EPT_MISCONFIG);
    } else {
        e = exit_for(vmx, EXIT_EPT_VIOLATION, EXIT_INDEX_EPT_VIOLATION);
        e->qualification = t->ept_qualification;
        e->linear = at.v;
    }
    e->physical = t->guest.v;
    cpu_unwind(cpu, in, UNWIND_INTERCEPT);
}

/* ---- between two instructions (26.2, 26.5) ---- */

uint64_t timer_left(struct vmx *vmx)
{
    if (!pin_control(vmx, PIN_PREEMPTION_TIMER))
        return UINT64_MAX;
    uint64_t now = rdtsc(vmx);
    return now < vmx->timer_end ? vmx->timer_end - now : 0;
}

static bool on_boundary(struct cpu *cpu)
{
    struct vmx *vmx = vmx_of(cpu);
    if (unlikely(cpu_control(vmx, CPU_MONITOR_TRAP) || !vmx->trap_boundary)) {
        if (!vmx->trap_boundary)
            return exit_for(vmx, EXIT_MTF, EXIT_INDEX_MTF)->pending;
        vmx->trap_boundary--;
    }
    if (timer_left(vmx) == 0)
        return exit_for(vmx, EXIT_PREEMPTION_TIMER, EXIT_INDEX_PREEMPTION_TIMER)->pending;
    if (cpu_control(vmx, CPU_NMI_WINDOW) && !cpu->nmi_blocked && !cpu->interrupt_shadow)
        return exit_for(vmx, EXIT_NMI_WINDOW, EXIT_INDEX_NMI_WINDOW)->pending;
    if (cpu_control(vmx, CPU_INTERRUPT_WINDOW) && (cpu->sysflags & FLAG_IF) && !cpu->interrupt_shadow)
        return exit_for(vmx, EXIT_INTERRUPT_WINDOW, EXIT_INDEX_INTERRUPT_WINDOW)->pending;
    return false;
}

const struct nonroot intercepts = {
    .instruction = on_instruction,
    .task_switch = on_task_switch,
    .exception = on_exception,
    .second_level = on_second_level,
    .boundary = on_boundary,
};

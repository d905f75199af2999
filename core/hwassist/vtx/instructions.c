/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * instructions.c - the VMX instructions but for entries and invalidations (SDM 3, chapter 31), and the few others that
 * root code needs.
 *
 * Each begins as the manual's pseudo-code does: outside VMX operation #UD, a bad operand a numbered failure. Privilege
 * and addressing faults are C's affair.
 *
 * Read next: entry.c.
 */
#include "hwassist/vtx/processor.h"
#include "x86/fpu.h"
#include <errno.h>
#include <stdlib.h>

/* ---- a processor ---- */

/* Root code runs in 64-bit mode with all that VMX operation fixes to 1; its tables are never walked. */
static void become_root(struct cpu *cpu)
{
    cpu->paging.cr0 = CR0_FIXED_1 | CR0_ET;
    cpu->paging.cr4 = CR4_FIXED_1 | CR4_PAE;
    cpu->paging.efer = EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE;
    cpu->paging.maxphyaddr = CPU_PHYSICAL_BITS;
}

struct vmx *vmx_create(const struct engine_host *host, struct reason *why)
{
    struct vmx *vmx = calloc(1, sizeof(*vmx));
    if (!vmx) {
        fail(why, ENOMEM, "not enough memory for a processor");
        return NULL;
    }
    vmx->cpu = cpu_create(host, why);
    if (!vmx->cpu) {
        free(vmx);
        return NULL;
    }
    vmx->nonroot = intercepts;
    vmx->memory = host->ram;
    vmx->current = vmx->vmxon_region = NO_VMCS;
    become_root(vmx->cpu);
    return vmx;
}

void vmx_destroy(struct vmx *vmx)
{
    if (!vmx)
        return;
    cpu_destroy(vmx->cpu);
    free(vmx);
}

void vmx_use_walk_cache(struct vmx *vmx)
{
    walk_cache_clear(&vmx->walk_cache);
    vmx->cpu->paging.cache = &vmx->walk_cache;
}

/* ---- success and failure (SDM 3, 31.2) ---- */

enum vmx_result vmx_fail(struct vmx *vmx, enum vmx_error error)
{
    if (!vmx->vmcs)
        return VMX_FAIL_INVALID;
    vmcs_set(vmx->vmcs, INSTRUCTION_ERROR, error);
    return VMX_FAIL_VALID;
}

static struct vmcs *region_at(const struct vmx *vmx, gpa_t at)
{
    return ram_at(vmx->memory, at, VMCS_SIZE);
}

static void no_current(struct vmx *vmx)
{
    vmx->current = NO_VMCS;
    vmx->vmcs = NULL;
}

/* ---- VMXON, VMXOFF ---- */

enum vmx_result vmxon(struct vmx *vmx, gpa_t region)
{
    const struct paging *p = &vmx->cpu->paging;
    const uint64_t enabled = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX;
    if (vmx->on)
        return vmx_fail(vmx, VMX_ERROR_VMXON_IN_ROOT);
    if (!(p->cr4 & CR4_VMXE))
        return VMX_UD;
    if (!vmx_cr0_valid(p->cr0, false) || !vmx_cr4_valid(p->cr4) || (vmx->feature_control & enabled) != enabled)
        return VMX_GP;
    const struct vmcs *here = region_at(vmx, region);
    if (!physical_valid(region.v, PAGE_SIZE) || !here || here->revision != VMCS_REVISION)
        return VMX_FAIL_INVALID;
    no_current(vmx);
    vmx->vmxon_region = region;
    vmx->on = true;
    return VMX_SUCCEED;
}

enum vmx_result vmxoff(struct vmx *vmx)
{
    if (!vmx->on)
        return VMX_UD;
    vmx->on = false;
    no_current(vmx);
    vmx->vmxon_region = NO_VMCS;
    return VMX_SUCCEED;
}

/* ---- VMCLEAR, VMPTRLD, VMPTRST ---- */

enum vmx_result vmclear(struct vmx *vmx, gpa_t region)
{
    if (!vmx->on)
        return VMX_UD;
    struct vmcs *here = region_at(vmx, region);
    if (!physical_valid(region.v, PAGE_SIZE) || !here)
        return vmx_fail(vmx, VMX_ERROR_VMCLEAR_ADDRESS);
    if (region.v == vmx->vmxon_region.v)
        return vmx_fail(vmx, VMX_ERROR_VMCLEAR_VMXON);
    here->launch = VMCS_CLEAR;
    if (region.v == vmx->current.v)
        no_current(vmx);
    return VMX_SUCCEED;
}

enum vmx_result vmptrld(struct vmx *vmx, gpa_t region)
{
    if (!vmx->on)
        return VMX_UD;
    struct vmcs *here = region_at(vmx, region);
    if (!physical_valid(region.v, PAGE_SIZE) || !here)
        return vmx_fail(vmx, VMX_ERROR_VMPTRLD_ADDRESS);
    if (region.v == vmx->vmxon_region.v)
        return vmx_fail(vmx, VMX_ERROR_VMPTRLD_VMXON);
    if (here->revision != VMCS_REVISION)
        return vmx_fail(vmx, VMX_ERROR_VMPTRLD_REVISION);
    vmx->current = region;
    vmx->vmcs = here;
    return VMX_SUCCEED;
}

enum vmx_result vmptrst(struct vmx *vmx, gpa_t *region)
{
    if (!vmx->on)
        return VMX_UD;
    *region = vmx->current;
    return VMX_SUCCEED;
}

/* ---- VMREAD, VMWRITE ---- */

enum vmx_result vmread(struct vmx *vmx, uint32_t field, uint64_t *value)
{
    if (!vmx->on)
        return VMX_UD;
    if (!vmx->vmcs)
        return VMX_FAIL_INVALID;
    if (vmcs_slot(field) < 0)
        return vmx_fail(vmx, VMX_ERROR_UNSUPPORTED_FIELD);
    *value = vmcs_read(vmx->vmcs, field);
    return VMX_SUCCEED;
}

enum vmx_result vmwrite(struct vmx *vmx, uint32_t field, uint64_t value)
{
    if (!vmx->on)
        return VMX_UD;
    if (!vmx->vmcs)
        return VMX_FAIL_INVALID;
    if (vmcs_slot(field) < 0)
        return vmx_fail(vmx, VMX_ERROR_UNSUPPORTED_FIELD);
    if (vmcs_kind(field) == VMCS_EXIT_INFO)
        return vmx_fail(vmx, VMX_ERROR_READ_ONLY_FIELD);
    vmcs_write(vmx->vmcs, field, value);
    return VMX_SUCCEED;
}

/* Calls the SMM monitor of a dual-monitor treatment, which there is none of. */
enum vmx_result vmcall(struct vmx *vmx)
{
    if (!vmx->on)
        return VMX_UD;
    return vmx_fail(vmx, VMX_ERROR_VMCALL_IN_ROOT);
}

/* ---- the others ---- */

enum vmx_result rdmsr(struct vmx *vmx, uint32_t msr, uint64_t *value)
{
    if (msr == MSR_FEATURE_CONTROL) {
        *value = vmx->feature_control;
        return VMX_SUCCEED;
    }
    return vmx_capability(msr, value) || cpu_rdmsr(vmx->cpu, msr, value) ? VMX_SUCCEED : VMX_GP;
}

enum vmx_result wrmsr(struct vmx *vmx, uint32_t msr, uint64_t value)
{
    if (msr == MSR_FEATURE_CONTROL) {
        if ((vmx->feature_control & FEATURE_CONTROL_LOCK) || (value & ~(FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX)))
            return VMX_GP;
        vmx->feature_control = value;
        return VMX_SUCCEED;
    }
    return cpu_wrmsr(vmx->cpu, msr, value) ? VMX_SUCCEED : VMX_GP;
}

struct cpuid_leaf root_cpuid(struct vmx *vmx, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_leaf answer = machine_cpuid((struct cpuid_query){.leaf = leaf,
                                                                  .subleaf = subleaf,
                                                                  .tsc_hz = vmx->cpu->host->tsc_hz,
                                                                  .apic = vmx->cpu->apic_base & APIC_BASE_ENABLE});
    if (leaf == 1)
        answer.ecx |= CPUID_1_ECX_VMX;
    return answer;
}

uint64_t rdtsc(struct vmx *vmx)
{
    return vmx->cpu->host->tsc(vmx->cpu->host->context, vmx->cpu->icount);
}

struct vmx_registers vmx_registers(struct vmx *vmx)
{
    struct cpu *cpu = vmx->cpu;
    return (struct vmx_registers){.gpr = cpu->gpr, .cr2 = &cpu->cr2, .dr = cpu->dr, .dr6 = &cpu->dr6};
}

void fxsave(struct vmx *vmx, struct fpu_state *state)
{
    fpu_get_state(vmx->cpu, state);
}

void fxrstor(struct vmx *vmx, const struct fpu_state *state)
{
    fpu_set_state(vmx->cpu, state);
}

/* ---- the wires ---- */

void vmx_interrupt(struct vmx *vmx)
{
    cpu_kick(vmx->cpu);
}

bool vmx_take_interrupt(struct vmx *vmx)
{
    return __atomic_fetch_and(&vmx->cpu->attention, ~(uint32_t)ATTENTION_KICK, __ATOMIC_SEQ_CST) & ATTENTION_KICK;
}

void vmx_memory_written(struct vmx *vmx, gpa_t at, uint64_t len)
{
    cpu_ram_written(vmx->cpu, at, len);
}

uint64_t vmx_retired(const struct vmx *vmx)
{
    return vmx->cpu->icount;
}

void vmx_retire(struct vmx *vmx, uint64_t instructions)
{
    vmx->cpu->icount += instructions;
    vmx->cpu->stats->counter[COUNTER_INSTRUCTIONS] = vmx->cpu->icount;
}

const char *vmx_refusal(const struct vmx *vmx)
{
    return vmx->refusal ? vmx->refusal : "";
}

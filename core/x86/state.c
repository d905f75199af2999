/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.c - a software CPU's life, its state in and out, and what is derived from that state.
 */
#include "mmu/shadow.h"
#include "x86/block.h"
#include "x86/fpu.h"
#include "x86/protect.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct cpu *cpu_create(const struct engine_host *host, struct reason *why)
{
    uint8_t *memory =
        mmap(NULL, CPU_STACK_SIZE + sizeof(struct cpu), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        fail(why, ENOMEM, "not enough memory for a CPU");
        return NULL;
    }
    struct cpu *cpu = (struct cpu *)(memory + CPU_STACK_SIZE);
    cpu->host = host;
    cpu->stats = host->stats;
    cpu->icount_limit = cpu->look_at = UINT64_MAX;
    int error = tlb_init_spans(&cpu->tlb, host->ram, why);
    cpu->blocks = error ? NULL : block_cache_create(host->ram->size, why);
    struct cpu_state reset;
    cpu_state_reset(&reset);
    if (!cpu->blocks || cpu_set_state(cpu, &reset, why)) {
        cpu_destroy(cpu);
        return NULL;
    }
    return cpu;
}

void cpu_destroy(struct cpu *cpu)
{
    if (!cpu)
        return;
    block_cache_destroy(cpu->blocks);
    tlb_destroy(&cpu->tlb);
    munmap((uint8_t *)cpu - CPU_STACK_SIZE, CPU_STACK_SIZE + sizeof(struct cpu));
}

/* ---- what follows from the registers ---- */

static enum code_size code_size_of(const struct cpu *cpu)
{
    uint32_t attr = cpu->seg[SEG_CS].attr;
    if (cpu_long_mode(cpu) && (attr & ATTR_L))
        return CODE64;
    return attr & ATTR_DB ? CODE32 : CODE16;
}

void cpu_mode_changed(struct cpu *cpu)
{
    cpu->code_size = (uint8_t)code_size_of(cpu);
    cpu->stack64 = cpu->code_size == CODE64;
    cpu->stack_mask = cpu->stack64 ? UINT64_MAX : cpu->seg[SEG_SS].attr & ATTR_DB ? 0xffffffffu : 0xffffu;
    for (unsigned s = SEG_ES; s <= SEG_GS; s++)
        cpu->seg_base[s] = cpu->code_size == CODE64 && s < SEG_FS ? 0 : cpu->seg[s].base;

    bool ac = cpu->sysflags & FLAG_AC;
    bool smap_off = (cpu->paging.cr4 & CR4_SMAP) && ac, aligned = (cpu->paging.cr0 & CR0_AM) && ac;
    enum tlb_mode user = aligned ? TLB_USER_ALIGNED : TLB_USER;
    enum tlb_mode mode = cpu->cpl == 3 ? user : smap_off ? TLB_SUPERVISOR_AC : TLB_SUPERVISOR;
    cpu->tlb_data = cpu->tlb.entry[mode];
    tlb_use_span(&cpu->tlb, cpu->cpl != 3);
    fpu_mode_changed(cpu);
    block_new_regime(cpu, REGIME_MODE, gva(0));
}

void cpu_set_rflags(struct cpu *cpu, uint64_t rflags)
{
    flags_set(&cpu->lf, (uint32_t)rflags);
    uint32_t changed = cpu->sysflags ^ (uint32_t)rflags;
    cpu->sysflags = (uint32_t)rflags & ~(FLAGS_STATUS | FLAG_ONE);
    if (changed & (FLAG_AC | FLAG_VM))
        cpu_mode_changed(cpu);
}

static void forget_walks(struct cpu *cpu)
{
    if (cpu->paging.cache)
        walk_cache_clear(cpu->paging.cache);
}

void cpu_flush_tlb(struct cpu *cpu, bool global_too)
{
    forget_walks(cpu);
    if (global_too)
        tlb_flush_all(&cpu->tlb);
    else
        tlb_flush_nonglobal(&cpu->tlb);
    block_new_regime(cpu, global_too ? REGIME_ALL : REGIME_LOCAL, gva(0));
    if (cpu->watch)
        shadow_flushed(cpu->watch->shadows);
    COUNT(cpu->stats, TLB_FLUSHES);
}

void cpu_flush_page(struct cpu *cpu, gva_t at)
{
    forget_walks(cpu);
    bool all = tlb_flush_page(&cpu->tlb, at);
    block_new_regime(cpu, all ? REGIME_ALL : REGIME_PAGE, at);
    if (cpu->watch)
        shadow_flushed(cpu->watch->shadows);
    COUNT(cpu->stats, TLB_FLUSHES);
}

/* ---- state out and in ---- */

void cpu_get_state(struct cpu *cpu, struct cpu_state *s)
{
    memset(s, 0, sizeof(*s));
    memcpy(s->gpr, cpu->gpr, sizeof(s->gpr));
    memcpy(s->seg, cpu->seg, sizeof(s->seg));
    memcpy(s->dr, cpu->dr, sizeof(s->dr));
    s->rip = cpu->rip;
    s->rflags = cpu_rflags(cpu);
    s->gdtr = cpu->gdtr, s->idtr = cpu->idtr;
    s->cr0 = cpu->paging.cr0, s->cr2 = cpu->cr2, s->cr3 = cpu->paging.cr3;
    s->cr4 = cpu->paging.cr4, s->cr8 = cpu->cr8;
    s->dr6 = cpu->dr6, s->dr7 = cpu->dr7;
    s->efer = cpu->paging.efer;
    s->star = cpu->star, s->lstar = cpu->lstar, s->cstar = cpu->cstar, s->sfmask = cpu->sfmask;
    s->kernel_gs_base = cpu->kernel_gs_base;
    s->sysenter_cs = cpu->sysenter_cs, s->sysenter_esp = cpu->sysenter_esp, s->sysenter_eip = cpu->sysenter_eip;
    s->pat = cpu->pat, s->apic_base = cpu->apic_base, s->tsc_aux = cpu->tsc_aux, s->misc_enable = cpu->misc_enable;
    s->tsc = cpu->host->tsc(cpu->host->context, cpu->icount) + (uint64_t)cpu->tsc_offset;
    fpu_get_state(cpu, &s->fpu);
    s->event = cpu->event;
    s->interrupt_shadow = cpu->interrupt_shadow;
    s->nmi_blocked = cpu->nmi_blocked;
    s->halted = cpu->halted;
}

/* What no CPU can be in; the rest is the guest's own affair. */
static int check_state(const struct cpu_state *s, struct reason *why)
{
    if ((s->cr0 & CR0_PG) && !(s->cr0 & CR0_PE))
        return fail(why, EINVAL, "state refused: CR0.PG is set without CR0.PE");
    if ((s->cr0 & CR0_NW) && !(s->cr0 & CR0_CD))
        return fail(why, EINVAL, "state refused: CR0.NW is set without CR0.CD");
    bool lma = (s->efer & EFER_LME) && (s->cr0 & CR0_PG);
    if (lma != !!(s->efer & EFER_LMA))
        return fail(why, EINVAL, "state refused: EFER.LMA is not EFER.LME and CR0.PG");
    if (lma && !(s->cr4 & CR4_PAE))
        return fail(why, EINVAL, "state refused: long mode without CR4.PAE");
    if ((s->rflags >> 32) || (s->cr0 >> 32) || s->cr8 > 15)
        return fail(why, EINVAL, "state refused: reserved bits of RFLAGS, CR0 or CR8 are set");
    if (s->event.valid && s->event.type == EVENT_EXCEPTION && s->event.vector > 31)
        return fail(why, EINVAL, "state refused: pending exception %u", s->event.vector);
    return 0;
}

int cpu_set_state(struct cpu *cpu, const struct cpu_state *s, struct reason *why)
{
    int error = check_state(s, why);
    if (error)
        return error;
    memcpy(cpu->gpr, s->gpr, sizeof(s->gpr));
    memcpy(cpu->seg, s->seg, sizeof(s->seg));
    memcpy(cpu->dr, s->dr, sizeof(s->dr));
    cpu->rip = s->rip;
    cpu->gdtr = s->gdtr, cpu->idtr = s->idtr;
    cpu->paging.cr0 = s->cr0, cpu->cr2 = s->cr2, cpu->paging.cr3 = s->cr3;
    cpu->paging.cr4 = s->cr4, cpu->cr8 = s->cr8;
    cpu->paging.efer = s->efer;
    cpu->paging.maxphyaddr = CPU_PHYSICAL_BITS;
    cpu->dr6 = s->dr6, cpu->dr7 = s->dr7;
    cpu->star = s->star, cpu->lstar = s->lstar, cpu->cstar = s->cstar, cpu->sfmask = s->sfmask;
    cpu->kernel_gs_base = s->kernel_gs_base;
    cpu->sysenter_cs = s->sysenter_cs, cpu->sysenter_esp = s->sysenter_esp, cpu->sysenter_eip = s->sysenter_eip;
    cpu->pat = s->pat, cpu->apic_base = s->apic_base, cpu->tsc_aux = s->tsc_aux, cpu->misc_enable = s->misc_enable;
    cpu->tsc_offset = (int64_t)(s->tsc - cpu->host->tsc(cpu->host->context, cpu->icount));
    fpu_set_state(cpu, &s->fpu);
    cpu->event = s->event;
    cpu->interrupt_shadow = s->interrupt_shadow;
    cpu->nmi_blocked = s->nmi_blocked;
    cpu->halted = s->halted;

    cpu->latch = (struct io_latch){0};
    cpu->io_pending = cpu->exit_ready = false;
    cpu->posted_count = cpu->posted_next = 0;
    cpu->cpl = !(s->cr0 & CR0_PE) ? 0 : s->rflags & FLAG_VM ? 3 : (s->seg[SEG_SS].attr & ATTR_DPL) >> 5;
    flags_set(&cpu->lf, (uint32_t)s->rflags);
    cpu->sysflags = (uint32_t)s->rflags & ~(FLAGS_STATUS | FLAG_ONE);
    if ((s->cr0 & CR0_PG) && (s->cr4 & CR4_PAE) && !(s->efer & EFER_LMA) &&
        !mmu_load_pdptes(&cpu->paging, cpu->host->ram))
        memset(cpu->paging.pdpte, 0, sizeof(cpu->paging.pdpte));
    cpu_flush_tlb(cpu, true);
    cpu_mode_changed(cpu);
    if (cpu->host->apic_base_changed)
        cpu->host->apic_base_changed(cpu->host->context, cpu->apic_base);
    return 0;
}

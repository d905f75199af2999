/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * emulate.c - instructions that the hypervisor carries out for its guest, operands and all: those that touch a device's
 * memory, INS and OUTS, task switches, changes of mode, and whatever is executed in a state that VT-x can't enter.
 *
 * Every hypervisor has an interpreter for these. This one has the software CPU of core/x86, with the guest's RAM as its
 * memory: the whole state goes in, one instruction is executed, the state comes back.
 *
 * While it is at work, and that may be over several calls when a device must be asked, the guest's state is here.
 */
#include "hwassist/vtx/hypervisor/hypervisor.h"
#include "x86/block.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct emulator {
    struct engine_host host;
    struct stats stats; /* its own: what it does are no events of the guest's CPU */
    struct cpu *cpu;
    bool busy;
    uint64_t begun; /* its cpu->icount at the beginning of the instruction */
    gpa_t code;     /* the page that the instruction lies in, and a copy of it from before */
    uint8_t before[PAGE_SIZE];
};

struct emulator *emulator_create(struct vcpu *vcpu, struct reason *why)
{
    struct emulator *e = calloc(1, sizeof(*e));
    if (!e) {
        fail(why, ENOMEM, "not enough memory for an emulator");
        return NULL;
    }
    e->host = *vcpu->machine;
    e->host.stats = &e->stats;
    e->host.apic_base_changed = NULL; /* vcpu_set_state() tells the machine */
    e->cpu = cpu_create(&e->host, why);
    if (!e->cpu) {
        free(e);
        return NULL;
    }
    return e;
}

void emulator_destroy(struct emulator *e)
{
    if (!e)
        return;
    cpu_destroy(e->cpu);
    free(e);
}

bool emulating(const struct vcpu *vcpu)
{
    return vcpu->emulator->busy;
}

void emulator_get_state(const struct vcpu *vcpu, struct cpu_state *state)
{
    cpu_get_state(vcpu->emulator->cpu, state);
}

int emulator_check_state(struct vcpu *vcpu, const struct cpu_state *state, struct reason *why)
{
    return cpu_set_state(vcpu->emulator->cpu, state, why);
}

void emulator_forget(struct vcpu *vcpu)
{
    vcpu->emulator->busy = false;
}

/* ---- stores that the processor must know of: it may hold decoded copies of what they overwrite ---- */

static void remember_code(struct vcpu *vcpu)
{
    struct emulator *e = vcpu->emulator;
    struct translation t;
    uint64_t rip = e->cpu->rip + (e->cpu->code_size == CODE64 ? 0 : e->cpu->seg[SEG_CS].base);
    bool mapped = mmu_peek(&e->cpu->paging, vcpu->machine->ram, gva(rip), &t);
    e->code = gpa(mapped ? t.gpa.v & PAGE_MASK : UINT64_MAX);
    const void *page = ram_at(vcpu->machine->ram, e->code, PAGE_SIZE);
    if (page)
        memcpy(e->before, page, PAGE_SIZE);
}

/* Pages that its TLB lets be written, and its own if it has changed. */
static void report_stores(struct vcpu *vcpu)
{
    struct emulator *e = vcpu->emulator;
    const struct tlb_entry *entry = e->cpu->tlb.entry[0];
    for (unsigned i = 0; i < TLB_MODES * TLB_SIZE; i++)
        if (entry[i].write != NO_TAG && is_guest_ram(vcpu, entry[i].frame))
            vmx_memory_written(vcpu->vmx, gpa(GUEST_BASE + entry[i].frame), PAGE_SIZE);
    const void *page = ram_at(vcpu->machine->ram, e->code, PAGE_SIZE);
    if (page && memcmp(e->before, page, PAGE_SIZE))
        vmx_memory_written(vcpu->vmx, gpa(GUEST_BASE + e->code.v), PAGE_SIZE);
}

/* ---- state in and out ---- */

static bool begin(struct vcpu *vcpu)
{
    struct emulator *e = vcpu->emulator;
    struct cpu_state state;
    vcpu_get_state(vcpu, &state);
    block_cache_flush(e->cpu); /* the guest may have changed its code since */
    e->cpu->icount = e->begun = vmx_retired(vcpu->vmx);
    if (cpu_set_state(e->cpu, &state, &vcpu->exit->why)) {
        vcpu->exit->kind = VM_EXIT_ERROR;
        return false;
    }
    e->cpu->tsc_offset = (int64_t)rd(vcpu, VMCS_TSC_OFFSET);
    remember_code(vcpu);
    vcpu->event.valid = vcpu->halted = false;
    e->busy = true;
    return true;
}

static void finish(struct vcpu *vcpu)
{
    struct emulator *e = vcpu->emulator;
    struct cpu_state state;
    report_stores(vcpu);
    cpu_get_state(e->cpu, &state);
    vcpu_load_state(vcpu, &state);
    wr(vcpu, VMCS_TSC_OFFSET, (uint64_t)e->cpu->tsc_offset);
}

/* Is the instruction complete, and everything that it had for devices delivered? */
static bool complete(const struct emulator *e)
{
    return e->cpu->icount > e->begun && e->cpu->posted_next == e->cpu->posted_count;
}

/* ---- the work ---- */

static enum handled leave(struct vcpu *vcpu, enum vm_exit_kind kind)
{
    vcpu->exit->kind = kind;
    return TO_MACHINE;
}

/* Without EPT the processor takes long mode only: other modes stay here, instruction after instruction. */
static bool must_stay(const struct vcpu *vcpu)
{
    return vcpu->shadow && !cpu_long_mode(vcpu->emulator->cpu);
}

enum handled emulate_continue(struct vcpu *vcpu)
{
    struct emulator *e = vcpu->emulator;
    for (;;) {
        if (complete(e)) {
            if (!must_stay(vcpu)) {
                finish(vcpu);
                return RESUME;
            }
            if (vmx_take_interrupt(vcpu->vmx) || (vcpu->limit && vmx_retired(vcpu->vmx) >= vcpu->limit))
                return leave(vcpu, VM_EXIT_INTERRUPTED);
            e->begun = e->cpu->icount;
        }
        e->cpu->window_wanted = must_stay(vcpu) && vcpu->window_wanted;
        uint64_t retired = e->cpu->icount;
        cpu_run(e->cpu, vcpu->exit, 1);
        vmx_retire(vcpu->vmx, e->cpu->icount - retired);
        switch (vcpu->exit->kind) {
        case VM_EXIT_INTERRUPTED: break;
        case VM_EXIT_HLT:
        case VM_EXIT_SHUTDOWN: finish(vcpu); return TO_MACHINE;
        default: return TO_MACHINE; /* a device, or the window */
        }
    }
}

enum handled emulate(struct vcpu *vcpu)
{
    return begin(vcpu) ? emulate_continue(vcpu) : TO_MACHINE;
}

bool emulator_can_inject(const struct vcpu *vcpu)
{
    return must_stay(vcpu) && cpu_can_inject(vcpu->emulator->cpu);
}

void emulator_inject(struct vcpu *vcpu, uint8_t vector)
{
    cpu_inject(vcpu->emulator->cpu, vector);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hypervisor.h - a small hypervisor in VMX root operation: it runs our machine's CPU as the guest of a VT-x processor.
 *
 * It is written against the instructions of vmx.h only, as one for a real processor is. It owns the processor's
 * physical memory: its own structures lie at the bottom, the guest's RAM above.
 *
 *     host-physical   0 ............ 1 GiB .................. 1 GiB + size of RAM
 *                     hypervisor     the guest's RAM (guest-physical 0 and up)
 *
 * Reading order: memory.c (that memory, and the EPT tables), setup.c (VMXON and the VMCS), run.c (the loop: enter,
 * exit, dispatch), handlers.c (one function an exit reason), msr.c, emulate.c (instructions that the processor can't be
 * let carry out), shadow.c (life without EPT), state.c; engine.c puts it behind the contract of virtlab/engine.h.
 */
#ifndef VIRTLAB_VTX_HYPERVISOR_H
#define VIRTLAB_VTX_HYPERVISOR_H

#include "hwassist/vtx/vmx.h"
#include "mmu/walk.h"
#include <virtlab/engine.h>

#define GUEST_BASE (UINT64_C(1) << 30) /* host-physical address of guest-physical 0 */

struct emulator;   /* emulate.c */
struct vtx_shadow; /* shadow.c */

#define LARGE_SHIFT 21 /* of a page of 2 MiB */

/* The machine's CPU. */
struct vcpu {
    struct vmx *vmx;
    const struct engine_host *machine;
    struct engine_host platform; /* of the processor: physical memory instead of the guest's */
    struct ram physical;
    unsigned physical_bits; /* MAXPHYADDR: how wide a physical address is */
    uint64_t next_page;     /* of the hypervisor's own memory, the first not given out */

    gpa_t vmcs, msr_bitmap;
    uint64_t eptp;             /* 0: without EPT */
    unsigned ept_shift;        /* log2 of its largest page: LARGE_SHIFT or PAGE_SHIFT */
    struct vtx_shadow *shadow; /* without EPT: shadow page tables */
    bool launched;
    uint32_t cpu_controls; /* as last written to the VMCS */

    /* Of the guest's state, what the VMCS doesn't hold. */
    uint64_t gpr[GPR_COUNT];
    uint64_t cr8, apic_base;
    bool halted;
    struct pending_event event; /* to be injected by the next entry */

    /* Exchange with the machine. */
    struct vm_exit *exit;
    uint64_t limit; /* instructions retired at which to come back; 0: none */
    bool window_wanted;
    bool in_pending; /* an IN waits for the machine's answer */
    uint8_t io_data[8];

    struct emulator *emulator;
    struct reason error; /* the hypervisor itself failed */
};

/* What a handler of exits did. */
enum handled {
    RESUME,     /* the guest can go on */
    TO_MACHINE, /* vcpu->exit is filled in */
};

/* ---- VMREAD and VMWRITE that can't fail: of fields that exist, with a current VMCS ---- */
static inline uint64_t rd(struct vcpu *vcpu, enum vmcs_field field)
{
    uint64_t value = 0;
    (void)vmread(vcpu->vmx, field, &value);
    return value;
}
static inline void wr(struct vcpu *vcpu, enum vmcs_field field, uint64_t value)
{
    (void)vmwrite(vcpu->vmx, field, value);
}

/* ---- memory.c ---- */
int physical_create(struct vcpu *vcpu, struct reason *why) MUST_CHECK;
void physical_destroy(struct vcpu *vcpu);
/* A zeroed page of the hypervisor's memory, and the pointer to a page. */
gpa_t page_new(struct vcpu *vcpu);
void *page_at(const struct vcpu *vcpu, gpa_t at);
static inline bool is_guest_ram(const struct vcpu *vcpu, uint64_t gpa)
{
    return gpa < vcpu->machine->ram->size;
}
/* Maps the guest-physical page around `at` (in RAM) in the EPT, as large as may be. */
void ept_map(struct vcpu *vcpu, gpa_t at);

/* ---- setup.c ---- */
int setup_vmx(struct vcpu *vcpu, bool ept, struct reason *why) MUST_CHECK;

/* ---- run.c ---- */
void vcpu_run(struct vcpu *vcpu, struct vm_exit *exit, uint64_t budget);
bool vcpu_can_inject(struct vcpu *vcpu);
void vcpu_inject(struct vcpu *vcpu, uint8_t vector);
/* Moves RIP behind the instruction that exited, which has been carried out for the guest. */
void skip_instruction(struct vcpu *vcpu);
void inject_exception(struct vcpu *vcpu, uint8_t vector);
void inject_error(struct vcpu *vcpu, uint8_t vector, uint32_t error_code);
/* The exit that has just been counted was really for this: it is counted anew. */
void reclassify(struct vcpu *vcpu, enum exit_index from, enum exit_index to);

/* ---- handlers.c, msr.c ---- */
enum handled handle_exit(struct vcpu *vcpu, uint32_t reason);
void finish_in(struct vcpu *vcpu);
void msr_bitmap_fill(struct vcpu *vcpu);
enum handled handle_rdmsr(struct vcpu *vcpu);
enum handled handle_wrmsr(struct vcpu *vcpu);

/* ---- emulate.c ---- */
struct emulator *emulator_create(struct vcpu *vcpu, struct reason *why);
void emulator_destroy(struct emulator *emulator);
/* Carries out the instruction at RIP, with the event that may be pending, in software. */
enum handled emulate(struct vcpu *vcpu);
/* Goes on with it when the machine has answered. */
enum handled emulate_continue(struct vcpu *vcpu);
/* In the middle of an instruction: the state is the emulator's. */
bool emulating(const struct vcpu *vcpu);
void emulator_get_state(const struct vcpu *vcpu, struct cpu_state *state);
void emulator_forget(struct vcpu *vcpu);
bool emulator_can_inject(const struct vcpu *vcpu);
void emulator_inject(struct vcpu *vcpu, uint8_t vector);
/* Could a CPU be in this state? 0, or -EINVAL with why. */
int emulator_check_state(struct vcpu *vcpu, const struct cpu_state *state, struct reason *why) MUST_CHECK;

/* ---- shadow.c ---- */
struct vtx_shadow *vtx_shadow_create(struct vcpu *vcpu, struct reason *why);
void vtx_shadow_destroy(struct vtx_shadow *shadow);
enum handled vtx_shadow_page_fault(struct vcpu *vcpu);
enum handled vtx_shadow_mov_to_cr3(struct vcpu *vcpu, uint64_t value);
enum handled vtx_shadow_invlpg(struct vcpu *vcpu, gva_t at);
void vtx_shadow_load_state(struct vcpu *vcpu, const struct cpu_state *state);
uint64_t vtx_shadow_cr3(const struct vcpu *vcpu);
bool vtx_shadow_enterable(struct vcpu *vcpu);

/* ---- state.c ---- */
void vcpu_get_state(struct vcpu *vcpu, struct cpu_state *state);
void vcpu_load_state(struct vcpu *vcpu, const struct cpu_state *state); /* unchecked */
int vcpu_set_state(struct vcpu *vcpu, const struct cpu_state *state, struct reason *why) MUST_CHECK;

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * processor.h - what the files of the processor share; root code includes vmx.h only.
 *
 *   instructions.c   VMXON, VMCLEAR, VMPTRLD, VMREAD ...   invalidate.c  INVEPT, INVVPID, and the tagged TLB
 *   entry.c          VMLAUNCH, VMRESUME: checks_controls.c, checks_host.c, checks_guest.c, checks_segments.c; loading
 *   intercepts.c     which instructions and events exit    information.c what the VMCS is told about an instruction
 *   exits.c          VM exits: what is saved, what is loaded
 */
#ifndef VIRTLAB_VTX_PROCESSOR_H
#define VIRTLAB_VTX_PROCESSOR_H

#include "hwassist/vtx/vmx.h"
#include "x86/protect.h"

/* Basic exit reasons (SDM 3, appendix C) beyond those that exit.h counts. */
#define EXIT_MSR_LOADING 34u

/* A VM exit on its way to the VMCS. */
struct vm_exiting {
    bool pending;
    uint32_t reason;
    enum exit_index counted; /* as exit.h counts it */
    uint64_t qualification;
    uint32_t interruption, error_code;
    uint32_t length, info; /* of the instruction */
    uint64_t linear, physical;
};

struct vmx {
    struct nonroot nonroot; /* the CPU's way back to us: first, so that the one is the other */
    struct cpu *cpu;
    const struct ram *memory; /* physical */
    uint64_t feature_control;

    bool on;
    gpa_t vmxon_region, current; /* NO_VMCS: none */
    struct vmcs *vmcs;           /* the current one */

    struct vm_exiting exit;
    uint64_t timer_end;     /* the preemption timer: TSC at which it runs out */
    unsigned trap_boundary; /* monitor trap: how many instruction boundaries don't exit yet */
    struct {
        uint16_t vpid;
        uint64_t eptp;
    } tlb_tag; /* what the software TLB's entries are tagged with */
    struct walk_cache walk_cache;
    const char *refusal;
};

#define NO_VMCS gpa(UINT64_MAX)

static inline struct vmx *vmx_of(struct cpu *cpu)
{
    return (struct vmx *)cpu->nonroot;
}

static inline bool pin_control(const struct vmx *vmx, uint32_t control)
{
    return vmcs_get(vmx->vmcs, PIN_CONTROLS) & control;
}
static inline bool cpu_control(const struct vmx *vmx, uint32_t control)
{
    return vmcs_get(vmx->vmcs, CPU_CONTROLS) & control;
}
static inline bool cpu2_control(const struct vmx *vmx, uint32_t control)
{
    return cpu_control(vmx, CPU_SECONDARY) && (vmcs_get(vmx->vmcs, CPU2_CONTROLS) & control);
}
static inline bool exit_control(const struct vmx *vmx, uint32_t control)
{
    return vmcs_get(vmx->vmcs, EXIT_CONTROLS) & control;
}
static inline bool entry_control(const struct vmx *vmx, uint32_t control)
{
    return vmcs_get(vmx->vmcs, ENTRY_CONTROLS) & control;
}

/* Physical addresses: of `align` bytes, within MAXPHYADDR. */
static inline bool physical_valid(uint64_t at, uint64_t align)
{
    return !(at & (align - 1)) && !(at >> CPU_PHYSICAL_BITS);
}
static inline bool efer_valid(uint64_t efer)
{
    return !(efer & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE));
}
bool pat_valid(uint64_t pat);

/* Fails an instruction (SDM 3, 31.2). */
enum vmx_result vmx_fail(struct vmx *vmx, enum vmx_error error);

/*
 * The checks of VM entry (SDM 3, 27.2 and 27.3.1). False: vmx->refusal says in words which one failed. The guest's also
 * give the exit qualification of the failure.
 */
bool check_controls(struct vmx *vmx);
bool check_host(struct vmx *vmx);
bool check_guest(struct vmx *vmx, uint64_t *qualification);
bool check_guest_segments(struct vmx *vmx);
bool check_guest_events(struct vmx *vmx, uint64_t *qualification);

static inline bool refused(struct vmx *vmx, const char *check)
{
    vmx->refusal = check;
    return false;
}
/* One check: what must hold, and the words for it. */
#define REQUIRE(vmx, condition, words)    \
    do {                                  \
        if (!(condition))                 \
            return refused((vmx), words); \
    } while (0)

/* An MSR area's entry (table 25-14), loaded by index: 0, or the 1-based number of the entry that can't be. */
unsigned load_msrs(struct vmx *vmx, gpa_t list, uint64_t count);
unsigned store_msrs(struct vmx *vmx, gpa_t list, uint64_t count);

/* Becomes the guest, from the VMCS (entry.c); or the host again (exits.c), the guest's state saved. */
void load_guest(struct vmx *vmx);
void vm_exit_complete(struct vmx *vmx);
/* An entry that failed behind its checks: the host's state is loaded, the guest's was never there. */
void entry_failed(struct vmx *vmx, uint32_t reason, uint64_t qualification);

/* Segment registers by VMCS: SEG_ES to SEG_TR. */
struct segment_reg vmcs_segment(const struct vmcs *vmcs, unsigned seg);
void vmcs_set_segment(struct vmcs *vmcs, unsigned seg, const struct segment_reg *value);

/* What exits (intercepts.c): the functions of the seam. */
extern const struct nonroot intercepts;
/* Ticks until the preemption timer runs out; UINT64_MAX when it isn't on. */
uint64_t timer_left(struct vmx *vmx);

/* Tags (invalidate.c): called at entries and exits. */
void tlb_use_tag(struct vmx *vmx);
void tlb_leave_tag(struct vmx *vmx);

/* The instruction-information field (information.c). */
uint32_t information_memory(const struct cpu *cpu, const struct insn *in); /* address parts */
uint32_t information_string(const struct cpu *cpu, const struct insn *in); /* INS, OUTS */

#endif

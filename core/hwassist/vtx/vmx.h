/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmx.h - a processor with VT-x, as root code sees it: its instructions, as C functions.
 *
 * The processor is a struct cpu in physical memory of its own. In VMX non-root operation it executes guest code; in VMX
 * root operation nothing is fetched from memory: root code is the C code that calls these functions. Each function is
 * one instruction, and comes back as the manual's VMsucceed, VMfailInvalid and VMfailValid do (SDM 3, 31.2), or with
 * the exception that the instruction would raise. vmlaunch() and vmresume() come back when the guest exits: what
 * follows them in C stands at the host-state area's RIP.
 *
 * General registers are not part of the VMCS: root code loads and saves them around an entry, by vmx_registers().
 */
#ifndef VIRTLAB_VTX_VMX_H
#define VIRTLAB_VTX_VMX_H

#include "hwassist/vtx/caps.h"
#include "hwassist/vtx/vmcs.h"
#include "x86/cpuid.h"
#include <virtlab/engine.h>

struct vmx;

/* How an instruction ends. */
enum vmx_result {
    VMX_SUCCEED,
    VMX_FAIL_INVALID, /* CF: there is no current VMCS */
    VMX_FAIL_VALID,   /* ZF: the number is in the VMCS' INSTRUCTION_ERROR */
    VMX_EXITED,       /* vmlaunch and vmresume: the guest ran, or its entry failed, and a VM exit has come */
    VMX_ABORTED,      /* the exit itself failed: a VMX abort, the processor has shut down (SDM 3, 28.7) */
    VMX_UD,           /* #UD */
    VMX_GP,           /* #GP(0) */
};

/* VM-instruction errors (SDM 3, table 31-1). */
enum vmx_error {
    VMX_ERROR_VMCALL_IN_ROOT = 1,
    VMX_ERROR_VMCLEAR_ADDRESS = 2,
    VMX_ERROR_VMCLEAR_VMXON = 3,
    VMX_ERROR_VMLAUNCH_NOT_CLEAR = 4,
    VMX_ERROR_VMRESUME_NOT_LAUNCHED = 5,
    VMX_ERROR_ENTRY_CONTROLS = 7,
    VMX_ERROR_ENTRY_HOST_STATE = 8,
    VMX_ERROR_VMPTRLD_ADDRESS = 9,
    VMX_ERROR_VMPTRLD_VMXON = 10,
    VMX_ERROR_VMPTRLD_REVISION = 11,
    VMX_ERROR_UNSUPPORTED_FIELD = 12,
    VMX_ERROR_READ_ONLY_FIELD = 13,
    VMX_ERROR_VMXON_IN_ROOT = 15,
    VMX_ERROR_ENTRY_MOV_SS = 26,
    VMX_ERROR_INVALIDATION_OPERAND = 28,
};

/*
 * A processor whose physical memory is host->ram, in 64-bit root code: protected mode, paging, CR4.VMXE set. `host`
 * must outlive it. NULL with why.
 */
struct vmx *vmx_create(const struct engine_host *host, struct reason *why);
void vmx_destroy(struct vmx *vmx);
/* With paging-structure caches (mmu/walk_cache.h): walks read fewer entries, and nothing else changes. */
void vmx_use_walk_cache(struct vmx *vmx);

/* ---- VMX instructions (SDM 3, chapter 31) ---- */

enum vmx_result vmxon(struct vmx *vmx, gpa_t region);
enum vmx_result vmxoff(struct vmx *vmx);
enum vmx_result vmclear(struct vmx *vmx, gpa_t region);
enum vmx_result vmptrld(struct vmx *vmx, gpa_t region);
enum vmx_result vmptrst(struct vmx *vmx, gpa_t *region); /* all ones: no current VMCS */
enum vmx_result vmread(struct vmx *vmx, uint32_t field, uint64_t *value);
enum vmx_result vmwrite(struct vmx *vmx, uint32_t field, uint64_t value);
enum vmx_result vmlaunch(struct vmx *vmx);
enum vmx_result vmresume(struct vmx *vmx);
enum vmx_result vmcall(struct vmx *vmx);

enum invept_type { INVEPT_SINGLE_CONTEXT = 1, INVEPT_ALL_CONTEXTS = 2 };
enum vmx_result invept(struct vmx *vmx, unsigned type, uint64_t eptp, uint64_t reserved);

enum invvpid_type {
    INVVPID_ADDRESS = 0,
    INVVPID_SINGLE_CONTEXT = 1,
    INVVPID_ALL_CONTEXTS = 2,
    INVVPID_RETAINING_GLOBALS = 3,
};
enum vmx_result invvpid(struct vmx *vmx, unsigned type, uint64_t vpid, gva_t linear);

/* ---- the other instructions that root code needs ---- */

/* VMX_GP: no such register, or no such value. */
enum vmx_result rdmsr(struct vmx *vmx, uint32_t msr, uint64_t *value);
enum vmx_result wrmsr(struct vmx *vmx, uint32_t msr, uint64_t value);
#define CPUID_1_ECX_VMX (UINT32_C(1) << 5) /* in leaf 1: this processor has VT-x */
struct cpuid_leaf root_cpuid(struct vmx *vmx, uint32_t leaf, uint32_t subleaf);
uint64_t rdtsc(struct vmx *vmx);

/* What VT-x doesn't switch: general registers (but RSP is the VMCS' affair), CR2, DR0 to DR3, DR6; x87 and SSE. */
struct vmx_registers {
    uint64_t *gpr; /* of GPR_COUNT */
    uint64_t *cr2, *dr, *dr6;
};
struct vmx_registers vmx_registers(struct vmx *vmx);
void fxsave(struct vmx *vmx, struct fpu_state *state);
void fxrstor(struct vmx *vmx, const struct fpu_state *state);

/* ---- the wires ---- */

/* A physical interrupt: the guest exits soon (reason 1). From any thread or signal handler. */
void vmx_interrupt(struct vmx *vmx);
/* In root operation the interrupt comes to root code itself: was there one? It is taken by asking. */
bool vmx_take_interrupt(struct vmx *vmx);
/* Somebody else wrote these bytes of physical memory (root code, a device): decoded copies are stale. */
void vmx_memory_written(struct vmx *vmx, gpa_t at, uint64_t len);
/* Instructions that guest code has retired; root code that carries one out for the guest says so. */
uint64_t vmx_retired(const struct vmx *vmx);
void vmx_retire(struct vmx *vmx, uint64_t instructions);
/* The check that the last failing VM entry failed at, in words. */
const char *vmx_refusal(const struct vmx *vmx);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * caps.c - the capability MSRs (SDM 3, appendix A): one row an MSR.
 *
 * Of the controls, the low half of an MSR are those that must be 1, the high half those that may be. "Default1" bits
 * are reserved controls that older processors fix to 1; the TRUE_ variants let some of them be 0.
 */
#include "hwassist/vtx/caps.h"
#include "hwassist/vtx/vmcs.h"

#define PIN_DEFAULT1   0x00000016u
#define CPU_DEFAULT1   0x0401e172u
#define EXIT_DEFAULT1  0x00036dffu
#define ENTRY_DEFAULT1 0x000011ffu
/* Default1 controls that may be 0 all the same: CR3-load and CR3-store exiting, debug controls. */
#define CPU_FREE   (CPU_CR3_LOAD | CPU_CR3_STORE)
#define EXIT_FREE  EXIT_SAVE_DEBUG
#define ENTRY_FREE ENTRY_LOAD_DEBUG

#define PIN_OFFERED (PIN_EXTERNAL_INTERRUPT | PIN_NMI | PIN_VIRTUAL_NMIS | PIN_PREEMPTION_TIMER)
#define CPU_OFFERED                                                                                            \
    (CPU_INTERRUPT_WINDOW | CPU_TSC_OFFSETTING | CPU_HLT | CPU_INVLPG | CPU_RDPMC | CPU_RDTSC | CPU_CR8_LOAD | \
     CPU_CR8_STORE | CPU_NMI_WINDOW | CPU_MOV_DR | CPU_UNCONDITIONAL_IO | CPU_IO_BITMAPS | CPU_MONITOR_TRAP |  \
     CPU_MSR_BITMAPS | CPU_SECONDARY)
#define CPU2_OFFERED (CPU2_EPT | CPU2_DESCRIPTOR_TABLES | CPU2_RDTSCP | CPU2_VPID | CPU2_WBINVD | CPU2_UNRESTRICTED)
#define EXIT_OFFERED \
    (EXIT_HOST_64BIT | EXIT_SAVE_PAT | EXIT_LOAD_PAT | EXIT_SAVE_EFER | EXIT_LOAD_EFER | EXIT_SAVE_TIMER)
#define ENTRY_OFFERED (ENTRY_IA32E | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER)

#define CONTROLS(must, may) ((uint64_t)(uint32_t)((must) | (may)) << 32 | (must))

/* IA32_VMX_BASIC: size of a region, memory type write-back, INS and OUTS reported, TRUE_ MSRs there (A.1). */
#define BASIC (VMCS_REVISION | (uint64_t)VMCS_SIZE << 32 | UINT64_C(6) << 50 | UINT64_C(1) << 54 | UINT64_C(1) << 55)
/* IA32_VMX_MISC: the timer's rate, LMA saved on exits, activity state HLT, CR3 targets (A.6). */
#define MISC (VMX_TIMER_SHIFT | 1u << 5 | 1u << 6 | VMX_CR3_TARGETS << 16)
/*
 * IA32_VMX_EPT_VPID_CAP (A.10): execute-only pages, four levels, uncacheable and write-back tables, pages of 2 MiB and
 * 1 GiB, INVEPT of both types, accessed and dirty flags; INVVPID of all four types.
 */
#define EPT_VPID                                                                                                \
    (1u << 0 | 1u << 6 | 1u << 8 | 1u << 14 | 1u << 16 | 1u << 17 | 1u << 20 | 1u << 21 | 1u << 25 | 1u << 26 | \
     UINT64_C(1) << 32 | UINT64_C(0xf) << 40)

/* All that CR0 and CR4 can hold here (core/x86/control.c). */
#define CR0_MAY UINT64_C(0xe005003f)
#define CR4_MAY                                                                                                 \
    (CR4_TSD | CR4_PSE | CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_UMIP | CR4_VMXE | CR4_FSGSBASE | \
     CR4_SMEP | CR4_SMAP)

#define HIGHEST_INDEX 0x17 /* of all rows of vmcs.def: PREEMPTION_TIMER, bits 9:1 of its encoding (A.9) */

static const struct {
    uint32_t msr;
    uint64_t value;
} capabilities[] = {
    {MSR_VMX_BASIC, BASIC},
    {MSR_VMX_PINBASED, CONTROLS(PIN_DEFAULT1, PIN_OFFERED)},
    {MSR_VMX_PROCBASED, CONTROLS(CPU_DEFAULT1, CPU_OFFERED)},
    {MSR_VMX_EXIT, CONTROLS(EXIT_DEFAULT1, EXIT_OFFERED)},
    {MSR_VMX_ENTRY, CONTROLS(ENTRY_DEFAULT1, ENTRY_OFFERED)},
    {MSR_VMX_MISC, MISC},
    {MSR_VMX_CR0_FIXED0, CR0_FIXED_1},
    {MSR_VMX_CR0_FIXED1, CR0_MAY},
    {MSR_VMX_CR4_FIXED0, CR4_FIXED_1},
    {MSR_VMX_CR4_FIXED1, CR4_MAY},
    {MSR_VMX_VMCS_ENUM, HIGHEST_INDEX << 1},
    {MSR_VMX_PROCBASED2, CONTROLS(0, CPU2_OFFERED)},
    {MSR_VMX_EPT_VPID_CAP, EPT_VPID},
    {MSR_VMX_TRUE_PINBASED, CONTROLS(PIN_DEFAULT1, PIN_OFFERED)},
    {MSR_VMX_TRUE_PROCBASED, CONTROLS(CPU_DEFAULT1 & ~CPU_FREE, CPU_OFFERED | CPU_FREE)},
    {MSR_VMX_TRUE_EXIT, CONTROLS(EXIT_DEFAULT1 & ~EXIT_FREE, EXIT_OFFERED | EXIT_FREE)},
    {MSR_VMX_TRUE_ENTRY, CONTROLS(ENTRY_DEFAULT1 & ~ENTRY_FREE, ENTRY_OFFERED | ENTRY_FREE)},
};

bool vmx_capability(uint32_t msr, uint64_t *value)
{
    for (unsigned i = 0; i < ARRAY_SIZE(capabilities); i++) {
        if (capabilities[i].msr == msr) {
            *value = capabilities[i].value;
            return true;
        }
    }
    return false;
}

bool vmx_cr0_valid(uint64_t cr0, bool unrestricted)
{
    uint64_t must = unrestricted ? CR0_FIXED_1 & ~(CR0_PE | CR0_PG) : CR0_FIXED_1;
    return (cr0 & must) == must && !(cr0 & ~CR0_MAY);
}

bool vmx_cr4_valid(uint64_t cr4)
{
    return (cr4 & CR4_FIXED_1) == CR4_FIXED_1 && !(cr4 & ~CR4_MAY);
}

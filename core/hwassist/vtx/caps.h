/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * caps.h - what this processor's VT-x offers: the controls' bits, and the capability MSRs that say which may be set
 * (SDM 3, 25.6 to 25.8 and appendix A).
 */
#ifndef VIRTLAB_VTX_CAPS_H
#define VIRTLAB_VTX_CAPS_H

#include <virtlab/cpu_state.h>

/* Pin-based VM-execution controls (table 25-5). */
enum pin_control {
    PIN_EXTERNAL_INTERRUPT = 1 << 0,
    PIN_NMI = 1 << 3,
    PIN_VIRTUAL_NMIS = 1 << 5,
    PIN_PREEMPTION_TIMER = 1 << 6,
};

/* Primary processor-based VM-execution controls (table 25-6). */
#define CPU_INTERRUPT_WINDOW UINT32_C(0x00000004)
#define CPU_TSC_OFFSETTING   UINT32_C(0x00000008)
#define CPU_HLT              UINT32_C(0x00000080)
#define CPU_INVLPG           UINT32_C(0x00000200)
#define CPU_RDPMC            UINT32_C(0x00000800)
#define CPU_RDTSC            UINT32_C(0x00001000)
#define CPU_CR3_LOAD         UINT32_C(0x00008000)
#define CPU_CR3_STORE        UINT32_C(0x00010000)
#define CPU_CR8_LOAD         UINT32_C(0x00080000)
#define CPU_CR8_STORE        UINT32_C(0x00100000)
#define CPU_NMI_WINDOW       UINT32_C(0x00400000)
#define CPU_MOV_DR           UINT32_C(0x00800000)
#define CPU_UNCONDITIONAL_IO UINT32_C(0x01000000)
#define CPU_IO_BITMAPS       UINT32_C(0x02000000)
#define CPU_MONITOR_TRAP     UINT32_C(0x08000000)
#define CPU_MSR_BITMAPS      UINT32_C(0x10000000)
#define CPU_SECONDARY        UINT32_C(0x80000000)

/* Secondary processor-based VM-execution controls (table 25-7). */
enum cpu2_control {
    CPU2_EPT = 1 << 1,
    CPU2_DESCRIPTOR_TABLES = 1 << 2,
    CPU2_RDTSCP = 1 << 3, /* enables it; else #UD */
    CPU2_VPID = 1 << 5,
    CPU2_WBINVD = 1 << 6,
    CPU2_UNRESTRICTED = 1 << 7, /* the guest may run without paging, and in real mode */
};

/* VM-exit and VM-entry controls (tables 25-13 and 25-15). */
enum exit_control {
    EXIT_SAVE_DEBUG = 1 << 2,
    EXIT_HOST_64BIT = 1 << 9,
    EXIT_SAVE_PAT = 1 << 18,
    EXIT_LOAD_PAT = 1 << 19,
    EXIT_SAVE_EFER = 1 << 20,
    EXIT_LOAD_EFER = 1 << 21,
    EXIT_SAVE_TIMER = 1 << 22,
};
enum entry_control {
    ENTRY_LOAD_DEBUG = 1 << 2,
    ENTRY_IA32E = 1 << 9, /* the guest is in long mode */
    ENTRY_LOAD_PAT = 1 << 14,
    ENTRY_LOAD_EFER = 1 << 15,
};

/* MSRs (SDM 4, table 2-2). */
#define MSR_FEATURE_CONTROL    0x3au
#define FEATURE_CONTROL_LOCK   UINT64_C(1)
#define FEATURE_CONTROL_VMX    UINT64_C(4) /* outside SMX */
#define MSR_VMX_BASIC          0x480u
#define MSR_VMX_PINBASED       0x481u
#define MSR_VMX_PROCBASED      0x482u
#define MSR_VMX_EXIT           0x483u
#define MSR_VMX_ENTRY          0x484u
#define MSR_VMX_MISC           0x485u
#define MSR_VMX_CR0_FIXED0     0x486u
#define MSR_VMX_CR0_FIXED1     0x487u
#define MSR_VMX_CR4_FIXED0     0x488u
#define MSR_VMX_CR4_FIXED1     0x489u
#define MSR_VMX_VMCS_ENUM      0x48au
#define MSR_VMX_PROCBASED2     0x48bu
#define MSR_VMX_EPT_VPID_CAP   0x48cu
#define MSR_VMX_TRUE_PINBASED  0x48du
#define MSR_VMX_TRUE_PROCBASED 0x48eu
#define MSR_VMX_TRUE_EXIT      0x48fu
#define MSR_VMX_TRUE_ENTRY     0x490u

/* Bits of CR0 and CR4 that VMX operation fixes to 1; all that the CPU lacks is fixed to 0 (SDM 3, 24.8). */
#define CR0_FIXED_1 (CR0_PE | CR0_NE | CR0_PG)
#define CR4_FIXED_1 CR4_VMXE

#define VMX_CR3_TARGETS  4u   /* CR3-target values */
#define VMX_MSR_LIST_MAX 512u /* entries of an MSR area that are sure to work */
#define VMX_TIMER_SHIFT  0u   /* the preemption timer counts down once every 2^this ticks of the TSC */

/* What a capability MSR reads. False: there is no such. */
bool vmx_capability(uint32_t msr, uint64_t *value);

/* Are these settings of controls allowed by the capability MSR: the low half must be set, the high half may be? */
static inline bool vmx_allowed(uint64_t capability, uint32_t controls)
{
    return !((uint32_t)capability & ~controls) && !(controls & ~(uint32_t)(capability >> 32));
}
/* The nearest allowed settings to those wanted: what a hypervisor's set-up makes of its wishes. */
static inline uint32_t vmx_adjust(uint64_t capability, uint32_t wanted)
{
    return (wanted | (uint32_t)capability) & (uint32_t)(capability >> 32);
}

/* Values in VMX operation: of CR0 (`unrestricted`: of a guest that may run without PE and PG) and CR4. */
bool vmx_cr0_valid(uint64_t cr0, bool unrestricted);
bool vmx_cr4_valid(uint64_t cr4);

#endif

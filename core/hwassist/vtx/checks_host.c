/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * checks_host.c - VM entry's checks on the host-state area (SDM 3, 27.2.2 to 27.2.4): error 8 when one fails. They make
 * sure that the next VM exit will find a state that a CPU can be in.
 */
#include "hwassist/vtx/processor.h"

bool pat_valid(uint64_t pat)
{
    for (unsigned i = 0; i < 8; i++) {
        unsigned type = pat >> 8 * i & 0xff;
        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    return true;
}

/* Control registers and MSRs (27.2.2). */
static bool check_registers(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    REQUIRE(vmx, vmx_cr0_valid(vmcs_get(v, HOST_CR0), false), "host CR0: a bit not supported in VMX operation");
    REQUIRE(vmx, vmx_cr4_valid(vmcs_get(v, HOST_CR4)), "host CR4: a bit not supported in VMX operation");
    REQUIRE(vmx, !(vmcs_get(v, HOST_CR3) >> CPU_PHYSICAL_BITS), "host CR3: beyond the physical-address width");
    REQUIRE(vmx, canonical(vmcs_get(v, HOST_SYSENTER_ESP)), "host IA32_SYSENTER_ESP: not canonical");
    REQUIRE(vmx, canonical(vmcs_get(v, HOST_SYSENTER_EIP)), "host IA32_SYSENTER_EIP: not canonical");
    REQUIRE(vmx, !exit_control(vmx, EXIT_LOAD_PAT) || pat_valid(vmcs_get(v, HOST_PAT)), "host IA32_PAT: a memory type");
    if (exit_control(vmx, EXIT_LOAD_EFER)) {
        uint64_t efer = vmcs_get(v, HOST_EFER), long_mode = EFER_LME | EFER_LMA;
        REQUIRE(vmx, efer_valid(efer), "host IA32_EFER: reserved bits");
        REQUIRE(vmx, (efer & long_mode) == (exit_control(vmx, EXIT_HOST_64BIT) ? long_mode : 0),
                "host IA32_EFER: LME and LMA are not the host address-space size");
    }
    return true;
}

/* Segments and tables (27.2.3). */
static bool check_segments(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    const uint64_t rpl_or_ldt = 7;
#define SELECTOR(name) \
    REQUIRE(vmx, !(vmcs_get(v, HOST_##name##_SELECTOR) & rpl_or_ldt), "host " #name " selector: RPL or TI")
    SELECTOR(ES);
    SELECTOR(CS);
    SELECTOR(SS);
    SELECTOR(DS);
    SELECTOR(FS);
    SELECTOR(GS);
    SELECTOR(TR);
#undef SELECTOR
    REQUIRE(vmx, vmcs_get(v, HOST_CS_SELECTOR) != 0, "host CS selector: null");
    REQUIRE(vmx, vmcs_get(v, HOST_TR_SELECTOR) != 0, "host TR selector: null");
    REQUIRE(vmx, exit_control(vmx, EXIT_HOST_64BIT) || vmcs_get(v, HOST_SS_SELECTOR) != 0,
            "host SS selector: null, and not 64-bit");
#define BASE(name) REQUIRE(vmx, canonical(vmcs_get(v, HOST_##name##_BASE)), "host " #name " base: not canonical")
    BASE(FS);
    BASE(GS);
    BASE(GDTR);
    BASE(IDTR);
    BASE(TR);
#undef BASE
    return true;
}

/* The address-space size (27.2.4). */
static bool check_size(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    uint64_t rip = vmcs_get(v, HOST_RIP);
    if (cpu_long_mode(vmx->cpu))
        REQUIRE(vmx, exit_control(vmx, EXIT_HOST_64BIT), "host address-space size: not 64 bits, but root code is");
    else
        REQUIRE(vmx, !exit_control(vmx, EXIT_HOST_64BIT) && !entry_control(vmx, ENTRY_IA32E),
                "host address-space size: 64 bits, but root code isn't");
    if (!exit_control(vmx, EXIT_HOST_64BIT)) {
        REQUIRE(vmx, !entry_control(vmx, ENTRY_IA32E), "a long-mode guest under a 32-bit host");
        REQUIRE(vmx, !(vmcs_get(v, HOST_CR4) & CR4_PCIDE), "host CR4.PCIDE, and not 64-bit");
        REQUIRE(vmx, !(rip >> 32), "host RIP: beyond 32 bits");
        return true;
    }
    REQUIRE(vmx, vmcs_get(v, HOST_CR4) & CR4_PAE, "host CR4.PAE clear, and 64-bit");
    REQUIRE(vmx, canonical(rip), "host RIP: not canonical");
    return true;
}

bool check_host(struct vmx *vmx)
{
    return check_registers(vmx) && check_segments(vmx) && check_size(vmx);
}

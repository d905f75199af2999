/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * checks_controls.c - VM entry's checks on the control fields (SDM 3, 27.2.1): error 7 when one fails.
 *
 * Read next: checks_host.c, checks_guest.c.
 */
#include "hwassist/vtx/processor.h"

static uint64_t capability(uint32_t msr)
{
    uint64_t value = 0;
    (void)vmx_capability(msr, &value);
    return value;
}

/* ---- VM-execution controls (27.2.1.1) ---- */

static bool check_settings(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    REQUIRE(vmx, vmx_allowed(capability(MSR_VMX_TRUE_PINBASED), (uint32_t)vmcs_get(v, PIN_CONTROLS)),
            "pin-based VM-execution controls: reserved bits");
    REQUIRE(vmx, vmx_allowed(capability(MSR_VMX_TRUE_PROCBASED), (uint32_t)vmcs_get(v, CPU_CONTROLS)),
            "primary processor-based VM-execution controls: reserved bits");
    REQUIRE(vmx,
            !cpu_control(vmx, CPU_SECONDARY) ||
                vmx_allowed(capability(MSR_VMX_PROCBASED2), (uint32_t)vmcs_get(v, CPU2_CONTROLS)),
            "secondary processor-based VM-execution controls: reserved bits");
    return true;
}

static bool check_bitmaps(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    if (cpu_control(vmx, CPU_IO_BITMAPS)) {
        REQUIRE(vmx, physical_valid(vmcs_get(v, IO_BITMAP_A), PAGE_SIZE), "I/O bitmap A: address");
        REQUIRE(vmx, physical_valid(vmcs_get(v, IO_BITMAP_B), PAGE_SIZE), "I/O bitmap B: address");
    }
    REQUIRE(vmx, !cpu_control(vmx, CPU_MSR_BITMAPS) || physical_valid(vmcs_get(v, MSR_BITMAP), PAGE_SIZE),
            "MSR bitmap: address");
    return true;
}

static bool check_execution(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    REQUIRE(vmx, vmcs_get(v, CR3_TARGET_COUNT) <= VMX_CR3_TARGETS, "CR3-target count: too many");
    if (!check_bitmaps(vmx))
        return false;
    REQUIRE(vmx, pin_control(vmx, PIN_NMI) || !pin_control(vmx, PIN_VIRTUAL_NMIS), "virtual NMIs without NMI exiting");
    REQUIRE(vmx, pin_control(vmx, PIN_VIRTUAL_NMIS) || !cpu_control(vmx, CPU_NMI_WINDOW),
            "NMI-window exiting without virtual NMIs");
    REQUIRE(vmx, !cpu2_control(vmx, CPU2_VPID) || vmcs_get(v, VPID) != 0, "VPID 0");
    REQUIRE(vmx, !cpu2_control(vmx, CPU2_EPT) || ept_pointer_valid(vmcs_get(v, EPT_POINTER), CPU_PHYSICAL_BITS),
            "EPT pointer");
    REQUIRE(vmx, cpu2_control(vmx, CPU2_EPT) || !cpu2_control(vmx, CPU2_UNRESTRICTED),
            "unrestricted guest without EPT");
    return true;
}

/* ---- VM-exit controls (27.2.1.2) ---- */

/* An MSR area: 16-byte aligned, all of it within the physical-address width. */
static bool area_valid(uint64_t at, uint64_t count)
{
    return !count || (physical_valid(at, 16) && physical_valid(at + count * 16 - 1, 1));
}

static bool check_exit_controls(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    REQUIRE(vmx, vmx_allowed(capability(MSR_VMX_TRUE_EXIT), (uint32_t)vmcs_get(v, EXIT_CONTROLS)),
            "VM-exit controls: reserved bits");
    REQUIRE(vmx, pin_control(vmx, PIN_PREEMPTION_TIMER) || !exit_control(vmx, EXIT_SAVE_TIMER),
            "saving a preemption timer that isn't activated");
    REQUIRE(vmx, area_valid(vmcs_get(v, EXIT_MSR_STORE_ADDRESS), vmcs_get(v, EXIT_MSR_STORE_COUNT)),
            "VM-exit MSR-store area: address");
    REQUIRE(vmx, area_valid(vmcs_get(v, EXIT_MSR_LOAD_ADDRESS), vmcs_get(v, EXIT_MSR_LOAD_COUNT)),
            "VM-exit MSR-load area: address");
    return true;
}

/* ---- VM-entry controls (27.2.1.3) ---- */

static bool pushes_error_code(unsigned vector)
{
    switch (vector) {
    case VEC_DF:
    case VEC_TS:
    case VEC_NP:
    case VEC_SS:
    case VEC_GP:
    case VEC_PF:
    case VEC_AC: return true;
    default: return false;
    }
}

static bool vector_fits(unsigned type, unsigned vector)
{
    switch (type) {
    case EVENT_NMI: return vector == VEC_NMI;
    case EVENT_EXCEPTION: return vector <= 31;
    case INTERRUPTION_OTHER: return vector == 0;
    default: return true;
    }
}

static bool check_injection(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    uint32_t info = (uint32_t)vmcs_get(v, ENTRY_INTERRUPTION);
    if (!(info & INTERRUPTION_VALID))
        return true;
    unsigned vector = info & INTERRUPTION_VECTOR, type = (info & INTERRUPTION_TYPE) >> 8;
    bool error = info & INTERRUPTION_ERROR;
    bool real_mode = cpu2_control(vmx, CPU2_UNRESTRICTED) && !(vmcs_get(v, GUEST_CR0) & CR0_PE);
    REQUIRE(vmx, type != 1, "VM-entry interruption information: type 1 is reserved");
    REQUIRE(vmx, vector_fits(type, vector), "VM-entry interruption information: vector and type don't fit");
    REQUIRE(vmx, error == (!real_mode && type == EVENT_EXCEPTION && pushes_error_code(vector)),
            "VM-entry interruption information: deliver-error-code");
    REQUIRE(vmx, !(info & 0x7ffff000), "VM-entry interruption information: reserved bits");
    REQUIRE(vmx, !error || !(vmcs_get(v, ENTRY_ERROR_CODE) >> 16), "VM-entry exception error code: reserved bits");
    if (type == EVENT_SOFTWARE || type == EVENT_PRIVILEGED || type == EVENT_SOFTWARE_EXCEPTION) {
        uint64_t length = vmcs_get(v, ENTRY_INSTRUCTION_LENGTH);
        REQUIRE(vmx, length >= 1 && length <= 15, "VM-entry instruction length");
    }
    return true;
}

static bool check_entry_controls(struct vmx *vmx)
{
    const struct vmcs *v = vmx->vmcs;
    REQUIRE(vmx, vmx_allowed(capability(MSR_VMX_TRUE_ENTRY), (uint32_t)vmcs_get(v, ENTRY_CONTROLS)),
            "VM-entry controls: reserved bits");
    if (!check_injection(vmx))
        return false;
    REQUIRE(vmx, area_valid(vmcs_get(v, ENTRY_MSR_LOAD_ADDRESS), vmcs_get(v, ENTRY_MSR_LOAD_COUNT)),
            "VM-entry MSR-load area: address");
    return true;
}

bool check_controls(struct vmx *vmx)
{
    return check_settings(vmx) && check_execution(vmx) && check_exit_controls(vmx) && check_entry_controls(vmx);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vtx_rig.c - see vtx_rig.h. */
#include "vtx_rig.h"

static uint64_t ticks(void *context, uint64_t retired)
{
    (void)context;
    return retired;
}

void *rig_host(struct rig *r, uint64_t at)
{
    return r->ram.base + at;
}
void *rig_guest(struct rig *r, uint64_t at)
{
    return r->ram.base + RIG_GUEST + at;
}

uint64_t *rig_ept_entry(struct rig *r, unsigned level, uint64_t at)
{
    uint64_t *table = rig_host(r, RIG_EPT + (4 - level) * PAGE_SIZE);
    return &table[at >> (12 + 9 * (level - 1)) & 511];
}
uint64_t *rig_guest_entry(struct rig *r, unsigned level, uint64_t at)
{
    uint64_t *table = rig_guest(r, RIG_TABLES + (4 - level) * PAGE_SIZE);
    return &table[at >> (12 + 9 * (level - 1)) & 511];
}

bool rig_open(struct rig *r)
{
    struct reason why = {""};
    *r = (struct rig){0};
    if (ram_create(&r->ram, RIG_MEMORY, &why))
        return false;
    r->host = (struct engine_host){.ram = &r->ram, .stats = &r->stats, .tsc = ticks, .tsc_hz = 1000000000};
    r->vmx = vmx_create(&r->host, &why);
    if (!r->vmx)
        return false;
    *(uint32_t *)rig_host(r, RIG_VMXON) = VMCS_REVISION;
    (void)wrmsr(r->vmx, MSR_FEATURE_CONTROL, FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX);
    return vmxon(r->vmx, gpa(RIG_VMXON)) == VMX_SUCCEED;
}

void rig_close(struct rig *r)
{
    vmx_destroy(r->vmx);
    ram_destroy(&r->ram);
}

uint64_t rig_rd(struct rig *r, uint32_t field)
{
    uint64_t value = 0;
    CHECK(vmread(r->vmx, field, &value) == VMX_SUCCEED);
    return value;
}
void rig_wr(struct rig *r, uint32_t field, uint64_t value)
{
    CHECK(vmwrite(r->vmx, field, value) == VMX_SUCCEED);
}
void rig_set(struct rig *r, uint32_t field, uint64_t bits)
{
    rig_wr(r, field, rig_rd(r, field) | bits);
}
void rig_clear(struct rig *r, uint32_t field, uint64_t bits)
{
    rig_wr(r, field, rig_rd(r, field) & ~bits);
}
uint64_t *rig_gpr(struct rig *r, unsigned gpr)
{
    return &vmx_registers(r->vmx).gpr[gpr];
}

/* ---- memory ---- */

static void build_tables(struct rig *r)
{
    uint64_t base = r->ept ? 0 : RIG_GUEST;
    for (unsigned level = 4; level > 1; level--) {
        uint64_t next = (4 - level + 1) * PAGE_SIZE;
        *rig_guest_entry(r, level, 0) = (base + RIG_TABLES + next) | 7;
        *rig_ept_entry(r, level, 0) = (RIG_EPT + next) | EPT_RWX;
    }
    for (uint64_t at = 0; at < UINT64_C(2) << 20; at += PAGE_SIZE) {
        *rig_guest_entry(r, 1, at) = (base + at) | 7;
        *rig_ept_entry(r, 1, at) = (RIG_GUEST + at) | EPT_RWX | EPT_TYPE_WB;
    }
}

static void build_descriptors(struct rig *r, enum rig_mode mode)
{
    uint64_t *gdt = rig_guest(r, RIG_GDT), *idt = rig_guest(r, RIG_IDT);
    gdt[1] = mode == RIG_LONG ? UINT64_C(0x00af9b000000ffff) : UINT64_C(0x00cf9b000000ffff);
    gdt[2] = UINT64_C(0x00cf93000000ffff);
    for (unsigned v = 0; v < 32; v++) {
        uint64_t to = RIG_HANDLERS + 16 * v, gate = (to & 0xffff) | 8 << 16 | UINT64_C(0x8e) << 40 | to >> 16 << 48;
        if (mode == RIG_LONG)
            idt[2 * v] = gate, idt[2 * v + 1] = 0;
        else
            idt[v] = gate;
        memset(rig_guest(r, to), 0xf4, 16);
    }
}

/* ---- VMCS ---- */

static uint64_t allowed(struct rig *r, uint32_t msr, uint32_t wanted)
{
    uint64_t capability = 0;
    (void)rdmsr(r->vmx, msr, &capability);
    return vmx_adjust(capability, wanted);
}

static void controls(struct rig *r, enum rig_mode mode)
{
    uint32_t nested = r->ept ? CPU2_EPT | CPU2_UNRESTRICTED : 0;
    rig_wr(r, VMCS_PIN_CONTROLS, allowed(r, MSR_VMX_TRUE_PINBASED, PIN_EXTERNAL_INTERRUPT | PIN_NMI));
    rig_wr(r, VMCS_CPU_CONTROLS, allowed(r, MSR_VMX_TRUE_PROCBASED, CPU_HLT | CPU_SECONDARY));
    rig_wr(r, VMCS_CPU2_CONTROLS, allowed(r, MSR_VMX_PROCBASED2, CPU2_VPID | CPU2_RDTSCP | nested));
    rig_wr(r, VMCS_EXIT_CONTROLS, allowed(r, MSR_VMX_TRUE_EXIT, EXIT_HOST_64BIT | EXIT_SAVE_EFER | EXIT_LOAD_EFER));
    rig_wr(r, VMCS_ENTRY_CONTROLS,
           allowed(r, MSR_VMX_TRUE_ENTRY, ENTRY_LOAD_EFER | (mode == RIG_LONG ? ENTRY_IA32E : 0)));
    rig_wr(r, VMCS_VPID, 1);
    rig_wr(r, VMCS_EPT_POINTER, RIG_EPT | EPTP_TYPE_WB | EPTP_WALK_4);
    rig_wr(r, VMCS_MSR_BITMAP, RIG_MSR_BITMAP);
    rig_wr(r, VMCS_IO_BITMAP_A, RIG_IO_A);
    rig_wr(r, VMCS_IO_BITMAP_B, RIG_IO_B);
    rig_wr(r, VMCS_VMCS_LINK_POINTER, UINT64_MAX);
    rig_wr(r, VMCS_CR0_MASK, 0);
    rig_wr(r, VMCS_CR4_MASK, CR4_VMXE);
}

static void host_state(struct rig *r)
{
    rig_wr(r, VMCS_HOST_CR0, CR0_PE | CR0_PG | CR0_NE | CR0_ET);
    rig_wr(r, VMCS_HOST_CR4, CR4_PAE | CR4_VMXE);
    rig_wr(r, VMCS_HOST_EFER, EFER_LME | EFER_LMA);
    rig_wr(r, VMCS_HOST_CS_SELECTOR, 8);
    rig_wr(r, VMCS_HOST_SS_SELECTOR, 16);
    rig_wr(r, VMCS_HOST_TR_SELECTOR, 24);
    rig_wr(r, VMCS_HOST_PAT, UINT64_C(0x0007040600070406));
}

static void segment(struct rig *r, unsigned i, uint16_t selector, uint32_t limit, uint32_t attr)
{
    rig_wr(r, VMCS_GUEST_ES_SELECTOR + 2 * i, selector);
    rig_wr(r, VMCS_GUEST_ES_BASE + 2 * i, i <= SEG_GS && limit == 0xffff ? (uint64_t)selector << 4 : 0);
    rig_wr(r, VMCS_GUEST_ES_LIMIT + 2 * i, limit);
    rig_wr(r, VMCS_GUEST_ES_ATTR + 2 * i, attr);
}

static void segments(struct rig *r, enum rig_mode mode)
{
    for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
        bool code = i == SEG_CS;
        if (mode == RIG_V86)
            segment(r, i, code ? RIG_CODE >> 4 : 0, 0xffff, 0xf3);
        else if (mode == RIG_REAL)
            segment(r, i, code ? RIG_CODE >> 4 : 0, 0xffff, code ? 0x9b : 0x93);
        else if (code)
            segment(r, i, 8, 0xffffffff, mode == RIG_LONG ? 0xa09b : 0xc09b);
        else
            segment(r, i, 16, 0xffffffff, 0xc093);
    }
    segment(r, SEG_LDTR, 0, 0, ATTR_UNUSABLE);
    segment(r, SEG_TR, 0x18, 0x67, 0x8b);
    rig_wr(r, VMCS_GUEST_TR_BASE, RIG_TSS);
}

static void guest_state(struct rig *r, enum rig_mode mode)
{
    bool paging = mode == RIG_LONG || !r->ept;
    rig_wr(r, VMCS_GUEST_CR0, CR0_NE | CR0_ET | (mode != RIG_REAL ? CR0_PE : 0) | (paging ? CR0_PG | CR0_PE : 0));
    rig_wr(r, VMCS_GUEST_CR3, (r->ept ? 0 : RIG_GUEST) + RIG_TABLES);
    rig_wr(r, VMCS_GUEST_CR4, CR4_VMXE | (mode == RIG_LONG ? CR4_PAE : 0));
    rig_wr(r, VMCS_GUEST_EFER, mode == RIG_LONG ? EFER_LME | EFER_LMA | EFER_NXE : 0);
    rig_wr(r, VMCS_GUEST_PAT, UINT64_C(0x0007040600070406));
    segments(r, mode);
    rig_wr(r, VMCS_GUEST_GDTR_BASE, RIG_GDT);
    rig_wr(r, VMCS_GUEST_GDTR_LIMIT, 0x3f);
    rig_wr(r, VMCS_GUEST_IDTR_BASE, RIG_IDT);
    rig_wr(r, VMCS_GUEST_IDTR_LIMIT, 0xfff);
    rig_wr(r, VMCS_GUEST_RIP, mode == RIG_REAL || mode == RIG_V86 ? 0 : RIG_CODE);
    rig_wr(r, VMCS_GUEST_RSP, mode == RIG_REAL || mode == RIG_V86 ? 0x8000 : RIG_STACK);
    rig_wr(r, VMCS_GUEST_RFLAGS, FLAG_ONE | (mode == RIG_V86 ? FLAG_VM : 0));
    rig_wr(r, VMCS_GUEST_DR7, 0x400);
}

void rig_vmcs(struct rig *r, enum rig_mode mode, bool ept)
{
    r->ept = ept;
    memset(rig_host(r, RIG_VMCS), 0, PAGE_SIZE);
    *(uint32_t *)rig_host(r, RIG_VMCS) = VMCS_REVISION;
    memset(rig_host(r, RIG_MSR_BITMAP), 0, 3 * PAGE_SIZE);
    CHECK(vmclear(r->vmx, gpa(RIG_VMCS)) == VMX_SUCCEED);
    CHECK(vmptrld(r->vmx, gpa(RIG_VMCS)) == VMX_SUCCEED);
    build_tables(r);
    build_descriptors(r, mode);
    controls(r, mode);
    host_state(r);
    guest_state(r, mode);
    rig_code_bytes(r, "\xf4", 1);
    (void)invept(r->vmx, INVEPT_ALL_CONTEXTS, 0, 0);
    (void)invvpid(r->vmx, INVVPID_ALL_CONTEXTS, 0, gva(0));
}

void rig_code_bytes(struct rig *r, const void *bytes, size_t count)
{
    memcpy(rig_guest(r, RIG_CODE), bytes, count);
    memset((uint8_t *)rig_guest(r, RIG_CODE) + count, 0xf4, 8);
    vmx_memory_written(r->vmx, gpa(RIG_GUEST + RIG_CODE), count + 8);
}

uint32_t rig_enter(struct rig *r)
{
    uint64_t error = 0;
    enum vmx_result result = vmresume(r->vmx);
    if (result == VMX_FAIL_VALID && rig_rd(r, VMCS_INSTRUCTION_ERROR) == VMX_ERROR_VMRESUME_NOT_LAUNCHED)
        result = vmlaunch(r->vmx);
    if (result == VMX_EXITED)
        return (uint32_t)rig_rd(r, VMCS_EXIT_REASON);
    (void)vmread(r->vmx, VMCS_INSTRUCTION_ERROR, &error);
    return RIG_FAILED | (uint32_t)error;
}

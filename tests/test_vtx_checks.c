/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_vtx_checks.c - VM entry's checks (SDM 3, 27.2 and 27.3.1), one row a check: a VMCS that enters, with one thing
 * wrong, and how the entry must fail. Each row also names the check that is to find it, so that no other can.
 */
#include "vtx_rig.h"
#include <virtlab/exit.h>

#define ADDRESS_40 (UINT64_C(1) << 40)       /* beyond the physical-address width */
#define BAD        UINT64_C(0x8000000000000) /* not canonical */
#define VALID      UINT64_C(0x80000000)

enum base { LONG, PROTECTED, REAL, V86, PLAIN, PLAIN_V86 }; /* PLAIN: without EPT and unrestricted guest, long mode */
enum how { NONE, SET, CLEAR, WRITE };

struct change {
    uint32_t field;
    enum how how;
    uint64_t value;
};
struct row {
    const char *what; /* the words of the check */
    enum base base;
    struct change change[4];
};

static void arrange(struct rig *r, const struct row *row)
{
    static const enum rig_mode modes[] = {RIG_LONG, RIG_PROTECTED, RIG_REAL, RIG_V86, RIG_LONG, RIG_V86};
    rig_vmcs(r, modes[row->base], row->base < PLAIN);
    for (unsigned i = 0; i < ARRAY_SIZE(row->change) && row->change[i].how != NONE; i++) {
        const struct change *c = &row->change[i];
        if (c->how == SET)
            rig_set(r, c->field, c->value);
        else if (c->how == CLEAR)
            rig_clear(r, c->field, c->value);
        else
            rig_wr(r, c->field, c->value);
    }
}

static void check_rows(const struct row *rows, size_t count, uint32_t expected, uint64_t qualification)
{
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    for (size_t i = 0; i < count; i++) {
        vltest_row("%zu: %s", i, rows[i].what);
        arrange(&r, &rows[i]);
        CHECK_EQ_U64(rig_enter(&r), expected);
        CHECK_EQ_STR(vmx_refusal(r.vmx), rows[i].what);
        if (!(expected & RIG_FAILED))
            CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_QUALIFICATION), qualification);
    }
    vltest_row(" ");
    rig_close(&r);
}

static void test_bases_enter(void)
{
    static const struct row rows[] = {
        {"64-bit", LONG, {{0}}},       {"protected", PROTECTED, {{0}}},
        {"real", REAL, {{0}}},         {"v86", V86, {{0}}},
        {"without EPT", PLAIN, {{0}}}, {"without EPT, v86", PLAIN_V86, {{VMCS_GUEST_CR3, WRITE, RIG_MEMORY - 4096}}}};
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s", rows[i].what);
        arrange(&r, &rows[i]);
        uint32_t reason = rig_enter(&r);
        /* In virtual-8086 mode HLT is a #GP, and there is no handler for it in these tables: a triple fault. */
        CHECK_EQ_U64(reason, rows[i].base == V86 || rows[i].base == PLAIN_V86 ? EXIT_TRIPLE_FAULT : EXIT_HLT);
    }
    rig_close(&r);
}

static const struct row control_rows[] = {
    {"pin-based VM-execution controls: reserved bits", LONG, {{VMCS_PIN_CONTROLS, SET, 1 << 7}}},
    {"pin-based VM-execution controls: reserved bits", LONG, {{VMCS_PIN_CONTROLS, CLEAR, 1 << 1}}},
    {"primary processor-based VM-execution controls: reserved bits", LONG, {{VMCS_CPU_CONTROLS, SET, 1 << 0}}},
    {"primary processor-based VM-execution controls: reserved bits", LONG, {{VMCS_CPU_CONTROLS, SET, 1 << 21}}},
    {"primary processor-based VM-execution controls: reserved bits", LONG, {{VMCS_CPU_CONTROLS, CLEAR, 1 << 26}}},
    {"secondary processor-based VM-execution controls: reserved bits", LONG, {{VMCS_CPU2_CONTROLS, SET, 1 << 13}}},
    {"CR3-target count: too many", LONG, {{VMCS_CR3_TARGET_COUNT, WRITE, 5}}},
    {"I/O bitmap A: address", LONG, {{VMCS_CPU_CONTROLS, SET, CPU_IO_BITMAPS}, {VMCS_IO_BITMAP_A, WRITE, 0x4008}}},
    {"I/O bitmap A: address", LONG, {{VMCS_CPU_CONTROLS, SET, CPU_IO_BITMAPS}, {VMCS_IO_BITMAP_A, WRITE, ADDRESS_40}}},
    {"I/O bitmap B: address", LONG, {{VMCS_CPU_CONTROLS, SET, CPU_IO_BITMAPS}, {VMCS_IO_BITMAP_B, WRITE, 0x4008}}},
    {"MSR bitmap: address", LONG, {{VMCS_CPU_CONTROLS, SET, CPU_MSR_BITMAPS}, {VMCS_MSR_BITMAP, WRITE, ADDRESS_40}}},
    {"virtual NMIs without NMI exiting",
     LONG,
     {{VMCS_PIN_CONTROLS, CLEAR, PIN_NMI}, {VMCS_PIN_CONTROLS, SET, PIN_VIRTUAL_NMIS}}},
    {"NMI-window exiting without virtual NMIs", LONG, {{VMCS_CPU_CONTROLS, SET, CPU_NMI_WINDOW}}},
    {"VPID 0", LONG, {{VMCS_VPID, WRITE, 0}}},
    {"EPT pointer", LONG, {{VMCS_EPT_POINTER, WRITE, RIG_EPT | EPTP_WALK_4 | 1}}},
    {"EPT pointer", LONG, {{VMCS_EPT_POINTER, WRITE, RIG_EPT | EPTP_TYPE_WB | 0x20}}},
    {"EPT pointer", LONG, {{VMCS_EPT_POINTER, SET, 0x80}}},
    {"EPT pointer", LONG, {{VMCS_EPT_POINTER, SET, ADDRESS_40}}},
    {"unrestricted guest without EPT", LONG, {{VMCS_CPU2_CONTROLS, CLEAR, CPU2_EPT}}},
    {"VM-exit controls: reserved bits", LONG, {{VMCS_EXIT_CONTROLS, SET, 1 << 12}}},
    {"VM-exit controls: reserved bits", LONG, {{VMCS_EXIT_CONTROLS, CLEAR, 1 << 0}}},
    {"saving a preemption timer that isn't activated", LONG, {{VMCS_EXIT_CONTROLS, SET, EXIT_SAVE_TIMER}}},
    {"VM-exit MSR-store area: address",
     LONG,
     {{VMCS_EXIT_MSR_STORE_COUNT, WRITE, 1}, {VMCS_EXIT_MSR_STORE_ADDRESS, WRITE, 8}}},
    {"VM-exit MSR-load area: address",
     LONG,
     {{VMCS_EXIT_MSR_LOAD_COUNT, WRITE, 2}, {VMCS_EXIT_MSR_LOAD_ADDRESS, WRITE, ADDRESS_40 - 16}}},
    {"VM-entry controls: reserved bits", LONG, {{VMCS_ENTRY_CONTROLS, SET, 1 << 10}}},
    {"VM-entry controls: reserved bits", LONG, {{VMCS_ENTRY_CONTROLS, SET, 1 << 11}}},
    {"VM-entry MSR-load area: address",
     LONG,
     {{VMCS_ENTRY_MSR_LOAD_COUNT, WRITE, 1}, {VMCS_ENTRY_MSR_LOAD_ADDRESS, WRITE, 4}}},
    /* Event injection: type in bits 10:8, error code in bit 11. */
    {"VM-entry interruption information: type 1 is reserved", LONG, {{VMCS_ENTRY_INTERRUPTION, WRITE, VALID | 1 << 8}}},
    {"VM-entry interruption information: vector and type don't fit",
     LONG,
     {{VMCS_ENTRY_INTERRUPTION, WRITE, VALID | 2 << 8 | 3}}},
    {"VM-entry interruption information: vector and type don't fit",
     LONG,
     {{VMCS_ENTRY_INTERRUPTION, WRITE, VALID | 3 << 8 | 32}}},
    {"VM-entry interruption information: vector and type don't fit",
     LONG,
     {{VMCS_ENTRY_INTERRUPTION, WRITE, VALID | 7 << 8 | 1}}},
    {"VM-entry interruption information: deliver-error-code",
     LONG,
     {{VMCS_ENTRY_INTERRUPTION, WRITE, VALID | 3 << 8 | 13}}},
    {"VM-entry interruption information: deliver-error-code",
     LONG,
     {{VMCS_ENTRY_INTERRUPTION, WRITE, VALID | 1 << 11 | 3 << 8 | 6}}},
    {"VM-entry interruption information: deliver-error-code",
     LONG,
     {{VMCS_ENTRY_INTERRUPTION, WRITE, VALID | 1 << 11 | 32}}},
    {"VM-entry interruption information: deliver-error-code",
     REAL,
     {{VMCS_ENTRY_INTERRUPTION, WRITE, VALID | 1 << 11 | 3 << 8 | 13}}},
    {"VM-entry interruption information: reserved bits",
     LONG,
     {{VMCS_ENTRY_INTERRUPTION, WRITE, VALID | 1 << 12 | 3 << 8 | 6}}},
    {"VM-entry exception error code: reserved bits",
     LONG,
     {{VMCS_ENTRY_INTERRUPTION, WRITE, VALID | 1 << 11 | 3 << 8 | 13}, {VMCS_ENTRY_ERROR_CODE, WRITE, 0x10000}}},
    {"VM-entry instruction length", LONG, {{VMCS_ENTRY_INTERRUPTION, WRITE, VALID | 4 << 8 | 3}}},
    {"VM-entry instruction length",
     LONG,
     {{VMCS_ENTRY_INTERRUPTION, WRITE, VALID | 6 << 8 | 3}, {VMCS_ENTRY_INSTRUCTION_LENGTH, WRITE, 16}}},
};

static const struct row host_rows[] = {
    {"host CR0: a bit not supported in VMX operation", LONG, {{VMCS_HOST_CR0, CLEAR, CR0_NE}}},
    {"host CR0: a bit not supported in VMX operation", LONG, {{VMCS_HOST_CR0, SET, 1 << 10}}},
    {"host CR4: a bit not supported in VMX operation", LONG, {{VMCS_HOST_CR4, CLEAR, CR4_VMXE}}},
    {"host CR4: a bit not supported in VMX operation", LONG, {{VMCS_HOST_CR4, SET, CR4_PCIDE}}},
    {"host CR3: beyond the physical-address width", LONG, {{VMCS_HOST_CR3, WRITE, ADDRESS_40}}},
    {"host IA32_SYSENTER_ESP: not canonical", LONG, {{VMCS_HOST_SYSENTER_ESP, WRITE, BAD}}},
    {"host IA32_SYSENTER_EIP: not canonical", LONG, {{VMCS_HOST_SYSENTER_EIP, WRITE, BAD}}},
    {"host IA32_PAT: a memory type", LONG, {{VMCS_EXIT_CONTROLS, SET, EXIT_LOAD_PAT}, {VMCS_HOST_PAT, WRITE, 2}}},
    {"host IA32_EFER: reserved bits", LONG, {{VMCS_HOST_EFER, SET, 2}}},
    {"host IA32_EFER: LME and LMA are not the host address-space size", LONG, {{VMCS_HOST_EFER, CLEAR, EFER_LMA}}},
    {"host IA32_EFER: LME and LMA are not the host address-space size", LONG, {{VMCS_HOST_EFER, CLEAR, EFER_LME}}},
    {"host ES selector: RPL or TI", LONG, {{VMCS_HOST_ES_SELECTOR, WRITE, 1}}},
    {"host CS selector: RPL or TI", LONG, {{VMCS_HOST_CS_SELECTOR, WRITE, 0xc}}},
    {"host SS selector: RPL or TI", LONG, {{VMCS_HOST_SS_SELECTOR, WRITE, 0x13}}},
    {"host DS selector: RPL or TI", LONG, {{VMCS_HOST_DS_SELECTOR, WRITE, 2}}},
    {"host FS selector: RPL or TI", LONG, {{VMCS_HOST_FS_SELECTOR, WRITE, 4}}},
    {"host GS selector: RPL or TI", LONG, {{VMCS_HOST_GS_SELECTOR, WRITE, 7}}},
    {"host TR selector: RPL or TI", LONG, {{VMCS_HOST_TR_SELECTOR, WRITE, 0x1c}}},
    {"host CS selector: null", LONG, {{VMCS_HOST_CS_SELECTOR, WRITE, 0}}},
    {"host TR selector: null", LONG, {{VMCS_HOST_TR_SELECTOR, WRITE, 0}}},
    {"host FS base: not canonical", LONG, {{VMCS_HOST_FS_BASE, WRITE, BAD}}},
    {"host GS base: not canonical", LONG, {{VMCS_HOST_GS_BASE, WRITE, BAD}}},
    {"host GDTR base: not canonical", LONG, {{VMCS_HOST_GDTR_BASE, WRITE, BAD}}},
    {"host IDTR base: not canonical", LONG, {{VMCS_HOST_IDTR_BASE, WRITE, BAD}}},
    {"host TR base: not canonical", LONG, {{VMCS_HOST_TR_BASE, WRITE, BAD}}},
    {"host address-space size: not 64 bits, but root code is",
     LONG,
     {{VMCS_EXIT_CONTROLS, CLEAR, EXIT_HOST_64BIT}, {VMCS_HOST_EFER, WRITE, 0}}},
    {"host SS selector: null, and not 64-bit",
     LONG,
     {{VMCS_EXIT_CONTROLS, CLEAR, EXIT_HOST_64BIT}, {VMCS_HOST_EFER, WRITE, 0}, {VMCS_HOST_SS_SELECTOR, WRITE, 0}}},
    {"host CR4.PAE clear, and 64-bit", LONG, {{VMCS_HOST_CR4, CLEAR, CR4_PAE}}},
    {"host RIP: not canonical", LONG, {{VMCS_HOST_RIP, WRITE, BAD}}},
};

#define TYPE(n) ((uint64_t)(n))
static const struct row guest_rows[] = {
    /* 27.3.1.1 */
    {"guest CR0: a bit not supported in VMX operation", LONG, {{VMCS_GUEST_CR0, CLEAR, CR0_NE}}},
    {"guest CR0: a bit not supported in VMX operation", LONG, {{VMCS_GUEST_CR0, SET, 1 << 6}}},
    {"guest CR0: a bit not supported in VMX operation", PLAIN, {{VMCS_GUEST_CR0, CLEAR, CR0_PG}}},
    {"guest CR0: a bit not supported in VMX operation", PLAIN, {{VMCS_GUEST_CR0, CLEAR, CR0_PE}}},
    {"guest CR0: PG without PE", LONG, {{VMCS_GUEST_CR0, CLEAR, CR0_PE}}},
    {"guest CR4: a bit not supported in VMX operation", LONG, {{VMCS_GUEST_CR4, CLEAR, CR4_VMXE}}},
    {"guest CR4: a bit not supported in VMX operation", LONG, {{VMCS_GUEST_CR4, SET, CR4_OSXSAVE}}},
    {"guest IA32_DEBUGCTL: reserved bits",
     LONG,
     {{VMCS_ENTRY_CONTROLS, SET, ENTRY_LOAD_DEBUG}, {VMCS_GUEST_DEBUGCTL, WRITE, 4}}},
    {"guest DR7: beyond 32 bits",
     LONG,
     {{VMCS_ENTRY_CONTROLS, SET, ENTRY_LOAD_DEBUG}, {VMCS_GUEST_DR7, WRITE, UINT64_C(1) << 32}}},
    {"IA-32e mode guest without CR0.PG and CR4.PAE", LONG, {{VMCS_GUEST_CR4, CLEAR, CR4_PAE}}},
    {"IA-32e mode guest without CR0.PG and CR4.PAE", LONG, {{VMCS_GUEST_CR0, CLEAR, CR0_PG}}},
    {"guest CR3: beyond the physical-address width", LONG, {{VMCS_GUEST_CR3, WRITE, ADDRESS_40}}},
    {"guest IA32_SYSENTER_ESP: not canonical", LONG, {{VMCS_GUEST_SYSENTER_ESP, WRITE, BAD}}},
    {"guest IA32_SYSENTER_EIP: not canonical", LONG, {{VMCS_GUEST_SYSENTER_EIP, WRITE, BAD}}},
    {"guest IA32_PAT: a memory type",
     LONG,
     {{VMCS_ENTRY_CONTROLS, SET, ENTRY_LOAD_PAT}, {VMCS_GUEST_PAT, WRITE, 0x300}}},
    {"guest IA32_EFER: reserved bits", LONG, {{VMCS_GUEST_EFER, SET, 2}}},
    {"guest IA32_EFER.LMA is not IA-32e mode guest", LONG, {{VMCS_GUEST_EFER, CLEAR, EFER_LMA}}},
    {"guest IA32_EFER: LMA is not LME, with paging on", LONG, {{VMCS_GUEST_EFER, CLEAR, EFER_LME}}},
    /* 27.3.1.2: virtual-8086 mode */
    {"virtual-8086 segment: base is not 16 times the selector", V86, {{VMCS_GUEST_DS_BASE, WRITE, 0x10}}},
    {"virtual-8086 segment: limit is not 64 KiB", V86, {{VMCS_GUEST_SS_LIMIT, WRITE, 0xfffff}}},
    {"virtual-8086 segment: access rights are not F3H", V86, {{VMCS_GUEST_CS_ATTR, WRITE, 0x9b}}},
    /* CS */
    {"guest CS base: beyond 32 bits", LONG, {{VMCS_GUEST_CS_BASE, WRITE, UINT64_C(1) << 32}}},
    {"guest CS type: no accessed code segment", LONG, {{VMCS_GUEST_CS_ATTR, WRITE, 0xa09a}}},
    {"guest CS type: no accessed code segment", PLAIN, {{VMCS_GUEST_CS_ATTR, WRITE, 0xa093}}},
    {"guest CS: a system descriptor", LONG, {{VMCS_GUEST_CS_ATTR, WRITE, 0xa08b}}},
    {"guest CS: DPL does not fit SS", LONG, {{VMCS_GUEST_CS_ATTR, WRITE, 0xa0fb}}},
    {"guest CS: DPL does not fit SS", LONG, {{VMCS_GUEST_CS_ATTR, WRITE, 0xa0ff}}},
    {"guest CS: DPL does not fit SS", REAL, {{VMCS_GUEST_CS_ATTR, WRITE, 0xf3}}},
    {"guest CS: not present", LONG, {{VMCS_GUEST_CS_ATTR, WRITE, 0xa01b}}},
    {"guest CS access rights: reserved bits", LONG, {{VMCS_GUEST_CS_ATTR, WRITE, 0xa19b}}},
    {"guest CS access rights: reserved bits", LONG, {{VMCS_GUEST_CS_ATTR, WRITE, 0x2a09b}}},
    {"guest CS: L and D both set", LONG, {{VMCS_GUEST_CS_ATTR, WRITE, 0xe09b}}},
    {"guest CS: limit and G don't fit", LONG, {{VMCS_GUEST_CS_LIMIT, WRITE, 0xfffffffe}}},
    {"guest CS: limit and G don't fit", LONG, {{VMCS_GUEST_CS_ATTR, WRITE, 0x209b}}},
    /* SS and data */
    {"guest SS selector: RPL is not CS'", PLAIN, {{VMCS_GUEST_SS_SELECTOR, WRITE, 0x13}}},
    {"guest SS: DPL is not RPL", PLAIN, {{VMCS_GUEST_SS_ATTR, WRITE, 0xc0f3}, {VMCS_GUEST_CS_ATTR, WRITE, 0xa0fb}}},
    {"guest SS: DPL is not 0 in real mode",
     REAL,
     {{VMCS_GUEST_SS_ATTR, WRITE, 0xf3}, {VMCS_GUEST_CS_ATTR, WRITE, 0xfb}}},
    {"guest SS type: not accessed, writable data", LONG, {{VMCS_GUEST_SS_ATTR, WRITE, 0xc091}}},
    {"guest data segment type: not accessed", LONG, {{VMCS_GUEST_DS_ATTR, WRITE, 0xc092}}},
    {"guest data segment type: code that can't be read", LONG, {{VMCS_GUEST_ES_ATTR, WRITE, 0xc099}}},
    {"guest data segment: DPL below RPL", PLAIN, {{VMCS_GUEST_FS_SELECTOR, WRITE, 0x13}}},
    {"guest data segment: a system descriptor", LONG, {{VMCS_GUEST_GS_ATTR, WRITE, 0xc083}}},
    {"guest data segment: not present", LONG, {{VMCS_GUEST_DS_ATTR, WRITE, 0xc013}}},
    {"guest data segment access rights: reserved bits", LONG, {{VMCS_GUEST_DS_ATTR, WRITE, 0xc893}}},
    {"guest data segment: limit and G don't fit", LONG, {{VMCS_GUEST_SS_LIMIT, WRITE, 0x100}}},
    {"guest data segment: limit and G don't fit", LONG, {{VMCS_GUEST_ES_ATTR, WRITE, 0x4093}}},
    {"guest data segment base: beyond 32 bits", LONG, {{VMCS_GUEST_DS_BASE, WRITE, UINT64_C(1) << 33}}},
    {"guest data segment base: beyond 32 bits", LONG, {{VMCS_GUEST_SS_BASE, WRITE, UINT64_C(1) << 33}}},
    {"guest FS base: not canonical", LONG, {{VMCS_GUEST_FS_BASE, WRITE, BAD}}},
    {"guest GS base: not canonical", LONG, {{VMCS_GUEST_GS_BASE, WRITE, BAD}}},
    /* TR, LDTR */
    {"guest TR selector: TI", LONG, {{VMCS_GUEST_TR_SELECTOR, WRITE, 0x1c}}},
    {"guest TR base: not canonical", LONG, {{VMCS_GUEST_TR_BASE, WRITE, BAD}}},
    {"guest TR type: no busy TSS", LONG, {{VMCS_GUEST_TR_ATTR, WRITE, 0x89}}},
    {"guest TR type: no busy TSS", LONG, {{VMCS_GUEST_TR_ATTR, WRITE, 0x83}}},
    {"guest TR: no system descriptor", LONG, {{VMCS_GUEST_TR_ATTR, WRITE, 0x9b}}},
    {"guest TR: not present", LONG, {{VMCS_GUEST_TR_ATTR, WRITE, 0x0b}}},
    {"guest TR access rights: reserved bits", LONG, {{VMCS_GUEST_TR_ATTR, WRITE, 0x28b}}},
    {"guest TR: limit and G don't fit", LONG, {{VMCS_GUEST_TR_LIMIT, WRITE, 0x100000}}},
    {"guest TR: unusable", LONG, {{VMCS_GUEST_TR_ATTR, WRITE, 0x1008b}}},
    {"guest LDTR selector: TI", LONG, {{VMCS_GUEST_LDTR_ATTR, WRITE, 0x82}, {VMCS_GUEST_LDTR_SELECTOR, WRITE, 4}}},
    {"guest LDTR base: not canonical", LONG, {{VMCS_GUEST_LDTR_ATTR, WRITE, 0x82}, {VMCS_GUEST_LDTR_BASE, WRITE, BAD}}},
    {"guest LDTR type: no LDT", LONG, {{VMCS_GUEST_LDTR_ATTR, WRITE, 0x83}}},
    {"guest LDTR: no system descriptor", LONG, {{VMCS_GUEST_LDTR_ATTR, WRITE, 0x92}}},
    {"guest LDTR: not present", LONG, {{VMCS_GUEST_LDTR_ATTR, WRITE, 0x02}}},
    {"guest LDTR access rights: reserved bits", LONG, {{VMCS_GUEST_LDTR_ATTR, WRITE, 0x20082}}},
    {"guest LDTR: limit and G don't fit", LONG, {{VMCS_GUEST_LDTR_ATTR, WRITE, 0x8082}}},
    /* 27.3.1.3, 27.3.1.4 */
    {"guest GDTR base: not canonical", LONG, {{VMCS_GUEST_GDTR_BASE, WRITE, BAD}}},
    {"guest IDTR base: not canonical", LONG, {{VMCS_GUEST_IDTR_BASE, WRITE, BAD}}},
    {"guest GDTR limit: beyond 16 bits", LONG, {{VMCS_GUEST_GDTR_LIMIT, WRITE, 0x10000}}},
    {"guest IDTR limit: beyond 16 bits", LONG, {{VMCS_GUEST_IDTR_LIMIT, WRITE, 0x10000}}},
    {"guest RIP: beyond 32 bits", PROTECTED, {{VMCS_GUEST_RIP, WRITE, UINT64_C(1) << 32}}},
    {"guest RIP: bits 63:48 are not alike", LONG, {{VMCS_GUEST_RIP, WRITE, UINT64_C(1) << 50}}},
    {"guest RFLAGS: reserved bits", LONG, {{VMCS_GUEST_RFLAGS, WRITE, 0}}},
    {"guest RFLAGS: reserved bits", LONG, {{VMCS_GUEST_RFLAGS, SET, 0x8000}}},
    {"guest RFLAGS: reserved bits", LONG, {{VMCS_GUEST_RFLAGS, SET, UINT64_C(1) << 32}}},
    {"an external interrupt is injected with RFLAGS.IF clear", LONG, {{VMCS_ENTRY_INTERRUPTION, WRITE, VALID | 32}}},
    /* 27.3.1.5 */
    {"guest activity state: not supported", LONG, {{VMCS_GUEST_ACTIVITY, WRITE, 2}}},
    {"guest activity state: HLT outside ring 0",
     LONG,
     {{VMCS_GUEST_ACTIVITY, WRITE, 1}, {VMCS_GUEST_SS_ATTR, WRITE, 0xc0f3}, {VMCS_GUEST_CS_ATTR, WRITE, 0xa0fb}}},
    {"guest activity state: HLT in an interrupt shadow",
     LONG,
     {{VMCS_GUEST_ACTIVITY, WRITE, 1}, {VMCS_GUEST_INTERRUPTIBILITY, WRITE, 2}}},
    {"an event is injected that can't come to a halted CPU",
     LONG,
     {{VMCS_GUEST_ACTIVITY, WRITE, 1}, {VMCS_ENTRY_INTERRUPTION, WRITE, VALID | 3 << 8 | 6}}},
    {"guest interruptibility: reserved bits", LONG, {{VMCS_GUEST_INTERRUPTIBILITY, WRITE, 0x20}}},
    {"guest interruptibility: by STI and by MOV SS",
     LONG,
     {{VMCS_GUEST_INTERRUPTIBILITY, WRITE, 3}, {VMCS_GUEST_RFLAGS, SET, FLAG_IF}}},
    {"guest interruptibility: by STI, with RFLAGS.IF clear", LONG, {{VMCS_GUEST_INTERRUPTIBILITY, WRITE, 1}}},
    {"guest interruptibility: by SMI, outside SMM", LONG, {{VMCS_GUEST_INTERRUPTIBILITY, WRITE, 4}}},
    {"an external interrupt is injected into a shadow",
     LONG,
     {{VMCS_GUEST_INTERRUPTIBILITY, WRITE, 2},
      {VMCS_GUEST_RFLAGS, SET, FLAG_IF},
      {VMCS_ENTRY_INTERRUPTION, WRITE, VALID | 32}}},
    {"a virtual NMI is injected while NMIs are blocked",
     LONG,
     {{VMCS_PIN_CONTROLS, SET, PIN_VIRTUAL_NMIS},
      {VMCS_GUEST_INTERRUPTIBILITY, WRITE, 8},
      {VMCS_ENTRY_INTERRUPTION, WRITE, VALID | 2 << 8 | 2}}},
    {"guest pending debug exceptions: reserved bits", LONG, {{VMCS_GUEST_PENDING_DEBUG, WRITE, 0x10}}},
    {"guest pending debug exceptions: reserved bits", LONG, {{VMCS_GUEST_PENDING_DEBUG, WRITE, 0x2000}}},
    {"guest pending debug exceptions: BS is not RFLAGS.TF",
     LONG,
     {{VMCS_GUEST_INTERRUPTIBILITY, WRITE, 2}, {VMCS_GUEST_RFLAGS, SET, FLAG_TF}}},
    {"guest pending debug exceptions: BS is not RFLAGS.TF",
     LONG,
     {{VMCS_GUEST_INTERRUPTIBILITY, WRITE, 2}, {VMCS_GUEST_PENDING_DEBUG, WRITE, 0x4000}}},
};

static const struct row vm86_long_rows[] = {
    {"guest RFLAGS.VM in a mode that lacks it", V86, {{VMCS_GUEST_CR0, CLEAR, CR0_PE}}},
};
static const struct row nmi_rows[] = {
    {"an NMI is injected into a shadow",
     LONG,
     {{VMCS_GUEST_INTERRUPTIBILITY, WRITE, 2}, {VMCS_ENTRY_INTERRUPTION, WRITE, VALID | 2 << 8 | 2}}},
};
static const struct row link_rows[] = {
    {"VMCS link pointer: address", LONG, {{VMCS_VMCS_LINK_POINTER, WRITE, 0x7008}}},
    {"VMCS link pointer: address", LONG, {{VMCS_VMCS_LINK_POINTER, WRITE, ADDRESS_40}}},
    {"VMCS link pointer: revision of the VMCS there", LONG, {{VMCS_VMCS_LINK_POINTER, WRITE, RIG_SPARE}}},
};
#define PAE_ON                       \
    {VMCS_GUEST_CR0, SET, CR0_PG},   \
    {                                \
        VMCS_GUEST_CR4, SET, CR4_PAE \
    }
static const struct row pdpte_rows[] = {
    {"guest PDPTE fields: reserved bits", PROTECTED, {PAE_ON, {VMCS_GUEST_PDPTE0, WRITE, 0x3}}},
    {"guest PDPTE fields: reserved bits", PROTECTED, {PAE_ON, {VMCS_GUEST_PDPTE3, WRITE, ADDRESS_40 | 1}}},
};

static void test_controls(void)
{
    check_rows(control_rows, ARRAY_SIZE(control_rows), RIG_FAILED | VMX_ERROR_ENTRY_CONTROLS, 0);
}
static void test_host(void)
{
    check_rows(host_rows, ARRAY_SIZE(host_rows), RIG_FAILED | VMX_ERROR_ENTRY_HOST_STATE, 0);
}
static void test_guest(void)
{
    check_rows(guest_rows, ARRAY_SIZE(guest_rows), VALID | EXIT_ENTRY_FAILURE, 0);
    check_rows(vm86_long_rows, ARRAY_SIZE(vm86_long_rows), VALID | EXIT_ENTRY_FAILURE, 0);
}
static void test_qualifications(void)
{
    check_rows(pdpte_rows, ARRAY_SIZE(pdpte_rows), VALID | EXIT_ENTRY_FAILURE, 2);
    check_rows(nmi_rows, ARRAY_SIZE(nmi_rows), VALID | EXIT_ENTRY_FAILURE, 3);
    check_rows(link_rows, ARRAY_SIZE(link_rows), VALID | EXIT_ENTRY_FAILURE, 4);
}

/* MSR areas: pairs of index and value; the qualification is the number of the entry that can't be loaded (27.4). */
static void test_msr_loading(void)
{
    static const struct {
        uint32_t index, reserved;
        uint64_t value;
        bool loads;
    } rows[] = {
        {0xc0000082, 0, 0x1234, true}, {0xc0000082, 1, 0x1234, false}, {0xc0000100, 0, 0, false},
        {0xc0000101, 0, 0, false},     {0x808, 0, 0, false},           {0x12345, 0, 0, false},
        {0xc0000082, 0, BAD, false},
    };
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("MSR %#x", rows[i].index);
        rig_vmcs(&r, RIG_LONG, true);
        uint32_t *area = rig_host(&r, RIG_MSRS);
        area[0] = 0x174, area[1] = 0, area[2] = 8, area[3] = 0;
        area[4] = rows[i].index, area[5] = rows[i].reserved;
        memcpy(&area[6], &rows[i].value, 8);
        rig_wr(&r, VMCS_ENTRY_MSR_LOAD_ADDRESS, RIG_MSRS);
        rig_wr(&r, VMCS_ENTRY_MSR_LOAD_COUNT, 2);
        uint32_t reason = rig_enter(&r);
        CHECK_EQ_U64(reason, rows[i].loads ? EXIT_HLT : VALID | 34);
        if (!rows[i].loads)
            CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_QUALIFICATION), 2);
    }
    rig_close(&r);
}

/* A failed entry leaves the guest's state and the launch state as they were, and loads the host's. */
static void test_failure_leaves_guest(void)
{
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    rig_vmcs(&r, RIG_LONG, true);
    rig_wr(&r, VMCS_GUEST_RFLAGS, 0);
    rig_wr(&r, VMCS_HOST_RSP, 0x7777);
    CHECK_EQ_U64(rig_enter(&r), VALID | EXIT_ENTRY_FAILURE);
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_RIP), RIG_CODE);
    CHECK_EQ_U64(*rig_gpr(&r, RSP), 0x7777);
    CHECK(vmresume(r.vmx) == VMX_FAIL_VALID); /* still clear */
    CHECK_EQ_U64(rig_rd(&r, VMCS_INSTRUCTION_ERROR), VMX_ERROR_VMRESUME_NOT_LAUNCHED);
    rig_wr(&r, VMCS_GUEST_RFLAGS, FLAG_ONE);
    CHECK_EQ_U64(rig_enter(&r), EXIT_HLT);
    CHECK_EQ_U64(r.stats.exits[EXIT_INDEX_ENTRY_FAILURE].taken, 1);
    rig_close(&r);
}

/* ---- whatever stands in the VMCS ---- */

static uint64_t random_of(uint64_t *seed)
{
    *seed ^= *seed << 13, *seed ^= *seed >> 7, *seed ^= *seed << 17;
    return *seed;
}

/* A value that may well be accepted: bits flipped, or a number that means something. */
static uint64_t random_value(uint64_t *seed, uint64_t old)
{
    static const uint64_t numbers[] = {0, 1, 2, 0x1000, RIG_CODE, RIG_MEMORY, UINT64_MAX, 0xfee00000, 0xffff8000};
    uint64_t choice = random_of(seed);
    if (choice % 3 == 0)
        return old ^ UINT64_C(1) << (choice >> 8) % 64;
    return choice % 3 == 1 ? numbers[(choice >> 8) % ARRAY_SIZE(numbers)] : random_of(seed);
}

/* A clock that goes on whenever it is read: random code may fault in its fault handler for ever, and retire nothing. */
static uint64_t restless(void *context, uint64_t retired)
{
    return retired + ++*(uint64_t *)context;
}

static bool open_restless(struct rig *r, uint64_t *reads)
{
    bool opened = rig_open(r);
    r->host.tsc = restless;
    r->host.context = reads;
    return opened;
}

/* No VMCS and no guest harms the processor: it fails, or exits, and soon. */
static void test_random(void)
{
    struct rig r;
    uint64_t seed = 0x123456789abcdef, entered = 0, reads = 0;
    CHECK_FATAL(open_restless(&r, &reads));
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t code[32];
        rig_vmcs(&r, (enum rig_mode)(random_of(&seed) % 4), random_of(&seed) % 2);
        for (uint64_t n = random_of(&seed) % 5; n; n--) {
            uint32_t field = vmcs_encoding[random_of(&seed) % VMCS_SLOTS];
            if (vmcs_kind(field) != VMCS_EXIT_INFO)
                rig_wr(&r, field, random_value(&seed, rig_rd(&r, field)));
        }
        for (unsigned b = 0; b < sizeof(code); b++)
            code[b] = (uint8_t)random_of(&seed);
        rig_code_bytes(&r, code, sizeof(code));
        rig_set(&r, VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER | PIN_EXTERNAL_INTERRUPT);
        rig_wr(&r, VMCS_PREEMPTION_TIMER, 200);
        rig_set(&r, VMCS_CPU_CONTROLS, CPU_HLT); /* a halted guest would wait for real */
        rig_wr(&r, VMCS_GUEST_ACTIVITY, 0);
        uint32_t reason = rig_enter(&r);
        if (vmxoff(r.vmx) != VMX_SUCCEED || vmxon(r.vmx, gpa(RIG_VMXON)) != VMX_SUCCEED) {
            rig_close(&r); /* a VMX abort, or an MSR area in the VMXON region: begin anew */
            CHECK_FATAL(open_restless(&r, &reads));
        }
        entered += !(reason & (RIG_FAILED | 0x80000000));
    }
    CHECK(entered > 5000);
    rig_close(&r);
}

static const struct vltest tests[] = {
    {"a VMCS without faults enters, in each mode", test_bases_enter},
    {"control fields: error 7", test_controls},
    {"host-state area: error 8", test_host},
    {"guest-state area: exit reason 33", test_guest},
    {"some failures of guest state have a qualification", test_qualifications},
    {"the MSR-load area: exit reason 34, and the entry's number", test_msr_loading},
    {"a failed entry leaves the guest's state alone", test_failure_leaves_guest},
    {"random fields and random code do no harm", test_random},
};

int main(void)
{
    return vltest_run("test_vtx_checks", tests, ARRAY_SIZE(tests));
}

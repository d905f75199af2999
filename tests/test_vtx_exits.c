/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_vtx_exits.c - VM exits: which instruction exits under which control, with which reason, qualification,
 * instruction length and information, bit by bit (SDM 3, chapters 26 and 28, appendix C); bitmaps, masks and shadows.
 */
#include "vtx_rig.h"
#include <virtlab/exit.h>

#define CODE_MAX 8

/* ---- one instruction, one exit ---- */

struct row {
    const char *what;
    uint8_t code[CODE_MAX];
    unsigned length; /* of the instruction that exits; those before it are NOPs */
    uint32_t control_field, control;
    uint32_t reason;
    uint64_t qualification;
    uint32_t info;
};

#define CPU  VMCS_CPU_CONTROLS
#define CPU2 VMCS_CPU2_CONTROLS

/* RAX 0x1234, RCX RIG_TABLES, RDX 0x3f8, RBX RIG_DATA, RDI and RSI RIG_DATA. */
static const struct row rows[] = {
    {"CPUID", {0x0f, 0xa2}, 2, 0, 0, 10, 0, 0},
    {"HLT", {0xf4}, 1, CPU, CPU_HLT, 12, 0, 0},
    {"INVD", {0x0f, 0x08}, 2, 0, 0, 13, 0, 0},
    {"INVLPG [rbx]", {0x0f, 0x01, 0x3b}, 3, CPU, CPU_INVLPG, 14, RIG_DATA, 0},
    {"RDPMC", {0x0f, 0x33}, 2, CPU, CPU_RDPMC, 15, 0, 0},
    {"RDTSC", {0x0f, 0x31}, 2, CPU, CPU_RDTSC, 16, 0, 0},
    {"VMCALL", {0x0f, 0x01, 0xc1}, 3, 0, 0, 18, 0, 0},
    {"VMCLEAR [rbx]", {0x66, 0x0f, 0xc7, 0x33}, 4, 0, 0, 19, 0, 2 << 7 | 3 << 15 | 1 << 22 | 3 << 23},
    {"VMLAUNCH", {0x0f, 0x01, 0xc2}, 3, 0, 0, 20, 0, 0},
    {"VMPTRLD [rbx+8]", {0x0f, 0xc7, 0x73, 0x08}, 4, 0, 0, 21, 8, 2 << 7 | 3 << 15 | 1 << 22 | 3 << 23},
    {"VMPTRST [rbx]", {0x0f, 0xc7, 0x3b}, 3, 0, 0, 22, 0, 2 << 7 | 3 << 15 | 1 << 22 | 3 << 23},
    {"VMREAD rax, rcx", {0x0f, 0x78, 0xc8}, 3, 0, 0, 23, 0, 1 << 10 | 0 << 3 | 1 << 28},
    {"VMRESUME", {0x0f, 0x01, 0xc3}, 3, 0, 0, 24, 0, 0},
    {"VMWRITE rcx, [rbx+rsi*4]",
     {0x0f, 0x79, 0x0c, 0xb3},
     4,
     0,
     0,
     25,
     0,
     2 | 2 << 7 | 3 << 15 | 6 << 18 | 3 << 23 | 1 << 28},
    {"VMXOFF", {0x0f, 0x01, 0xc4}, 3, 0, 0, 26, 0, 0},
    {"VMXON [rbx]", {0xf3, 0x0f, 0xc7, 0x33}, 4, 0, 0, 27, 0, 2 << 7 | 3 << 15 | 1 << 22 | 3 << 23},
    {"INVEPT rax, [rbx]", {0x66, 0x0f, 0x38, 0x80, 0x03}, 5, 0, 0, 50, 0, 2 << 7 | 3 << 15 | 1 << 22 | 3 << 23},
    {"INVVPID rcx, [rbx]",
     {0x66, 0x0f, 0x38, 0x81, 0x0b},
     5,
     0,
     0,
     53,
     0,
     2 << 7 | 3 << 15 | 1 << 22 | 3 << 23 | 1 << 28},
    /* Control registers: number, access in bits 5:4, register in bits 11:8. */
    {"MOV CR3, RCX", {0x0f, 0x22, 0xd9}, 3, CPU, CPU_CR3_LOAD, 28, 3 | 1 << 8, 0},
    {"MOV RDX, CR3", {0x0f, 0x20, 0xda}, 3, CPU, CPU_CR3_STORE, 28, 3 | 1 << 4 | 2 << 8, 0},
    {"MOV CR8, RAX", {0x44, 0x0f, 0x22, 0xc0}, 4, CPU, CPU_CR8_LOAD, 28, 8, 0},
    {"MOV RSI, CR8", {0x44, 0x0f, 0x20, 0xc6}, 4, CPU, CPU_CR8_STORE, 28, 8 | 1 << 4 | 6 << 8, 0},
    {"MOV CR0, RAX", {0x0f, 0x22, 0xc0}, 3, VMCS_CR0_MASK, CR0_PE, 28, 0, 0},
    {"MOV CR4, RAX", {0x0f, 0x22, 0xe0}, 3, VMCS_CR4_MASK, CR4_PSE, 28, 4, 0},
    {"CLTS", {0x0f, 0x06}, 2, VMCS_CR0_MASK, CR0_TS, 28, 2 << 4, 0},
    {"LMSW AX", {0x0f, 0x01, 0xf0}, 3, VMCS_CR0_MASK, CR0_TS | CR0_MP, 28, 3 << 4 | 0x1234 << 16, 0},
    /* Debug registers: number, bit 4 reads, register in bits 11:8. */
    {"MOV DR7, RCX", {0x0f, 0x23, 0xf9}, 3, CPU, CPU_MOV_DR, 29, 7 | 1 << 8, 0},
    {"MOV RDX, DR6", {0x0f, 0x21, 0xf2}, 3, CPU, CPU_MOV_DR, 29, 6 | 1 << 4 | 2 << 8, 0},
    /* Ports: size - 1, bit 3 in, 4 string, 5 REP, 6 immediate, port in bits 31:16. */
    {"OUT DX, AL", {0xee}, 1, CPU, CPU_UNCONDITIONAL_IO, 30, 0x3f80000, 0},
    {"OUT DX, EAX", {0xef}, 1, CPU, CPU_UNCONDITIONAL_IO, 30, 0x3f80000 | 3, 0},
    {"IN AL, 0x60", {0xe4, 0x60}, 2, CPU, CPU_UNCONDITIONAL_IO, 30, 0x600000 | 1 << 6 | 1 << 3, 0},
    {"IN AX, DX", {0x66, 0xed}, 2, CPU, CPU_UNCONDITIONAL_IO, 30, 0x3f80000 | 1 << 3 | 1, 0},
    {"INSB", {0x6c}, 1, CPU, CPU_UNCONDITIONAL_IO, 30, 0x3f80000 | 1 << 4 | 1 << 3, 2 << 7 | 3 << 15},
    {"REP OUTSD", {0xf3, 0x6f}, 2, CPU, CPU_UNCONDITIONAL_IO, 30, 0x3f80000 | 1 << 5 | 1 << 4 | 3, 2 << 7 | 3 << 15},
    {"RDMSR", {0x0f, 0x32}, 2, 0, 0, 31, 0, 0},
    {"WRMSR", {0x0f, 0x30}, 2, 0, 0, 32, 0, 0},
    /* Descriptor tables: bit 11 operand size, identity in bits 29:28. */
    {"SGDT [rbx]",
     {0x0f, 0x01, 0x03},
     3,
     CPU2,
     CPU2_DESCRIPTOR_TABLES,
     46,
     0,
     2 << 7 | 1 << 11 | 3 << 15 | 1 << 22 | 3 << 23},
    {"LIDT [rbx]",
     {0x0f, 0x01, 0x1b},
     3,
     CPU2,
     CPU2_DESCRIPTOR_TABLES,
     46,
     0,
     2 << 7 | 1 << 11 | 3 << 15 | 1 << 22 | 3 << 23 | 3u << 28},
    {"LGDT [rip+0x10]",
     {0x0f, 0x01, 0x15, 0x10, 0, 0, 0},
     7,
     CPU2,
     CPU2_DESCRIPTOR_TABLES,
     46,
     RIG_CODE + 7 + 0x10,
     2 << 7 | 1 << 11 | 3 << 15 | 1 << 22 | 1 << 27 | 2u << 28},
    {"LLDT AX", {0x0f, 0x00, 0xd0}, 3, CPU2, CPU2_DESCRIPTOR_TABLES, 47, 0, 1 << 10 | 2u << 28},
    {"STR ECX", {0x0f, 0x00, 0xc9}, 3, CPU2, CPU2_DESCRIPTOR_TABLES, 47, 0, 1 << 10 | 1 << 3 | 1u << 28},
    {"RDTSCP", {0x0f, 0x01, 0xf9}, 3, CPU, CPU_RDTSC, 51, 0, 0},
    {"WBINVD", {0x0f, 0x09}, 2, CPU2, CPU2_WBINVD, 54, 0, 0},
};

static void set_registers(struct rig *r)
{
    static const struct {
        unsigned gpr;
        uint64_t value;
    } values[] = {{RAX, 0x1234}, {RCX, RIG_TABLES}, {RDX, 0x3f8}, {RBX, RIG_DATA}, {RSI, RIG_DATA}, {RDI, RIG_DATA}};
    for (unsigned i = 0; i < ARRAY_SIZE(values); i++)
        *rig_gpr(r, values[i].gpr) = values[i].value;
}

static uint32_t run_row(struct rig *r, const struct row *row, bool intercepted)
{
    rig_vmcs(r, RIG_LONG, true);
    rig_wr(r, VMCS_CR0_SHADOW, CR0_PE | CR0_TS);
    rig_wr(r, VMCS_CR4_SHADOW, CR4_PAE);
    if (intercepted && row->control_field)
        rig_set(r, row->control_field, row->control);
    rig_code_bytes(r, row->code, row->length);
    set_registers(r);
    return rig_enter(r);
}

static void test_rows(void)
{
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s", rows[i].what);
        CHECK_EQ_U64(run_row(&r, &rows[i], true), rows[i].reason);
        CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_QUALIFICATION), rows[i].qualification);
        CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_INSTRUCTION_LENGTH), rows[i].length);
        CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_INSTRUCTION_INFO), rows[i].info);
        CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_RIP), RIG_CODE); /* without effect */
        CHECK_EQ_U64(*rig_gpr(&r, RAX), 0x1234);
        if (rows[i].reason == 30 && (rows[i].qualification & 16))
            CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_LINEAR_ADDRESS), RIG_DATA);
    }
    rig_close(&r);
}

/* Without its control set an instruction doesn't exit: the HLT behind it, or the exception that it raises, does. */
static void test_rows_without_control(void)
{
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        bool goes_on = rows[i].control_field == CPU || rows[i].control_field == CPU2;
        if (!goes_on || rows[i].control == CPU_HLT)
            continue;
        vltest_row("%s", rows[i].what);
        uint32_t reason = run_row(&r, &rows[i], false);
        CHECK_EQ_U64(reason, EXIT_HLT);
    }
    rig_close(&r);
}

/* The number under which an exit is counted is the number that the VMCS gives. */
static void test_counted(void)
{
    static const struct {
        uint32_t number;
        enum exit_index index;
    } numbers[] = {
#define X(number, symbol, name, text) {number, EXIT_INDEX_##symbol},
        EXIT_REASONS(X)
#undef X
    };
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s", rows[i].what);
        for (unsigned n = 0; n < ARRAY_SIZE(numbers); n++) {
            if (numbers[n].number != rows[i].reason)
                continue;
            uint64_t before = r.stats.exits[numbers[n].index].taken;
            run_row(&r, &rows[i], true);
            CHECK_EQ_U64(r.stats.exits[numbers[n].index].taken, before + 1);
        }
    }
    rig_close(&r);
}

/* ---- bitmaps ---- */

static void test_io_bitmaps(void)
{
    static const struct {
        unsigned bitmap, bit, port, size; /* OUT of `size` bytes to `port`, with this one bit set */
        bool exits;
    } ports[] = {
        {RIG_IO_A, 0x3f8, 0x3f8, 1, true},  {RIG_IO_A, 0x3f9, 0x3f8, 1, false},  {RIG_IO_A, 0x3f9, 0x3f8, 2, true},
        {RIG_IO_A, 0x3fb, 0x3f8, 4, true},  {RIG_IO_A, 0x3fc, 0x3f8, 4, false},  {RIG_IO_B, 0, 0x8000, 1, true},
        {RIG_IO_B, 0, 0x7fff, 2, true},     {RIG_IO_A, 0x7fff, 0x7fff, 1, true}, {RIG_IO_B, 0x7fff, 0xffff, 1, true},
        {RIG_IO_A, 0x100, 0xffff, 2, true}, /* wraps around: always */
    };
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
        vltest_row("port %#x, %u bytes, bit %#x", ports[i].port, ports[i].size, ports[i].bit);
        rig_vmcs(&r, RIG_LONG, true);
        rig_set(&r, CPU, CPU_IO_BITMAPS | CPU_UNCONDITIONAL_IO); /* the latter is then ignored */
        ((uint8_t *)rig_host(&r, ports[i].bitmap))[ports[i].bit / 8] |= (uint8_t)(1 << ports[i].bit % 8);
        *rig_gpr(&r, RDX) = ports[i].port;
        uint32_t reason = ports[i].size == 1   ? RIG_RUN(&r, 0xee)
                          : ports[i].size == 2 ? RIG_RUN(&r, 0x66, 0xef)
                                               : RIG_RUN(&r, 0xef);
        CHECK_EQ_U64(reason, ports[i].exits ? EXIT_IO : EXIT_HLT);
    }
    rig_close(&r);
}

static void test_msr_bitmaps(void)
{
    static const struct {
        uint32_t msr, set; /* with the bitmap's bit for `set` set, or all clear when 0 */
        bool write, exits;
    } msrs[] = {
        {0x174, 0x174, false, true},           {0x174, 0x175, false, false},          {0x174, 0x174, true, true},
        {0xc0000082, 0xc0000082, false, true}, {0xc0000082, 0xc0000083, true, false}, {0x2000, 0, false, true},
        {0xbfffffff, 0, true, true},           {0xc0002000, 0, false, true},          {0xc0000082, 0x82, false, false},
    };
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++) {
        vltest_row("MSR %#x, %s", msrs[i].msr, msrs[i].write ? "write" : "read");
        rig_vmcs(&r, RIG_LONG, true);
        rig_set(&r, CPU, CPU_MSR_BITMAPS);
        if (msrs[i].set) {
            uint8_t *bitmap = rig_host(&r, RIG_MSR_BITMAP);
            bitmap += (msrs[i].write ? 2048 : 0) + (msrs[i].set >> 31 ? 1024 : 0);
            bitmap[(msrs[i].set & 0x1fff) / 8] |= (uint8_t)(1 << msrs[i].set % 8);
        }
        *rig_gpr(&r, RCX) = msrs[i].msr;
        *rig_gpr(&r, RAX) = *rig_gpr(&r, RDX) = 0;
        uint32_t reason = msrs[i].write ? RIG_RUN(&r, 0x0f, 0x30) : RIG_RUN(&r, 0x0f, 0x32);
        CHECK_EQ_U64(reason, !msrs[i].exits ? EXIT_HLT : msrs[i].write ? EXIT_MSR_WRITE : EXIT_MSR_READ);
    }
    rig_close(&r);
}

/* ---- control registers: masks, shadows, targets ---- */

static void test_cr_masks(void)
{
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    rig_vmcs(&r, RIG_LONG, true);
    rig_wr(&r, VMCS_CR0_MASK, CR0_NE | CR0_WP);
    rig_wr(&r, VMCS_CR0_SHADOW, CR0_WP);                   /* the guest believes: NE clear, WP set */
    CHECK_EQ_U64(RIG_RUN(&r, 0x0f, 0x20, 0xc0), EXIT_HLT); /* mov rax, cr0 */
    CHECK_EQ_U64(*rig_gpr(&r, RAX), CR0_PG | CR0_PE | CR0_ET | CR0_WP);
    /* What it reads it may write back; bits that it owns change, those of the host stay. */
    rig_wr(&r, VMCS_GUEST_RIP, RIG_CODE);
    *rig_gpr(&r, RAX) |= CR0_TS;
    CHECK_EQ_U64(RIG_RUN(&r, 0x0f, 0x22, 0xc0), EXIT_HLT); /* mov cr0, rax */
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_CR0), CR0_PG | CR0_PE | CR0_ET | CR0_NE | CR0_TS);
    /* A host-owned bit that differs from the shadow exits. */
    rig_wr(&r, VMCS_GUEST_RIP, RIG_CODE);
    *rig_gpr(&r, RAX) &= ~CR0_WP;
    CHECK_EQ_U64(RIG_RUN(&r, 0x0f, 0x22, 0xc0), EXIT_CR_ACCESS);
    CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_QUALIFICATION), 0);
    rig_close(&r);
}

/* CR4.VMXE is fixed to 1 in VMX operation: guest code that owns the bit can't clear it. */
static void test_fixed_bits(void)
{
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    rig_vmcs(&r, RIG_LONG, true);
    rig_wr(&r, VMCS_CR4_MASK, 0);
    rig_wr(&r, VMCS_EXCEPTION_BITMAP, 1 << VEC_GP);
    *rig_gpr(&r, RAX) = CR4_PAE;
    CHECK_EQ_U64(RIG_RUN(&r, 0x0f, 0x22, 0xe0), EXIT_EXCEPTION); /* mov cr4, rax */
    CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_INTERRUPTION), 0x80000b00 | VEC_GP);
    rig_close(&r);
}

static void test_cr3_targets(void)
{
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    rig_vmcs(&r, RIG_LONG, true);
    rig_set(&r, CPU, CPU_CR3_LOAD);
    rig_wr(&r, VMCS_CR3_TARGET0, 0x5000);
    rig_wr(&r, VMCS_CR3_TARGET1, RIG_TABLES);
    *rig_gpr(&r, RAX) = RIG_TABLES;
    rig_wr(&r, VMCS_CR3_TARGET_COUNT, 1);
    CHECK_EQ_U64(RIG_RUN(&r, 0x0f, 0x22, 0xd8), EXIT_CR_ACCESS);
    rig_wr(&r, VMCS_CR3_TARGET_COUNT, 2);
    CHECK_EQ_U64(RIG_RUN(&r, 0x0f, 0x22, 0xd8), EXIT_HLT);
    rig_close(&r);
}

/* LMSW can set PE, not clear it: only bits that would change exit. */
static void test_lmsw(void)
{
    static const struct {
        uint64_t mask, shadow, source;
        bool exits;
    } cases[] = {
        {CR0_PE, CR0_PE, 0, false},
        {CR0_PE, 0, 1, true},
        {CR0_TS, 0, 8, true},
        {CR0_TS, CR0_TS, 8, false},
        {CR0_MP | CR0_EM, CR0_EM, 2, true},
        {CR0_WP, 0, 0xffff & ~14, false},
    };
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        vltest_row("case %u", i);
        rig_vmcs(&r, RIG_LONG, true);
        rig_wr(&r, VMCS_CR0_MASK, cases[i].mask);
        rig_wr(&r, VMCS_CR0_SHADOW, cases[i].shadow);
        *rig_gpr(&r, RAX) = cases[i].source;
        CHECK_EQ_U64(RIG_RUN(&r, 0x0f, 0x01, 0xf0), cases[i].exits ? EXIT_CR_ACCESS : EXIT_HLT);
    }
    rig_close(&r);
}

/* ---- features ---- */

static void test_rdtscp_disabled(void)
{
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    rig_vmcs(&r, RIG_LONG, true);
    rig_clear(&r, CPU2, CPU2_RDTSCP);
    rig_wr(&r, VMCS_EXCEPTION_BITMAP, 1 << VEC_UD);
    CHECK_EQ_U64(RIG_RUN(&r, 0x0f, 0x01, 0xf9), EXIT_EXCEPTION);
    CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_INTERRUPTION), 0x80000300 | VEC_UD);
    rig_close(&r);
}

static void test_tsc_offset(void)
{
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    rig_vmcs(&r, RIG_LONG, true);
    rig_set(&r, CPU, CPU_TSC_OFFSETTING);
    rig_wr(&r, VMCS_TSC_OFFSET, 0x100000);
    uint64_t before = rdtsc(r.vmx);
    CHECK_EQ_U64(RIG_RUN(&r, 0x0f, 0x31), EXIT_HLT);
    CHECK_EQ_U64(*rig_gpr(&r, RAX), before + 0x100000);
    rig_wr(&r, VMCS_GUEST_RIP, RIG_CODE);
    rig_clear(&r, CPU, CPU_TSC_OFFSETTING);
    before = rdtsc(r.vmx);
    CHECK_EQ_U64(rig_enter(&r), EXIT_HLT);
    CHECK_EQ_U64(*rig_gpr(&r, RAX), before);
    rig_close(&r);
}

/* A far jump to a task gate: the qualification has the selector, and where the switch came from in bits 31:30. */
static void test_task_switch(void)
{
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    rig_vmcs(&r, RIG_PROTECTED, true);
    ((uint64_t *)rig_guest(&r, RIG_GDT))[3] = UINT64_C(0x0000890000000067) | (uint64_t)RIG_TSS << 16;
    CHECK_EQ_U64(RIG_RUN(&r, 0xea, 0, 0, 0, 0, 0x18, 0), EXIT_TASK_SWITCH); /* jmp 0x18:0 */
    CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_QUALIFICATION), 0x18 | 2u << 30);
    CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_INSTRUCTION_LENGTH), 7);
    rig_close(&r);
}

/* VM entry and exit: what the guest loads and the host finds again. */
static void test_host_state(void)
{
    struct rig r;
    uint64_t value;
    CHECK_FATAL(rig_open(&r));
    rig_vmcs(&r, RIG_LONG, true);
    rig_wr(&r, VMCS_HOST_RSP, 0x1111000);
    rig_wr(&r, VMCS_HOST_FS_BASE, 0x2222000);
    rig_wr(&r, VMCS_HOST_SYSENTER_ESP, 0x3333000);
    rig_wr(&r, VMCS_GUEST_FS_BASE, 0x4444000);
    rig_wr(&r, VMCS_GUEST_SYSENTER_ESP, 0x5555000);
    CHECK_EQ_U64(RIG_RUN(&r, 0x64, 0x48, 0x8d, 0x00), EXIT_HLT);
    CHECK_EQ_U64(*rig_gpr(&r, RSP), 0x1111000);
    CHECK(rdmsr(r.vmx, 0xc0000100, &value) == VMX_SUCCEED);
    CHECK_EQ_U64(value, 0x2222000);
    CHECK(rdmsr(r.vmx, 0x175, &value) == VMX_SUCCEED);
    CHECK_EQ_U64(value, 0x3333000);
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_FS_BASE), 0x4444000);
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_SYSENTER_ESP), 0x5555000);
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_RSP), RIG_STACK);
    rig_close(&r);
}

/* The MSR areas of exits: one stored, one loaded. */
static void test_exit_msrs(void)
{
    struct rig r;
    uint64_t value;
    CHECK_FATAL(rig_open(&r));
    rig_vmcs(&r, RIG_LONG, true);
    uint32_t *store = rig_host(&r, RIG_MSRS), *load = store + 64;
    store[0] = load[0] = 0xc0000082, store[1] = load[1] = 0;
    load[2] = 0x5678, load[3] = 0;
    CHECK(wrmsr(r.vmx, 0xc0000082, 0x1234) == VMX_SUCCEED);
    rig_wr(&r, VMCS_EXIT_MSR_STORE_ADDRESS, RIG_MSRS), rig_wr(&r, VMCS_EXIT_MSR_STORE_COUNT, 1);
    rig_wr(&r, VMCS_EXIT_MSR_LOAD_ADDRESS, RIG_MSRS + 256), rig_wr(&r, VMCS_EXIT_MSR_LOAD_COUNT, 1);
    CHECK_EQ_U64(rig_enter(&r), EXIT_HLT);
    CHECK_EQ_U64(store[2], 0x1234);
    CHECK(rdmsr(r.vmx, 0xc0000082, &value) == VMX_SUCCEED);
    CHECK_EQ_U64(value, 0x5678);
    rig_close(&r);
}

/* An area that can't be is a VMX abort: a number in the region, and the processor stops. */
static void test_abort(void)
{
    static const struct {
        uint32_t address, count, indicator;
    } areas[] = {{VMCS_EXIT_MSR_STORE_ADDRESS, VMCS_EXIT_MSR_STORE_COUNT, 1},
                 {VMCS_EXIT_MSR_LOAD_ADDRESS, VMCS_EXIT_MSR_LOAD_COUNT, 4}};
    for (unsigned i = 0; i < ARRAY_SIZE(areas); i++) {
        struct rig r;
        CHECK_FATAL(rig_open(&r));
        rig_vmcs(&r, RIG_LONG, true);
        *(uint32_t *)rig_host(&r, RIG_MSRS) = 0x12345; /* no such register */
        rig_wr(&r, areas[i].address, RIG_MSRS), rig_wr(&r, areas[i].count, 1);
        CHECK(vmlaunch(r.vmx) == VMX_ABORTED);
        CHECK_EQ_U64(((uint32_t *)rig_host(&r, RIG_VMCS))[1], areas[i].indicator);
        CHECK(vmresume(r.vmx) == VMX_UD);
        rig_close(&r);
    }
}

static const struct vltest tests[] = {
    {"instructions exit with reason, qualification, length and information", test_rows},
    {"and do not, with their control clear", test_rows_without_control},
    {"exits are counted under their number", test_counted},
    {"I/O bitmaps", test_io_bitmaps},
    {"MSR bitmaps", test_msr_bitmaps},
    {"CR masks and shadows", test_cr_masks},
    {"bits that VMX operation fixes: #GP", test_fixed_bits},
    {"CR3 targets", test_cr3_targets},
    {"LMSW", test_lmsw},
    {"RDTSCP is undefined unless enabled", test_rdtscp_disabled},
    {"TSC offsetting", test_tsc_offset},
    {"task switches", test_task_switch},
    {"an exit loads the host's state, and keeps the guest's", test_host_state},
    {"MSRs are stored and loaded at exits", test_exit_msrs},
    {"VMX aborts", test_abort},
};

int main(void)
{
    return vltest_run("test_vtx_exits", tests, ARRAY_SIZE(tests));
}

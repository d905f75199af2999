/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_vtx_instructions.c - the VMX instructions of root code: what they do, and the numbers of their failures (SDM 3,
 * chapter 31 and table 31-1); the VMCS' fields; the capability MSRs.
 */
#include "vtx_rig.h"
#include <virtlab/exit.h>

#define OUTSIDE (UINT64_C(1) << 40)

static void expect_error(struct rig *r, enum vmx_result result, enum vmx_error error)
{
    CHECK_EQ_U64(result, VMX_FAIL_VALID);
    CHECK_EQ_U64(rig_rd(r, VMCS_INSTRUCTION_ERROR), error);
}

/* A second region with the right revision. */
static gpa_t other_region(struct rig *r)
{
    *(uint32_t *)rig_host(r, RIG_SPARE) = VMCS_REVISION;
    return gpa(RIG_SPARE);
}

static void test_vmxon(void)
{
    struct rig r;
    uint64_t value;
    CHECK_FATAL(rig_open(&r));
    CHECK(vmxon(r.vmx, gpa(RIG_VMXON)) == VMX_FAIL_INVALID); /* in root operation, no current VMCS to tell the error */
    rig_vmcs(&r, RIG_LONG, true);
    expect_error(&r, vmxon(r.vmx, gpa(RIG_VMXON)), VMX_ERROR_VMXON_IN_ROOT);
    CHECK(vmxoff(r.vmx) == VMX_SUCCEED);
    CHECK(vmxoff(r.vmx) == VMX_UD);
    CHECK(vmread(r.vmx, VMCS_GUEST_RIP, &value) == VMX_UD);
    CHECK(vmlaunch(r.vmx) == VMX_UD);
    CHECK(vmxon(r.vmx, gpa(RIG_VMXON + 8)) == VMX_FAIL_INVALID);
    CHECK(vmxon(r.vmx, gpa(OUTSIDE)) == VMX_FAIL_INVALID);
    CHECK(vmxon(r.vmx, gpa(RIG_IO_A)) == VMX_FAIL_INVALID); /* wrong revision */
    CHECK(vmxon(r.vmx, gpa(RIG_VMXON)) == VMX_SUCCEED);
    CHECK(vmread(r.vmx, VMCS_GUEST_RIP, &value) == VMX_FAIL_INVALID);
    CHECK(vmlaunch(r.vmx) == VMX_FAIL_INVALID);
    CHECK(wrmsr(r.vmx, MSR_FEATURE_CONTROL, 0) == VMX_GP); /* locked */
    rig_close(&r);
}

static uint64_t no_clock(void *context, uint64_t retired)
{
    (void)context, (void)retired;
    return 0;
}

static void test_feature_control(void)
{
    struct rig r = {0};
    struct reason why = {""};
    CHECK_FATAL(ram_create(&r.ram, RIG_MEMORY, &why) == 0);
    r.host = (struct engine_host){.ram = &r.ram, .stats = &r.stats, .tsc = no_clock};
    r.vmx = vmx_create(&r.host, &why);
    CHECK_FATAL(r.vmx != NULL);
    *(uint32_t *)rig_host(&r, RIG_VMXON) = VMCS_REVISION;
    CHECK(vmxon(r.vmx, gpa(RIG_VMXON)) == VMX_GP); /* firmware hasn't enabled it */
    CHECK(wrmsr(r.vmx, MSR_FEATURE_CONTROL, 0x100) == VMX_GP);
    CHECK(wrmsr(r.vmx, MSR_FEATURE_CONTROL, FEATURE_CONTROL_VMX) == VMX_SUCCEED);
    CHECK(vmxon(r.vmx, gpa(RIG_VMXON)) == VMX_GP); /* not locked */
    CHECK(wrmsr(r.vmx, MSR_FEATURE_CONTROL, FEATURE_CONTROL_VMX | FEATURE_CONTROL_LOCK) == VMX_SUCCEED);
    CHECK(vmxon(r.vmx, gpa(RIG_VMXON)) == VMX_SUCCEED);
    rig_close(&r);
}

static void test_pointers(void)
{
    struct rig r;
    gpa_t current;
    CHECK_FATAL(rig_open(&r));
    CHECK(vmptrst(r.vmx, &current) == VMX_SUCCEED);
    CHECK_EQ_U64(current.v, UINT64_MAX);
    CHECK(vmptrld(r.vmx, gpa(RIG_VMXON)) == VMX_FAIL_INVALID);
    rig_vmcs(&r, RIG_LONG, true);
    CHECK(vmptrst(r.vmx, &current) == VMX_SUCCEED);
    CHECK_EQ_U64(current.v, RIG_VMCS);
    expect_error(&r, vmclear(r.vmx, gpa(RIG_SPARE + 1)), VMX_ERROR_VMCLEAR_ADDRESS);
    expect_error(&r, vmclear(r.vmx, gpa(OUTSIDE)), VMX_ERROR_VMCLEAR_ADDRESS);
    expect_error(&r, vmclear(r.vmx, gpa(RIG_VMXON)), VMX_ERROR_VMCLEAR_VMXON);
    expect_error(&r, vmptrld(r.vmx, gpa(RIG_SPARE + 1)), VMX_ERROR_VMPTRLD_ADDRESS);
    expect_error(&r, vmptrld(r.vmx, gpa(OUTSIDE)), VMX_ERROR_VMPTRLD_ADDRESS);
    expect_error(&r, vmptrld(r.vmx, gpa(RIG_VMXON)), VMX_ERROR_VMPTRLD_VMXON);
    expect_error(&r, vmptrld(r.vmx, gpa(RIG_IO_A)), VMX_ERROR_VMPTRLD_REVISION);
    expect_error(&r, vmcall(r.vmx), VMX_ERROR_VMCALL_IN_ROOT);
    CHECK(vmclear(r.vmx, other_region(&r)) == VMX_SUCCEED); /* another one: the current VMCS stays */
    CHECK(vmptrst(r.vmx, &current) == VMX_SUCCEED);
    CHECK_EQ_U64(current.v, RIG_VMCS);
    CHECK(vmclear(r.vmx, gpa(RIG_VMCS)) == VMX_SUCCEED);
    CHECK(vmptrst(r.vmx, &current) == VMX_SUCCEED);
    CHECK_EQ_U64(current.v, UINT64_MAX);
    rig_close(&r);
}

static void test_launch_state(void)
{
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    rig_vmcs(&r, RIG_LONG, true);
    expect_error(&r, vmresume(r.vmx), VMX_ERROR_VMRESUME_NOT_LAUNCHED);
    CHECK(vmlaunch(r.vmx) == VMX_EXITED);
    expect_error(&r, vmlaunch(r.vmx), VMX_ERROR_VMLAUNCH_NOT_CLEAR);
    CHECK(vmresume(r.vmx) == VMX_EXITED);
    CHECK(vmclear(r.vmx, gpa(RIG_VMCS)) == VMX_SUCCEED);
    CHECK(vmptrld(r.vmx, gpa(RIG_VMCS)) == VMX_SUCCEED);
    CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_REASON), EXIT_HLT); /* VMCLEAR loses nothing but the launch state */
    CHECK(vmlaunch(r.vmx) == VMX_EXITED);
    rig_close(&r);
}

/* ---- fields ---- */

enum { CONTROL, EXIT_INFO, GUEST, HOST };
enum { READ_WRITE, READ_ONLY };

static const struct {
    uint32_t encoding;
    const char *name;
    unsigned bytes;
    unsigned width, kind, access;
} fields[] = {
#define BYTES_16                                   2
#define BYTES_32                                   4
#define BYTES_64                                   8
#define BYTES_NATURAL                              8
#define WIDTH_16                                   0
#define WIDTH_64                                   1
#define WIDTH_32                                   2
#define WIDTH_NATURAL                              3
#define FIELD(encoding, name, width, kind, access) {encoding, #name, BYTES_##width, WIDTH_##width, kind, access},
#include "hwassist/vtx/vmcs.def"
#undef FIELD
};

static void test_fields(void)
{
    struct rig r;
    const uint64_t pattern = UINT64_C(0x1122334455667788);
    uint64_t value;
    CHECK_FATAL(rig_open(&r));
    rig_vmcs(&r, RIG_LONG, true);
    for (unsigned i = 0; i < ARRAY_SIZE(fields); i++) {
        uint32_t e = fields[i].encoding;
        vltest_row("%s", fields[i].name);
        CHECK_EQ_U64(vmcs_width(e), fields[i].width);
        CHECK_EQ_U64(vmcs_kind(e), fields[i].kind);
        CHECK_EQ_U64(fields[i].kind == EXIT_INFO, fields[i].access == READ_ONLY);
        CHECK_EQ_STR(vmcs_name(e), fields[i].name);
        if (fields[i].access == READ_ONLY) {
            expect_error(&r, vmwrite(r.vmx, e, pattern), VMX_ERROR_READ_ONLY_FIELD);
            continue;
        }
        CHECK(vmwrite(r.vmx, e, pattern) == VMX_SUCCEED);
        uint64_t kept = fields[i].bytes == 8 ? pattern : pattern & ((UINT64_C(1) << 8 * fields[i].bytes) - 1);
        CHECK_EQ_U64(rig_rd(&r, e), kept);
        if (fields[i].width != WIDTH_64) {
            expect_error(&r, vmread(r.vmx, e | VMCS_HIGH, &value), VMX_ERROR_UNSUPPORTED_FIELD);
            continue;
        }
        CHECK_EQ_U64(rig_rd(&r, e | VMCS_HIGH), pattern >> 32);
        CHECK(vmwrite(r.vmx, e | VMCS_HIGH, 0x99) == VMX_SUCCEED);
        CHECK_EQ_U64(rig_rd(&r, e), UINT64_C(0x9955667788));
    }
    rig_close(&r);
}

static void test_unknown_fields(void)
{
    static const uint32_t unknown[] = {0x0002, 0x0810, 0x0c0e, 0x2012,  0x2812,     0x401c,
                                       0x4830, 0x6828, 0x6c18, 0x10000, 0xffffffff, 0x0801};
    struct rig r;
    uint64_t value;
    CHECK_FATAL(rig_open(&r));
    rig_vmcs(&r, RIG_LONG, true);
    for (unsigned i = 0; i < ARRAY_SIZE(unknown); i++) {
        vltest_row("%#x", unknown[i]);
        expect_error(&r, vmread(r.vmx, unknown[i], &value), VMX_ERROR_UNSUPPORTED_FIELD);
        expect_error(&r, vmwrite(r.vmx, unknown[i], 0), VMX_ERROR_UNSUPPORTED_FIELD);
    }
    rig_close(&r);
}

/* ---- invalidation ---- */

static void test_invalidation_operands(void)
{
    static const struct {
        bool vpid;
        unsigned type;
        uint64_t one, two;
        bool good;
    } rows[] = {
        {false, 0, 0, 0, false},
        {false, 1, RIG_EPT | EPTP_TYPE_WB | EPTP_WALK_4, 0, true},
        {false, 1, RIG_EPT | EPTP_TYPE_WB | EPTP_WALK_4, 1, false},
        {false, 1, 0, 0, false},
        {false, 2, 0, 0, true},
        {false, 3, 0, 0, false},
        {true, 0, 1, 0x1000, true},
        {true, 0, 0, 0x1000, false},
        {true, 0, 1, UINT64_C(1) << 50, false},
        {true, 1, 1, 0, true},
        {true, 1, 0, 0, false},
        {true, 1, 0x10000, 0, false},
        {true, 2, 0, 0, true},
        {true, 3, 7, 0, true},
        {true, 3, 0, 0, false},
        {true, 4, 1, 0, false},
    };
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    rig_vmcs(&r, RIG_LONG, true);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s type %u, row %u", rows[i].vpid ? "INVVPID" : "INVEPT", rows[i].type, i);
        enum vmx_result result = rows[i].vpid ? invvpid(r.vmx, rows[i].type, rows[i].one, gva(rows[i].two))
                                              : invept(r.vmx, rows[i].type, rows[i].one, rows[i].two);
        if (rows[i].good)
            CHECK_EQ_U64(result, VMX_SUCCEED);
        else
            expect_error(&r, result, VMX_ERROR_INVALIDATION_OPERAND);
    }
    rig_close(&r);
}

/* ---- capabilities ---- */

/* What must be 1 may be 1, the TRUE_ MSRs demand no more than the others, and reserved default1 bits are fixed. */
static void test_capabilities(void)
{
    static const struct {
        uint32_t msr, truth, default1;
    } rows[] = {
        {MSR_VMX_PINBASED, MSR_VMX_TRUE_PINBASED, 0x16},
        {MSR_VMX_PROCBASED, MSR_VMX_TRUE_PROCBASED, 0x0401e172},
        {MSR_VMX_EXIT, MSR_VMX_TRUE_EXIT, 0x36dff},
        {MSR_VMX_ENTRY, MSR_VMX_TRUE_ENTRY, 0x11ff},
    };
    struct rig r;
    uint64_t old, truth, basic;
    CHECK_FATAL(rig_open(&r));
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("MSR %#x", rows[i].msr);
        CHECK_FATAL(rdmsr(r.vmx, rows[i].msr, &old) == VMX_SUCCEED &&
                    rdmsr(r.vmx, rows[i].truth, &truth) == VMX_SUCCEED);
        CHECK_EQ_U64((uint32_t)old, rows[i].default1);
        CHECK_EQ_U64((uint32_t)old & ~(uint32_t)(old >> 32), 0);
        CHECK_EQ_U64((uint32_t)truth & ~(uint32_t)old, 0);
        CHECK_EQ_U64(old >> 32, truth >> 32);
        CHECK(wrmsr(r.vmx, rows[i].msr, old) == VMX_GP);
    }
    CHECK_FATAL(rdmsr(r.vmx, MSR_VMX_BASIC, &basic) == VMX_SUCCEED);
    CHECK_EQ_U64(basic & 0x7fffffff, VMCS_REVISION);
    CHECK_EQ_U64(basic >> 32 & 0x1fff, 4096);
    CHECK_EQ_U64(basic >> 50 & 15, 6);
    CHECK(basic >> 55 & 1);
    CHECK(root_cpuid(r.vmx, 1, 0).ecx & 1 << 5);
    rig_close(&r);
}

static const struct vltest tests[] = {
    {"VMXON needs a region and leave, VMXOFF ends it", test_vmxon},
    {"VMXON needs IA32_FEATURE_CONTROL, locked", test_feature_control},
    {"VMCLEAR, VMPTRLD and VMPTRST: the current VMCS, and errors 1 to 3 and 9 to 11", test_pointers},
    {"VMLAUNCH wants a clear VMCS, VMRESUME a launched one", test_launch_state},
    {"every field has its architectural encoding, width and kind", test_fields},
    {"fields that don't exist: error 12", test_unknown_fields},
    {"INVEPT and INVVPID look at their operands: error 28", test_invalidation_operands},
    {"the capability MSRs agree with each other and the manual", test_capabilities},
};

int main(void)
{
    return vltest_run("test_vtx_instructions", tests, ARRAY_SIZE(tests));
}

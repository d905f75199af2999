/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_returns.c - the ways between rings: IRET in all its forms, virtual-8086 mode, SYSCALL, SYSENTER.
 *
 * Statements about small pieces of code; see protect_rig.h for the machine they run in.
 */
#include "protect_rig.h"

#define DB ATTR_DB
#define G  ATTR_G

/* ---- IRET ---- */

static void push_frame(struct rig *r, unsigned size, const uint64_t *values, unsigned count)
{
    r->s.gpr[RSP] -= count * size;
    for (unsigned i = 0; i < count; i++)
        rig_put(r, r->s.gpr[RSP] + i * size, size, values[i]);
}

static void test_iret_rows(void)
{
    /* IRETQ from ring 0 of 64-bit code; to HANDLERS + 0x90 * 16, where a UD2 stands. */
    static const struct {
        const char *what;
        uint16_t cs, ss;
        uint64_t rip;
        uint32_t spare; /* attr of SPARE */
        uint64_t flags;
        int vector;
        uint64_t error;
        unsigned cpl;
    } rows[] = {
        {"to ring 3", CODE3 | 3, DATA3 | 3, 0, 0, 0, VEC_UD, NO_ERROR, 3},
        {"to compatibility mode", CODE_COMPAT3 | 3, DATA3 | 3, 0, 0, 0, VEC_UD, NO_ERROR, 3},
        {"to ring 0", CODE0, DATA0, 0, 0, 0, VEC_UD, NO_ERROR, 0},
        {"to ring 0 with null SS", CODE0, 0, 0, 0, 0, VEC_UD, NO_ERROR, 0},
        {"to ring 3 with null SS", CODE3 | 3, 3, 0, 0, 0, VEC_GP, 0, 0},
        {"null CS", 3, DATA3 | 3, 0, 0, 0, VEC_GP, 0, 0},
        {"data as CS", DATA3 | 3, DATA3 | 3, 0, 0, 0, VEC_GP, DATA3, 0},
        {"DPL of CS is not RPL", CODE0 | 3, DATA3 | 3, 0, 0, 0, VEC_GP, CODE0, 0},
        {"CS beyond the table", GDT_END | 3, DATA3 | 3, 0, 0, 0, VEC_GP, GDT_END, 0},
        {"CS not present", SPARE | 3, DATA3 | 3, 0, 0x7b | ATTR_L, 0, VEC_NP, SPARE, 0},
        {"CS both L and D", SPARE | 3, DATA3 | 3, 0, 0xfb | ATTR_L | DB, 0, VEC_GP, SPARE, 0},
        {"SS of another ring", CODE3 | 3, DATA0, 0, 0, 0, VEC_GP, DATA0, 0},
        {"SS with DPL 0", CODE3 | 3, DATA0 | 3, 0, 0, 0, VEC_GP, DATA0, 0},
        {"SS not present", CODE3 | 3, SPARE | 3, 0, 0x73, 0, VEC_SS, SPARE, 0},
        {"SS read-only", CODE3 | 3, SPARE | 3, 0, 0xf1, 0, VEC_GP, SPARE, 0},
        {"RIP not canonical", CODE3 | 3, DATA3 | 3, UINT64_C(1) << 47, 0, 0, VEC_GP, 0, 0},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rig r;
        rig_init(&r, LONG, 0);
        vltest_row("%s", rows[i].what);
        if (rows[i].spare)
            rig_gdt(&r, SPARE, rig_descriptor(0, 0xffffffff, rows[i].spare | G));
        uint64_t target = rows[i].rip ? rows[i].rip : HANDLERS + 16 * 0x90;
        rig_put(&r, HANDLERS + 16 * 0x90, 2, 0x0b0f);
        const uint64_t frame[] = {target, rows[i].cs, FLAG_ONE | FLAG_CF, STACK2, rows[i].ss};
        push_frame(&r, 8, frame, 5);
        EMIT(&r, 0x48, 0xcf);
        struct outcome o = rig_go(&r, 10);
        CHECK_EQ_U64((uint64_t)o.vector, (uint64_t)rows[i].vector);
        if (rows[i].vector != VEC_UD) {
            CHECK_EQ_U64(o.top[0], rows[i].error);
            CHECK_EQ_U64(o.top[1], CODE);
        } else {
            CHECK_EQ_U64(o.top[0], target);
            CHECK_EQ_U64(o.top[1], rows[i].cs);
            CHECK_EQ_U64(o.top[2] & FLAG_CF, FLAG_CF);
            CHECK_EQ_U64(o.top[3], STACK2);
            CHECK_EQ_U64(o.top[4], rows[i].ss);
        }
        rig_free(&r);
    }
}

/* Ring 3 gets nowhere further in by IRET or RET, and VM in its image means nothing. */
static void test_no_way_in(void)
{
    for (unsigned i = 0; i < 2; i++) {
        struct rig r;
        rig_init(&r, LONG, 3);
        vltest_row(i ? "RETFQ" : "IRETQ");
        const uint64_t iret_frame[] = {HANDLERS, CODE0, FLAG_ONE, STACK2, DATA0};
        const uint64_t ret_frame[] = {HANDLERS, CODE0, STACK2, DATA0};
        push_frame(&r, 8, i ? ret_frame : iret_frame, i ? 4 : 5);
        const uint8_t code[] = {0x48, i ? 0xcb : 0xcf};
        rig_code(&r, code, sizeof(code));
        rig_expect(&r, VEC_GP, CODE0);
        rig_free(&r);
    }
    struct rig r;
    rig_init(&r, PROTECTED, 3);
    const uint64_t frame[] = {HANDLERS + 16 * 0x90, CODE3 | 3, FLAG_ONE | FLAG_VM};
    push_frame(&r, 4, frame, 3);
    rig_put(&r, HANDLERS + 16 * 0x90, 2, 0x0b0f);
    EMIT(&r, 0xcf);
    struct outcome o = rig_go(&r, 10);
    CHECK_EQ_U64((uint64_t)o.vector, VEC_UD);
    CHECK_EQ_U64(o.top[1], CODE3 | 3);
    CHECK_EQ_U64(o.top[2] & FLAG_VM, 0);
    rig_free(&r);
}

static void test_iret_drops_segments(void)
{
    struct rig r;
    rig_init(&r, LONG, 0);
    rig_put(&r, HANDLERS + 16 * 0x90, 2, 0x0b0f);
    r.s.seg[SEG_ES] = segment_of(DATA3 | 3, rig_get(&r, GDT + DATA3, 8));
    const uint64_t frame[] = {HANDLERS + 16 * 0x90, CODE3 | 3, FLAG_ONE, STACK2, DATA3 | 3};
    push_frame(&r, 8, frame, 5);
    EMIT(&r, 0x48, 0xcf);
    rig_expect(&r, VEC_UD, NO_ERROR);
    CHECK_EQ_U64(r.s.seg[SEG_DS].selector, 0); /* was ring 0's */
    CHECK(r.s.seg[SEG_DS].attr & ATTR_UNUSABLE);
    CHECK_EQ_U64(r.s.seg[SEG_ES].selector, DATA3 | 3);
    rig_free(&r);
}

/* Which flags an IRET may change depends on CPL and IOPL. */
static void test_iret_flags(void)
{
    static const struct {
        const char *what;
        unsigned cpl, iopl;
        uint64_t old, image, expected;
    } rows[] = {
        {"ring 0 changes all", 0, 0, 0, FLAG_IF | FLAG_IOPL | FLAG_AC | FLAG_ID | FLAG_DF,
         FLAG_IF | FLAG_IOPL | FLAG_AC | FLAG_ID | FLAG_DF},
        {"ring 3 with IOPL 0 keeps IF and IOPL", 3, 0, FLAG_IF, FLAG_IOPL | FLAG_AC, FLAG_IF | FLAG_AC},
        {"ring 3 with IOPL 3 changes IF", 3, 3, FLAG_IF | FLAG_IOPL, FLAG_OF, FLAG_IOPL | FLAG_OF},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rig r;
        rig_init(&r, LONG, rows[i].cpl);
        vltest_row("%s", rows[i].what);
        rig_put(&r, HANDLERS + 16 * 0x90, 2, 0x0b0f);
        r.s.rflags = FLAG_ONE | rows[i].old;
        const uint64_t frame[] = {HANDLERS + 16 * 0x90, rows[i].cpl ? CODE3 | 3 : CODE0, rows[i].image | FLAG_ONE,
                                  STACK2, rows[i].cpl ? DATA3 | 3 : DATA0};
        push_frame(&r, 8, frame, 5);
        EMIT(&r, 0x48, 0xcf);
        struct outcome o = rig_go(&r, 10);
        CHECK_EQ_U64((uint64_t)o.vector, VEC_UD);
        CHECK_EQ_U64(o.top[2], rows[i].expected | FLAG_ONE | FLAG_RF); /* as the #UD pushed them */
        rig_free(&r);
    }
}

static void test_iret_nested_task(void)
{
    struct rig r;
    rig_init(&r, LONG, 0);
    r.s.rflags |= FLAG_NT;
    EMIT(&r, 0x48, 0xcf);
    rig_expect(&r, VEC_GP, 0); /* long mode has no tasks */
    rig_free(&r);
}

/* ESP's upper half stays when the outer stack is a 16-bit one. */
static void test_iret_to_16bit_stack(void)
{
    struct rig r;
    rig_init(&r, PROTECTED, 0);
    rig_gdt(&r, SPARE, rig_descriptor(0, 0xffff, 0xf3));
    rig_put(&r, HANDLERS + 16 * 0x90, 2, 0xfeeb);
    const uint64_t frame[] = {HANDLERS + 16 * 0x90, CODE3 | 3, FLAG_ONE, 0x12345678, SPARE | 3};
    push_frame(&r, 4, frame, 5);
    uint64_t before = r.s.gpr[RSP];
    EMIT(&r, 0xcf);
    rig_go(&r, 2);
    CHECK_EQ_U64(r.s.gpr[RSP], (before & 0xffff0000) | 0x5678);
    rig_free(&r);
}

/* ---- virtual-8086 mode ---- */

static void enter_v86(struct rig *r, unsigned iopl)
{
    const uint64_t frame[] = {0x0123, 0x0900, FLAG_ONE | FLAG_VM | FLAG_IF | iopl << 12, 0x0ff0, 0x2000, 0x1111, 0x2222,
                              0x3333, 0x4444}; /* EIP CS EFLAGS ESP SS ES DS FS GS */
    push_frame(r, 4, frame, 9);
    EMIT(r, 0xcf);
}

static void test_v86(void)
{
    struct rig r;
    rig_init(&r, PROTECTED, 0);
    enter_v86(&r, 0);
    rig_put(&r, 0x9123, 2, 0x0b0f);
    rig_go(&r, 1);
    CHECK(r.s.rflags & FLAG_VM);
    CHECK_EQ_U64(r.s.seg[SEG_DS].base, 0x22220);
    CHECK_EQ_U64(r.s.seg[SEG_CS].base, 0x9000);
    CHECK_EQ_U64(r.s.seg[SEG_SS].attr & ATTR_DPL, ATTR_DPL);
    rig_expect(&r, VEC_UD, NO_ERROR);
    static const uint32_t expected[] = {
        0x0123, 0x0900, FLAG_ONE | FLAG_VM | FLAG_IF | FLAG_RF, 0x0ff0, 0x2000, 0x1111, 0x2222, 0x3333, 0x4444};
    CHECK_EQ_U64(r.s.gpr[RSP], STACK0 - 36);
    for (unsigned i = 0; i < 9; i++) {
        vltest_row("stack entry %u", i);
        CHECK_EQ_U64(rig_get(&r, STACK0 - 36 + 4 * i, 4), expected[i]);
    }
    CHECK(!(r.s.rflags & FLAG_VM));
    CHECK(r.s.seg[SEG_DS].attr & r.s.seg[SEG_GS].attr & ATTR_UNUSABLE);
    rig_free(&r);
}

static void test_v86_iopl(void)
{
    static const struct {
        const char *what;
        uint8_t code[2];
    } rows[] = {{"INT 80h", {0xcd, 0x80}}, {"IRET", {0xcf, 0x90}}, {"CLI", {0xfa, 0x90}}, {"HLT", {0xf4, 0x90}}};
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rig r;
        rig_init(&r, PROTECTED, 0);
        vltest_row("%s", rows[i].what);
        enter_v86(&r, 0);
        memcpy(r.ram.base + 0x9123, rows[i].code, 2);
        rig_expect(&r, VEC_GP, 0);
        rig_free(&r);
    }
    struct rig r;
    rig_init(&r, PROTECTED, 0);
    enter_v86(&r, 3);
    rig_put(&r, 0x9123, 2, 0x80cd);
    rig_expect(&r, 0x80, NO_ERROR);
    rig_free(&r);
}

/* ---- SYSCALL and its kin ---- */

static void test_syscall(void)
{
    struct rig r;
    rig_init(&r, LONG, 3);
    r.s.star = (uint64_t)(CODE_COMPAT3 | 3) << 48 | (uint64_t)CODE0 << 32;
    r.s.lstar = 0xa000;
    r.s.sfmask = FLAG_IF | FLAG_DF;
    r.s.rflags |= FLAG_IF | FLAG_DF | FLAG_CF;
    EMIT(&r, 0x0f, 0x05, UD2);
    static const uint8_t kernel[] = {0x90, 0x48, 0x0f, 0x07}; /* nop; sysretq */
    memcpy(r.ram.base + 0xa000, kernel, sizeof(kernel));
    rig_go(&r, 2);
    CHECK_EQ_U64(r.s.rip, 0xa001);
    CHECK_EQ_U64(r.s.gpr[RCX], CODE + 2);
    CHECK_EQ_U64(r.s.gpr[R11], FLAG_ONE | FLAG_IF | FLAG_DF | FLAG_CF);
    CHECK_EQ_U64(r.s.rflags, FLAG_ONE | FLAG_CF);
    CHECK_EQ_U64(r.s.seg[SEG_CS].selector, CODE0);
    CHECK_EQ_U64(r.s.seg[SEG_SS].selector, CODE0 + 8);
    CHECK_EQ_U64(r.s.gpr[RSP], STACK3); /* the kernel finds its stack itself */
    struct outcome o = rig_go(&r, 10);
    CHECK_EQ_U64((uint64_t)o.vector, VEC_UD);
    CHECK_EQ_U64(o.top[0], CODE + 2);
    CHECK_EQ_U64(o.top[1], CODE3 | 3);
    CHECK_EQ_U64(o.top[2], FLAG_ONE | FLAG_IF | FLAG_DF | FLAG_CF | FLAG_RF);
    CHECK_EQ_U64(o.top[4], DATA3 | 3);
    CHECK_EQ_U64(r.stats.exits[EXIT_INDEX_SYSCALL].avoided, 1);
    CHECK_EQ_U64(r.stats.exits[EXIT_INDEX_KERNEL_RETURN].avoided, 1);
    rig_free(&r);
}

static void test_syscall_refusals(void)
{
    static const struct {
        const char *what;
        enum rig_mode mode;
        unsigned cpl;
        uint64_t efer_off, rcx;
        uint8_t code[3];
        int vector;
    } rows[] = {
        {"SYSCALL without SCE", LONG, 3, EFER_SCE, 0, {0x0f, 0x05, 0x90}, VEC_UD},
        {"SYSCALL in protected mode", PROTECTED, 3, 0, 0, {0x0f, 0x05, 0x90}, VEC_UD},
        {"SYSRET in ring 3", LONG, 3, 0, 0, {0x48, 0x0f, 0x07}, VEC_GP},
        {"SYSRET without SCE", LONG, 0, EFER_SCE, 0, {0x48, 0x0f, 0x07}, VEC_UD},
        {"SYSRET to a non-canonical address", LONG, 0, 0, UINT64_C(1) << 47, {0x48, 0x0f, 0x07}, VEC_GP},
        {"SYSENTER without a segment", LONG, 3, 0, 0, {0x0f, 0x34, 0x90}, VEC_GP},
        {"SYSEXIT without a segment", PROTECTED, 0, 0, 0, {0x0f, 0x35, 0x90}, VEC_GP},
        {"SYSENTER in real mode", REAL, 0, 0, 0, {0x0f, 0x34, 0x90}, VEC_GP},
        {"SWAPGS in ring 3", LONG, 3, 0, 0, {0x0f, 0x01, 0xf8}, VEC_GP},
        {"SWAPGS in protected mode", PROTECTED, 0, 0, 0, {0x0f, 0x01, 0xf8}, VEC_UD},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rig r;
        rig_init(&r, rows[i].mode, rows[i].cpl);
        vltest_row("%s", rows[i].what);
        r.s.efer &= ~rows[i].efer_off;
        r.s.gpr[RCX] = rows[i].rcx;
        rig_code(&r, rows[i].code, 3);
        rig_expect(&r, rows[i].vector, rows[i].vector == VEC_GP && rows[i].mode != REAL ? 0 : NO_ERROR);
        if (rows[i].mode == LONG) /* in the ring where it was, at the instruction itself */
            CHECK_EQ_U64(rig_get(&r, STACK0 - 32, 8), rows[i].cpl ? CODE3 | 3 : CODE0);
        rig_free(&r);
    }
}

static void test_sysenter(void)
{
    struct rig r;
    rig_init(&r, PROTECTED, 3);
    r.s.sysenter_cs = CODE0;
    r.s.sysenter_esp = STACK2;
    r.s.sysenter_eip = 0xa000;
    r.s.rflags |= FLAG_IF;
    EMIT(&r, 0x0f, 0x34);
    static const uint8_t kernel[] = {0x90, 0x0f, 0x35}; /* nop; sysexit */
    memcpy(r.ram.base + 0xa000, kernel, sizeof(kernel));
    r.s.gpr[RCX] = STACK3 - 64;
    r.s.gpr[RDX] = CODE + 0x40;
    rig_put(&r, CODE + 0x40, 2, 0xfeeb);
    rig_go(&r, 2);
    CHECK_EQ_U64(r.s.rip, 0xa001);
    CHECK_EQ_U64(r.s.gpr[RSP], STACK2);
    CHECK_EQ_U64(r.s.seg[SEG_CS].selector, CODE0);
    CHECK(!(r.s.rflags & FLAG_IF));
    rig_go(&r, 2);
    CHECK_EQ_U64(r.s.rip, CODE + 0x40);
    CHECK_EQ_U64(r.s.gpr[RSP], STACK3 - 64);
    CHECK_EQ_U64(r.s.seg[SEG_CS].selector, (CODE0 + 16) | 3);
    CHECK_EQ_U64(r.s.seg[SEG_SS].selector, (CODE0 + 24) | 3);
    rig_free(&r);
}

static void test_swapgs(void)
{
    struct rig r;
    rig_init(&r, LONG, 0);
    r.s.seg[SEG_GS].base = DATA_AT;
    r.s.kernel_gs_base = DATA_AT + 0x800;
    rig_put(&r, DATA_AT + 0x800, 4, 0xcafe);
    EMIT(&r, 0x0f, 0x01, 0xf8, 0x65, 0x8b, 0x04, 0x25, LE32(0), HLT); /* swapgs; mov eax, gs:[0] */
    rig_go(&r, 10);
    CHECK_EQ_U64(r.s.gpr[RAX], 0xcafe);
    CHECK_EQ_U64(r.s.kernel_gs_base, DATA_AT);
    rig_free(&r);
}

static const struct vltest tests[] = {
    {"IRETQ returns, or faults with the right code", test_iret_rows},
    {"IRET and RET lead outward only", test_no_way_in},
    {"a return to an outer ring drops inner data segments", test_iret_drops_segments},
    {"IRET changes the flags that CPL and IOPL allow", test_iret_flags},
    {"IRET with NT is #GP in long mode", test_iret_nested_task},
    {"IRET to a 16-bit stack changes SP alone", test_iret_to_16bit_stack},
    {"IRET enters virtual-8086 mode, an exception leaves it", test_v86},
    {"IOPL guards INT, IRET and CLI in virtual-8086 mode", test_v86_iopl},
    {"SYSCALL and SYSRET go to the kernel and back", test_syscall},
    {"SYSCALL and its kin refuse what the manual refuses", test_syscall_refusals},
    {"SYSENTER and SYSEXIT go to the kernel and back", test_sysenter},
    {"SWAPGS swaps, at once", test_swapgs},
};

int main(void)
{
    return vltest_run("returns", tests, ARRAY_SIZE(tests));
}

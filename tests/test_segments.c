/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_segments.c - segment registers: loads with every refusal, LAR and its kin, LDTR and TR.
 *
 * Statements about small pieces of code; see protect_rig.h for the machine they run in.
 */
#include "protect_rig.h"

#define DB     ATTR_DB
#define G      ATTR_G
#define DPL3   ATTR_DPL
#define DATA   0x92u /* present, writable */
#define CODE_X 0x98u /* present, execute only */

/* ---- data segments ---- */

struct load_row {
    const char *what;
    uint8_t modrm; /* of MOV Sreg, AX: c0 + Sreg * 8 */
    unsigned cpl;
    uint16_t selector;
    uint32_t attr; /* of the descriptor at SPARE; 0: the table's own */
    int vector;    /* VEC_UD: it came through */
    uint64_t error;
};
#define TO_SS 0xd0
#define TO_DS 0xd8

static const struct load_row load_rows[] = {
    {"DS: null", TO_DS, 0, 0, 0, VEC_UD, NO_ERROR},
    {"DS: null with RPL 3 in ring 3", TO_DS, 3, 3, 0, VEC_UD, NO_ERROR},
    {"DS: writable data", TO_DS, 0, SPARE, DATA, VEC_UD, NO_ERROR},
    {"DS: read-only data", TO_DS, 0, SPARE, 0x90, VEC_UD, NO_ERROR},
    {"DS: readable code", TO_DS, 0, SPARE, 0x9a, VEC_UD, NO_ERROR},
    {"DS: execute-only code", TO_DS, 0, SPARE, CODE_X, VEC_GP, SPARE},
    {"DS: conforming readable code of ring 0, from ring 3", TO_DS, 3, SPARE | 3, 0x9e, VEC_UD, NO_ERROR},
    {"DS: data of ring 0, from ring 3", TO_DS, 3, SPARE | 3, DATA, VEC_GP, SPARE},
    {"DS: data of ring 0 with RPL 3, from ring 0", TO_DS, 0, SPARE | 3, DATA, VEC_GP, SPARE},
    {"DS: data of ring 3, from ring 0", TO_DS, 0, SPARE | 3, DATA | DPL3, VEC_UD, NO_ERROR},
    {"DS: not present", TO_DS, 0, SPARE, DATA & ~ATTR_P, VEC_NP, SPARE},
    {"DS: a system descriptor", TO_DS, 0, TR_SELECTOR, 0, VEC_GP, TR_SELECTOR},
    {"DS: beyond the table", TO_DS, 0, GDT_END, 0, VEC_GP, GDT_END},
    {"DS: beyond the local table", TO_DS, 0, 0x44, 0, VEC_GP, 0x44},
    {"SS: writable data of this ring", TO_SS, 0, SPARE, DATA | DB | G, VEC_UD, NO_ERROR},
    {"SS: null in 32-bit code", TO_SS, 0, 0, 0, VEC_GP, 0},
    {"SS: read-only data", TO_SS, 0, SPARE, 0x90, VEC_GP, SPARE},
    {"SS: code", TO_SS, 0, SPARE, 0x9a, VEC_GP, SPARE},
    {"SS: RPL is not CPL", TO_SS, 0, SPARE | 1, DATA, VEC_GP, SPARE},
    {"SS: DPL is not CPL", TO_SS, 0, SPARE, DATA | DPL3, VEC_GP, SPARE},
    {"SS: not present", TO_SS, 0, SPARE, DATA & ~ATTR_P, VEC_SS, SPARE},
    {"SS: beyond the table", TO_SS, 0, GDT_END, 0, VEC_GP, GDT_END},
    {"CS: no such instruction", 0xc8, 0, CODE0, 0, VEC_UD, NO_ERROR},
};

static void check_load(enum rig_mode mode, const struct load_row *row)
{
    struct rig r;
    rig_init(&r, mode, row->cpl);
    vltest_row("%s, %s", mode == LONG ? "long" : "protected", row->what);
    if (row->attr)
        rig_gdt(&r, SPARE, rig_descriptor(0, 0xffffffff, row->attr | G));
    const uint8_t code[] = {0x8e, row->modrm, UD2};
    rig_code(&r, code, sizeof(code));
    r.s.gpr[RAX] = row->selector;
    struct segment_reg before = r.s.seg[SEG_DS];
    rig_expect(&r, row->vector, row->error);
    if (row->vector != VEC_UD) /* a refused load changes nothing */
        CHECK(!memcmp(&before, &r.s.seg[SEG_DS], sizeof(before)));
    else if (row->attr)
        CHECK_EQ_U64(rig_get(&r, GDT + SPARE + 5, 1) & 1, 1); /* the accessed bit */
    rig_free(&r);
}

static void test_segment_loads(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(load_rows); i++)
        check_load(PROTECTED, &load_rows[i]);
}

static void test_segment_loads_long(void)
{
    static const struct load_row null_ss = {"SS: null in ring 0 of 64-bit code", TO_SS, 0, 0, 0, VEC_UD, NO_ERROR};
    static const struct load_row null_ss3 = {"SS: null in ring 3", TO_SS, 3, 3, 0, VEC_GP, 0};
    for (unsigned i = 0; i < ARRAY_SIZE(load_rows); i++)
        if (strcmp(load_rows[i].what, "SS: null in 32-bit code"))
            check_load(LONG, &load_rows[i]);
    check_load(LONG, &null_ss);
    check_load(LONG, &null_ss3);
}

static void test_real_loads(void)
{
    struct rig r;
    rig_init(&r, REAL, 0);
    r.s.seg[SEG_DS].limit = 0xffffffff; /* "unreal" mode: the limit outlives the load */
    EMIT(&r, 0xb8, 0x34, 0x12, 0x8e, 0xd8, UD2);
    rig_expect(&r, VEC_UD, NO_ERROR);
    CHECK_EQ_U64(r.s.seg[SEG_DS].base, 0x12340);
    CHECK_EQ_U64(r.s.seg[SEG_DS].limit, 0xffffffff);
    rig_free(&r);
}

static void test_lss(void)
{
    struct rig r;
    rig_init(&r, PROTECTED, 0);
    rig_gdt(&r, SPARE, rig_descriptor(0, 0xffffffff, DATA | DB | G));
    rig_put(&r, DATA_AT, 4, STACK2);
    rig_put(&r, DATA_AT + 4, 2, SPARE);
    EMIT(&r, 0x0f, 0xb2, 0x25, LE32(DATA_AT), HLT);
    rig_go(&r, 100);
    CHECK_EQ_U64(r.s.gpr[RSP], STACK2);
    CHECK_EQ_U64(r.s.seg[SEG_SS].selector, SPARE);
    rig_free(&r);
}

static void test_push_pop(void)
{
    struct rig r;
    rig_init(&r, PROTECTED, 0);
    r.s.gpr[RAX] = 0x55550000 | DATA3;
    EMIT(&r, 0x50, 0x1f, 0x16, 0x17, 0x1e, HLT); /* push eax; pop ds; push ss; pop ss; push ds */
    rig_go(&r, 10);
    CHECK_EQ_U64(r.s.seg[SEG_DS].selector, DATA3);
    CHECK_EQ_U64(r.s.seg[SEG_SS].selector, DATA0);
    CHECK_EQ_U64(r.s.gpr[RSP], STACK0 - 4);
    CHECK_EQ_U64(rig_get(&r, STACK0 - 4, 4), DATA3);
    rig_free(&r);
}

static void test_shadow(void)
{
    struct rig r;
    rig_init(&r, PROTECTED, 0);
    EMIT(&r, 0x8e, 0xd0, 0x90, 0x90, HLT); /* mov ss, ax; nop; nop */
    r.s.gpr[RAX] = DATA0;
    r.s.rflags |= FLAG_IF;
    rig_go(&r, 1);
    CHECK(r.s.interrupt_shadow && !cpu_can_inject(r.cpu));
    cpu_run(r.cpu, &r.exit, 1);
    CHECK(cpu_can_inject(r.cpu));
    rig_free(&r);

    rig_init(&r, PROTECTED, 0);
    EMIT(&r, 0xfb, 0xfb, 0x90, HLT); /* sti; sti; nop: the second STI changes nothing, so it casts no shadow */
    rig_go(&r, 1);
    CHECK(r.s.interrupt_shadow && !cpu_can_inject(r.cpu));
    cpu_run(r.cpu, &r.exit, 1);
    CHECK(cpu_can_inject(r.cpu));
    rig_free(&r);
}

/* ---- asking about selectors ---- */

static void test_verify(void)
{
    /* 0f 02 LAR, 0f 03 LSL eax, bx; 0f 00 /4 VERR, /5 VERW bx. value: EAX if ZF, else EAX stays 0x55. */
    static const struct {
        const char *what;
        uint8_t code[3];
        unsigned cpl;
        uint16_t selector;
        uint32_t attr;
        bool zf;
        uint32_t value;
    } rows[] = {
        {"LAR of data", {0x0f, 0x02, 0xc3}, 0, SPARE, DATA | G | DB, true, 0x00c09200},
        {"LAR of what is not present", {0x0f, 0x02, 0xc3}, 0, SPARE, 0x12, true, 0x00001200},
        {"LAR of ring 0, from ring 3", {0x0f, 0x02, 0xc3}, 3, SPARE | 3, DATA, false, 0},
        {"LAR of ring 0 with RPL 0, from ring 3", {0x0f, 0x02, 0xc3}, 3, SPARE, DATA, false, 0},
        {"LAR of conforming code of ring 0, from ring 3", {0x0f, 0x02, 0xc3}, 3, SPARE | 3, 0x9c, true, 0x9c00},
        {"LAR of an interrupt gate", {0x0f, 0x02, 0xc3}, 0, SPARE, 0x8e, false, 0},
        {"LAR of a call gate", {0x0f, 0x02, 0xc3}, 0, SPARE, 0x8c, true, 0x8c00},
        {"LAR of null", {0x0f, 0x02, 0xc3}, 0, 0, 0, false, 0},
        {"LAR beyond the table", {0x0f, 0x02, 0xc3}, 0, GDT_END, 0, false, 0},
        {"LSL of a large segment", {0x0f, 0x03, 0xc3}, 0, SPARE, DATA | G, true, 0xffffffff},
        {"LSL of a call gate", {0x0f, 0x03, 0xc3}, 0, SPARE, 0x8c, false, 0},
        {"LSL of the TSS", {0x0f, 0x03, 0xc3}, 0, TR_SELECTOR, 0, true, 0x67},
        {"VERR of data", {0x0f, 0x00, 0xe3}, 3, SPARE | 3, DATA | DPL3, true, 0x55},
        {"VERR of execute-only code", {0x0f, 0x00, 0xe3}, 0, SPARE, CODE_X, false, 0},
        {"VERR of the TSS", {0x0f, 0x00, 0xe3}, 0, TR_SELECTOR, 0, false, 0},
        {"VERW of writable data", {0x0f, 0x00, 0xeb}, 0, SPARE, DATA, true, 0x55},
        {"VERW of read-only data", {0x0f, 0x00, 0xeb}, 0, SPARE, 0x90, false, 0},
        {"VERW of code", {0x0f, 0x00, 0xeb}, 0, SPARE, 0x9a, false, 0},
    };
    for (unsigned i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
        struct rig r;
        unsigned n = i / 2;
        rig_init(&r, i % 2 ? LONG : PROTECTED, rows[n].cpl);
        vltest_row("%s: %s", i % 2 ? "long" : "protected", rows[n].what);
        if (rows[n].attr)
            rig_gdt(&r, SPARE, rig_descriptor(0, 0xffffffff, rows[n].attr) & UINT64_C(0xfff0ffffffffffff));
        if (rows[n].attr & G)
            rig_gdt(&r, SPARE, rig_descriptor(0, 0xffffffff, rows[n].attr));
        rig_code(&r, rows[n].code, 3);
        EMIT(&r, UD2);
        r.s.gpr[RAX] = 0x55;
        r.s.gpr[RBX] = rows[n].selector;
        r.s.rflags |= rows[n].zf ? 0 : FLAG_ZF;
        rig_expect(&r, VEC_UD, NO_ERROR);
        CHECK((r.s.rflags & FLAG_ZF ? true : false) == rows[n].zf);
        uint32_t mask = rows[n].code[1] == 2 ? 0x00f0ff00 : 0xffffffff;
        CHECK_EQ_U64(r.s.gpr[RAX] & (rows[n].zf ? mask : UINT64_MAX), rows[n].zf ? rows[n].value & mask : 0x55);
        rig_free(&r);
    }
}

static void test_arpl(void)
{
    struct rig r;
    rig_init(&r, PROTECTED, 0);
    EMIT(&r, 0x63, 0xd8, HLT); /* arpl ax, bx */
    r.s.gpr[RAX] = 0x10, r.s.gpr[RBX] = 0x23;
    rig_go(&r, 10);
    CHECK_EQ_U64(r.s.gpr[RAX], 0x13);
    CHECK(r.s.rflags & FLAG_ZF);
    rig_free(&r);
    rig_init(&r, REAL, 0);
    EMIT(&r, 0x63, 0xd8, HLT);
    rig_expect(&r, VEC_UD, NO_ERROR);
    rig_free(&r);
}

static void test_system_segments(void)
{
    static const struct {
        const char *what;
        enum rig_mode mode;
        uint8_t modrm; /* d0: LLDT ax, d8: LTR ax */
        unsigned cpl;
        uint16_t selector;
        uint32_t attr;
        int vector;
        uint64_t error;
    } rows[] = {
        {"LTR", PROTECTED, 0xd8, 0, SPARE, 0x89, VEC_UD, NO_ERROR},
        {"LTR of a 16-bit TSS", PROTECTED, 0xd8, 0, SPARE, 0x81, VEC_UD, NO_ERROR},
        {"LTR", LONG, 0xd8, 0, SPARE, 0x89, VEC_UD, NO_ERROR},
        {"LTR of a 16-bit TSS", LONG, 0xd8, 0, SPARE, 0x81, VEC_GP, SPARE},
        {"LTR of a busy TSS", LONG, 0xd8, 0, SPARE, 0x8b, VEC_GP, SPARE},
        {"LTR of what is not present", LONG, 0xd8, 0, SPARE, 0x09, VEC_NP, SPARE},
        {"LTR of null", LONG, 0xd8, 0, 0, 0, VEC_GP, 0},
        {"LTR from the local table", LONG, 0xd8, 0, 0x0c, 0, VEC_GP, 0x0c},
        {"LTR in ring 3", LONG, 0xd8, 3, SPARE, 0x89, VEC_GP, 0},
        {"LTR whose upper half is beyond the table", LONG, 0xd8, 0, GDT_END - 8, 0x89, VEC_GP, GDT_END - 8},
        {"LLDT", LONG, 0xd0, 0, SPARE, 0x82, VEC_UD, NO_ERROR},
        {"LLDT of null", LONG, 0xd0, 0, 0, 0, VEC_UD, NO_ERROR},
        {"LLDT of data", PROTECTED, 0xd0, 0, SPARE, DATA, VEC_GP, SPARE},
        {"LLDT of what is not present", PROTECTED, 0xd0, 0, SPARE, 0x02, VEC_NP, SPARE},
        {"LLDT in ring 3", PROTECTED, 0xd0, 3, SPARE, 0x82, VEC_GP, 0},
        {"LLDT in real mode", REAL, 0xd0, 0, SPARE, 0x82, VEC_UD, NO_ERROR},
    };
    for (unsigned i = 0; i < 2; i++) { /* the second half of a long-mode descriptor has a type too: 0 */
        struct rig r;
        rig_init(&r, LONG, 0);
        rig_gdt(&r, SPARE, rig_descriptor(0x123000, 0x67, 0x89));
        rig_gdt(&r, SPARE + 8, i ? UINT64_C(1) << 40 : 0);
        EMIT(&r, 0x0f, 0x00, 0xd8, UD2);
        r.s.gpr[RAX] = SPARE;
        rig_expect(&r, i ? VEC_GP : VEC_UD, i ? SPARE : NO_ERROR);
        rig_free(&r);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rig r;
        rig_init(&r, rows[i].mode, rows[i].cpl);
        vltest_row("%s in mode %d", rows[i].what, rows[i].mode);
        if (rows[i].attr)
            rig_gdt(&r, rows[i].selector, rig_descriptor(0x123000, 0x67, rows[i].attr));
        const uint8_t code[] = {0x0f, 0x00, rows[i].modrm, UD2};
        rig_code(&r, code, sizeof(code));
        r.s.gpr[RAX] = rows[i].selector;
        rig_expect(&r, rows[i].vector, rows[i].error);
        bool ltr = rows[i].modrm == 0xd8, done = rows[i].vector == VEC_UD && rows[i].mode != REAL;
        if (ltr && done) {
            CHECK_EQ_U64(rig_get(&r, GDT + SPARE + 5, 1) & SYS_TSS_BUSY, SYS_TSS_BUSY);
            CHECK_EQ_U64(r.s.seg[SEG_TR].base, 0x123000);
        }
        if (!ltr && done)
            CHECK_EQ_U64(r.s.seg[SEG_LDTR].selector, rows[i].selector);
        rig_free(&r);
    }
}

static const struct vltest tests[] = {
    {"a data segment loads, or faults with the right code, in protected mode", test_segment_loads},
    {"a data segment loads, or faults with the right code, in long mode", test_segment_loads_long},
    {"a segment loaded in real mode is a paragraph and keeps its limit", test_real_loads},
    {"LSS loads stack pointer and segment together", test_lss},
    {"segment registers are pushed and popped by operand size", test_push_pop},
    {"MOV SS and STI cast a shadow of one instruction", test_shadow},
    {"LAR, LSL, VERR and VERW answer in ZF", test_verify},
    {"ARPL raises the RPL, and is undefined in real mode", test_arpl},
    {"LTR and LLDT load, or fault with the right code", test_system_segments},
};

int main(void)
{
    return vltest_run("segments", tests, ARRAY_SIZE(tests));
}

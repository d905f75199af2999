/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_protect.c - protection: segments, events, gates and the ways back, as statements about small pieces of code.
 *
 * See protect_rig.h for the machine they run in; test_control.c has control registers, MSRs and CPUID.
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

/* ---- far jumps, calls and returns ---- */

static void test_far_jumps(void)
{
    /* Descriptor at SPARE; JMP SPARE|rpl : HANDLERS + 0x80 * 16 (a HLT: ring 0 only, so ring 3 ends in #GP(0)). */
    static const struct {
        const char *what;
        unsigned cpl, rpl;
        uint32_t attr, limit;
        int vector;
        uint64_t error;
    } rows[] = {
        {"code of this ring", 0, 0, CODE_X | DB | G, 0xffffffff, 0x80, NO_ERROR},
        {"RPL above CPL", 0, 3, CODE_X | DB | G, 0xffffffff, VEC_GP, SPARE},
        {"conforming code of ring 0, from ring 3", 3, 3, 0x9c | DB | G, 0xffffffff, VEC_GP, 0},
        {"code of ring 0, from ring 3", 3, 3, CODE_X | DB | G, 0xffffffff, VEC_GP, SPARE},
        {"conforming code of ring 3, from ring 0", 0, 0, 0x9c | DPL3 | DB | G, 0xffffffff, VEC_GP, SPARE},
        {"data", 0, 0, DATA, 0xffffffff, VEC_GP, SPARE},
        {"not present", 0, 0, (CODE_X & ~ATTR_P) | DB | G, 0xffffffff, VEC_NP, SPARE},
        {"beyond the limit", 0, 0, CODE_X | DB, 0xffff, VEC_GP, 0},
        {"an interrupt gate", 0, 0, 0x8e, 0, VEC_GP, SPARE},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rig r;
        rig_init(&r, PROTECTED, rows[i].cpl);
        vltest_row("%s", rows[i].what);
        rig_gdt(&r, SPARE, rig_descriptor(0, rows[i].limit, rows[i].attr));
        const uint8_t code[] = {0xea, LE32(HANDLERS + 0x80 * 16), LE16(SPARE | rows[i].rpl)};
        rig_code(&r, code, sizeof(code));
        rig_expect(&r, rows[i].vector, rows[i].error);
        rig_free(&r);
    }
}

static void test_far_null(void)
{
    struct rig r;
    rig_init(&r, PROTECTED, 0);
    EMIT(&r, 0xea, LE32(0), LE16(3));
    rig_expect(&r, VEC_GP, 0);
    rig_free(&r);
}

static void test_real_far(void)
{
    struct rig r;
    rig_init(&r, REAL, 0);
    EMIT(&r, 0x9a, LE16(0x0010), LE16(0x0900)); /* call 0900:0010, which is linear 9010; there retf 2 */
    EMIT(&r, HLT);
    rig_put(&r, 0x9010, 4, 0x000002ca);
    rig_go(&r, 10);
    CHECK_EQ_U64(r.s.rip, CODE + 6);
    CHECK_EQ_U64(r.s.seg[SEG_CS].selector, 0);
    CHECK_EQ_U64(r.s.gpr[RSP], 0x7002);
    CHECK_EQ_U64(rig_get(&r, 0x6ffc, 4), CODE + 5);
    rig_free(&r);
}

static uint64_t call_gate(unsigned selector, uint32_t offset, unsigned type, unsigned dpl, unsigned parameters)
{
    return (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)parameters << 32 |
           (uint64_t)(type | dpl << 5 | 0x80) << 40 | (uint64_t)(offset & 0xffff0000) << 32;
}

/* Ring 3 calls ring 0 with two parameters and comes back, both stacks cleaned. */
static void test_call_gate(void)
{
    static const struct {
        unsigned type, size;
    } rows[] = {{SYS_CALL_GATE32, 4}, {SYS_CALL_GATE16, 2}};
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rig r;
        const unsigned size = rows[i].size;
        rig_init(&r, PROTECTED, 3);
        vltest_row("%u-bit gate", 8 * size);
        rig_gdt(&r, SPARE, call_gate(CODE0, 0xa000, rows[i].type, 3, 2));
        rig_put(&r, STACK3, size, 0x1111);
        rig_put(&r, STACK3 + size, size, 0x2222);
        EMIT(&r, 0x9a, LE32(0xdeadbeef), LE16(SPARE | 3)); /* the offset is ignored */
        EMIT(&r, UD2);
        uint8_t target[] = {0x90, size == 4 ? 0x90 : 0x66, 0xca, LE16(2 * size)}; /* nop; retf n */
        memcpy(r.ram.base + 0xa000, target, sizeof(target));
        rig_go(&r, 2); /* the call and the nop */
        CHECK_EQ_U64(r.s.seg[SEG_CS].selector, CODE0);
        CHECK_EQ_U64(r.s.seg[SEG_SS].selector, DATA0);
        CHECK_EQ_U64(r.s.gpr[RSP], STACK0 - 6 * size);
        const uint64_t expected[] = {CODE + 7, CODE3 | 3, 0x1111, 0x2222, STACK3 & (size == 4 ? ~0u : 0xffff),
                                     DATA3 | 3};
        for (unsigned k = 0; k < 6; k++)
            CHECK_EQ_U64(rig_get(&r, r.s.gpr[RSP] + k * size, size), expected[k]);
        if (size == 4) {
            rig_expect(&r, VEC_UD, NO_ERROR);
            CHECK_EQ_U64(rig_get(&r, STACK0 - 8, 4), STACK3 + 2 * size); /* ESP of ring 3, pushed by the #UD */
        }
        rig_free(&r);
    }
}

static void test_call_gate_refusals(void)
{
    static const struct {
        const char *what;
        unsigned dpl, selector;
        uint32_t code_attr; /* of SPARE2, the target */
        int vector;
        uint64_t error;
        bool rpl0; /* the gate is named with RPL 0, else 3 */
    } rows[] = {
        {"gate of ring 0", 0, SPARE2, 0x98, VEC_GP, SPARE, false},
        {"gate of ring 0, named with RPL 0", 0, SPARE2, 0x98, VEC_GP, SPARE, true},
        {"gate to null", 3, 0, 0x98, VEC_GP, 0, false},
        {"gate to data", 3, SPARE2, DATA, VEC_GP, SPARE2, false},
        {"gate to code that isn't present", 3, SPARE2, 0x18, VEC_NP, SPARE2, false},
        {"gate beyond the table", 3, GDT_END, 0, VEC_GP, GDT_END, false},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rig r;
        rig_init(&r, PROTECTED, 3);
        vltest_row("%s", rows[i].what);
        rig_gdt(&r, SPARE, call_gate(rows[i].selector, 0xa000, SYS_CALL_GATE32, rows[i].dpl, 0));
        rig_gdt(&r, SPARE2, rig_descriptor(0, 0xffffffff, rows[i].code_attr | DB | G));
        const uint8_t code[] = {0x9a, LE32(0), LE16(SPARE | (rows[i].rpl0 ? 0 : 3))};
        rig_code(&r, code, sizeof(code));
        rig_expect(&r, rows[i].vector, rows[i].error);
        CHECK_EQ_U64(rig_get(&r, STACK0 - 8, 4), STACK3); /* the caller's stack is untouched */
        rig_free(&r);
    }
}

static void test_call_gate64(void)
{
    struct rig r;
    rig_init(&r, LONG, 3);
    rig_gdt(&r, SPARE, call_gate(CODE0, 0xa000, SYS_CALL_GATE32, 3, 0));
    rig_gdt(&r, SPARE + 8, 0);
    rig_put(&r, DATA_AT, 4, 0);
    rig_put(&r, DATA_AT + 4, 2, SPARE | 3);
    EMIT(&r, 0xff, 0x1c, 0x25, LE32(DATA_AT), UD2);     /* call far [DATA_AT] */
    static const uint8_t target[] = {0x90, 0x48, 0xcb}; /* nop; retfq */
    memcpy(r.ram.base + 0xa000, target, sizeof(target));
    rig_go(&r, 2);
    CHECK_EQ_U64(r.s.gpr[RSP], STACK0 - 32);
    CHECK_EQ_U64(r.s.seg[SEG_SS].selector, 0);
    CHECK_EQ_U64(rig_get(&r, STACK0 - 32, 8), CODE + 7);
    CHECK_EQ_U64(rig_get(&r, STACK0 - 24, 8), CODE3 | 3);
    CHECK_EQ_U64(rig_get(&r, STACK0 - 16, 8), STACK3);
    CHECK_EQ_U64(rig_get(&r, STACK0 - 8, 8), DATA3 | 3);
    rig_expect(&r, VEC_UD, NO_ERROR);
    CHECK_EQ_U64(rig_get(&r, STACK0 - 32, 8), CODE3 | 3); /* pushed by the #UD: we were back in ring 3 */
    rig_free(&r);
}

/* ---- delivery of events ---- */

static void test_long_delivery(void)
{
    struct rig r;
    rig_init(&r, LONG, 3);
    r.s.gpr[RSP] = STACK3 - 5; /* the handler's stack is aligned whatever this is */
    r.s.rflags |= FLAG_TF | FLAG_NT | FLAG_DF;
    r.s.rflags &= ~(uint64_t)FLAG_TF;
    EMIT(&r, 0x8b, 0x04, 0x25, LE32(0x1ff000)); /* mov eax, [0x1ff000], not present */
    rig_put(&r, TABLES + 0x3000 + 8 * 0x1ff, 8, 0);
    struct outcome o = rig_go(&r, 10);
    CHECK_EQ_U64((uint64_t)o.vector, VEC_PF);
    CHECK_EQ_U64(r.s.cr2, 0x1ff000);
    const uint64_t expected[] = {PF_USER,    CODE,     CODE3 | 3, FLAG_ONE | FLAG_NT | FLAG_DF | FLAG_RF,
                                 STACK3 - 5, DATA3 | 3};
    for (unsigned i = 0; i < 6; i++) {
        vltest_row("stack entry %u", i);
        CHECK_EQ_U64(o.top[i], expected[i]);
    }
    CHECK_EQ_U64(r.s.gpr[RSP], STACK0 - 48);
    CHECK_EQ_U64(r.s.seg[SEG_SS].selector, 0);
    CHECK_EQ_U64(r.s.rflags, FLAG_ONE | FLAG_DF);
    CHECK_EQ_U64(r.stats.counter[COUNTER_TRUE_FAULTS], 1);
    CHECK_EQ_U64(r.stats.counter[COUNTER_EXCEPTIONS], 1);
    rig_free(&r);
}

static void test_ist(void)
{
    struct rig r;
    rig_init(&r, LONG, 0); /* the same ring: without IST the stack would stay */
    rig_gate(&r, VEC_UD, CODE0, HANDLERS + 16 * VEC_UD, SYS_TRAP_GATE32, 0, true, 1);
    r.s.rflags |= FLAG_IF;
    EMIT(&r, UD2);
    rig_expect(&r, VEC_UD, NO_ERROR);
    CHECK_EQ_U64(r.s.gpr[RSP], STACK_IST - 40);
    CHECK_EQ_U64(r.s.seg[SEG_SS].selector, DATA0);
    CHECK(r.s.rflags & FLAG_IF); /* a trap gate */
    rig_free(&r);
}

static void test_same_ring_alignment(void)
{
    struct rig r;
    rig_init(&r, LONG, 0);
    r.s.gpr[RSP] = STACK0 - 8;
    EMIT(&r, UD2);
    struct outcome o = rig_go(&r, 10);
    CHECK_EQ_U64(r.s.gpr[RSP], STACK0 - 16 - 40);
    CHECK_EQ_U64(o.top[3], STACK0 - 8);
    rig_free(&r);
}

static void test_idt_refusals(void)
{
    /* INT 0x81 through a gate of the row's making. */
    static const struct {
        const char *what;
        enum rig_mode mode;
        unsigned cpl, type, dpl, selector;
        bool present;
        int vector;
        uint64_t error;
    } rows[] = {
        {"a good gate", PROTECTED, 3, SYS_INT_GATE32, 3, CODE0, true, 0x81, NO_ERROR},
        {"a good gate", LONG, 3, SYS_INT_GATE32, 3, CODE0, true, 0x81, NO_ERROR},
        {"gate of ring 0, asked for from ring 3", PROTECTED, 3, SYS_INT_GATE32, 0, CODE0, true, VEC_GP, 0x81 * 8 + 2},
        {"gate of ring 0, asked for from ring 3", LONG, 3, SYS_INT_GATE32, 0, CODE0, true, VEC_GP, 0x81 * 8 + 2},
        {"gate not present", PROTECTED, 0, SYS_INT_GATE32, 0, CODE0, false, VEC_NP, 0x81 * 8 + 2},
        {"gate not present", LONG, 0, SYS_INT_GATE32, 0, CODE0, false, VEC_NP, 0x81 * 8 + 2},
        {"a 16-bit gate in long mode", LONG, 0, SYS_INT_GATE16, 0, CODE0, true, VEC_GP, 0x81 * 8 + 2},
        {"no gate", PROTECTED, 0, SYS_LDT, 0, CODE0, true, VEC_GP, 0x81 * 8 + 2},
        {"null code segment", PROTECTED, 0, SYS_INT_GATE32, 0, 0, true, VEC_GP, 0},
        {"data as code segment", LONG, 0, SYS_INT_GATE32, 0, DATA0, true, VEC_GP, DATA0},
        {"32-bit code in long mode", LONG, 0, SYS_INT_GATE32, 0, CODE_COMPAT0, true, VEC_GP, CODE_COMPAT0},
        {"code of an outer ring", PROTECTED, 0, SYS_INT_GATE32, 0, CODE3, true, VEC_GP, CODE3},
        {"code beyond the table", LONG, 0, SYS_INT_GATE32, 0, GDT_END, true, VEC_GP, GDT_END},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rig r;
        rig_init(&r, rows[i].mode, rows[i].cpl);
        vltest_row("%s, mode %d", rows[i].what, rows[i].mode);
        rig_gate(&r, 0x81, rows[i].selector, HANDLERS + 16 * 0x81, rows[i].type, rows[i].dpl, rows[i].present, 0);
        EMIT(&r, 0xcd, 0x81);
        struct outcome o = rig_go(&r, 10);
        CHECK_EQ_U64((uint64_t)o.vector, (uint64_t)rows[i].vector);
        bool through = rows[i].error == NO_ERROR;
        if (!through)
            CHECK_EQ_U64(o.top[0], rows[i].error);
        CHECK_EQ_U64(o.top[through ? 0 : 1], through ? CODE + 2 : CODE); /* a fault names the instruction itself */
        rig_free(&r);
    }
}

static void test_idt_limit(void)
{
    struct rig r;
    rig_init(&r, LONG, 0);
    r.s.idtr.limit = 0x80 * 16 - 2;
    EMIT(&r, 0xcd, 0x7f);
    rig_expect(&r, VEC_GP, 0x7f * 8 + 2);
    rig_free(&r);
}

/* EXT tells an event that the program did not ask for. */
static void test_ext_bit(void)
{
    struct rig r;
    rig_init(&r, PROTECTED, 0);
    rig_gate(&r, VEC_UD, CODE0, 0, SYS_INT_GATE32, 0, false, 0);
    EMIT(&r, UD2);
    rig_expect(&r, VEC_NP, VEC_UD * 8 + 2 + 1);
    rig_free(&r);
    rig_init(&r, LONG, 0);
    rig_gate(&r, 0x40, DATA0, 0, SYS_INT_GATE32, 0, true, 0);
    r.s.event = (struct pending_event){.valid = true, .type = EVENT_EXTERNAL, .vector = 0x40};
    rig_expect(&r, VEC_GP, DATA0 + 1);
    rig_free(&r);
}

static void test_protected_delivery(void)
{
    struct rig r;
    rig_init(&r, PROTECTED, 3);
    EMIT(&r, 0xf4); /* HLT in ring 3 */
    struct outcome o = rig_go(&r, 10);
    const uint64_t expected[] = {0, CODE, CODE3 | 3, FLAG_ONE | FLAG_RF, STACK3, DATA3 | 3};
    CHECK_EQ_U64((uint64_t)o.vector, VEC_GP);
    for (unsigned i = 0; i < 6; i++) {
        vltest_row("stack entry %u", i);
        CHECK_EQ_U64(o.top[i], expected[i]);
    }
    CHECK_EQ_U64(r.s.seg[SEG_SS].selector, DATA0);
    rig_free(&r);

    /* A 16-bit gate pushes words. */
    rig_init(&r, PROTECTED, 0);
    rig_gate(&r, VEC_UD, CODE16_SELECTOR, HANDLERS16, SYS_INT_GATE16, 0, true, 0);
    EMIT(&r, UD2);
    rig_go(&r, 10);
    CHECK_EQ_U64(r.s.gpr[RSP], STACK0 - 6);
    CHECK_EQ_U64(rig_get(&r, STACK0 - 6, 2), CODE);
    CHECK_EQ_U64(rig_get(&r, STACK0 - 4, 2), CODE0);
    rig_free(&r);
}

static void test_inner_stack_refusals(void)
{
    static const struct {
        const char *what;
        uint16_t ss;
        uint32_t attr; /* of SPARE */
        uint32_t esp;
        uint16_t tss_limit;
        int vector;
        uint64_t error;
    } rows[] = {
        {"null", 0, DATA, STACK0, 0x67, VEC_TS, 0},
        {"RPL 3", SPARE | 3, DATA | DB | G, STACK0, 0x67, VEC_TS, SPARE},
        {"DPL 3", SPARE, DATA | DPL3 | DB | G, STACK0, 0x67, VEC_TS, SPARE},
        {"read-only", SPARE, 0x90 | DB | G, STACK0, 0x67, VEC_TS, SPARE},
        {"not present", SPARE, 0x12 | DB | G, STACK0, 0x67, VEC_SS, SPARE},
        {"beyond the table", GDT_END, 0, STACK0, 0x67, VEC_TS, GDT_END},
        {"too small", SPARE, DATA | DB, 0x10, 0x67, VEC_SS, SPARE},
        {"TSS too small", SPARE, DATA | DB | G, STACK0, 8, VEC_TS, TR_SELECTOR},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rig r;
        rig_init(&r, PROTECTED, 3);
        vltest_row("%s", rows[i].what);
        /* The handlers of #TS and #SS themselves stay in ring 3, where the stack is good. */
        rig_gate(&r, VEC_TS, CODE3, HANDLERS + 16 * VEC_TS, SYS_INT_GATE32, 0, true, 0);
        rig_gate(&r, VEC_SS, CODE3, HANDLERS + 16 * VEC_SS, SYS_INT_GATE32, 0, true, 0);
        rig_put(&r, HANDLERS + 16 * VEC_TS, 2, 0xfeeb); /* jmp . */
        rig_put(&r, HANDLERS + 16 * VEC_SS, 2, 0xfeeb);
        rig_gdt(&r, SPARE, rig_descriptor(0, rows[i].attr & G ? 0xffffffff : 0x0f, rows[i].attr));
        rig_put(&r, TSS + 4, 4, rows[i].esp);
        rig_put(&r, TSS + 8, 4, rows[i].ss);
        r.s.seg[SEG_TR].limit = rows[i].tss_limit;
        EMIT(&r, 0xcd, 0x80);
        rig_go(&r, 10);
        CHECK_EQ_U64((r.s.rip - HANDLERS) / 16, (uint64_t)rows[i].vector);
        CHECK_EQ_U64(rig_get(&r, r.s.gpr[RSP], 4), rows[i].error);
        rig_free(&r);
    }
}

static void test_real_delivery(void)
{
    struct rig r;
    rig_init(&r, REAL, 0);
    r.s.rflags |= FLAG_IF | FLAG_CF;
    EMIT(&r, 0xcd, 0x21);
    rig_put(&r, IVT + 0x21 * 4, 4, 0x0900u << 16 | 0x0123);
    r.ram.base[0x9123] = 0xf4;
    struct outcome o = rig_go(&r, 10);
    CHECK_EQ_U64(r.s.rip, 0x124);
    CHECK_EQ_U64(r.s.seg[SEG_CS].selector, 0x900);
    CHECK_EQ_U64(o.top[0], CODE + 2);
    CHECK_EQ_U64(o.top[2], FLAG_ONE | FLAG_IF | FLAG_CF);
    CHECK(!(r.s.rflags & FLAG_IF));
    rig_free(&r);

    rig_init(&r, REAL, 0); /* no error code in real mode */
    EMIT(&r, 0xf7, 0xf0);  /* div ax by zero */
    o = rig_go(&r, 10);
    CHECK_EQ_U64((uint64_t)o.vector, VEC_DE);
    CHECK_EQ_U64(o.top[0], CODE);
    rig_free(&r);
}

static void test_external_and_nmi(void)
{
    struct rig r;
    rig_init(&r, LONG, 3);
    EMIT(&r, 0x90);
    r.s.event = (struct pending_event){.valid = true, .type = EVENT_EXTERNAL, .vector = 0x40};
    struct outcome o = rig_go(&r, 10);
    CHECK_EQ_U64((uint64_t)o.vector, 0x40);
    CHECK_EQ_U64(o.top[2], FLAG_ONE); /* RF is for faults */
    CHECK_EQ_U64(r.stats.counter[COUNTER_INTERRUPTS], 1);
    CHECK_EQ_U64(r.stats.counter[COUNTER_EXCEPTIONS], 0);
    rig_free(&r);

    rig_init(&r, LONG, 3);
    r.s.event = (struct pending_event){.valid = true, .type = EVENT_NMI, .vector = VEC_NMI};
    rig_put(&r, HANDLERS + 16 * VEC_NMI, 2, 0xcf48); /* iretq */
    EMIT(&r, UD2);
    rig_go(&r, 0 + 1);
    o = rig_go(&r, 10);
    CHECK_EQ_U64((uint64_t)o.vector, VEC_UD);
    CHECK(!r.s.nmi_blocked); /* IRET opened the door again */
    rig_free(&r);
}

static void test_nmi_blocks(void)
{
    struct rig r;
    rig_init(&r, LONG, 0);
    r.s.event = (struct pending_event){.valid = true, .type = EVENT_NMI, .vector = VEC_NMI};
    rig_go(&r, 10);
    CHECK(r.s.nmi_blocked);
    rig_free(&r);
}

/* Faults while an event is delivered: first event, what goes wrong with its gate, and what comes of it. */
static void test_double_faults(void)
{
    enum wrong { BAD_SEGMENT, NO_PAGE };
    static const struct {
        const char *what;
        uint8_t type, first;
        enum wrong wrong;
        int vector;
    } rows[] = {
        {"contributory, then contributory: #DF", EVENT_EXCEPTION, VEC_GP, BAD_SEGMENT, VEC_DF},
        {"contributory, then page fault: the page fault", EVENT_EXCEPTION, VEC_DE, NO_PAGE, VEC_PF},
        {"page fault, then contributory: #DF", EVENT_EXCEPTION, VEC_PF, BAD_SEGMENT, VEC_DF},
        {"page fault, then page fault: #DF", EVENT_EXCEPTION, VEC_PF, NO_PAGE, VEC_DF},
        {"benign, then contributory: the second", EVENT_EXCEPTION, VEC_UD, BAD_SEGMENT, VEC_GP},
        {"benign, then page fault: the second", EVENT_EXCEPTION, VEC_BP, NO_PAGE, VEC_PF},
        {"interrupt, then contributory: the second", EVENT_EXTERNAL, 0x30, BAD_SEGMENT, VEC_GP},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rig r;
        rig_init(&r, LONG, 0);
        vltest_row("%s", rows[i].what);
        if (rows[i].wrong == BAD_SEGMENT) {
            rig_gate(&r, rows[i].first, DATA0, 0, SYS_INT_GATE32, 0, true, 0);
        } else { /* its stack, by IST 2, isn't mapped */
            rig_put(&r, TSS + 44, 8, 0x1f0000);
            rig_put(&r, TABLES + 0x3000 + 8 * 0x1ef, 8, 0);
            rig_gate(&r, rows[i].first, CODE0, 0, SYS_INT_GATE32, 0, true, 2);
        }
        bool error = rows[i].first == VEC_GP || rows[i].first == VEC_PF;
        r.s.event =
            (struct pending_event){.valid = true, .type = rows[i].type, .vector = rows[i].first, .has_error = error};
        struct outcome o = rig_go(&r, 10);
        CHECK_EQ_U64((uint64_t)o.vector, (uint64_t)rows[i].vector);
        CHECK_EQ_U64(o.top[1], CODE);
        if (rows[i].vector == VEC_DF) {
            CHECK_EQ_U64(o.top[0], 0);
            CHECK_EQ_U64(o.top[3], FLAG_ONE); /* an abort: no RF */
        }
        rig_free(&r);
    }
}

static void test_triple_fault(void)
{
    struct rig r;
    rig_init(&r, LONG, 3);
    r.s.idtr.limit = 0;
    EMIT(&r, UD2);
    struct outcome o = rig_go(&r, 10);
    CHECK_EQ_U64(o.kind, VM_EXIT_SHUTDOWN);
    CHECK_EQ_U64(r.s.rip, CODE);
    rig_free(&r);
    rig_init(&r, REAL, 0);
    r.s.idtr.limit = 0;
    EMIT(&r, 0xcd, 0x21);
    o = rig_go(&r, 10);
    CHECK_EQ_U64(o.kind, VM_EXIT_SHUTDOWN);
    rig_free(&r);
}

/* A stack that lies in a page of code: delivery stores there, and the code is decoded anew. */
static void test_stack_over_code(void)
{
    struct rig r;
    rig_init(&r, LONG, 0);
    r.s.gpr[RSP] = CODE + 0x100;
    EMIT(&r, 0xcd, 0x80);
    struct outcome o = rig_go(&r, 10);
    CHECK_EQ_U64((uint64_t)o.vector, 0x80);
    CHECK_EQ_U64(o.top[0], CODE + 2);
    rig_free(&r);
}

/* The handler's stack is the kernel's: ring 3 could not write there, its events can. */
static void test_supervisor_stack(void)
{
    struct rig r;
    rig_init(&r, LONG, 3);
    rig_put(&r, TABLES + 0x3000 + 8 * ((STACK0 >> 12) - 1), 8, (STACK0 - 0x1000) | 3);
    EMIT(&r, 0xcd, 0x80);
    rig_expect(&r, 0x80, CODE + 2);
    rig_free(&r);
    rig_init(&r, LONG, 3);
    rig_put(&r, TABLES + 0x3000 + 8 * ((STACK0 >> 12) - 1), 8, (STACK0 - 0x1000) | 3);
    EMIT(&r, UD2);
    rig_expect(&r, VEC_UD, CODE);
    rig_free(&r);
}

#define DEVICE UINT64_C(0xfed00000) /* no RAM there */

/* Absurd, but a guest can: its IDT is read from a device, its stack is one. */
static void test_device_tables(void)
{
    struct rig r;
    rig_init(&r, LONG, 0);
    rig_put(&r, TABLES + 0x3000 + 8 * 0x1f0, 8, DEVICE | 3);
    r.s.idtr.base = 0x1f0000;
    EMIT(&r, UD2);
    struct outcome o = rig_go(&r, 10);
    for (unsigned i = 0; i < 2; i++) { /* the two halves of the gate */
        CHECK_EQ_U64(o.kind, VM_EXIT_MMIO);
        CHECK_EQ_U64(r.exit.mmio.gpa.v, DEVICE + 16 * VEC_UD + 8 * i);
        r.exit.mmio.value = rig_get(&r, IDT + 16 * VEC_UD + 8 * i, 8);
        cpu_run(r.cpu, &r.exit, 10);
        o.kind = r.exit.kind;
    }
    CHECK_EQ_U64(o.kind, VM_EXIT_HLT);
    cpu_get_state(r.cpu, &r.s);
    CHECK_EQ_U64(r.s.rip, HANDLERS + 16 * VEC_UD + 1);
    CHECK_EQ_U64(r.stats.counter[COUNTER_EXCEPTIONS], 1);
    rig_free(&r);

    rig_init(&r, LONG, 0);
    rig_put(&r, TABLES + 0x3000 + 8 * 0x1f0, 8, DEVICE | 3);
    r.s.gpr[RSP] = 0x1f0100;
    r.s.event = (struct pending_event){.valid = true, .type = EVENT_EXTERNAL, .vector = 0x40};
    o = rig_go(&r, 10);
    static const uint64_t expected[] = {DATA0, 0x1f0100, FLAG_ONE, CODE0, CODE};
    for (unsigned i = 0; i < 5; i++) { /* writes are posted, in order */
        vltest_row("push %u", i);
        CHECK_EQ_U64(o.kind, VM_EXIT_MMIO);
        CHECK(r.exit.mmio.write);
        CHECK_EQ_U64(r.exit.mmio.gpa.v, DEVICE + 0xf8 - 8 * i);
        CHECK_EQ_U64(r.exit.mmio.value, expected[i]);
        cpu_run(r.cpu, &r.exit, 10);
        o.kind = r.exit.kind;
    }
    CHECK_EQ_U64(o.kind, VM_EXIT_HLT);
    rig_free(&r);
}

static void test_int3_into_int1(void)
{
    struct rig r;
    rig_init(&r, PROTECTED, 3);
    EMIT(&r, 0xcc);
    struct outcome o = rig_go(&r, 10);
    CHECK_EQ_U64((uint64_t)o.vector, VEC_BP);
    CHECK_EQ_U64(o.top[0], CODE + 1);
    rig_free(&r);

    rig_init(&r, PROTECTED, 3);
    r.s.rflags |= FLAG_OF;
    EMIT(&r, 0xce); /* INTO, whose gate is ring 0's */
    rig_expect(&r, VEC_GP, VEC_OF * 8 + 2);
    rig_free(&r);

    rig_init(&r, PROTECTED, 3);
    EMIT(&r, 0xce, UD2); /* INTO without overflow */
    rig_expect(&r, VEC_UD, NO_ERROR);
    rig_free(&r);

    rig_init(&r, PROTECTED, 3);
    EMIT(&r, 0xf1); /* INT1 asks no gate for permission */
    o = rig_go(&r, 10);
    CHECK_EQ_U64((uint64_t)o.vector, VEC_DB);
    CHECK_EQ_U64(o.top[0], CODE + 1);
    rig_free(&r);
}

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

/* ---- hardware tasks ---- */

static void build_task(struct rig *r)
{
    rig_gdt(r, SPARE, rig_descriptor(TSS_OTHER, 0x67, ATTR_P | SYS_TSS32));
    memset(r->ram.base + TSS_OTHER, 0, 104);
    rig_put(r, TSS_OTHER + 32, 4, 0xa000);
    rig_put(r, TSS_OTHER + 36, 4, FLAG_ONE | FLAG_CF);
    rig_put(r, TSS_OTHER + 40, 4, 0x12345678); /* EAX */
    rig_put(r, TSS_OTHER + 56, 4, STACK2);     /* ESP */
    static const uint16_t segments[] = {DATA0, CODE0, DATA0, DATA0, 0, 0};
    for (unsigned i = 0; i < 6; i++)
        rig_put(r, TSS_OTHER + 72 + 4 * i, 2, segments[i]);
}

static void test_task_call(void)
{
    struct rig r;
    rig_init(&r, PROTECTED, 0);
    build_task(&r);
    EMIT(&r, 0x9a, LE32(0), LE16(SPARE), HLT);   /* call far to a TSS */
    static const uint8_t other[] = {0x90, 0xcf}; /* nop; iret */
    memcpy(r.ram.base + 0xa000, other, sizeof(other));
    r.s.gpr[RAX] = 0xaaaa;
    rig_go(&r, 2);
    CHECK_EQ_U64(r.s.rip, 0xa001);
    CHECK_EQ_U64(r.s.gpr[RAX], 0x12345678);
    CHECK_EQ_U64(r.s.gpr[RSP], STACK2);
    CHECK_EQ_U64(r.s.seg[SEG_TR].selector, SPARE);
    CHECK_EQ_U64(r.s.rflags, FLAG_ONE | FLAG_CF | FLAG_NT);
    CHECK(r.s.cr0 & CR0_TS);
    CHECK_EQ_U64(rig_get(&r, TSS_OTHER, 2), TR_SELECTOR); /* the back link */
    CHECK_EQ_U64(rig_get(&r, TSS + 32, 4), CODE + 7);
    CHECK_EQ_U64(rig_get(&r, GDT + SPARE + 5, 1), ATTR_P | SYS_TSS32_BUSY);
    rig_go(&r, 10);
    CHECK_EQ_U64(r.s.rip, CODE + 8);
    CHECK_EQ_U64(r.s.gpr[RAX], 0xaaaa);
    CHECK_EQ_U64(r.s.seg[SEG_TR].selector, TR_SELECTOR);
    CHECK_EQ_U64(rig_get(&r, GDT + SPARE + 5, 1), ATTR_P | SYS_TSS32);
    rig_free(&r);
}

static void test_task_gate(void)
{
    struct rig r;
    rig_init(&r, PROTECTED, 3);
    build_task(&r);
    rig_gate(&r, VEC_DF, SPARE, 0, SYS_TASK_GATE, 0, true, 0);
    rig_gate(&r, VEC_GP, DATA0, 0, SYS_INT_GATE32, 0, true, 0);
    r.ram.base[0xa000] = 0xf4;
    EMIT(&r, 0xf4); /* #GP, whose gate is bad: #DF, by a task of its own */
    struct outcome o = rig_go(&r, 10);
    CHECK_EQ_U64(o.kind, VM_EXIT_HLT);
    CHECK_EQ_U64(r.s.rip, 0xa001);
    CHECK_EQ_U64(o.top[0], 0);                    /* the error code */
    CHECK_EQ_U64(rig_get(&r, TSS + 32, 4), CODE); /* the victim */
    CHECK_EQ_U64(rig_get(&r, TSS + 76, 2), CODE3 | 3);
    rig_free(&r);
}

static void test_task_refusals(void)
{
    struct rig r;
    rig_init(&r, PROTECTED, 0);
    build_task(&r);
    rig_gdt(&r, SPARE, rig_descriptor(TSS_OTHER, 0x66, ATTR_P | SYS_TSS32));
    EMIT(&r, 0xea, LE32(0), LE16(SPARE));
    rig_expect(&r, VEC_TS, SPARE);
    rig_free(&r);

    rig_init(&r, PROTECTED, 0);
    EMIT(&r, 0xea, LE32(0), LE16(TR_SELECTOR)); /* busy: no task calls itself */
    rig_expect(&r, VEC_GP, TR_SELECTOR);
    rig_free(&r);

    rig_init(&r, PROTECTED, 0); /* a bad segment faults in the new task */
    build_task(&r);
    rig_put(&r, TSS_OTHER + 72 + 12, 2, CODE_COMPAT0 + 0x40);
    EMIT(&r, 0xea, LE32(0), LE16(SPARE));
    struct outcome o = rig_go(&r, 10);
    CHECK_EQ_U64((uint64_t)o.vector, VEC_TS);
    CHECK_EQ_U64(o.top[0], CODE_COMPAT0 + 0x40);
    CHECK_EQ_U64(o.top[1], 0xa000);
    CHECK_EQ_U64(r.s.seg[SEG_TR].selector, SPARE);
    rig_free(&r);

    rig_init(&r, LONG, 0);
    rig_gdt(&r, SPARE, rig_descriptor(TSS_OTHER, 0x67, ATTR_P | SYS_TSS32));
    rig_put(&r, DATA_AT, 8, (uint64_t)SPARE << 32);
    EMIT(&r, 0xff, 0x2c, 0x25, LE32(DATA_AT));
    rig_expect(&r, VEC_GP, SPARE);
    rig_free(&r);
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
    {"a far jump goes where privilege allows", test_far_jumps},
    {"a far jump to null is #GP(0)", test_far_null},
    {"far call and return work in real mode", test_real_far},
    {"a call gate switches stacks, copies parameters, and RET cleans both", test_call_gate},
    {"a call gate that must not be used faults and leaves the stack", test_call_gate_refusals},
    {"a 64-bit call gate pushes a null SS frame and RETFQ returns", test_call_gate64},
    {"a page fault in ring 3 of long mode pushes six words on RSP0", test_long_delivery},
    {"an IST stack is used in the same ring too", test_ist},
    {"a 64-bit frame is aligned to 16 bytes", test_same_ring_alignment},
    {"a bad gate faults with the vector in the error code", test_idt_refusals},
    {"a vector beyond the IDT is #GP", test_idt_limit},
    {"EXT marks events that the program did not ask for", test_ext_bit},
    {"protected-mode gates push dwords or words", test_protected_delivery},
    {"a bad inner stack is #TS or #SS", test_inner_stack_refusals},
    {"real mode goes by the vector table", test_real_delivery},
    {"external interrupts and NMIs are delivered and counted", test_external_and_nmi},
    {"an NMI blocks the next one", test_nmi_blocks},
    {"faults during delivery merge as table 6-5 says", test_double_faults},
    {"a fault during #DF is the end", test_triple_fault},
    {"an event's frame may overwrite a page of code", test_stack_over_code},
    {"events of ring 3 are pushed with the kernel's rights", test_supervisor_stack},
    {"an IDT or a stack in device space goes through the machine", test_device_tables},
    {"INT3, INTO and INT1 push the next address", test_int3_into_int1},
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
    {"a call to a TSS switches tasks, IRET comes back", test_task_call},
    {"a task gate gives #DF a task of its own", test_task_gate},
    {"a bad task is #TS or #GP, in the task it belongs to", test_task_refusals},
};

int main(void)
{
    return vltest_run("protect", tests, ARRAY_SIZE(tests));
}

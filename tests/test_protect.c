/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_protect.c - transfers between code segments: far jumps, calls and returns, call gates, hardware tasks.
 *
 * Statements about small pieces of code; see protect_rig.h for the machine they run in.
 */
#include "protect_rig.h"

#define DB     ATTR_DB
#define G      ATTR_G
#define DPL3   ATTR_DPL
#define DATA   0x92u /* present, writable */
#define CODE_X 0x98u /* present, execute only */

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
    {"a far jump goes where privilege allows", test_far_jumps},
    {"a far jump to null is #GP(0)", test_far_null},
    {"far call and return work in real mode", test_real_far},
    {"a call gate switches stacks, copies parameters, and RET cleans both", test_call_gate},
    {"a call gate that must not be used faults and leaves the stack", test_call_gate_refusals},
    {"a 64-bit call gate pushes a null SS frame and RETFQ returns", test_call_gate64},
    {"a call to a TSS switches tasks, IRET comes back", test_task_call},
    {"a task gate gives #DF a task of its own", test_task_gate},
    {"a bad task is #TS or #GP, in the task it belongs to", test_task_refusals},
};

int main(void)
{
    return vltest_run("protected transfers", tests, ARRAY_SIZE(tests));
}

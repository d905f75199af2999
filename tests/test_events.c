/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_events.c - delivery of exceptions and interrupts in every mode, and what becomes of faults on the way.
 *
 * Statements about small pieces of code; see protect_rig.h for the machine they run in.
 */
#include "protect_rig.h"

#define DB   ATTR_DB
#define G    ATTR_G
#define DPL3 ATTR_DPL
#define DATA 0x92u /* present, writable */

/* ---- delivery of events ---- */

static void test_long_delivery(void)
{
    struct rig r;
    rig_init(&r, LONG, 3);
    r.s.gpr[RSP] = STACK3 - 5; /* the handler's stack is aligned whatever this is */
    r.s.rflags |= FLAG_NT | FLAG_DF;
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
    rig_go(&r, 1);
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

static const struct vltest tests[] = {
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
};

int main(void)
{
    return vltest_run("events", tests, ARRAY_SIZE(tests));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_vtx_events.c - events under VT-x: the exception bitmap, injection by VM entry, what is told about an exit in the
 * middle of a delivery, windows, the preemption timer, the monitor trap (SDM 3, 26.2, 26.5, 27.6, 27.7, 28.2.2-4).
 */
#include "vtx_rig.h"
#include <virtlab/exit.h>

#define VALID      UINT64_C(0x80000000)
#define HAS_ERROR  0x800u
#define TYPE(t)    ((t) << 8)
#define HANDLER(v) (RIG_HANDLERS + 16u * (v))
#define DEBUG_BS   0x4000u

static bool open_long(struct rig *r)
{
    if (!rig_open(r))
        return false;
    rig_vmcs(r, RIG_LONG, true);
    return true;
}

/* ---- exceptions ---- */

static void test_exception_bitmap(void)
{
    static const struct {
        const char *what;
        uint8_t code[4];
        unsigned length, vector;
        uint64_t interruption, error, told; /* `told`: the instruction length, of software exceptions only */
    } rows[] = {
        {"UD2", {0x0f, 0x0b}, 2, VEC_UD, VALID | TYPE(3) | VEC_UD, 0, 0},
        {"DIV by zero", {0x48, 0xf7, 0xf1}, 3, VEC_DE, VALID | TYPE(3) | VEC_DE, 0, 0},
        {"a load from a non-canonical address",
         {0x48, 0x8b, 0x02},
         3,
         VEC_GP,
         VALID | TYPE(3) | HAS_ERROR | VEC_GP,
         0,
         0},
        {"INT3", {0xcc}, 1, VEC_BP, VALID | TYPE(6) | VEC_BP, 0, 1},
        {"INT1", {0xf1}, 1, VEC_DB, VALID | TYPE(5) | VEC_DB, 0, 1},
    };
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        for (int intercepted = 1; intercepted >= 0; intercepted--) {
            vltest_row("%s, %s", rows[i].what, intercepted ? "intercepted" : "not intercepted");
            rig_vmcs(&r, RIG_LONG, true);
            rig_wr(&r, VMCS_EXCEPTION_BITMAP, intercepted ? UINT64_C(1) << rows[i].vector : 0);
            *rig_gpr(&r, RCX) = 0, *rig_gpr(&r, RDX) = UINT64_C(1) << 50;
            rig_code_bytes(&r, rows[i].code, rows[i].length);
            CHECK_EQ_U64(rig_enter(&r), intercepted ? EXIT_EXCEPTION : EXIT_HLT);
            CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_RIP), intercepted ? RIG_CODE : HANDLER(rows[i].vector));
            if (!intercepted)
                continue;
            CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_INTERRUPTION), rows[i].interruption);
            CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_ERROR_CODE), rows[i].error);
            CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_INSTRUCTION_LENGTH), rows[i].told);
            CHECK_EQ_U64(rig_rd(&r, VMCS_VECTORING), 0);
        }
    }
    rig_close(&r);
}

/* INT n never asks the bitmap; INTO does. */
static void test_int_n(void)
{
    struct rig r;
    CHECK_FATAL(open_long(&r));
    rig_wr(&r, VMCS_EXCEPTION_BITMAP, UINT32_MAX);
    CHECK_EQ_U64(RIG_RUN(&r, 0xcd, 0x03), EXIT_HLT);
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_RIP), HANDLER(3));
    rig_close(&r);
}

/* Page faults: bit 14 decides if (error code & mask) == match, its opposite if not (25.6.3). */
static void test_page_fault_mask(void)
{
    static const struct {
        bool bit, write;
        uint32_t mask, match;
        bool exits;
    } rows[] = {
        {true, false, 0, 0, true},
        {false, false, 0, 0, false},
        {true, false, PF_WRITE, PF_WRITE, false},
        {true, true, PF_WRITE, PF_WRITE, true},
        {false, true, PF_WRITE, 0, true},
        {false, false, PF_WRITE, 0, false},
        {false, false, 0, UINT32_MAX, true},
    };
    const uint64_t unmapped = 0x50000;
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("row %u", i);
        rig_vmcs(&r, RIG_LONG, true);
        *rig_guest_entry(&r, 1, unmapped) = 0;
        rig_wr(&r, VMCS_EXCEPTION_BITMAP, rows[i].bit ? 1 << VEC_PF : 0);
        rig_wr(&r, VMCS_PAGE_FAULT_MASK, rows[i].mask);
        rig_wr(&r, VMCS_PAGE_FAULT_MATCH, rows[i].match);
        *rig_gpr(&r, RBX) = unmapped + 8;
        *vmx_registers(r.vmx).cr2 = 0x77;
        uint32_t reason = rows[i].write ? RIG_RUN(&r, 0x48, 0x89, 0x03) : RIG_RUN(&r, 0x48, 0x8b, 0x03);
        CHECK_EQ_U64(reason, rows[i].exits ? EXIT_EXCEPTION : EXIT_HLT);
        CHECK_EQ_U64(*vmx_registers(r.vmx).cr2, rows[i].exits ? 0x77 : unmapped + 8); /* an exit leaves CR2 alone */
        if (!rows[i].exits)
            continue;
        CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_QUALIFICATION), unmapped + 8);
        CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_INTERRUPTION), VALID | TYPE(3) | HAS_ERROR | VEC_PF);
        CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_ERROR_CODE), rows[i].write ? PF_WRITE : 0);
    }
    rig_close(&r);
}

static void test_single_step(void)
{
    struct rig r;
    CHECK_FATAL(open_long(&r));
    rig_wr(&r, VMCS_EXCEPTION_BITMAP, 1 << VEC_DB);
    rig_set(&r, VMCS_GUEST_RFLAGS, FLAG_TF);
    CHECK_EQ_U64(RIG_RUN(&r, 0x90, 0x90), EXIT_EXCEPTION);
    CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_QUALIFICATION), DEBUG_BS);
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_RIP), RIG_CODE + 1);
    CHECK_EQ_U64(*vmx_registers(r.vmx).dr6 & DEBUG_BS, 0);
    rig_close(&r);
}

/* ---- injection ---- */

static void test_injection(void)
{
    static const struct {
        const char *what;
        uint32_t info, error;
        unsigned length;
        bool interrupts; /* RFLAGS.IF */
    } rows[] = {
        {"external interrupt", TYPE(0) | 30, 0, 0, true},
        {"NMI", TYPE(2) | VEC_NMI, 0, 0, false},
        {"#UD", TYPE(3) | VEC_UD, 0, 0, false},
        {"#GP with error code", TYPE(3) | HAS_ERROR | VEC_GP, 0x1234, 0, false},
        {"INT 5", TYPE(4) | 5, 0, 2, false},
        {"INT1", TYPE(5) | VEC_DB, 0, 1, false},
        {"INT3", TYPE(6) | VEC_BP, 0, 1, false},
    };
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s", rows[i].what);
        rig_vmcs(&r, RIG_LONG, true);
        unsigned vector = rows[i].info & 0xff;
        bool error = rows[i].info & HAS_ERROR;
        rig_wr(&r, VMCS_EXCEPTION_BITMAP, UINT32_MAX); /* what is injected never exits */
        rig_wr(&r, VMCS_ENTRY_INTERRUPTION, VALID | rows[i].info);
        rig_wr(&r, VMCS_ENTRY_ERROR_CODE, rows[i].error);
        rig_wr(&r, VMCS_ENTRY_INSTRUCTION_LENGTH, rows[i].length);
        rig_set(&r, VMCS_GUEST_RFLAGS, rows[i].interrupts ? FLAG_IF : 0);
        CHECK_EQ_U64(rig_enter(&r), EXIT_HLT);
        CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_RIP), HANDLER(vector));
        CHECK_EQ_U64(rig_rd(&r, VMCS_ENTRY_INTERRUPTION), rows[i].info); /* valid is cleared */
        const uint64_t *frame = rig_guest(&r, rig_rd(&r, VMCS_GUEST_RSP));
        if (error)
            CHECK_EQ_U64(*frame++, rows[i].error);
        CHECK_EQ_U64(frame[0], RIG_CODE + rows[i].length); /* behind a software interrupt's instruction */
        CHECK_EQ_U64(!!(rig_rd(&r, VMCS_GUEST_INTERRUPTIBILITY) & 8), vector == VEC_NMI);
    }
    rig_close(&r);
}

/* An exit during a delivery tells what was being delivered, so that it can be injected again (28.2.4). */
static void test_vectoring(void)
{
    static const struct {
        const char *what;
        uint32_t info;
        unsigned length;
    } rows[] = {
        {"an injected interrupt", TYPE(0) | 30, 0},
        {"an injected #GP", TYPE(3) | HAS_ERROR | VEC_GP, 0},
        {"an injected INT 5", TYPE(4) | 5, 2},
    };
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s", rows[i].what);
        rig_vmcs(&r, RIG_LONG, true);
        *rig_ept_entry(&r, 1, RIG_STACK - 8) = 0; /* the stack isn't there yet */
        rig_set(&r, VMCS_GUEST_RFLAGS, FLAG_IF);
        rig_wr(&r, VMCS_ENTRY_INTERRUPTION, VALID | rows[i].info);
        rig_wr(&r, VMCS_ENTRY_ERROR_CODE, 0x22);
        rig_wr(&r, VMCS_ENTRY_INSTRUCTION_LENGTH, rows[i].length);
        CHECK_EQ_U64(rig_enter(&r), EXIT_EPT_VIOLATION);
        CHECK_EQ_U64(rig_rd(&r, VMCS_VECTORING), VALID | rows[i].info);
        CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_RIP), RIG_CODE);
        if (rows[i].info & HAS_ERROR)
            CHECK_EQ_U64(rig_rd(&r, VMCS_VECTORING_ERROR_CODE), 0x22);
        if (rows[i].length)
            CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_INSTRUCTION_LENGTH), rows[i].length);
    }
    rig_close(&r);
}

/* The same for what the guest's own instructions and faults deliver. */
static void test_vectoring_of_the_guest(void)
{
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    vltest_row("INT 5, its stack missing in the guest's own tables");
    rig_vmcs(&r, RIG_LONG, true);
    *rig_guest_entry(&r, 1, RIG_STACK - 8) = 0;
    rig_wr(&r, VMCS_EXCEPTION_BITMAP, 1 << VEC_PF);
    CHECK_EQ_U64(RIG_RUN(&r, 0xcd, 5), EXIT_EXCEPTION);
    CHECK_EQ_U64(rig_rd(&r, VMCS_VECTORING), VALID | TYPE(4) | 5);
    CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_INSTRUCTION_LENGTH), 2);
    CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_INTERRUPTION) & 0xff, VEC_PF);

    vltest_row("#UD, its stack missing: #PF exits, and #UD is told");
    rig_vmcs(&r, RIG_LONG, true);
    *rig_guest_entry(&r, 1, RIG_STACK - 8) = 0;
    rig_wr(&r, VMCS_EXCEPTION_BITMAP, 1 << VEC_PF);
    CHECK_EQ_U64(RIG_RUN(&r, 0x0f, 0x0b), EXIT_EXCEPTION);
    CHECK_EQ_U64(rig_rd(&r, VMCS_VECTORING), VALID | TYPE(3) | VEC_UD);

    vltest_row("a #PF within a #PF is a double fault, which exits by itself");
    rig_vmcs(&r, RIG_LONG, true);
    *rig_guest_entry(&r, 1, RIG_STACK - 8) = 0;
    rig_wr(&r, VMCS_EXCEPTION_BITMAP, 1 << VEC_DF);
    CHECK_EQ_U64(RIG_RUN(&r, 0x50), EXIT_EXCEPTION); /* push */
    CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_INTERRUPTION), VALID | TYPE(3) | HAS_ERROR | VEC_DF);
    CHECK_EQ_U64(rig_rd(&r, VMCS_VECTORING), 0);

    vltest_row("and a triple fault if it doesn't");
    rig_vmcs(&r, RIG_LONG, true);
    *rig_guest_entry(&r, 1, RIG_STACK - 8) = 0;
    CHECK_EQ_U64(RIG_RUN(&r, 0x50), EXIT_TRIPLE_FAULT);
    CHECK_EQ_U64(rig_rd(&r, VMCS_VECTORING), 0);
    rig_close(&r);
}

/* ---- windows ---- */

static void test_interrupt_window(void)
{
    struct rig r;
    CHECK_FATAL(open_long(&r));
    rig_set(&r, VMCS_CPU_CONTROLS, CPU_INTERRUPT_WINDOW);
    CHECK_EQ_U64(RIG_RUN(&r, 0x90, 0xfb, 0x90, 0x90), EXIT_INTERRUPT_WINDOW); /* nop; sti; nop; nop */
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_RIP), RIG_CODE + 3);                   /* behind the shadow of STI */
    CHECK_EQ_U64(rig_enter(&r), EXIT_INTERRUPT_WINDOW);                       /* still open: at once */
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_RIP), RIG_CODE + 3);
    rig_close(&r);
}

static void test_nmi_window(void)
{
    struct rig r;
    CHECK_FATAL(open_long(&r));
    rig_set(&r, VMCS_PIN_CONTROLS, PIN_VIRTUAL_NMIS);
    rig_set(&r, VMCS_CPU_CONTROLS, CPU_NMI_WINDOW);
    rig_wr(&r, VMCS_GUEST_INTERRUPTIBILITY, 8);
    uint64_t *frame = rig_guest(&r, RIG_STACK);
    frame[0] = RIG_CODE + 0x10, frame[1] = 8, frame[2] = FLAG_ONE, frame[3] = RIG_STACK, frame[4] = 16;
    CHECK_EQ_U64(RIG_RUN(&r, 0x90, 0x48, 0xcf), EXIT_NMI_WINDOW); /* nop; iretq */
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_RIP), RIG_CODE + 0x10);
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_INTERRUPTIBILITY), 0);
    rig_close(&r);
}

/* An exit in a shadow keeps it; MOV SS with IF clear is told as such. */
static void test_shadow_survives(void)
{
    struct rig r;
    CHECK_FATAL(open_long(&r));
    CHECK_EQ_U64(RIG_RUN(&r, 0xfb, 0x0f, 0xa2), EXIT_CPUID); /* sti; cpuid */
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_INTERRUPTIBILITY), 1);
    rig_vmcs(&r, RIG_LONG, true);
    *rig_gpr(&r, RAX) = 16;
    CHECK_EQ_U64(RIG_RUN(&r, 0x8e, 0xd0, 0x0f, 0xa2), EXIT_CPUID); /* mov ss, eax; cpuid */
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_INTERRUPTIBILITY), 2);
    rig_close(&r);
}

/* ---- interrupts from outside, timer, trap ---- */

static void test_external_interrupt(void)
{
    struct rig r;
    CHECK_FATAL(open_long(&r));
    vmx_interrupt(r.vmx);
    CHECK_EQ_U64(RIG_RUN(&r, 0xeb, 0xfe), EXIT_EXTERNAL_INTERRUPT); /* jmp $ */
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_RIP), RIG_CODE);
    vmx_interrupt(r.vmx);
    CHECK(vmx_take_interrupt(r.vmx));
    CHECK(!vmx_take_interrupt(r.vmx));
    /* What is injected is delivered first. */
    vmx_interrupt(r.vmx);
    rig_wr(&r, VMCS_ENTRY_INTERRUPTION, VALID | TYPE(3) | VEC_UD);
    CHECK_EQ_U64(rig_enter(&r), EXIT_EXTERNAL_INTERRUPT);
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_RIP), HANDLER(VEC_UD));
    rig_close(&r);
}

/* This rig's TSC counts instructions, and the timer counts the TSC. */
static void test_preemption_timer(void)
{
    static const unsigned ticks[] = {0, 1, 2, 100, 70000, 200000};
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    for (unsigned i = 0; i < ARRAY_SIZE(ticks); i++) {
        vltest_row("%u ticks", ticks[i]);
        rig_vmcs(&r, RIG_LONG, true);
        rig_set(&r, VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
        rig_wr(&r, VMCS_PREEMPTION_TIMER, ticks[i]);
        uint64_t before = vmx_retired(r.vmx);
        CHECK_EQ_U64(RIG_RUN(&r, 0xeb, 0xfe), EXIT_PREEMPTION_TIMER);
        CHECK_EQ_U64(vmx_retired(r.vmx) - before, ticks[i]);
    }
    vltest_row("the rest is saved");
    rig_vmcs(&r, RIG_LONG, true);
    rig_set(&r, VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
    rig_set(&r, VMCS_EXIT_CONTROLS, EXIT_SAVE_TIMER);
    rig_wr(&r, VMCS_PREEMPTION_TIMER, 100);
    CHECK_EQ_U64(RIG_RUN(&r, 0x90, 0x90, 0x90, 0x0f, 0xa2), EXIT_CPUID);
    CHECK_EQ_U64(rig_rd(&r, VMCS_PREEMPTION_TIMER), 97);
    rig_close(&r);
}

static void test_monitor_trap(void)
{
    struct rig r;
    CHECK_FATAL(open_long(&r));
    rig_set(&r, VMCS_CPU_CONTROLS, CPU_MONITOR_TRAP);
    CHECK_EQ_U64(RIG_RUN(&r, 0x90, 0x90, 0x90), EXIT_MTF);
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_RIP), RIG_CODE + 1);
    CHECK_EQ_U64(rig_enter(&r), EXIT_MTF);
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_RIP), RIG_CODE + 2);
    rig_wr(&r, VMCS_ENTRY_INTERRUPTION, VALID | TYPE(3) | VEC_UD); /* with an event: behind its delivery */
    CHECK_EQ_U64(rig_enter(&r), EXIT_MTF);
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_RIP), HANDLER(VEC_UD));
    rig_clear(&r, VMCS_CPU_CONTROLS, CPU_MONITOR_TRAP);
    rig_wr(&r, VMCS_ENTRY_INTERRUPTION, VALID | TYPE(7)); /* a pending trap can be injected, too */
    CHECK_EQ_U64(rig_enter(&r), EXIT_MTF);
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_RIP), HANDLER(VEC_UD));
    rig_close(&r);
}

/* Activity state HLT: an interrupt wakes, and is then delivered with the guest active. */
static void test_halted(void)
{
    struct rig r;
    CHECK_FATAL(open_long(&r));
    rig_clear(&r, VMCS_CPU_CONTROLS, CPU_HLT);
    rig_set(&r, VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
    rig_wr(&r, VMCS_PREEMPTION_TIMER, 1);
    rig_wr(&r, VMCS_GUEST_ACTIVITY, 1);
    vmx_interrupt(r.vmx);
    CHECK_EQ_U64(RIG_RUN(&r, 0x90), EXIT_EXTERNAL_INTERRUPT);
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_ACTIVITY), 1);
    rig_set(&r, VMCS_GUEST_RFLAGS, FLAG_IF);
    rig_set(&r, VMCS_CPU_CONTROLS, CPU_HLT);
    rig_clear(&r, VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
    rig_wr(&r, VMCS_ENTRY_INTERRUPTION, VALID | 30);
    CHECK_EQ_U64(rig_enter(&r), EXIT_HLT);
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_RIP), HANDLER(30));
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_ACTIVITY), 0);
    rig_close(&r);
}

static const struct vltest tests[] = {
    {"the exception bitmap", test_exception_bitmap},
    {"INT n is not intercepted", test_int_n},
    {"page faults: mask and match, address, CR2", test_page_fault_mask},
    {"single-stepping: the qualification is DR6's", test_single_step},
    {"VM entry injects events of every type", test_injection},
    {"IDT-vectoring information of injected events", test_vectoring},
    {"IDT-vectoring information of the guest's own; double and triple faults", test_vectoring_of_the_guest},
    {"the interrupt window", test_interrupt_window},
    {"the NMI window", test_nmi_window},
    {"blocking by STI and MOV SS survives an exit", test_shadow_survives},
    {"external interrupts", test_external_interrupt},
    {"the preemption timer", test_preemption_timer},
    {"the monitor trap flag", test_monitor_trap},
    {"a halted guest", test_halted},
};

int main(void)
{
    return vltest_run("test_vtx_events", tests, ARRAY_SIZE(tests));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_vtx_engine.c - the hypervisor of hwassist/vtx, asked through engine.h: small programs in 64-bit, protected and
 * real mode that need it - devices' memory, ports, strings, modes, states that VT-x can't enter - run under
 * emulate/interp and under the software VT-x with EPT, with walk caches and without EPT, and must end alike.
 *
 * Whole systems: test_vtx_lockstep.sh, guest-vtx.sh, test_linux_boot_vtx.sh.
 */
#include "machine/engines.h"
#include "vltest.h"

#define CODE   UINT64_C(0x8000)
#define DATA   UINT64_C(0x9000)
#define STACK  UINT64_C(0xf000)
#define TABLES UINT64_C(0x1000)
#define IDT    UINT64_C(0x6000)
#define GDT    UINT64_C(0x7000)
#define RAM    (UINT64_C(8) << 20)
#define DEVICE UINT64_C(0xfed00000) /* outside RAM */

static const struct engine_ops *const tried[] = {&hwassist_vtx, &hwassist_vtx_cached, &hwassist_vtx_shadow};

enum mode { LONG, PROTECTED, REAL };

struct rig {
    const struct engine_ops *ops;
    struct ram ram;
    struct stats stats;
    struct engine_host host;
    struct engine *engine;
    struct vm_exit exit;
    struct cpu_state s;
    char log[2000]; /* what the devices saw */
};

static uint64_t retired_ticks(void *context, uint64_t retired)
{
    (void)context;
    return retired;
}

static void put64(struct rig *r, uint64_t at, uint64_t value)
{
    memcpy(r->ram.base + at, &value, sizeof(value));
}

static void build_memory(struct rig *r, enum mode mode)
{
    put64(r, TABLES, (TABLES + 0x1000) | 3);
    for (unsigned i = 0; i < 4; i++) {
        put64(r, TABLES + 0x1000 + 8 * i, (TABLES + 0x2000 + (i == 3 ? 0x1000 : 0)) | 3);
        put64(r, TABLES + 0x2000 + 8 * i, (uint64_t)i << 21 | 0x83);
    }
    put64(r, TABLES + 0x3000 + 8 * (DEVICE >> 21 & 511), (DEVICE & ~UINT64_C(0x1fffff)) | 0x83);
    put64(r, GDT + 8, mode == LONG ? UINT64_C(0x00af9b000000ffff) : UINT64_C(0x00cf9b000000ffff));
    put64(r, GDT + 16, UINT64_C(0x00cf93000000ffff));
    for (unsigned v = 0; v < 32; v++) { /* every handler halts, at 0x7800 + v */
        uint64_t to = 0x7800 + v, gate = to | 8 << 16 | UINT64_C(0x8e) << 40;
        r->ram.base[to] = 0xf4;
        if (mode == REAL)
            memcpy(r->ram.base + 4 * v, &to, 4);
        else
            put64(r, IDT + (mode == LONG ? 16 : 8) * v, gate);
    }
}

static void start_state(struct rig *r, enum mode mode)
{
    cpu_state_reset(&r->s);
    bool wide = mode == LONG;
    r->s.cr0 = CR0_ET | (mode == REAL ? 0 : CR0_PE) | (wide ? CR0_PG : 0);
    r->s.cr3 = TABLES;
    r->s.cr4 = CR4_OSFXSR | (wide ? CR4_PAE : 0);
    r->s.efer = wide ? EFER_LME | EFER_LMA : 0;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
        bool code = i == SEG_CS;
        r->s.seg[i] = mode == REAL ? (struct segment_reg){.limit = 0xffff, .attr = code ? 0x9b : 0x93}
                                   : (struct segment_reg){.limit = UINT32_MAX,
                                                          .selector = code ? 8 : 16,
                                                          .attr = code ? (wide ? 0xa09b : 0xc09b) : 0xc093};
    }
    r->s.gdtr = (struct table_reg){GDT, 0x1f};
    r->s.idtr = (struct table_reg){mode == REAL ? 0 : IDT, 0x3ff};
    r->s.rip = CODE;
    r->s.gpr[RSP] = STACK;
    r->s.gpr[RBX] = DEVICE;
    r->s.gpr[RSI] = DATA;
    r->s.gpr[RDI] = DATA + 0x100;
    r->s.gpr[RCX] = 3;
    r->s.gpr[RDX] = 0x70;
    r->s.gpr[RAX] = UINT64_C(0x1122334455667788);
    r->s.rflags = FLAG_ONE;
}

static bool rig_open(struct rig *r, const struct engine_ops *ops, enum mode mode, const uint8_t *code, size_t size)
{
    struct reason why = {""};
    *r = (struct rig){.ops = ops, .exit = {.kind = VM_EXIT_INTERRUPTED}};
    if (ram_create(&r->ram, RAM, &why))
        return false;
    build_memory(r, mode);
    memcpy(r->ram.base + CODE, code, size);
    r->ram.base[CODE + size] = 0xf4;
    memcpy(r->ram.base + DATA, "abcdefghijklmnop", 16);
    r->host = (struct engine_host){.ram = &r->ram, .stats = &r->stats, .tsc = retired_ticks, .tsc_hz = 1000000000};
    r->engine = ops->create(&r->host, &why);
    if (!r->engine)
        return false;
    start_state(r, mode);
    return ops->set_state(r->engine, &r->s, &why) == 0;
}

static void rig_close(struct rig *r)
{
    if (r->engine)
        r->ops->destroy(r->engine);
    ram_destroy(&r->ram);
}

static void note(struct rig *r, const char *what, uint64_t at, unsigned size, uint64_t value)
{
    size_t used = strlen(r->log);
    snprintf(r->log + used, sizeof(r->log) - used, "%s %#llx %u %#llx\n", what, (unsigned long long)at, size,
             (unsigned long long)value);
}

/* Devices: what is read is made of the address; what is written is noted. */
static void answer(struct rig *r)
{
    struct vm_exit *e = &r->exit;
    if (e->kind == VM_EXIT_MMIO) {
        if (e->mmio.write)
            note(r, "store", e->mmio.gpa.v, e->mmio.size, e->mmio.value);
        else
            e->mmio.value = 0x0102030405060708 ^ e->mmio.gpa.v;
        return;
    }
    for (unsigned i = 0; i < e->io.count; i++) {
        uint64_t value = 0;
        memcpy(&value, e->io.data + i * e->io.size, e->io.size);
        if (e->io.in)
            memset(e->io.data + i * e->io.size, 0x40 + (int)i, e->io.size);
        else
            note(r, "out", e->io.port, e->io.size, value);
    }
}

/* Runs until it halts or dies, in pieces of `budget` instructions. */
static void rig_run(struct rig *r, uint64_t budget)
{
    for (unsigned turns = 0; turns < 100000; turns++) {
        r->ops->run(r->engine, &r->exit, budget);
        if (r->exit.kind == VM_EXIT_IO || r->exit.kind == VM_EXIT_MMIO)
            answer(r);
        else if (r->exit.kind != VM_EXIT_INTERRUPTED)
            break;
    }
    r->ops->get_state(r->engine, &r->s);
}

static void check_same(const struct rig *a, const struct rig *b)
{
    CHECK_EQ_U64(a->exit.kind, b->exit.kind);
    for (unsigned i = 0; i < GPR_COUNT; i++)
        CHECK_EQ_U64(a->s.gpr[i], b->s.gpr[i]);
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        CHECK_EQ_U64(a->s.seg[i].selector, b->s.seg[i].selector);
        CHECK_EQ_U64(a->s.seg[i].base, b->s.seg[i].base);
        CHECK_EQ_U64(a->s.seg[i].limit, b->s.seg[i].limit);
        CHECK_EQ_U64(a->s.seg[i].attr, b->s.seg[i].attr);
    }
    CHECK_EQ_U64(a->s.rip, b->s.rip);
    CHECK_EQ_U64(a->s.rflags, b->s.rflags);
    CHECK_EQ_U64(a->s.cr0, b->s.cr0);
    CHECK_EQ_U64(a->s.cr2, b->s.cr2);
    CHECK_EQ_U64(a->s.cr3, b->s.cr3);
    CHECK_EQ_U64(a->s.cr4, b->s.cr4);
    CHECK_EQ_U64(a->s.cr8, b->s.cr8);
    CHECK_EQ_U64(a->s.efer, b->s.efer);
    CHECK_EQ_U64(a->s.tsc, b->s.tsc);
    CHECK_EQ_U64(a->s.star, b->s.star);
    CHECK_EQ_U64(a->stats.counter[COUNTER_INSTRUCTIONS], b->stats.counter[COUNTER_INSTRUCTIONS]);
    CHECK(!memcmp(a->ram.base + DATA, b->ram.base + DATA, PAGE_SIZE));
    CHECK_EQ_STR(a->log, b->log);
}

static const struct {
    const char *what;
    enum mode mode;
    uint8_t code[40];
    unsigned size;
} programs[] = {
    {"MMIO: mov eax, [rbx+16]; mov [rbx+32], eax", LONG, {0x8b, 0x43, 0x10, 0x89, 0x43, 0x20}, 6},
    {"MMIO: add [rbx], ecx; movzx edx, byte [rbx+1]", LONG, {0x01, 0x0b, 0x0f, 0xb6, 0x53, 0x01}, 6},
    {"MMIO: push [rbx]; pop [rbx+8]", LONG, {0xff, 0x33, 0x8f, 0x43, 0x08}, 5},
    {"MMIO: xchg rsi, rbx; rep movsb", LONG, {0x48, 0x87, 0xde, 0xf3, 0xa4}, 5},
    {"ports: in al, dx; out 0x71, al; in eax, dx; out dx, ax", LONG, {0xec, 0xe6, 0x71, 0xed, 0x66, 0xef}, 6},
    {"strings: rep insb; mov cl, 2; rep outsw", LONG, {0xf3, 0x6c, 0xb1, 2, 0xf3, 0x66, 0x6f}, 7},
    {"rep insb over code of its own page, executed before and after",
     LONG,
     {0x31, 0xed, 0xb8, 0,    0,    0,    0,    0xff, 0xc5, 0x83, 0xfd, 2,   0x74,
      0x0b, 0x48, 0x8d, 0x3d, 0xee, 0xff, 0xff, 0xff, 0xf3, 0x6c, 0xeb, 0xe9},
     25},
    {"rep insb over code of another page, executed before and after",
     LONG,
     {0xbf, 0, 0x98, 0,    0,    0xc7, 0x07, 0xb8, 0,    0,    0,    0x66, 0xc7, 0x47,
      4,    0, 0xc3, 0xff, 0xd7, 0xff, 0xc7, 0xf3, 0x6c, 0x83, 0xef, 4,    0xff, 0xd7},
     28},
    {"mov rax, cr0; or eax, NE; mov cr0, rax; mov rdx, cr0",
     LONG,
     {0x0f, 0x20, 0xc0, 0x83, 0xc8, 0x20, 0x0f, 0x22, 0xc0, 0x0f, 0x20, 0xc2},
     12},
    {"cr4: PGE on and off, SMEP; cr3 again",
     LONG,
     {0x0f, 0x20, 0xe0, 0x0c, 0x80, 0x0f, 0x22, 0xe0, 0x24, 0x7f, 0x0f, 0x22, 0xe0, 0x0f, 0x20, 0xda, 0x0f, 0x22, 0xda},
     19},
    {"cr4: VMXE is not offered: #GP", LONG, {0xb8, 0x20, 0x20, 0, 0, 0x0f, 0x22, 0xe0}, 8},
    {"cr8: mov cr8, rcx; mov rax, cr8", LONG, {0x44, 0x0f, 0x22, 0xc1, 0x44, 0x0f, 0x20, 0xc0}, 8},
    {"cr8: 16 is #GP", LONG, {0x6a, 0x10, 0x58, 0x44, 0x0f, 0x22, 0xc0}, 7},
    {"rdmsr of what isn't there: #GP", LONG, {0xb9, 0x3a, 0, 0, 0, 0x0f, 0x32}, 7},
    {"wrmsr TSC, rdtsc", LONG, {0xb9, 0x10, 0, 0, 0, 0x31, 0xd2, 0x0f, 0x30, 0x0f, 0x31}, 11},
    {"wrmsr STAR, EFER.SCE",
     LONG,
     {0xb9, 0x81, 0, 0, 0xc0, 0x0f, 0x30, 0xff, 0xc9, 0x0f, 0x32, 0x83, 0xc8, 0x01, 0x0f, 0x30},
     16},
    {"cpuid leaves 0, 1, 0x40000000",
     LONG,
     {0x31, 0xc0, 0x0f, 0xa2, 0x6a, 1, 0x58, 0x0f, 0xa2, 0xb8, 0, 0, 0, 0x40, 0x0f, 0xa2},
     16},
    {"VMCALL, VMXON: #UD", LONG, {0x0f, 0x01, 0xc1}, 3},
    {"a page fault, its address", LONG, {0xb8, 0, 0, 0, 0x40, 0x8b, 0x00}, 7},
    {"a push through an unmapped stack: a double fault through it, a triple fault",
     LONG,
     {0x48, 0xc7, 0xc4, 0, 0, 0, 0x40, 0x50},
     8},
    {"invlpg, wbinvd", LONG, {0x0f, 0x01, 0x3b, 0x0f, 0x09}, 5},
    {"single-stepping over cpuid", LONG, {0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d, 0x0f, 0xa2, 0x90}, 12},
    {"sti; hlt", LONG, {0xfb, 0xf4}, 2},
    {"protected: out, in, MMIO", PROTECTED, {0xe6, 0x71, 0xec, 0x8b, 0x03, 0x89, 0x43, 0x04}, 8},
    {"protected: paging of 4 MiB pages on",
     PROTECTED,
     {0xc7, 0x05, 0, 0, 2,    0,    0x83, 0,    0,    0,    0xb8, 0x10, 0, 0, 0,    0x0f, 0x22, 0xe0, 0xb8,
      0,    0,    2, 0, 0x0f, 0x22, 0xd8, 0x0f, 0x20, 0xc0, 0x0d, 0,    0, 0, 0x80, 0x0f, 0x22, 0xc0, 0xec},
     38},
    {"protected: int 0x10", PROTECTED, {0xcd, 0x10}, 2},
    {"real: out, in; ax and string to ES", REAL, {0xe6, 0x71, 0xec, 0xab, 0xf3, 0x6c}, 6},
    {"real: int 5", REAL, {0xcd, 5}, 2},
    {"real to protected: lmsw, ljmp, mov ds",
     REAL,
     {0xb8, 1, 0, 0x0f, 0x01, 0xf0, 0xea, 0x0b, 0x80, 8, 0, 0xb8, 16, 0, 0, 0, 0x8e, 0xd8, 0x8b, 0x03},
     20},
};

static void test_programs(void)
{
    static const uint64_t budgets[] = {0, 1, 3};
    for (unsigned p = 0; p < ARRAY_SIZE(programs); p++) {
        for (unsigned b = 0; b < ARRAY_SIZE(budgets); b++) {
            struct rig expected;
            CHECK_FATAL(rig_open(&expected, &emulate_interp, programs[p].mode, programs[p].code, programs[p].size));
            rig_run(&expected, budgets[b]);
            for (unsigned e = 0; e < ARRAY_SIZE(tried); e++) {
                struct rig r;
                vltest_row("%s, %s, budget %u", programs[p].what, tried[e]->name, (unsigned)budgets[b]);
                CHECK_FATAL(rig_open(&r, tried[e], programs[p].mode, programs[p].code, programs[p].size));
                rig_run(&r, budgets[b]);
                check_same(&r, &expected);
                rig_close(&r);
            }
            rig_close(&expected);
        }
    }
}

/* A kick ends run(), also where VT-x can't enter the guest, and one that came before is not lost. */
static void test_kick(void)
{
    static const uint8_t loop[] = {0xeb, 0xfe};
    for (unsigned e = 0; e < ARRAY_SIZE(tried); e++) {
        for (int strange = 0; strange < 2; strange++) {
            struct rig r;
            struct reason why = {""};
            vltest_row("%s, %s", tried[e]->name, strange ? "a state that VT-x can't enter" : "64-bit");
            CHECK_FATAL(rig_open(&r, tried[e], LONG, loop, sizeof(loop)));
            if (strange) /* no descriptor makes such a limit */
                r.s.seg[SEG_FS].limit = 0x123450;
            CHECK(r.ops->set_state(r.engine, &r.s, &why) == 0);
            r.ops->kick(r.engine);
            r.ops->run(r.engine, &r.exit, 0);
            CHECK_EQ_U64(r.exit.kind, VM_EXIT_INTERRUPTED);
            r.ops->run(r.engine, &r.exit, 10);
            CHECK_EQ_U64(r.exit.kind, VM_EXIT_INTERRUPTED);
            CHECK_EQ_U64(r.stats.counter[COUNTER_INSTRUCTIONS], 10);
            CHECK_EQ_U64(!!r.stats.exits[EXIT_INDEX_ENTRY_FAILURE].taken, strange);
            rig_close(&r);
        }
    }
}

/* Interrupts: the window opens behind the shadow of STI; what is injected is delivered, and wakes a halted CPU. */
static void test_interrupts(void)
{
    static const uint8_t code[] = {0x90, 0xfb, 0x90, 0x90};
    for (unsigned e = 0; e < ARRAY_SIZE(tried); e++) {
        struct rig r;
        vltest_row("%s", tried[e]->name);
        CHECK_FATAL(rig_open(&r, tried[e], LONG, code, sizeof(code)));
        CHECK(!r.ops->can_inject(r.engine));
        r.ops->request_window(r.engine, true);
        r.ops->run(r.engine, &r.exit, 0);
        CHECK_EQ_U64(r.exit.kind, VM_EXIT_WINDOW);
        r.ops->get_state(r.engine, &r.s);
        CHECK_EQ_U64(r.s.rip, CODE + 3);
        CHECK(r.ops->can_inject(r.engine));
        r.ops->request_window(r.engine, false);
        r.ops->run(r.engine, &r.exit, 0);
        CHECK_EQ_U64(r.exit.kind, VM_EXIT_HLT);
        r.ops->inject(r.engine, 30);
        r.ops->run(r.engine, &r.exit, 0);
        CHECK_EQ_U64(r.exit.kind, VM_EXIT_HLT);
        r.ops->get_state(r.engine, &r.s);
        CHECK_EQ_U64(r.s.rip, 0x7800 + 30 + 1);
        CHECK_EQ_U64(r.stats.counter[COUNTER_INTERRUPTS], 1);
        rig_close(&r);
    }
}

/* What set_state is given, get_state gives back. */
static void test_state(void)
{
    static const uint8_t code[] = {0x90};
    for (unsigned e = 0; e < ARRAY_SIZE(tried); e++) {
        struct rig r;
        struct reason why = {""};
        struct cpu_state got;
        vltest_row("%s", tried[e]->name);
        CHECK_FATAL(rig_open(&r, tried[e], LONG, code, sizeof(code)));
        for (unsigned i = 0; i < GPR_COUNT; i++)
            r.s.gpr[i] = 0x1000 + i;
        r.s.star = 1, r.s.lstar = 2, r.s.cstar = 3, r.s.sfmask = 4, r.s.kernel_gs_base = 5, r.s.tsc_aux = 6;
        r.s.sysenter_cs = 7, r.s.sysenter_esp = 8, r.s.sysenter_eip = 9, r.s.cr2 = 10, r.s.cr8 = 11;
        r.s.dr[0] = 12, r.s.dr[3] = 13, r.s.tsc = 1000000, r.s.seg[SEG_GS].base = 14;
        r.s.event = (struct pending_event){.valid = true, .vector = 14, .type = EVENT_EXCEPTION, .has_error = true};
        r.s.fpu.xmm[3][5] = 15;
        CHECK(r.ops->set_state(r.engine, &r.s, &why) == 0);
        r.ops->get_state(r.engine, &got);
        CHECK(!memcmp(got.gpr, r.s.gpr, sizeof(got.gpr)) && !memcmp(got.dr, r.s.dr, sizeof(got.dr)));
        CHECK(!memcmp(got.seg, r.s.seg, sizeof(got.seg)) && !memcmp(&got.fpu, &r.s.fpu, sizeof(got.fpu)));
        CHECK_EQ_U64(got.star + got.lstar * 10 + got.cstar * 100 + got.sfmask * 1000, 4321);
        CHECK_EQ_U64(got.kernel_gs_base + got.tsc_aux * 10 + got.sysenter_cs * 100 + got.sysenter_esp * 1000, 8765);
        CHECK_EQ_U64(got.tsc, r.s.tsc);
        CHECK(got.event.valid && got.event.vector == 14 && got.event.has_error);
        CHECK_EQ_U64(got.cr2, 10);
        CHECK_EQ_U64(got.cr8, 11);
        r.s.cr0 = CR0_PG; /* no CPU can be in this */
        CHECK(r.ops->set_state(r.engine, &r.s, &why) < 0);
        CHECK(strstr(why.text, "CR0.PG") != NULL);
        r.ops->get_state(r.engine, &got);
        CHECK_EQ_U64(got.gpr[3], 0x1003);
        rig_close(&r);
    }
}

static const struct vltest tests[] = {
    {"programs that need the hypervisor end as under the interpreter", test_programs},
    {"kicks, also where VT-x can't enter", test_kick},
    {"interrupts and their window", test_interrupts},
    {"the whole state, in and out", test_state},
};

int main(void)
{
    return vltest_run("test_vtx_engine", tests, ARRAY_SIZE(tests));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_trap.c - full/trap, on small ring-0 programs: what traps is emulated, what doesn't gives ring 3's value and is
 * found out; and the guest's death has its name.
 *
 * What is wrong is what every x86-64 processor under Linux gives in ring 3 (IF set, IOPL 0, CS 0x33). Whole guests:
 * test_trap_guests.sh.
 */
#include "machine/engines.h"
#include "vltest.h"
#include <signal.h>
#include <sys/time.h>

#define CODE   UINT64_C(0x200000)
#define DATA   UINT64_C(0x400000)
#define STACK  UINT64_C(0x600000)
#define TABLES UINT64_C(0x1000)
#define RAM    (UINT64_C(8) << 20)

/* One CPU in 64-bit mode, ring 0, the first 8 MiB mapped to themselves by pages of 2 MiB. */
struct rig {
    struct ram ram;
    struct stats stats;
    struct engine_host host;
    struct engine *engine;
    struct vm_exit exit;
    struct cpu_state s;
};

static uint64_t ticks(void *context, uint64_t retired)
{
    (void)context, (void)retired;
    return __builtin_ia32_rdtsc();
}

static void put64(struct rig *r, uint64_t at, uint64_t value)
{
    memcpy(r->ram.base + at, &value, sizeof(value));
}

static bool rig_open(struct rig *r, const void *code, size_t size, uint64_t rflags)
{
    struct reason why = {""};
    *r = (struct rig){.exit = {.kind = VM_EXIT_INTERRUPTED}};
    if (full_trap.probe(&why)) {
        vltest_skip("%s", why.text);
        return false;
    }
    CHECK_FATAL(ram_create(&r->ram, RAM, &why) == 0);
    put64(r, TABLES, (TABLES + 0x1000) | 3);
    put64(r, TABLES + 0x1000, (TABLES + 0x2000) | 3);
    for (uint64_t i = 0; i < 4; i++)
        put64(r, TABLES + 0x2000 + 8 * i, i << 21 | 0x83);
    memcpy(r->ram.base + CODE, code, size);
    r->host = (struct engine_host){.ram = &r->ram, .stats = &r->stats, .tsc = ticks, .tsc_hz = 1000000000};
    r->engine = full_trap.create(&r->host, &why);
    CHECK_FATAL(r->engine != NULL);
    cpu_state_reset(&r->s);
    r->s.cr0 = CR0_PE | CR0_PG | CR0_ET | CR0_WP;
    r->s.cr3 = TABLES;
    r->s.cr4 = CR4_PAE | CR4_OSFXSR;
    r->s.efer = EFER_LME | EFER_LMA | EFER_SCE;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        r->s.seg[i] = (struct segment_reg){.limit = 0xffffffff, .attr = 0xc093, .selector = 0x10};
    r->s.seg[SEG_CS] = (struct segment_reg){.limit = 0xffffffff, .attr = 0xa09b, .selector = 8};
    r->s.rip = CODE;
    r->s.gpr[RSP] = STACK;
    r->s.gpr[RDI] = DATA;
    r->s.rflags = FLAG_ONE | rflags;
    CHECK_FATAL(full_trap.set_state(r->engine, &r->s, &why) == 0);
    return true;
}

static void rig_run(struct rig *r)
{
    do {
        full_trap.run(r->engine, &r->exit, 0);
        full_trap.get_state(r->engine, &r->s);
    } while (r->exit.kind == VM_EXIT_INTERRUPTED);
}

static void rig_close(struct rig *r)
{
    if (r->engine)
        full_trap.destroy(r->engine);
    ram_destroy(&r->ram);
}

#define ANY UINT64_C(0xdeadbeefdeadbeef)

/* Programs that end in HLT. A name: the guest died, and the reason says that; "": it halted, with nothing wrong. */
static const struct {
    const char *what, *blamed, *code;
    size_t size;
    uint64_t rflags, rax;
} rows[] = {
#define BYTES(text) text, sizeof(text) - 1
    {"computing needs no exit", "", BYTES("\x31\xc0\xb9\x10\x00\x00\x00\x01\xc8\xff\xc9\x75\xfa\xf4"), 0, 0x88},
    {"reading CR0 traps", "", BYTES("\x0f\x20\xc0\xf4"), 0, CR0_PE | CR0_PG | CR0_ET | CR0_WP},
    {"CLI and STI trap", "", BYTES("\xfb\x90\xfa\x31\xc0\xf4"), 0, 0},
    {"PUSHF with IF set tells the truth", "", BYTES("\x31\xc9\x9c\x58\xf4"), FLAG_IF, 0x246},
    {"PUSHF with IF clear shows the host's IF", "pushfq (9c)", BYTES("\x31\xc9\x9c\x58\xf4"), 0, 0x246},
    {"POPF that leaves IF as it is", "", BYTES("\x6a\x02\x9d\x31\xc0\xf4"), 0, 0},
    {"POPF that should set IF doesn't", "popfq (9d)", BYTES("\x68\x02\x02\x00\x00\x9d\x31\xc0\xf4"), 0, 0},
    {"MOV from CS shows the host's", "mov (8c c8)", BYTES("\x31\xc0\x8c\xc8\xf4"), 0, 0x33},
    {"MOV of a null selector is no lie", "", BYTES("\x31\xc0\x8e\xd8\xf4"), 0, 0},
    {"SMSW shows another CR0", "smsw", BYTES("\x31\xc0\x0f\x01\xe0\xf4"), 0, ANY},
    {"a site behind an indirect jump is seen", "pushfq",
     BYTES("\x48\x8d\x05\x03\x00\x00\x00\xff\xe0\xf4\x31\xc9\x9c\x58\xf4"), 0, 0x246},
    {"a site behind a call is seen", "pushfq", BYTES("\xe8\x01\x00\x00\x00\xf4\x31\xc9\x9c\x58\x50\x5a\xc3"), 0, 0x246},
    {"data between code is left alone", "",
     BYTES("\xeb\x08\x9c\x9d\x0f\xa2\x9c\x9d\x0f\xa2\x48\x8b\x05\xf1\xff\xff\xff\xf4"), 0,
     UINT64_C(0xa20f9d9ca20f9d9c)},
    {"INT3 of the guest's own is its own: a triple fault", "", BYTES("\xcc\xf4"), 0, ANY},
};

static void test_rows(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rig r;
        vltest_row("%s", rows[i].what);
        if (!rig_open(&r, rows[i].code, rows[i].size, rows[i].rflags))
            return;
        rig_run(&r);
        if (rows[i].rax != ANY)
            CHECK_EQ_U64(r.s.gpr[RAX], rows[i].rax);
        if (*rows[i].blamed && (r.s.rflags & FLAG_IF) == 0) {
            CHECK_EQ_U64(r.exit.kind, VM_EXIT_DEATH);
            if (!strstr(r.exit.why.text, rows[i].blamed))
                CHECK_EQ_STR(r.exit.why.text, rows[i].blamed);
            CHECK(strstr(r.stats.unknown, rows[i].blamed) != NULL);
        } else {
            CHECK_EQ_U64(r.exit.kind, rows[i].code[0] == '\xcc' ? VM_EXIT_SHUTDOWN : VM_EXIT_HLT);
            CHECK_EQ_STR(r.stats.unknown, "");
        }
        rig_close(&r);
    }
}

/*
 * A loop that writes its own first instruction, INC EAX or DEC EAX, and has PUSHF (with IF set) in the same page: the
 * copy that holds the breakpoint must follow.
 */
static void test_self_modifying(void)
{
    static const uint8_t code[] = {
        0xb9, 0x64, 0x00, 0x00, 0x00,             /*    mov ecx, 100 */
        0x31, 0xc0,                               /*    xor eax, eax */
        0x90,                                     /*    nop */
        0xff, 0xc0,                               /* 1: inc eax (at 8; its second byte is 0xc8 for dec) */
        0x9c, 0x5b,                               /*    pushfq; pop rbx */
        0x80, 0x35, 0xf6, 0xff, 0xff, 0xff, 0x08, /*    xor byte [rip - 10], 8 */
        0xff, 0xc9,                               /*    dec ecx */
        0x75, 0xf1,                               /*    jnz 1b */
        0xf4,                                     /*    hlt */
    };
    struct rig r;
    if (!rig_open(&r, code, sizeof(code), FLAG_IF))
        return;
    rig_run(&r);
    CHECK_EQ_U64(r.exit.kind, VM_EXIT_HLT);
    CHECK_EQ_U64(r.s.gpr[RAX], 0); /* fifty up and fifty down */
    CHECK_EQ_U64(r.s.gpr[RBX] & FLAG_IF, FLAG_IF);
    CHECK_EQ_STR(r.stats.unknown, "");
    rig_close(&r);
}

/* An instruction across a page's end, whose second half is fetched later: nothing is set in its middle. */
static void test_crossing(void)
{
    static uint8_t code[2 * PAGE_SIZE];
    static const uint8_t tail[] = {0xb8, 0x9c, 0x9d, 0x9c, 0x9d, 0xf4}; /* mov eax, 0x9d9c9d9c; hlt */
    memset(code, 0x90, sizeof(code));
    memcpy(code + PAGE_SIZE - 2, tail, sizeof(tail));
    struct rig r;
    if (!rig_open(&r, code, sizeof(code), 0))
        return;
    rig_run(&r);
    CHECK_EQ_U64(r.exit.kind, VM_EXIT_HLT);
    CHECK_EQ_U64(r.s.gpr[RAX], 0x9d9c9d9c);
    rig_close(&r);
}

static struct engine *kicked;
static void kick(int number)
{
    (void)number;
    full_trap.kick(kicked);
}

/* Interrupts that POPF should have let in: the guest waits for ever, and that is its death. */
static void test_stuck(void)
{
    static const uint8_t code[] = {0x68, 0x02, 0x02, 0x00, 0x00, 0x9d, 0xeb, 0xfe}; /* push 0x202; popfq; jmp . */
    struct rig r;
    if (!rig_open(&r, code, sizeof(code), 0))
        return;
    const struct itimerval often = {{0, 20000}, {0, 20000}}, never = {0};
    kicked = r.engine;
    signal(SIGALRM, kick);
    setitimer(ITIMER_REAL, &often, NULL);
    full_trap.request_window(r.engine, true);
    rig_run(&r);
    setitimer(ITIMER_REAL, &never, NULL);
    CHECK_EQ_U64(r.exit.kind, VM_EXIT_DEATH);
    CHECK(strstr(r.exit.why.text, "interrupts stay off") && strstr(r.exit.why.text, "popfq"));
    rig_close(&r);
}

/* Random bytes as a kernel, its page tables and stack within its reach: whatever it does is its own affair. */
static void test_hostile(void)
{
    uint64_t random = 88172645463325252;
    unsigned ends[VM_EXIT_ERROR + 1] = {0};
    for (unsigned round = 0; round < 60; round++) {
        uint8_t code[256];
        for (unsigned i = 0; i < sizeof(code); i++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            code[i] = (uint8_t)(random >> 24);
        }
        struct rig r;
        vltest_row("round %u", round);
        if (!rig_open(&r, code, sizeof(code), round & 1 ? FLAG_IF : 0))
            return;
        const struct itimerval often = {{0, 2000}, {0, 2000}}, never = {0};
        kicked = r.engine;
        signal(SIGALRM, kick);
        setitimer(ITIMER_REAL, &often, NULL);
        for (unsigned kicks = 0; kicks < 10; kicks += r.exit.kind == VM_EXIT_INTERRUPTED) {
            full_trap.run(r.engine, &r.exit, 0);
            if (r.exit.kind == VM_EXIT_DEATH || r.exit.kind == VM_EXIT_ERROR || r.exit.kind == VM_EXIT_SHUTDOWN ||
                r.exit.kind == VM_EXIT_HLT)
                break;
        }
        setitimer(ITIMER_REAL, &never, NULL);
        ends[r.exit.kind]++;
        CHECK(r.exit.kind != VM_EXIT_ERROR);
        rig_close(&r);
    }
    CHECK(ends[VM_EXIT_SHUTDOWN] > 10);
}

/* Ring 3 is a space of its own: kernel pages aren't in it, and its faults are the guest's. */
static void test_rings(void)
{
    static const uint8_t code[] = {
        0x48, 0xc7, 0xc1, 0x80, 0x00, 0x20, 0x00, /* mov rcx, CODE + 0x80 */
        0x41, 0xbb, 0x02, 0x02, 0x00, 0x00,       /* mov r11d, 0x202 */
        0x48, 0x0f, 0x07,                         /* sysretq: to user code there, which isn't user-accessible: #PF */
    };
    struct rig r;
    if (!rig_open(&r, code, sizeof(code), 0))
        return;
    rig_run(&r);
    CHECK_EQ_U64(r.exit.kind, VM_EXIT_SHUTDOWN);
    CHECK_EQ_U64(r.s.cr2, CODE + 0x80);
    rig_close(&r);
}

static const struct vltest tests[] = {
    {"what traps is emulated; what doesn't gives ring 3's value, and is blamed", test_rows},
    {"code that changes itself keeps its breakpoints right", test_self_modifying},
    {"an instruction across a page's end is not taken for two", test_crossing},
    {"a guest that waits for interrupts in vain dies, by name", test_stuck},
    {"a kernel of random bytes harms nobody but itself", test_hostile},
    {"user code doesn't reach kernel pages", test_rings},
};

int main(void)
{
    return vltest_run("trap", tests, ARRAY_SIZE(tests));
}

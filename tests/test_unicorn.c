/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_unicorn.c - emulate/unicorn against the contract of engine.h, with snippets of machine code; and flat guests on
 * whole machines, beside the interpreter.
 */
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>
#include <virtlab/machine.h>

#include "emulate/unicorn/errata.h"
#include "emulate/unicorn/findings.h"
#include "machine/engines.h"
#include "vltest.h"

#define RAM_BYTES 0x01000000u
#define CODE      0x1000
#define DATA      0x5000
#define GDT       0x3000
#define STACK     0x9000
#define TABLES    0x10000
#define DEVICE    0xfee00000u

/* A CPU with RAM and nothing else, in the state in which flat guests start. */
struct rig {
    struct ram ram;
    struct stats stats;
    struct engine_host host;
    const struct engine_ops *ops;
    struct engine *engine;
    struct vm_exit exit;
    uint64_t apic_base, cr8;
};

static uint64_t rig_tsc(void *context, uint64_t retired)
{
    (void)context;
    return 1000000 + retired;
}
static void rig_apic_base(void *context, uint64_t value)
{
    ((struct rig *)context)->apic_base = value;
}
static void rig_cr8(void *context, uint64_t value)
{
    ((struct rig *)context)->cr8 = value;
}

static struct cpu_state state_of(struct rig *rig)
{
    struct cpu_state state;

    rig->ops->get_state(rig->engine, &state);
    return state;
}

static void set(struct rig *rig, const struct cpu_state *state)
{
    struct reason why = {""};

    if (rig->ops->set_state(rig->engine, state, &why))
        vltest_check(false, __FILE__, __LINE__, "set_state: %s", why.text);
}

/* Page tables that map 4 GiB to themselves, a GDT, and the registers that the flat loader sets. */
static void start_flat(struct rig *rig)
{
    const uint64_t gdt[] = {0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff};
    const struct segment_reg data = {.limit = 0xffffffff, .attr = 0xc093, .selector = 0x18};
    uint64_t *table = (uint64_t *)(rig->ram.base + TABLES);
    struct cpu_state state = state_of(rig);

    memcpy(rig->ram.base + GDT, gdt, sizeof(gdt));
    table[0] = (TABLES + 0x1000) | 3;
    for (uint64_t i = 0; i < 4; i++)
        table[512 + i] = (TABLES + (2 + i) * 0x1000) | 3;
    for (uint64_t i = 0; i < 2048; i++)
        table[1024 + i] = i << 21 | 0x83;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        state.seg[i] = data;
    state.seg[SEG_CS] = (struct segment_reg){.limit = 0xffffffff, .attr = 0xa09b, .selector = 0x10};
    state.gdtr = (struct table_reg){.base = GDT, .limit = sizeof(gdt) - 1};
    state.idtr = (struct table_reg){0};
    state.cr0 = CR0_PE | CR0_ET | CR0_PG;
    state.cr3 = TABLES;
    state.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    state.efer = EFER_SCE | EFER_LME | EFER_LMA;
    state.gpr[RSP] = STACK;
    state.rip = CODE;
    set(rig, &state);
}

static bool rig_open(struct rig *rig, const struct engine_ops *ops)
{
    struct reason why = {""};

    *rig = (struct rig){.ops = ops};
    rig->host = (struct engine_host){.ram = &rig->ram,
                                     .stats = &rig->stats,
                                     .context = rig,
                                     .tsc = rig_tsc,
                                     .tsc_hz = 1000000000,
                                     .apic_base_changed = rig_apic_base,
                                     .cr8_changed = rig_cr8};
    if (!ram_create(&rig->ram, RAM_BYTES, &why))
        rig->engine = ops->create(&rig->host, &why);
    vltest_check(rig->engine != NULL, __FILE__, __LINE__, "%s", why.text);
    return rig->engine != NULL;
}

static void rig_close(struct rig *rig)
{
    rig->ops->destroy(rig->engine);
    ram_destroy(&rig->ram);
}

static void put_code(struct rig *rig, const void *code, size_t size)
{
    memset(rig->ram.base + CODE, 0xf4, 256);
    memcpy(rig->ram.base + CODE, code, size);
    rig->ops->ram_written(rig->engine, gpa(CODE), 256);
}

/* A string literal's bytes; behind them stands HLT. */
#define PUT_CODE(rig, bytes) put_code(rig, bytes, sizeof(bytes) - 1)

/* With RDX, RAX and RCX set, from CODE on. */
static enum vm_exit_kind run_with(struct rig *rig, uint64_t rdx, uint64_t rax, uint64_t rcx)
{
    struct cpu_state state = state_of(rig);

    state.gpr[RDX] = rdx;
    state.gpr[RAX] = rax;
    state.gpr[RCX] = rcx;
    state.rip = CODE;
    set(rig, &state);
    rig->ops->run(rig->engine, &rig->exit, 0);
    return rig->exit.kind;
}

static enum vm_exit_kind go_on(struct rig *rig)
{
    rig->ops->run(rig->engine, &rig->exit, 0);
    return rig->exit.kind;
}

/* ---- the library, and the tables about it ---- */

static void test_findings(void)
{
    size_t count, again;
    const struct unicorn_finding *finding = unicorn_findings(&count);
    unsigned needed = 0;

    CHECK(count > 20);
    CHECK(unicorn_findings(&again) == finding && again == count);
    for (size_t i = 0; i < count; i++) {
        vltest_row("%s: %s", finding[i].name, finding[i].seen);
        CHECK(finding[i].name[0] && finding[i].seen[0]);
        CHECK(finding[i].ok || !finding[i].needed);
        needed += finding[i].needed;
    }
    vltest_row("%s", "");
    CHECK(needed >= 4);
}

static void test_errata(void)
{
    struct unicorn_erratum rcl = unicorn_errata_of("rcl"), add = unicorn_errata_of("add");
    size_t count;

    CHECK(unicorn_errata(&count) && count > 5);
    CHECK_EQ_U64(rcl.flags, FLAG_OF);
    CHECK_EQ_U64(add.flags, 0);
    CHECK_EQ_U64(add.gprs, 0);
    CHECK(unicorn_errata_of("cl").flags == 0); /* no part of a name */
}

/* ---- ports ---- */

static void test_in(void)
{
    static const struct {
        const char *name, *code;
        unsigned length, size, port;
        uint64_t expected; /* of RAX, which was all ones */
    } rows[] = {
        {"in al,dx", "\xec", 1, 1, 0x3fd, 0xffffffffffffff44},
        {"in ax,dx", "\x66\xed", 2, 2, 0x3fd, 0xffffffffffff3344},
        {"in eax,dx", "\xed", 1, 4, 0x3fd, 0x11223344},
        {"in al,80h", "\xe4\x80", 2, 1, 0x80, 0xffffffffffffff44},
        {"in eax,80h", "\xe5\x80", 2, 4, 0x80, 0x11223344},
    };
    struct rig rig;

    if (!rig_open(&rig, &emulate_unicorn))
        return;
    start_flat(&rig);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char code[8] = "\x48\xff\xc1"; /* inc rcx; IN; inc rcx */

        vltest_row("%s", rows[i].name);
        memcpy(code + 3, rows[i].code, rows[i].length);
        memcpy(code + 3 + rows[i].length, "\x48\xff\xc1", 3);
        put_code(&rig, code, 6 + rows[i].length);
        for (int again = 0; again < 2; again++) { /* the second time, the block is known */
            CHECK(run_with(&rig, 0x3fd, UINT64_MAX, 0) == VM_EXIT_IO);
            CHECK(rig.exit.io.in && rig.exit.io.count == 1);
            CHECK_EQ_U64(rig.exit.io.port, rows[i].port);
            CHECK_EQ_U64(rig.exit.io.size, rows[i].size);
            CHECK_EQ_U64(state_of(&rig).rip, CODE + 3);
            CHECK_EQ_U64(state_of(&rig).gpr[RCX], 1);
            memcpy(rig.exit.io.data, &(uint32_t){0x11223344}, rows[i].size);
            CHECK(go_on(&rig) == VM_EXIT_HLT);
            CHECK_EQ_U64(state_of(&rig).gpr[RAX], rows[i].expected);
            CHECK_EQ_U64(state_of(&rig).gpr[RCX], 2);
            CHECK_EQ_U64(state_of(&rig).rip, CODE + 6 + rows[i].length + 1);
        }
    }
    vltest_row("%s", "");
    rig_close(&rig);
}

static void test_out(void)
{
    struct rig rig;

    if (!rig_open(&rig, &emulate_unicorn))
        return;
    start_flat(&rig);
    PUT_CODE(&rig, "\x48\xff\xc1\x66\xef\x48\xff\xc1\xe6\x42"); /* inc rcx; out dx,ax; inc rcx; out 42h,al */
    CHECK(run_with(&rig, 0xf8, 0x11223344, 0) == VM_EXIT_IO);
    CHECK(!rig.exit.io.in && rig.exit.io.port == 0xf8 && rig.exit.io.size == 2 && rig.exit.io.count == 1);
    CHECK(!memcmp(rig.exit.io.data, "\x44\x33", 2));
    CHECK_EQ_U64(state_of(&rig).rip, CODE + 5);
    CHECK_EQ_U64(state_of(&rig).gpr[RCX], 1);
    CHECK(go_on(&rig) == VM_EXIT_IO && rig.exit.io.port == 0x42 && rig.exit.io.size == 1);
    CHECK_EQ_U64(state_of(&rig).gpr[RCX], 2);
    CHECK(go_on(&rig) == VM_EXIT_HLT);
    CHECK_EQ_U64(rig.stats.exits[EXIT_INDEX_IO].taken, 2);
    CHECK_EQ_U64(rig.stats.counter[COUNTER_INSTRUCTIONS], 5);
    rig_close(&rig);
}

static void test_string_io(void)
{
    struct cpu_state state;
    struct rig rig;

    if (!rig_open(&rig, &emulate_unicorn))
        return;
    start_flat(&rig);
    PUT_CODE(&rig, "\xf3\x6f\xf3\x66\x6d"); /* rep outsd; rep insw */
    memcpy(rig.ram.base + DATA, "abcdefghijkl", 12);
    state = state_of(&rig);
    state.gpr[RSI] = DATA;
    state.gpr[RDI] = DATA + 0x100;
    set(&rig, &state);
    CHECK(run_with(&rig, 0x1f0, 0, 3) == VM_EXIT_IO);
    CHECK(!rig.exit.io.in && rig.exit.io.size == 4 && rig.exit.io.count == 3);
    CHECK(!memcmp(rig.exit.io.data, "abcdefghijkl", 12));
    state = state_of(&rig);
    CHECK_EQ_U64(state.gpr[RSI], DATA + 12);
    CHECK_EQ_U64(state.gpr[RCX], 0);
    CHECK_EQ_U64(state.rip, CODE + 2);
    state.gpr[RCX] = 3000; /* two bursts: VM_IO_MAX is 4096 bytes */
    set(&rig, &state);
    CHECK(go_on(&rig) == VM_EXIT_IO && rig.exit.io.in && rig.exit.io.size == 2);
    CHECK_EQ_U64(rig.exit.io.count, 2048);
    memset(rig.exit.io.data, 'x', 4096);
    CHECK(go_on(&rig) == VM_EXIT_IO);
    CHECK_EQ_U64(rig.exit.io.count, 3000 - 2048);
    memset(rig.exit.io.data, 'y', rig.exit.io.count * 2);
    CHECK(go_on(&rig) == VM_EXIT_HLT);
    CHECK(rig.ram.base[DATA + 0x100] == 'x' && rig.ram.base[DATA + 0x100 + 4095] == 'x');
    CHECK(rig.ram.base[DATA + 0x100 + 4096] == 'y' && rig.ram.base[DATA + 0x100 + 5999] == 'y');
    CHECK(rig.ram.base[DATA + 0x100 + 6000] == 0);
    CHECK_EQ_U64(rig.stats.counter[COUNTER_INSTRUCTIONS], 3);
    rig_close(&rig);
}

/* ---- devices in memory ---- */

/* Answers reads with `answers`, in order, and notes the writes' values. */
struct dialogue {
    uint64_t answers[4], writes[4];
    unsigned reads, written, sizes;
    enum vm_exit_kind end;
};

static struct dialogue talk(struct rig *rig, enum vm_exit_kind first, uint64_t a, uint64_t b)
{
    struct dialogue d = {.answers = {a, b}, .end = first};

    for (int i = 0; i < 10 && d.end == VM_EXIT_MMIO; i++) {
        d.sizes = d.sizes * 16 + rig->exit.mmio.size;
        if (rig->exit.mmio.write)
            d.writes[d.written++ % 4] = rig->exit.mmio.value;
        else
            rig->exit.mmio.value = d.answers[d.reads++ % 4];
        d.end = go_on(rig);
    }
    return d;
}

static void test_mmio(void)
{
    static const struct {
        const char *name, *code;
        size_t length;
        uint64_t a, b;          /* answers to reads */
        unsigned reads, writes; /* expected */
        unsigned sizes;         /* of all accesses, a hexadecimal digit each */
        uint64_t value, rax;    /* expected: the last write's value, RAX (which was 0x1122334455667788) */
    } rows[] = {
        {"mov eax,[rdx]", "\x8b\x02", 2, 0xdeadbeef, 0, 1, 0, 0x4, 0, 0xdeadbeef},
        {"mov al,[rdx]", "\x8a\x02", 2, 0x12, 0, 1, 0, 0x1, 0, 0x1122334455667712},
        {"movzx eax,word [rdx]", "\x0f\xb7\x02", 3, 0xfedc, 0, 1, 0, 0x2, 0, 0xfedc},
        {"mov rax,[rdx]", "\x48\x8b\x02", 3, 0x123456789, 0, 1, 0, 0x8, 0, 0x123456789},
        {"mov [rdx],eax", "\x89\x02", 2, 0, 0, 0, 1, 0x4, 0x55667788, 0x1122334455667788},
        {"mov dword [rdx],5", "\xc7\x02\x05\x00\x00\x00", 6, 0, 0, 0, 1, 0x4, 5, 0x1122334455667788},
        {"add [rdx],eax", "\x01\x02", 2, 1, 0, 1, 1, 0x44, 0x55667789, 0x1122334455667788},
        {"lock add [rdx],eax", "\xf0\x01\x02", 3, 1, 0, 1, 1, 0x44, 0x55667789, 0x1122334455667788},
        {"add [rdx],rax", "\x48\x01\x02", 3, 1, 0, 1, 1, 0x88, 0x1122334455667789, 0x1122334455667788},
        {"mov cl,[rsp]; xchg [rdx],eax", "\x8a\x0c\x24\x87\x02", 5, 7, 0, 1, 1, 0x44, 0x55667788, 7},
        {"xchg [rdx],eax", "\x87\x02", 2, 7, 0, 1, 1, 0x44, 0x55667788, 7},
        {"push [rdx]; pop rax", "\xff\x32\x58", 3, 0x77, 0, 1, 0, 0x8, 0, 0x77},
        {"movsd to itself", "\x89\xd6\x89\xd7\xa5", 5, 0x66, 0, 1, 1, 0x44, 0x66, 0x1122334455667788},
        {"cmpsd", "\x89\xd6\x89\xd7\xa7\x0f\x94\xc0", 8, 5, 5, 2, 0, 0x44, 0, 0x1122334455667701},
        {"rep stosd of 2", "\x89\xd7\xb9\x02\x00\x00\x00\xf3\xab", 9, 0, 0, 0, 2, 0x44, 0x55667788, 0x1122334455667788},
        {"rep lodsd of 2", "\x89\xd6\xb9\x02\x00\x00\x00\xf3\xad", 9, 1, 2, 2, 0, 0x44, 0, 2},
    };
    struct rig rig;

    if (!rig_open(&rig, &emulate_unicorn))
        return;
    start_flat(&rig);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char code[40] = "\x48\xff\xc3"; /* inc rbx; the row; inc rbx */
        struct cpu_state state = state_of(&rig);
        struct dialogue d;

        vltest_row("%s", rows[i].name);
        memcpy(code + 3, rows[i].code, rows[i].length);
        memcpy(code + 3 + rows[i].length, "\x48\xff\xc3", 3);
        put_code(&rig, code, 6 + rows[i].length);
        state.gpr[RBX] = 0;
        set(&rig, &state);
        d = talk(&rig, run_with(&rig, DEVICE + 0x30, 0x1122334455667788, 0), rows[i].a, rows[i].b);
        CHECK(d.end == VM_EXIT_HLT);
        CHECK_EQ_U64(d.reads, rows[i].reads);
        CHECK_EQ_U64(d.written, rows[i].writes);
        CHECK_EQ_U64(d.sizes, rows[i].sizes);
        CHECK_EQ_U64(d.written ? d.writes[d.written - 1] : 0, rows[i].value);
        CHECK_EQ_U64(state_of(&rig).gpr[RAX], rows[i].rax);
        CHECK_EQ_U64(state_of(&rig).gpr[RBX], 2);
        CHECK_EQ_U64(state_of(&rig).rip, CODE + 6 + rows[i].length + 1);
    }
    vltest_row("%s", "");
    rig_close(&rig);
}

static void test_mmio_exit(void)
{
    struct rig rig;

    if (!rig_open(&rig, &emulate_unicorn))
        return;
    start_flat(&rig);
    PUT_CODE(&rig, "\x90\x8b\x42\x10"); /* nop; mov eax,[rdx+10h] */
    CHECK(run_with(&rig, DEVICE, 9, 0) == VM_EXIT_MMIO);
    CHECK(!rig.exit.mmio.write && rig.exit.mmio.size == 4);
    CHECK_EQ_U64(rig.exit.mmio.gpa.v, DEVICE + 0x10);
    CHECK_EQ_U64(state_of(&rig).rip, CODE + 1); /* not done yet */
    CHECK_EQ_U64(state_of(&rig).gpr[RAX], 9);
    CHECK_EQ_U64(rig.stats.counter[COUNTER_INSTRUCTIONS], 1);
    rig.exit.mmio.value = 4;
    CHECK(go_on(&rig) == VM_EXIT_HLT);
    CHECK_EQ_U64(state_of(&rig).gpr[RAX], 4);
    CHECK_EQ_U64(rig.stats.counter[COUNTER_INSTRUCTIONS], 3);
    rig_close(&rig);
}

/* ---- stopping ---- */

static void test_hlt(void)
{
    struct rig rig;

    if (!rig_open(&rig, &emulate_unicorn))
        return;
    start_flat(&rig);
    PUT_CODE(&rig, "\x48\xff\xc1\xf4\x48\xff\xc1"); /* inc rcx; hlt; inc rcx; hlt */
    CHECK(run_with(&rig, 0, 0, 0) == VM_EXIT_HLT);
    CHECK_EQ_U64(state_of(&rig).rip, CODE + 4);
    CHECK_EQ_U64(state_of(&rig).gpr[RCX], 1);
    CHECK(go_on(&rig) == VM_EXIT_HLT);
    CHECK_EQ_U64(state_of(&rig).gpr[RCX], 2);
    CHECK(!rig.ops->can_inject(rig.engine));
    rig_close(&rig);
}

static void *kick_later(void *rig)
{
    struct rig *r = rig;

    usleep(20000);
    r->ops->kick(r->engine);
    return NULL;
}

static void test_kick(void)
{
    static const struct {
        const char *name, *code;
        size_t length;
    } loops[] = {{"jmp $", "\xeb\xfe", 2},
                 {"inc; jmp", "\x48\xff\xc1\xeb\xfb", 5},
                 {"rep stosb of 2^60, which comes to a loop", "\x48\xff\xc1\xf3\xaa\x31\xff\xeb\xf7", 9}};
    struct rig rig;

    if (!rig_open(&rig, &emulate_unicorn))
        return;
    start_flat(&rig);
    PUT_CODE(&rig, "");
    rig.ops->kick(rig.engine);
    CHECK(run_with(&rig, 0, 0, 0) == VM_EXIT_INTERRUPTED); /* a kick that comes between two runs */
    CHECK_EQ_U64(state_of(&rig).rip, CODE);
    CHECK(go_on(&rig) == VM_EXIT_HLT);
    for (size_t i = 0; i < ARRAY_SIZE(loops); i++) {
        pthread_t thread;

        vltest_row("%s", loops[i].name);
        put_code(&rig, loops[i].code, loops[i].length);
        struct cpu_state state = state_of(&rig);
        state.gpr[RDI] = DATA;
        set(&rig, &state);
        CHECK_FATAL(!pthread_create(&thread, NULL, kick_later, &rig));
        CHECK(run_with(&rig, 0, 0, 0x100) == VM_EXIT_INTERRUPTED);
        pthread_join(thread, NULL);
        CHECK(state_of(&rig).rip >= CODE && state_of(&rig).rip < CODE + loops[i].length);
    }
    vltest_row("%s", "");
    rig_close(&rig);
}

/* A loop with calls, a REP string instruction, stores, and code that is stored over. */
static const char busy[] = "\xbe\x64\x00\x00\x00"         /*      mov esi,100 */
                           "\xbf\x00\x50\x00\x00"         /*   1: mov edi,DATA */
                           "\xb9\x05\x00\x00\x00"         /*      mov ecx,5 */
                           "\xf3\x48\xab"                 /*      rep stosq */
                           "\xe8\x10\x00\x00\x00"         /*      call 2f */
                           "\x40\x88\x35\x03\x00\x00\x00" /*      mov [3f+3],sil */
                           "\x48\x83\xc0\x01"             /*   3: add rax,1 (or what was stored) */
                           "\xff\xce\x75\xdf\xf4"         /*      dec esi; jnz 1b; hlt */
                           "\x48\x01\xf3\xc3" /*   2: add rbx,rsi; ret */;

/* Budgets of all sizes end where the interpreter's do, and the guest is the same at each end. */
static void test_budget(void)
{
    struct rig rig[2];
    uint64_t seed = 1;

    if (!rig_open(&rig[0], &emulate_interp) || !rig_open(&rig[1], &emulate_unicorn))
        return;
    for (int i = 0; i < 2; i++) {
        start_flat(&rig[i]);
        put_code(&rig[i], busy, sizeof(busy) - 1);
    }
    for (unsigned turn = 0;; turn++) {
        struct cpu_state state[2];
        uint64_t budget = turn < 50 ? 1 : (seed = seed * 6364136223846793005 + 1442695040888963407) >> 33 & 31;

        budget += !budget;
        vltest_row("turn %u, budget %u", turn, (unsigned)budget);
        for (int i = 0; i < 2; i++) {
            rig[i].ops->run(rig[i].engine, &rig[i].exit, budget);
            state[i] = state_of(&rig[i]);
        }
        CHECK_EQ_U64(rig[1].exit.kind, rig[0].exit.kind);
        CHECK_EQ_U64(rig[1].stats.counter[COUNTER_INSTRUCTIONS], rig[0].stats.counter[COUNTER_INSTRUCTIONS]);
        CHECK_EQ_U64(state[1].rip, state[0].rip);
        CHECK_EQ_U64(state[1].rflags, state[0].rflags);
        CHECK(!memcmp(state[1].gpr, state[0].gpr, sizeof(state[0].gpr)));
        if (rig[0].exit.kind != VM_EXIT_INTERRUPTED || rig[1].exit.kind != VM_EXIT_INTERRUPTED ||
            state[0].rip != state[1].rip)
            break;
    }
    CHECK(rig[1].exit.kind == VM_EXIT_HLT);
    vltest_row("%s", "");
    CHECK(!memcmp(rig[0].ram.base, rig[1].ram.base, RAM_BYTES));
    rig_close(&rig[0]);
    rig_close(&rig[1]);
}

/* ---- state ---- */

static void test_reset(void)
{
    struct cpu_state expected, state;
    struct rig rig;

    if (!rig_open(&rig, &emulate_unicorn))
        return;
    cpu_state_reset(&expected);
    state = state_of(&rig);
    CHECK_EQ_U64(state.tsc, expected.tsc);
    CHECK(!memcmp(&state, &expected, sizeof(state)));
    CHECK(go_on(&rig) == VM_EXIT_DEATH);
    CHECK(strstr(rig.exit.why.text, "64-bit mode") != NULL);
    rig_close(&rig);
}

/* The plain fields, by name and place. */
#define FIELD(field)                                                                      \
    {                                                                                     \
#field, offsetof(struct cpu_state, field), sizeof(((struct cpu_state *)0)->field) \
    }
static const struct {
    const char *name;
    size_t at, size;
} fields[] = {
    FIELD(rflags),
    FIELD(gdtr.base),
    FIELD(gdtr.limit),
    FIELD(idtr.base),
    FIELD(idtr.limit),
    FIELD(cr0),
    FIELD(cr2),
    FIELD(cr3),
    FIELD(cr4),
    FIELD(cr8),
    FIELD(dr[0]),
    FIELD(dr[1]),
    FIELD(dr[2]),
    FIELD(dr[3]),
    FIELD(dr6),
    FIELD(dr7),
    FIELD(efer),
    FIELD(star),
    FIELD(lstar),
    FIELD(cstar),
    FIELD(sfmask),
    FIELD(kernel_gs_base),
    FIELD(sysenter_cs),
    FIELD(sysenter_esp),
    FIELD(sysenter_eip),
    FIELD(pat),
    FIELD(apic_base),
    FIELD(tsc),
    FIELD(tsc_aux),
    FIELD(misc_enable),
    FIELD(fpu.fcw),
    FIELD(fpu.fsw),
    FIELD(fpu.ftw),
    FIELD(fpu.fop),
    FIELD(fpu.fip),
    FIELD(fpu.fdp),
    FIELD(fpu.mxcsr),
    FIELD(event.valid),
    FIELD(interrupt_shadow),
    FIELD(nmi_blocked),
    FIELD(halted),
};

static void compare_states(const struct cpu_state *got, const struct cpu_state *set)
{
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        uint64_t a = 0, b = 0;

        vltest_row("%s", fields[i].name);
        memcpy(&a, (const uint8_t *)got + fields[i].at, fields[i].size);
        memcpy(&b, (const uint8_t *)set + fields[i].at, fields[i].size);
        CHECK_EQ_U64(a, b);
    }
    for (unsigned i = 0; i < GPR_COUNT; i++) {
        vltest_row("gpr %u", i);
        CHECK_EQ_U64(got->gpr[i], set->gpr[i]);
    }
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        vltest_row("segment %u", i);
        CHECK_EQ_U64(got->seg[i].selector, set->seg[i].selector);
        CHECK_EQ_U64(got->seg[i].base, set->seg[i].base);
        CHECK_EQ_U64(got->seg[i].limit, set->seg[i].limit);
        CHECK_EQ_U64(got->seg[i].attr, set->seg[i].attr);
    }
    vltest_row("%s", "x87 and SSE registers");
    CHECK(!memcmp(got->fpu.st, set->fpu.st, sizeof(set->fpu.st)));
    CHECK(!memcmp(got->fpu.xmm, set->fpu.xmm, sizeof(set->fpu.xmm)));
    vltest_row("%s", "");
}

static void test_state(void)
{
    struct cpu_state state, got;
    struct rig rig;

    if (!rig_open(&rig, &emulate_unicorn))
        return;
    start_flat(&rig);
    state = state_of(&rig);
    for (unsigned i = 0; i < GPR_COUNT; i++)
        state.gpr[i] = 0x0123456789abcdef * (i + 1);
    state.rflags = FLAG_ONE | FLAGS_STATUS | FLAG_DF | FLAG_IOPL | FLAG_ID | FLAG_AC;
    state.seg[SEG_FS].base = 0xffff800012345678;
    state.seg[SEG_GS].base = 0x00007f0012345678;
    state.seg[SEG_DS] = (struct segment_reg){.selector = 0x28, .base = 0x12345678, .limit = 0xabcde, .attr = 0x93};
    state.seg[SEG_LDTR] = (struct segment_reg){.selector = 0x40, .base = 0x1234567890, .limit = 0xff, .attr = 0x82};
    state.seg[SEG_TR] = (struct segment_reg){.selector = 0x20, .base = 0x2234567890, .limit = 0x67, .attr = 0x8b};
    state.gdtr = (struct table_reg){.base = 0x1122334455, .limit = 0x4f};
    state.idtr = (struct table_reg){.base = 0x2122334455, .limit = 0xfff};
    state.cr0 |= CR0_MP | CR0_NE | CR0_WP;
    state.cr2 = 0xffff800000001234;
    state.cr3 = 0x20000;
    state.cr8 = 7;
    state.cr4 |= CR4_PGE;
    state.dr[0] = 0x1000, state.dr[1] = 0x2000, state.dr[2] = 0x3000, state.dr[3] = 0x4000;
    state.dr6 = 0xffff0ff1;
    state.efer |= EFER_NXE;
    state.star = 1, state.lstar = 2, state.cstar = 3, state.sfmask = 4, state.kernel_gs_base = 0xffff800000000005;
    state.sysenter_cs = 6, state.sysenter_esp = 7, state.sysenter_eip = 8;
    state.pat = 0x0606060606060606, state.apic_base = 0xfee00800, state.tsc_aux = 9, state.misc_enable = 1;
    state.tsc = 123456789;
    state.fpu.fcw = 0x27f, state.fpu.fsw = 0x3800 & 5 << 11, state.fpu.ftw = 0xe0, state.fpu.mxcsr = 0x3f80;
    state.fpu.fop = 0x123, state.fpu.fip = 0x1234567890, state.fpu.fdp = 0x2234567890;
    for (unsigned i = 0; i < 8; i++)
        memcpy(state.fpu.st[i], (uint8_t[10]){(uint8_t)i, 1, 2, 3, 4, 5, 6, 0x87, 8, 0x40}, 10);
    for (unsigned i = 0; i < 256; i++)
        state.fpu.xmm[i / 16][i % 16] = (uint8_t)(i * 7);
    state.interrupt_shadow = state.nmi_blocked = state.halted = true;
    set(&rig, &state);
    got = state_of(&rig);
    compare_states(&got, &state);
    CHECK_EQ_U64(rig.apic_base, 0xfee00800);
    set(&rig, &got); /* and once more, into a library CPU that is in use */
    got = state_of(&rig);
    compare_states(&got, &state);

    state.event = (struct pending_event){.valid = true, .vector = 14, .type = EVENT_EXCEPTION}; /* kept, if not run */
    set(&rig, &state);
    got = state_of(&rig);
    compare_states(&got, &state);
    CHECK(go_on(&rig) == VM_EXIT_DEATH);
    rig_close(&rig);
}

static void test_state_refused(void)
{
    struct reason why = {""};
    struct cpu_state state, before, after;
    struct rig rig;

    if (!rig_open(&rig, &emulate_unicorn))
        return;
    start_flat(&rig);
    state = before = state_of(&rig);
    state.cr0 &= ~CR0_PE;
    state.gpr[RAX] = 77;
    CHECK(rig.ops->set_state(rig.engine, &state, &why) < 0);
    CHECK(strstr(why.text, "CR0") != NULL);
    after = state_of(&rig);
    compare_states(&after, &before);
    rig_close(&rig);
}

/* x87 and SSE state is the guest's own, not just stored: FADD and ADDPD with what was set. */
static void test_state_used(void)
{
    const double half = 0.5, two = 2.0;
    struct cpu_state state;
    double sum[2];
    struct rig rig;

    if (!rig_open(&rig, &emulate_unicorn))
        return;
    start_flat(&rig);
    PUT_CODE(&rig, "\xd8\xc1\x66\x0f\x58\xc1\x64\x8b\x00\x48\x8c\xdb"); /* fadd st0,st1; addpd; mov eax,fs:[rax];
                                                                          mov rbx,ds */
    state = state_of(&rig);
    state.fpu.fsw = 6 << 11; /* TOP: ST(0) is register 6 */
    state.fpu.ftw = 0xc0;
    memcpy(state.fpu.st[0], "\0\0\0\0\0\0\0\x80\xff\x3f", 10); /* 1 */
    memcpy(state.fpu.st[1], "\0\0\0\0\0\0\0\x80\x00\x40", 10); /* 2 */
    memcpy(state.fpu.xmm[0], &half, 8);
    memcpy(state.fpu.xmm[1], &two, 8);
    state.seg[SEG_FS].base = DATA;
    state.rip = CODE;
    set(&rig, &state);
    memcpy(rig.ram.base + DATA + 4, "\x2a\0\0\0", 4);
    CHECK(run_with(&rig, 0, 4, 0) == VM_EXIT_HLT);
    state = state_of(&rig);
    CHECK(!memcmp(state.fpu.st[0], "\0\0\0\0\0\0\0\xc0\x00\x40", 10)); /* 3 */
    memcpy(sum, state.fpu.xmm[0], 16);
    CHECK(sum[0] == 2.5);
    CHECK_EQ_U64(state.gpr[RAX], 42);
    CHECK_EQ_U64(state.gpr[RBX], 0x18);
    rig_close(&rig);
}

static void test_segment_load(void)
{
    struct cpu_state state;
    struct rig rig;

    if (!rig_open(&rig, &emulate_unicorn))
        return;
    start_flat(&rig);
    PUT_CODE(&rig, "\x8e\xc0\x8e\xd9"); /* mov es,eax; mov ds,ecx */
    CHECK(run_with(&rig, 0, 0x20, 0) == VM_EXIT_HLT);
    state = state_of(&rig);
    CHECK_EQ_U64(state.seg[SEG_ES].selector, 0x20);
    CHECK_EQ_U64(state.seg[SEG_ES].attr, 0xc0f3);
    CHECK_EQ_U64(state.seg[SEG_ES].limit, 0xffffffff);
    CHECK_EQ_U64(state.seg[SEG_DS].attr, ATTR_UNUSABLE);
    CHECK_EQ_U64(state.seg[SEG_SS].attr, 0xc093);
    rig_close(&rig);
}

/* ---- the instructions that never reach the library ---- */

static void test_time_and_msrs(void)
{
    struct cpu_state state;
    struct rig rig;

    if (!rig_open(&rig, &emulate_unicorn))
        return;
    start_flat(&rig);
    PUT_CODE(&rig, "\x90\x90\x0f\x31"); /* nop; nop; rdtsc */
    state = state_of(&rig);
    state.tsc = 5000;
    set(&rig, &state);
    uint64_t before = rig.stats.counter[COUNTER_INSTRUCTIONS];
    state = state_of(&rig);
    CHECK(run_with(&rig, 0, 0, 0) == VM_EXIT_HLT);
    CHECK_EQ_U64(state_of(&rig).gpr[RAX], 5000 + before + 2);

    PUT_CODE(&rig, "\x0f\x30\x31\xc0\x0f\x32"); /* wrmsr; xor eax,eax; rdmsr */
    CHECK(run_with(&rig, 0, 0xfee00900, 0x1b) == VM_EXIT_HLT);
    CHECK_EQ_U64(rig.apic_base, 0xfee00900);
    CHECK_EQ_U64(state_of(&rig).gpr[RAX], 0xfee00900);
    CHECK(run_with(&rig, 0x12, 0x34567890, 0xc0000100) == VM_EXIT_HLT);
    CHECK_EQ_U64(state_of(&rig).seg[SEG_FS].base, 0x1234567890);
    CHECK(run_with(&rig, 0, EFER_SCE | EFER_NXE | EFER_LME | EFER_LMA, 0xc0000080) == VM_EXIT_HLT);
    CHECK_EQ_U64(state_of(&rig).efer, EFER_SCE | EFER_NXE | EFER_LME | EFER_LMA);

    PUT_CODE(&rig, "\x44\x0f\x22\xc0\x44\x0f\x20\xc1"); /* mov cr8,rax; mov rcx,cr8 */
    CHECK(run_with(&rig, 0, 9, 0) == VM_EXIT_HLT);
    CHECK_EQ_U64(rig.cr8, 9);
    CHECK_EQ_U64(state_of(&rig).gpr[RCX], 9);
    CHECK_EQ_U64(state_of(&rig).cr8, 9);

    PUT_CODE(&rig, "\x0f\xa2"); /* cpuid */
    CHECK(run_with(&rig, 0, 0x40000010, 0) == VM_EXIT_HLT);
    CHECK_EQ_U64(state_of(&rig).gpr[RAX], 1000000);
    CHECK(run_with(&rig, 0, 1, 0) == VM_EXIT_HLT);
    CHECK(state_of(&rig).gpr[RCX] >> 31 == 1);
    CHECK(run_with(&rig, 0, 0x15, 0) == VM_EXIT_HLT);
    CHECK_EQ_U64(state_of(&rig).gpr[RAX], 1);
    CHECK_EQ_U64(state_of(&rig).gpr[RBX], 1);
    rig_close(&rig);
}

static void test_code_writes(void)
{
    struct rig rig;

    if (!rig_open(&rig, &emulate_unicorn))
        return;
    start_flat(&rig);
    PUT_CODE(&rig, "\xb8\x01\x00\x00\x00"); /* mov eax,1 */
    CHECK(run_with(&rig, 0, 0, 0) == VM_EXIT_HLT);
    rig.ram.base[CODE + 1] = 2; /* by a device */
    rig.ops->ram_written(rig.engine, gpa(CODE + 1), 1);
    CHECK(run_with(&rig, 0, 0, 0) == VM_EXIT_HLT);
    CHECK_EQ_U64(state_of(&rig).gpr[RAX], 2);
    PUT_CODE(&rig, "\xe6\x80\x90"); /* out 80h,al */
    CHECK(run_with(&rig, 0, 0, 0) == VM_EXIT_IO);
    PUT_CODE(&rig, "\xff\xc0\x90"); /* inc eax, where the engine was to stop */
    CHECK(run_with(&rig, 0, 0, 0) == VM_EXIT_HLT);
    CHECK_EQ_U64(state_of(&rig).gpr[RAX], 1);
    rig.ops->ram_written(rig.engine, gpa(RAM_BYTES), 4096); /* nonsense is harmless */
    rig.ops->ram_written(rig.engine, gpa(0), RAM_BYTES);
    CHECK(run_with(&rig, 0, 0, 0) == VM_EXIT_HLT);
    rig_close(&rig);
}

/* ---- death ---- */

static void test_deaths(void)
{
    static const struct {
        const char *name, *code;
        size_t length;
        uint64_t rdx;
        bool idt;
        enum vm_exit_kind kind;
        const char *says;
    } rows[] = {
        {"div by 0", "\x31\xc9\xf7\xf1", 4, 0, false, VM_EXIT_SHUTDOWN, "interrupt 0 at rip 0x1002 (f7 f1 div ecx)"},
        {"div by 0, IDT", "\x31\xc9\xf7\xf1", 4, 0, true, VM_EXIT_DEATH, "interrupt 0 at rip 0x1002"},
        {"ud2", "\x90\x0f\x0b", 3, 0, false, VM_EXIT_SHUTDOWN, "interrupt 6 at rip 0x1001 (0f 0b ud2)"},
        {"int3", "\xcc", 1, 0, true, VM_EXIT_DEATH, "interrupt 3 at rip 0x1000 (cc int3)"},
        {"int 80h", "\xcd\x80", 2, 0, true, VM_EXIT_DEATH, "interrupt 128 at rip 0x1000 (cd 80 int 0x80)"},
        {"syscall", "\x0f\x05", 2, 0, true, VM_EXIT_DEATH, "0f 05 syscall at rip 0x1000"},
        {"rdpmc", "\x0f\x33", 2, 0, false, VM_EXIT_DEATH, "lacks the instruction at rip 0x1000: 0f 33 rdpmc"},
        {"vmcall", "\x90\x0f\x01\xc1", 4, 0, false, VM_EXIT_DEATH, "at rip 0x1001: 0f 01 c1 vmcall"},
        {"an unknown MSR", "\x0f\x32", 2, 0, false, VM_EXIT_SHUTDOWN, "interrupt 13 at rip 0x1000 (0f 32 rdmsr)"},
        {"jump outside RAM", "\xff\xe2", 2, 0xc0000000, false, VM_EXIT_DEATH, "jump to 0xc0000000"},
        {"jump above 4 GiB", "\xff\xe2", 2, 0x100000000, false, VM_EXIT_SHUTDOWN, "interrupt 14"},
        {"non-canonical", "\x90\x8b\x02", 3, 1ull << 63, false, VM_EXIT_SHUTDOWN, "interrupt 13 at rip 0x1001"},
        {"ins outside RAM", "\x48\x89\xd7\x6c", 4, 0xc0000000, false, VM_EXIT_DEATH, "buffer at 0xc0000000"},
        {"call without a stack", "\x31\xe4\xe8\x00\x00\x00\x00", 7, 0, false, VM_EXIT_SHUTDOWN, "14 at rip 0x1002"},
    };
    struct rig rig;

    if (!rig_open(&rig, &emulate_unicorn))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct cpu_state state;
        enum vm_exit_kind kind;

        start_flat(&rig); /* all of them on the same engine: one death leaves nothing behind for the next */
        put_code(&rig, rows[i].code, rows[i].length);
        state = state_of(&rig);
        if (rows[i].idt)
            state.idtr = (struct table_reg){.base = DATA, .limit = 0xfff};
        set(&rig, &state);
        memset(&rig.exit, 0, sizeof(rig.exit));
        kind = run_with(&rig, rows[i].rdx, 0, 0x12345678);
        vltest_row("%s: %d, %.200s", rows[i].name, (int)kind, rig.exit.why.text);
        CHECK_EQ_U64(kind, rows[i].kind);
        CHECK(strstr(rig.exit.why.text, rows[i].says) != NULL);
    }
    vltest_row("%s", "");
    CHECK_EQ_U64(rig.stats.counter[COUNTER_UNKNOWN_INSTRUCTIONS], 2);
    CHECK_EQ_STR(rig.stats.unknown, "0f 33 rdpmc");
    rig_close(&rig);
}

/* An interrupt that the guest is ready for can't be delivered: that is said, and nothing hangs. */
static void test_window(void)
{
    struct rig rig;

    if (!rig_open(&rig, &emulate_unicorn))
        return;
    start_flat(&rig);
    rig.ops->request_window(rig.engine, true);
    PUT_CODE(&rig, "\xe6\x80\xfb\xe6\x80");       /* out 80h,al; sti; out 80h,al */
    CHECK(run_with(&rig, 0, 0, 0) == VM_EXIT_IO); /* disabled: the guest goes on */
    CHECK(go_on(&rig) == VM_EXIT_DEATH);          /* before the second OUT */
    CHECK(strstr(rig.exit.why.text, "interrupt is pending") != NULL);
    rig_close(&rig);
}

static void test_two(void)
{
    struct rig a, b;

    if (!rig_open(&a, &emulate_unicorn) || !rig_open(&b, &emulate_unicorn))
        return;
    start_flat(&a);
    start_flat(&b);
    PUT_CODE(&a, "\xb8\x01\x00\x00\x00\xe6\x80\xff\xc0");
    PUT_CODE(&b, "\xb8\x05\x00\x00\x00\xe6\x80\xff\xc0");
    CHECK(run_with(&a, 0, 0, 0) == VM_EXIT_IO && run_with(&b, 0, 0, 0) == VM_EXIT_IO);
    CHECK(go_on(&a) == VM_EXIT_HLT && state_of(&a).gpr[RAX] == 2);
    rig_close(&a);
    CHECK(go_on(&b) == VM_EXIT_HLT && state_of(&b).gpr[RAX] == 6);
    rig_close(&b);
}

/* ---- whole machines ---- */

struct outcome {
    struct machine_result result;
    uint64_t instructions;
    char console[2000];
};

static bool run_machine(const struct engine_ops *ops, const char *kernel, const char *append, enum clock_mode clock,
                        struct outcome *outcome)
{
    char path[] = "/tmp/virtlab-unicorn-XXXXXX";
    struct reason why = {""};
    int console = mkstemp(path);
    struct machine_config config = {.mem = 64 << 20, .clock = clock, .console_in = -1, .console_out = console};
    struct machine *machine;
    ssize_t length = 0;

    CHECK_FATAL(console >= 0);
    unlink(path);
    memset(outcome, 0, sizeof(*outcome));
    machine = machine_create(&config, ops, &why);
    if (machine && !machine_load(machine, kernel, NULL, append, &why)) {
        outcome->result = machine_run(machine);
        outcome->instructions = machine_stats(machine)->counter[COUNTER_INSTRUCTIONS];
        length = pread(console, outcome->console, sizeof(outcome->console) - 1, 0);
    }
    vltest_check(!why.text[0] && length >= 0, __FILE__, __LINE__, "%s", why.text);
    machine_destroy(machine);
    close(console);
    return !why.text[0];
}

/* In virtual time everything is equal: what they print, times included, and how many instructions it took. */
static void test_flat_guests(void)
{
    static const struct {
        const char *kernel, *append;
    } rows[] = {{"sieve", "-- 1"},       {"fib", "-- 1"},           {"qsort", "-- 1"},
                {"lz", "-- 1"},          {"chase", "-- 1"},         {"selfcheck", "-- string"},
                {"selfcheck", "-- sse"}, {"selfcheck", "-- rdtsc"}, {"selfcheck", "-- self-modify"}};
    const char *guest = getenv("VIRTLAB_GUEST");
    char path[400];

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct outcome interp, unicorn;

        snprintf(path, sizeof(path), "%s/flat/%s.elf", guest ? guest : "build/guest", rows[i].kernel);
        if (access(path, R_OK)) {
            vltest_skip("no %s: make guest", path);
            return;
        }
        if (!run_machine(&emulate_interp, path, rows[i].append, CLOCK_VIRTUAL, &interp) ||
            !run_machine(&emulate_unicorn, path, rows[i].append, CLOCK_VIRTUAL, &unicorn))
            return;
        vltest_row("%s %s: %.100s %.50s", rows[i].kernel, rows[i].append, unicorn.console, unicorn.result.why.text);
        CHECK(unicorn.result.end == MACHINE_POWEROFF && unicorn.result.status == 0);
        CHECK_EQ_STR(unicorn.console, interp.console);
        CHECK_EQ_U64(unicorn.instructions, interp.instructions);
        CHECK(strstr(unicorn.console, "ok") != NULL);
    }
    vltest_row("%s", "");
}

static const struct vltest tests[] = {
    {"the installed library does what the engine needs, and all of it is listed", test_findings},
    {"errata are found by an instruction's whole name", test_errata},
    {"IN leaves at its own RIP and takes its answer", test_in},
    {"OUT is complete when it leaves", test_out},
    {"INS and OUTS go in bursts", test_string_io},
    {"any instruction may access a device", test_mmio},
    {"a device's read leaves the instruction undone until it is answered", test_mmio_exit},
    {"HLT leaves behind itself", test_hlt},
    {"a kick stops every loop", test_kick},
    {"a budget ends exactly where the interpreter's does", test_budget},
    {"a new CPU is in the state after reset, and dies when run there", test_reset},
    {"state that was set is read back, every field", test_state},
    {"an impossible state is refused and changes nothing", test_state_refused},
    {"the guest computes with the state that was set", test_state_used},
    {"a segment that the guest loads is seen", test_segment_load},
    {"time, MSRs, CR8 and CPUID are the machine's", test_time_and_msrs},
    {"code that was written is new code", test_code_writes},
    {"every death has its reason", test_deaths},
    {"an interrupt that can't be delivered is a death, not a hang", test_window},
    {"two engines don't disturb each other", test_two},
    {"flat guests run as on the interpreter, to the instruction", test_flat_guests},
};

int main(void)
{
    return vltest_run("unicorn", tests, ARRAY_SIZE(tests));
}

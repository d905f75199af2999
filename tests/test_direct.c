/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_direct.c - user code that runs directly does what it does in the interpreter, down to every register, flag, and
 * byte of memory; and what it must not see, it doesn't.
 *
 * Each row is a user program, which ends when it gets into the kernel, by a system call, an exception or an interrupt:
 * there every handler halts. It is run by emulate/interp and by full/bt:direct, and the two machines are compared
 * whole: page tables with their accessed and dirty bits, and what was pushed on the kernel's stack, are memory.
 */
#include "full/direct/direct.h"
#include "machine/engines.h"
#include "vltest.h"
#include <pthread.h>
#include <time.h>

/* Physical = virtual; user pages are 4 KiB, kernel pages a large one. */
#define RAM        (UINT64_C(8) << 20)
#define TABLES     UINT64_C(0x1000) /* root, PDPT, PD, PT */
#define GDT        UINT64_C(0x8000)
#define IDT        UINT64_C(0x9000)
#define TSS        UINT64_C(0xa000)
#define HANDLERS   UINT64_C(0xb000) /* 16 bytes each: HLT */
#define KERNEL_RSP UINT64_C(0xf000)
#define SYSCALLED  (HANDLERS + 0x1000)
#define USER       UINT64_C(0x200000) /* a 2 MiB region with a page table of its own */
#define CODE       (USER + 0x1000)    /* two pages, writable, too */
#define STACK_TOP  (USER + 0x8000)
#define DATA       (USER + 0x8000) /* four pages */
#define READ_ONLY  (USER + 0x10000)
#define NO_EXECUTE (USER + 0x11000)
#define KERNEL_OWN (USER + 0x12000) /* present, but not for users */
#define ABSENT     (USER + 0x13000)
#define ALIAS      (USER + 0x14000) /* CODE once more */
#define DEVICE     (USER + 0x15000) /* beyond RAM */

struct rig {
    const struct engine_ops *ops;
    struct ram ram;
    struct stats stats;
    struct engine_host host;
    struct engine *engine;
    struct vm_exit exit;
    struct cpu_state s;
};

static uint64_t no_time(void *context, uint64_t retired)
{
    (void)context, (void)retired;
    return 1000; /* RDTSC is the same everywhere */
}

static void put64(struct rig *r, uint64_t at, uint64_t value)
{
    memcpy(r->ram.base + at, &value, sizeof(value));
}

static void map_user(struct rig *r, uint64_t at, uint64_t frame, uint64_t bits)
{
    put64(r, TABLES + 0x3000 + 8 * ((at - USER) >> PAGE_SHIFT), frame | bits);
}

#define PRESENT   UINT64_C(1)
#define WRITABLE  UINT64_C(2)
#define FOR_USERS UINT64_C(4)
#define NX        (UINT64_C(1) << 63)
#define ALL       (PRESENT | WRITABLE | FOR_USERS)

static void make_tables(struct rig *r)
{
    put64(r, TABLES, (TABLES + 0x1000) | ALL);
    put64(r, TABLES + 0x1000, (TABLES + 0x2000) | ALL);
    put64(r, TABLES + 0x2000, 0x83); /* the kernel's first 2 MiB */
    put64(r, TABLES + 0x2000 + 8, (TABLES + 0x3000) | ALL);
    for (uint64_t at = USER; at < READ_ONLY; at += PAGE_SIZE)
        map_user(r, at, at, ALL);
    map_user(r, READ_ONLY, READ_ONLY, PRESENT | FOR_USERS);
    map_user(r, NO_EXECUTE, NO_EXECUTE, ALL | NX);
    map_user(r, KERNEL_OWN, KERNEL_OWN, PRESENT | WRITABLE);
    map_user(r, ALIAS, CODE, ALL);
    map_user(r, DEVICE, RAM, ALL);
}

/* Every vector is a gate to its own HLT; those of software interrupts are open to users, or not. */
static void make_kernel(struct rig *r)
{
    static const uint64_t gdt[] = {
        0, 0, 0x00209b0000000000, 0x0000930000000000, 0, 0x0000f30000000000, 0x0020fb0000000000};
    memcpy(r->ram.base + GDT, gdt, sizeof(gdt));
    for (uint64_t v = 0; v < 256; v++) {
        uint64_t handler = HANDLERS + 16 * v, dpl = v == 3 || v == 4 || v == 0x80 ? 3 : 0;
        put64(r, IDT + 16 * v, (handler & 0xffff) | 0x10 << 16 | (0x8e00 | dpl << 13) << 32 | (handler >> 16) << 48);
        r->ram.base[handler] = 0xf4;
    }
    r->ram.base[SYSCALLED] = 0xf4;
    put64(r, TSS + 4, KERNEL_RSP);
}

static void set_registers(struct rig *r)
{
    struct cpu_state *s = &r->s;
    cpu_state_reset(s);
    s->cr0 = CR0_PE | CR0_PG | CR0_ET | CR0_WP | CR0_NE | CR0_MP;
    s->cr3 = TABLES;
    s->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    s->efer = EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        s->seg[i] = (struct segment_reg){.attr = ATTR_UNUSABLE};
    s->seg[SEG_CS] = (struct segment_reg){.limit = UINT32_MAX, .attr = 0xa0fb, .selector = 0x33};
    s->seg[SEG_SS] = (struct segment_reg){.limit = UINT32_MAX, .attr = 0xc0f3, .selector = 0x2b};
    s->seg[SEG_TR] = (struct segment_reg){.base = TSS, .limit = 0x67, .attr = 0x8b, .selector = 0x38};
    s->gdtr = (struct table_reg){.base = GDT, .limit = 0x37};
    s->idtr = (struct table_reg){.base = IDT, .limit = 0xfff};
    s->star = UINT64_C(0x0023001000000000);
    s->lstar = SYSCALLED;
    s->sfmask = FLAG_IF;
    s->rip = CODE;
    s->rflags = FLAG_ONE | FLAG_IF;
    s->gpr[RSP] = STACK_TOP;
    s->gpr[RDI] = DATA;
    s->gpr[RSI] = READ_ONLY;
    s->gpr[RBX] = ABSENT;
    s->gpr[RDX] = 0;
}

struct program {
    const char *name;
    uint8_t code[64];
    void (*change)(struct rig *r); /* of the machine, before it runs; or NULL */
};

static bool rig_open(struct rig *r, const struct engine_ops *ops, const struct program *program)
{
    struct reason why = {""};
    *r = (struct rig){.ops = ops, .exit = {.kind = VM_EXIT_INTERRUPTED}};
    if (ram_create(&r->ram, RAM, &why))
        return false;
    make_tables(r);
    make_kernel(r);
    set_registers(r);
    memcpy(r->ram.base + CODE, program->code, sizeof(program->code));
    if (program->change)
        program->change(r);
    r->host = (struct engine_host){.ram = &r->ram, .stats = &r->stats, .tsc = no_time, .tsc_hz = 1000000000};
    r->engine = ops->create(&r->host, &why);
    return r->engine && ops->set_state(r->engine, &r->s, &why) == 0;
}

static void rig_close(struct rig *r)
{
    if (r->engine)
        r->ops->destroy(r->engine);
    ram_destroy(&r->ram);
}

/* Until it halts. A device answers every read with the same number. */
static void rig_run(struct rig *r)
{
    do {
        if (r->exit.kind == VM_EXIT_MMIO && !r->exit.mmio.write)
            r->exit.mmio.value = 0x1234;
        r->ops->run(r->engine, &r->exit, 0);
    } while (r->exit.kind == VM_EXIT_INTERRUPTED || r->exit.kind == VM_EXIT_MMIO);
    r->ops->get_state(r->engine, &r->s);
}

/* Where the x87's last instruction was is told by CPUs in their own ways (fpu.h). */
static void check_same(const struct rig *a, const struct rig *b)
{
    CHECK_EQ_U64(b->exit.kind, a->exit.kind);
    for (unsigned i = 0; i < GPR_COUNT; i++)
        CHECK_EQ_U64(b->s.gpr[i], a->s.gpr[i]);
    CHECK_EQ_U64(b->s.rip, a->s.rip);
    CHECK_EQ_U64(b->s.rflags, a->s.rflags);
    CHECK_EQ_U64(b->s.cr2, a->s.cr2);
    CHECK_EQ_U64(b->s.dr6, a->s.dr6);
    CHECK_EQ_U64(b->s.seg[SEG_FS].base, a->s.seg[SEG_FS].base);
    CHECK_EQ_U64(b->s.fpu.mxcsr, a->s.fpu.mxcsr);
    CHECK_EQ_U64(b->s.fpu.fcw, a->s.fpu.fcw);
    CHECK_EQ_U64(b->s.fpu.fsw, a->s.fpu.fsw);
    CHECK_EQ_U64(b->s.fpu.ftw, a->s.fpu.ftw);
    CHECK(!memcmp(a->s.fpu.xmm, b->s.fpu.xmm, sizeof(a->s.fpu.xmm)));
    CHECK(!memcmp(a->s.fpu.st, b->s.fpu.st, sizeof(a->s.fpu.st)));
    for (uint64_t at = 0; at < RAM; at += 8) {
        uint64_t x, y;
        memcpy(&x, a->ram.base + at, 8);
        memcpy(&y, b->ram.base + at, 8);
        if (x != y) {
            vltest_check(false, __FILE__, __LINE__, "memory at %#llx: %#llx, not %#llx", (unsigned long long)at,
                         (unsigned long long)y, (unsigned long long)x);
            return;
        }
    }
}

static bool direct_possible(void)
{
    struct reason why = {""};
    if (direct_probe(&why) == 0)
        return true;
    vltest_skip("%s", why.text);
    return false;
}

/* ---- what a row may change ---- */

static void set_ac(struct rig *r)
{
    r->s.rflags |= FLAG_AC;
}
static void set_ac_and_am(struct rig *r)
{
    r->s.rflags |= FLAG_AC;
    r->s.cr0 |= CR0_AM;
}
static void set_fsgsbase(struct rig *r)
{
    r->s.cr4 |= CR4_FSGSBASE;
}
static void set_tsd(struct rig *r)
{
    r->s.cr4 |= CR4_TSD;
}
static void set_ts(struct rig *r)
{
    r->s.cr0 |= CR0_TS;
}
static void set_tf(struct rig *r)
{
    r->s.rflags |= FLAG_TF;
}
static void no_sce(struct rig *r)
{
    r->s.efer &= ~EFER_SCE;
}
static void rdi_device(struct rig *r)
{
    r->s.gpr[RDI] = DEVICE;
}
static void rdi_kernel(struct rig *r)
{
    r->s.gpr[RDI] = KERNEL_OWN;
}
static void rdi_hole(struct rig *r)
{
    r->s.gpr[RDI] = WORLD_HOLE + 0x5000;
}
/* The guest has DATA there. */
static void map_hole(struct rig *r)
{
    put64(r, TABLES + 8 * (WORLD_HOLE >> 39 & 511), (TABLES + 0x4000) | ALL);
    put64(r, TABLES + 0x4000 + 8 * (WORLD_HOLE >> 30 & 511), (TABLES + 0x5000) | ALL);
    put64(r, TABLES + 0x5000 + 8 * (WORLD_HOLE >> 21 & 511), (TABLES + 0x6000) | ALL);
    put64(r, TABLES + 0x6000 + 8 * 5, DATA | ALL);
    r->s.gpr[RDI] = WORLD_HOLE + 0x5000;
}
static void rdi_no_execute(struct rig *r)
{
    r->s.gpr[RDI] = NO_EXECUTE;
}
static void rdi_not_canonical(struct rig *r)
{
    r->s.gpr[RDI] = UINT64_C(0x800000000000);
}
static void rdi_upper_half(struct rig *r)
{
    r->s.gpr[RDI] = UINT64_C(0xffff800000000000);
}
static void rdi_vsyscall(struct rig *r)
{
    r->s.gpr[RDI] = UINT64_C(0xffffffffff600000);
}
static void rsp_hole(struct rig *r)
{
    r->s.gpr[RSP] = WORLD_HOLE + 0x5800;
}
static void rdi_alias(struct rig *r)
{
    r->s.gpr[RDI] = ALIAS;
}
static void rdi_code(struct rig *r)
{
    r->s.gpr[RDI] = CODE;
}
/* The program stands at the end of its first page, so that it goes on in the second. */
static void at_page_end(struct rig *r)
{
    memmove(r->ram.base + CODE + PAGE_SIZE - 5, r->ram.base + CODE, 64);
    memset(r->ram.base + CODE, 0xcc, 5);
    r->s.rip = CODE + PAGE_SIZE - 5;
}
static void unmask_x87(struct rig *r)
{
    r->s.fpu.fcw = 0x0340;
}
static void unmask_sse(struct rig *r)
{
    r->s.fpu.mxcsr = 0;
}
static void large_page(struct rig *r)
{
    put64(r, TABLES + 0x2000 + 16, UINT64_C(0x400000) | 0x80 | ALL);
    r->s.gpr[RDI] = 0x412340;
}

#define SYSCALL 0x0f, 0x05

static const struct program programs[] = {
    {"a loop", {0xb9, 0xe8, 3, 0, 0, 0x01, 0xc8, 0x48, 0x11, 0xca, 0xff, 0xc9, 0x75, 0xf7, SYSCALL}, NULL},
    {"stores to fresh pages",
     {0x48, 0x89, 0x3f, 0x48, 0x89, 0xbf, 0, 0x10, 0, 0, 0x8b, 0x87, 0, 0x20, 0, 0, SYSCALL},
     NULL},
    {"push, call, ret", {0x50, 0xe8, 2, 0, 0, 0, SYSCALL, 0x5b, 0x53, 0xc3}, NULL},
    {"REP STOSB over a page's end", {0xb9, 0, 0x18, 0, 0, 0xb0, 0x5a, 0xf3, 0xaa, SYSCALL}, NULL},
    {"REP MOVSB that runs into an absent page",
     {0x48, 0x8d, 0xbb, 0, 0xff, 0xff, 0xff, 0x48, 0x8d, 0xb3, 0, 0xf0, 0xff, 0xff, 0xb9, 0, 2, 0, 0, 0xf3, 0xa4},
     NULL},
    {"SSE", {0xb8, 7, 0, 0, 0, 0xf3, 0x0f, 0x2a, 0xc0, 0xf3, 0x0f, 0x5e, 0xc8, 0xf3, 0x0f, 0x51, 0xd0, SYSCALL}, NULL},
    {"x87 and MMX stay in their registers", {0xd9, 0xe8, 0xd9, 0xeb, 0xde, 0xf1, 0xd9, 0xe8, SYSCALL}, NULL},
    {"the direction flag", {0xfd, SYSCALL}, NULL},
    {"PUSHF shows IF, POPF can't clear it",
     {0x9c, 0x58, 0x50, 0x80, 0x64, 0x24, 1, 0xfd, 0x9d, 0x9c, 0x5b, SYSCALL},
     NULL},
    {"POPF sets TF: one step", {0x9c, 0x80, 0x4c, 0x24, 1, 1, 0x9d, 0x90, 0x90, SYSCALL}, NULL},
    {"POPF sets AC: an access that isn't aligned", {0x9c, 0x80, 0x4c, 0x24, 2, 4, 0x9d, 0x8b, 0x47, 1, SYSCALL}, NULL},
    {"begun with TF", {0x90, 0x90, SYSCALL}, set_tf},
    {"AC without CR0.AM", {0x8b, 0x47, 1, SYSCALL}, set_ac},
    {"AC with CR0.AM: #AC", {0x8b, 0x47, 1, SYSCALL}, set_ac_and_am},

    {"#DE", {0x31, 0xc9, 0xf7, 0xf1}, NULL},
    {"#UD", {0x0f, 0x0b}, NULL},
    {"#GP: HLT", {0xf4}, NULL},
    {"#GP: CLI", {0xfa}, NULL},
    {"#GP: IN", {0xec}, NULL},
    {"#GP: MOV from CR0", {0x0f, 0x20, 0xc0}, NULL},
    {"#GP: RDMSR", {0x0f, 0x32}, NULL},
    {"#GP: LGDT", {0x0f, 0x01, 0x17}, NULL},
    {"#GP: an address that isn't canonical", {0x8b, 0x07}, rdi_not_canonical},
    {"#BP: INT3", {0xcc}, NULL},
    {"#BP: INT 3", {0xcd, 3}, NULL},
    {"#OF: INT 4", {0xcd, 4}, NULL},
    {"#DB: INT1", {0xf1}, NULL},
    {"INT 0x80", {0xb8, 1, 0, 0, 0, 0xcd, 0x80}, NULL},
    {"INT 0x81 is not for users", {0xcd, 0x81}, NULL},
    {"INT 0x20", {0xcd, 0x20}, NULL},
    {"SYSCALL without EFER.SCE: #UD", {SYSCALL}, no_sce},
    {"SYSENTER", {0x0f, 0x34}, NULL},
    {"#NM: CR0.TS", {0x0f, 0x57, 0xc0, SYSCALL}, set_ts},
    {"#MF", {0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0x9b, SYSCALL}, unmask_x87},
    {"#XM", {0x0f, 0x57, 0xc0, 0x0f, 0x5e, 0xc0, SYSCALL}, unmask_sse},

    {"#PF: absent", {0x8b, 0x03}, NULL},
    {"#PF: absent, a write", {0x89, 0x03}, NULL},
    {"#PF: absent, a fetch", {0xff, 0xe3}, NULL},
    {"#PF: read-only", {0x8b, 0x06, 0x89, 0x06}, NULL},
    {"#PF: the kernel's page", {0x8b, 0x07}, rdi_kernel},
    {"#PF: the kernel's page, a fetch", {0xff, 0xe7}, rdi_kernel},
    {"#PF: no execution", {0x89, 0x07, 0xff, 0xe7}, rdi_no_execute},
    {"#PF: the kernel's half", {0x8b, 0x07}, rdi_upper_half},
    {"#PF: a jump to the host's vsyscall page", {0xff, 0xe7}, rdi_vsyscall},
    {"#PF: a jump into the world's hole", {0xff, 0xe7}, rdi_hole},
    {"a page of its own at the world's hole", {0x8b, 0x07, 0x89, 0x07, 0x40, 0x50, 0x50, SYSCALL}, map_hole},
    {"#PF: the stack in the world's hole", {0x90, 0x50}, rsp_hole},
    {"#PF: null", {0x31, 0xc0, 0x8b, 0x00}, NULL},

    {"a large page", {0x89, 0x07, 0x8b, 0x9f, 0, 0x10, 0, 0, SYSCALL}, large_page},
    {"a device", {0x8b, 0x07, 0x89, 0x07, 0x03, 0x47, 4, SYSCALL}, rdi_device},
    {"an instruction on two pages", {0x90, 0x90, 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 0x90, SYSCALL}, at_page_end},

    {"CPUID is the guest's", {0x31, 0xc0, 0x0f, 0xa2, SYSCALL}, NULL},
    {"CPUID on two pages is the guest's", {0x31, 0xc0, 0x90, 0x90, 0x0f, 0xa2, SYSCALL}, at_page_end},
    {"RDTSC is the guest's", {0x0f, 0x31, SYSCALL}, NULL},
    {"RDTSC with CR4.TSD: #GP", {0x0f, 0x31, SYSCALL}, set_tsd},
    {"RDTSCP", {0x0f, 0x01, 0xf9, SYSCALL}, NULL},
    {"SGDT", {0x0f, 0x01, 0x07, SYSCALL}, NULL},
    {"SIDT", {0x0f, 0x01, 0x0f, SYSCALL}, NULL},
    {"SLDT", {0x0f, 0x00, 0xc0, SYSCALL}, NULL},
    {"STR", {0x0f, 0x00, 0xc8, SYSCALL}, NULL},
    {"SMSW", {0x0f, 0x01, 0xe0, SYSCALL}, NULL},
    {"LAR of a host's selector", {0xb9, 0x2b, 0, 0, 0, 0x0f, 0x02, 0xc1, SYSCALL}, NULL},
    {"LSL", {0xb9, 0x33, 0, 0, 0, 0x0f, 0x03, 0xc1, SYSCALL}, NULL},
    {"VERR", {0xb9, 0x2b, 0, 0, 0, 0x0f, 0x00, 0xe1, SYSCALL}, NULL},
    {"MOV from DS", {0x8c, 0xd8, SYSCALL}, NULL},
    {"MOV to ES of a selector that only the host has", {0xb8, 0x23, 0, 0, 0, 0x8e, 0xc0, SYSCALL}, NULL},
    {"IRETQ to the same ring", {0x0f, 0x05}, NULL},
    {"far return to 32-bit code of the host", {0x6a, 0x23, 0x57, 0x48, 0xcb}, NULL},
    {"RDFSBASE without CR4.FSGSBASE: #UD", {0xf3, 0x0f, 0xae, 0xc0, SYSCALL}, NULL},
    {"WRFSBASE", {0xf3, 0x48, 0x0f, 0xae, 0xd7, 0x64, 0x8b, 0x04, 0x25, 0, 0, 0, 0, SYSCALL}, set_fsgsbase},
    {"XGETBV: #UD", {0x31, 0xc9, 0x0f, 0x01, 0xd0, SYSCALL}, NULL},
    {"RDPID: #UD", {0xf3, 0x0f, 0xc7, 0xf8, SYSCALL}, NULL},
    {"VMMCALL: #UD", {0x0f, 0x01, 0xd9, SYSCALL}, NULL},
    {"AVX: #UD", {0xc5, 0xfc, 0x58, 0xc0, SYSCALL}, NULL},
    {"RDRAND: #UD", {0x0f, 0xc7, 0xf0, SYSCALL}, NULL},
    {"LZCNT is BSR", {0xb8, 0, 1, 0, 0, 0xf3, 0x0f, 0xbd, 0xc0, SYSCALL}, NULL},

    /* MOV EAX, 1; the byte 1 becomes 2; back, once. */
    {"code that changes itself",
     {0xb8, 1, 0, 0, 0, 0xfe, 0x47, 1, 0xff, 0xc2, 0x83, 0xfa, 3, 0x75, 0xf1, SYSCALL},
     rdi_code},
    {"code that changes itself under another address",
     {0xb8, 1, 0, 0, 0, 0xfe, 0x47, 1, 0xff, 0xc2, 0x83, 0xfa, 3, 0x75, 0xf1, SYSCALL},
     rdi_alias},
    /* UD2 becomes CPUID before it is reached. */
    {"CPUID made on the spot", {0x66, 0xc7, 0x47, 8, 0x0f, 0xa2, 0x31, 0xc0, 0x0f, 0x0b, SYSCALL}, rdi_code},
};

static void test_programs(void)
{
    if (!direct_possible())
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(programs); i++) {
        struct rig interp, direct;
        vltest_row("%s", programs[i].name);
        CHECK(rig_open(&interp, &emulate_interp, &programs[i]) && rig_open(&direct, &full_bt_direct, &programs[i]));
        rig_run(&interp);
        rig_run(&direct);
        check_same(&interp, &direct);
        rig_close(&interp);
        rig_close(&direct);
    }
    vltest_row("%s", "");
}

/* ---- where it ran ---- */

static const struct {
    const char *name;
    uint8_t code[64];
    uint64_t budget;
    bool direct;
} places[] = {
    {"plain code", {0x31, 0xc0, 0x31, 0xc0, SYSCALL}, 0, true},
    {"a page with CPUID somewhere behind", {0x31, 0xc0, SYSCALL, 0x90, 0x90, 0x0f, 0xa2}, 0, false},
    {"within an instruction budget", {0x31, 0xc0, 0x31, 0xc0, SYSCALL}, 1000, false},
};

static void test_places(void)
{
    if (!direct_possible())
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        struct program program = {.name = places[i].name};
        struct rig r;
        memcpy(program.code, places[i].code, sizeof(program.code));
        vltest_row("%s", program.name);
        CHECK(rig_open(&r, &full_bt_direct, &program));
        r.ops->run(r.engine, &r.exit, places[i].budget);
        CHECK_EQ_U64(r.exit.kind, VM_EXIT_HLT);
        CHECK_EQ_U64(r.stats.exits[EXIT_INDEX_SYSCALL].taken, places[i].direct);
        CHECK_EQ_U64(r.stats.exits[EXIT_INDEX_SYSCALL].avoided, !places[i].direct);
        rig_close(&r);
    }
    vltest_row("%s", "");
}

/* ---- jumps into the world's own code ---- */

#define TEXT_BYTES 1400 /* of the world's text, and some zeros */
#define TEXT_STEP  7
#define KICKS      3 /* before a guest counts as one that loops for ever */

static void *kick_now_and_then(void *rig)
{
    const struct rig *r = rig;
    const struct timespec pause = {.tv_nsec = 2000000};
    for (;;) {
        nanosleep(&pause, NULL); /* a cancellation point */
        r->ops->kick(r->engine);
    }
    return NULL;
}

/* It can do anything to itself, and nothing to the kernel and the machine. */
static void test_hole(void)
{
    static const struct program program = {.name = "", .code = {0xff, 0xe7}};
    static uint8_t kernel[PAGE_SIZE];
    struct reason why;
    pthread_t kicker;
    struct rig r;
    if (!direct_possible())
        return;
    CHECK_FATAL(rig_open(&r, &full_bt_direct, &program));
    memcpy(kernel, r.ram.base + HANDLERS, sizeof(kernel));
    CHECK_FATAL(pthread_create(&kicker, NULL, kick_now_and_then, &r) == 0);
    for (uint64_t offset = 0; offset < TEXT_BYTES; offset += TEXT_STEP) {
        set_registers(&r);
        r.s.gpr[RDI] = WORLD_HOLE + offset;
        CHECK(r.ops->set_state(r.engine, &r.s, &why) == 0);
        for (unsigned kicks = 0; kicks < KICKS; kicks++) {
            r.ops->run(r.engine, &r.exit, 0);
            if (r.exit.kind != VM_EXIT_INTERRUPTED)
                break;
        }
        vltest_row("offset %#llx: %s", (unsigned long long)offset, r.exit.kind >= VM_EXIT_DEATH ? r.exit.why.text : "");
        CHECK(r.exit.kind == VM_EXIT_HLT || r.exit.kind == VM_EXIT_INTERRUPTED);
    }
    pthread_cancel(kicker);
    pthread_join(kicker, NULL);
    CHECK(!memcmp(kernel, r.ram.base + HANDLERS, sizeof(kernel)));
    vltest_row("%s", "");
    rig_close(&r);
}

/* ---- the scan ---- */

static const struct {
    const char *name;
    uint8_t bytes[15];
    bool sensitive;
} instructions[] = {
    {"NOP", {0x90}, false},
    {"SYSCALL", {SYSCALL}, false},
    {"HLT", {0xf4}, false},
    {"RDTSC", {0x0f, 0x31}, false},
    {"PUSHF", {0x9c}, false},
    {"TZCNT, which compilers write for BSF", {0xf3, 0x0f, 0xbc, 0xc0}, false},
    {"no instruction", {0x06}, false},
    {"PADDD", {0x66, 0x0f, 0xfe, 0xc1}, false},
    {"POPCNT", {0xf3, 0x0f, 0xb8, 0xc1}, false},
    {"ENDBR64", {0xf3, 0x0f, 0x1e, 0xfa}, false},
    {"CPUID", {0x0f, 0xa2}, true},
    {"CPUID with prefixes", {0x66, 0x66, 0x48, 0x0f, 0xa2}, true},
    {"SGDT", {0x0f, 0x01, 0x00}, true},
    {"SIDT", {0x0f, 0x01, 0x08}, true},
    {"SLDT", {0x0f, 0x00, 0xc0}, true},
    {"STR", {0x0f, 0x00, 0xc8}, true},
    {"SMSW", {0x0f, 0x01, 0xe0}, true},
    {"LAR", {0x0f, 0x02, 0xc1}, true},
    {"LSL", {0x0f, 0x03, 0xc1}, true},
    {"VERR", {0x0f, 0x00, 0xe0}, true},
    {"VERW", {0x0f, 0x00, 0xe8}, true},
    {"MOV from SS", {0x8c, 0xd0}, true},
    {"MOV to DS", {0x8e, 0xd8}, true},
    {"PUSH FS", {0x0f, 0xa0}, true},
    {"POP GS", {0x0f, 0xa9}, true},
    {"LSS", {0x0f, 0xb2, 0x00}, true},
    {"IRETQ", {0x48, 0xcf}, true},
    {"RETF", {0xcb}, true},
    {"far JMP", {0xff, 0x28}, true},
    {"far CALL", {0xff, 0x18}, true},
    {"SYSENTER", {0x0f, 0x34}, true},
    {"INT1", {0xf1}, true},
    {"RDFSBASE", {0xf3, 0x0f, 0xae, 0xc0}, true},
    {"WRGSBASE", {0xf3, 0x0f, 0xae, 0xd8}, true},
    {"XGETBV", {0x0f, 0x01, 0xd0}, true},
    {"VMCALL", {0x0f, 0x01, 0xc1}, true},
    {"VMMCALL", {0x0f, 0x01, 0xd9}, true},
    {"RDPID", {0xf3, 0x0f, 0xc7, 0xf8}, true},
    {"WRPKRU", {0x0f, 0x01, 0xef}, true},
    {"RDRAND", {0x0f, 0xc7, 0xf0}, true},
    {"LZCNT", {0xf3, 0x0f, 0xbd, 0xc0}, true},
    {"VADDPS", {0xc5, 0xfc, 0x58, 0xc0}, true},
    {"an AVX-512 instruction", {0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc0}, true},
    {"BZHI", {0xc4, 0xe2, 0x78, 0xf5, 0xc0}, true},
    {"XSAVE", {0x0f, 0xae, 0x20}, true},
    {"AESENC", {0x66, 0x0f, 0x38, 0xdc, 0xc0}, true},
    {"XBEGIN", {0xc7, 0xf8, 0, 0, 0, 0}, true},
    {"RDPRU", {0x0f, 0x01, 0xfd}, true},
};

static void test_instructions(void)
{
    struct ram ram;
    struct reason why;
    CHECK_FATAL(ram_create(&ram, RAM, &why) == 0);
    struct scan *scan = scan_create(&ram, &why);
    CHECK_FATAL(scan != NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(instructions); i++) {
        unsigned len;
        vltest_row("%s", instructions[i].name);
        CHECK_EQ_U64(scan_instruction(scan, instructions[i].bytes, 15, &len), instructions[i].sensitive);
    }
    vltest_row("%s", "");
    scan_destroy(scan);
    ram_destroy(&ram);
}

/* Pages of NOPs with something in them, entered at `entry`. */
static const struct {
    const char *name;
    unsigned at;
    uint8_t bytes[8];
    unsigned entry;
    uint8_t next; /* first byte of the page behind */
    bool sensitive;
} pages[] = {
    {"nothing", 100, {0x90}, 0, 0x90, false},
    {"CPUID in the middle, entered behind it", 100, {0x0f, 0xa2}, 3000, 0x90, true},
    {"CPUID within MOV's immediate", 100, {0xb8, 0x0f, 0xa2, 0, 0}, 0, 0x90, false},
    {"... which is jumped into", 100, {0xb8, 0x0f, 0xa2, 0, 0}, 101, 0x90, true},
    {"CPUID where the page may begin within an instruction", 0, {0xb8, 0x0f, 0xa2, 0, 0}, 200, 0x90, false},
    {"... entered there", 0, {0xb8, 0x0f, 0xa2, 0, 0}, 1, 0x90, true},
    {"CPUID over the page's end", PAGE_SIZE - 1, {0x0f}, 0, 0xa2, true},
    {"something else over the page's end", PAGE_SIZE - 1, {0x0f}, 0, 0xb8, false},
};

static void test_pages(void)
{
    struct ram ram;
    struct reason why;
    CHECK_FATAL(ram_create(&ram, RAM, &why) == 0);
    struct scan *scan = scan_create(&ram, &why);
    CHECK_FATAL(scan != NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
        uint8_t *page = ram.base + CODE, *next = page + PAGE_SIZE;
        unsigned room = PAGE_SIZE - pages[i].at;
        vltest_row("%s", pages[i].name);
        memset(page, 0x90, 2 * PAGE_SIZE);
        memcpy(page + pages[i].at, pages[i].bytes, room < 8 ? room : 8);
        for (unsigned b = 0; b < 8 && b < room; b++)
            if (!pages[i].bytes[b] && pages[i].bytes[0] != 0xb8)
                page[pages[i].at + b] = 0x90;
        *next = pages[i].next;
        scan_forget(scan, gpa(CODE));
        CHECK_EQ_U64(scan_page(scan, gpa(CODE), pages[i].entry, next), pages[i].sensitive);
    }
    vltest_row("%s", "");
    scan_destroy(scan);
    ram_destroy(&ram);
}

static const struct vltest tests[] = {
    {"each silent instruction is known, and the others are left in peace", test_instructions},
    {"a page is looked at from its start and from where it is entered", test_pages},
    {"user code runs directly unless its page or a budget forbids", test_places},
    {"a jump into the world's own code harms nobody else", test_hole},
    {"user programs end as they do in the interpreter", test_programs},
};

int main(void)
{
    return vltest_run("direct", tests, ARRAY_SIZE(tests));
}

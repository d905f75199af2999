/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_control.c - control and debug registers, MSRs, CPUID and the other privileged instructions.
 *
 * Tables of what is legal and what is not; the machine they run in is protect_rig.h's.
 */
#include "protect_rig.h"

/* ---- MOV to CR ---- */

struct cr_row {
    const char *what;
    enum rig_mode mode;
    unsigned cr;
    uint64_t set, clear; /* changes to the present value */
    bool legal;
};

static const struct cr_row cr_rows[] = {
    {"CR0: set TS", PROTECTED, 0, CR0_TS, 0, true},
    {"CR0: set MP, EM and AM", LONG, 0, CR0_MP | CR0_EM | CR0_AM, 0, true},
    {"CR0: clear WP", LONG, 0, 0, CR0_WP, true},
    {"CR0: set CD", LONG, 0, CR0_CD, 0, true},
    {"CR0: set CD and NW", LONG, 0, CR0_CD | CR0_NW, 0, true},
    {"CR0: set NW without CD", LONG, 0, CR0_NW, CR0_CD, false},
    {"CR0: set bit 32", LONG, 0, UINT64_C(1) << 32, 0, false},
    {"CR0: clear PE with PG set", LONG, 0, 0, CR0_PE, false},
    {"CR0: clear PG in 64-bit code", LONG, 0, 0, CR0_PG, false},
    {"CR0: set PG without PE", REAL, 0, CR0_PG, 0, false},
    {"CR0: set PE", REAL, 0, CR0_PE, 0, true},
    {"CR3: any page", LONG, 3, 0x3000, 0, true},
    {"CR3: ignored bits", LONG, 3, 0xfff, 0, true},
    {"CR3: bit 39", LONG, 3, UINT64_C(1) << 39, 0, true},
    {"CR3: beyond MAXPHYADDR", LONG, 3, UINT64_C(1) << 40, 0, false},
    {"CR3: bit 63 without PCID", LONG, 3, UINT64_C(1) << 63, 0, false},
    {"CR4: TSD", LONG, 4, CR4_TSD, 0, true},
    {"CR4: PSE and PGE", PROTECTED, 4, CR4_PSE | CR4_PGE, 0, true},
    {"CR4: OSFXSR and OSXMMEXCPT", LONG, 4, CR4_OSFXSR | CR4_OSXMMEXCPT, 0, true},
    {"CR4: FSGSBASE, UMIP, SMEP and SMAP", LONG, 4, CR4_FSGSBASE | CR4_UMIP | CR4_SMEP | CR4_SMAP, 0, true},
    {"CR4: VME", LONG, 4, CR4_VME, 0, false},
    {"CR4: PVI", LONG, 4, CR4_PVI, 0, false},
    {"CR4: PCIDE", LONG, 4, CR4_PCIDE, 0, false},
    {"CR4: OSXSAVE", LONG, 4, CR4_OSXSAVE, 0, false},
    {"CR4: bit 13, VMXE", LONG, 4, UINT64_C(1) << 13, 0, false},
    {"CR4: bit 63", LONG, 4, UINT64_C(1) << 63, 0, false},
    {"CR4: clear PAE in long mode", LONG, 4, 0, CR4_PAE, false},
    {"CR8: 15", LONG, 8, 15, 0, true},
    {"CR8: 16", LONG, 8, 16, 0, false},
    {"CR2: anything", LONG, 2, UINT64_C(0x8000000000000001), 0, true},
};

static uint64_t cr_of(const struct cpu_state *s, unsigned cr)
{
    return cr == 0 ? s->cr0 : cr == 2 ? s->cr2 : cr == 3 ? s->cr3 : cr == 4 ? s->cr4 : s->cr8;
}

static void test_cr_writes(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(cr_rows); i++) {
        const struct cr_row *row = &cr_rows[i];
        struct rig r;
        rig_init(&r, row->mode, 0);
        vltest_row("%s", row->what);
        const uint64_t before = cr_of(&r.s, row->cr), value = (before | row->set) & ~row->clear;
        /* CR8 needs REX.R. */
        uint8_t code[] = {0x0f, 0x22, (uint8_t)(0xc0 | (row->cr & 7) << 3)};
        if (row->cr == 8)
            EMIT(&r, 0x44);
        rig_code(&r, code, sizeof(code));
        r.s.gpr[RAX] = value;
        struct outcome o = rig_go(&r, 1);
        if (row->legal) {
            CHECK_EQ_U64(cr_of(&r.s, row->cr), value);
            CHECK_EQ_U64(r.s.rip, r.code_at);
            CHECK_EQ_U64(r.stats.exits[EXIT_INDEX_CR_ACCESS].avoided, 1);
        } else {
            o = rig_go(&r, 10); /* as nothing has happened, it faults again, now to the handler */
            CHECK_EQ_U64((uint64_t)o.vector, VEC_GP);
            CHECK_EQ_U64(cr_of(&r.s, row->cr), before);
        }
        rig_free(&r);
    }
}

static void test_cr_privilege(void)
{
    static const uint8_t codes[][3] = {{0x0f, 0x22, 0xc0}, {0x0f, 0x20, 0xc0}, {0x0f, 0x23, 0xc0}, {0x0f, 0x21, 0xc0},
                                       {0x0f, 0x06, 0x90}, {0x0f, 0x01, 0xf0}, {0x0f, 0x01, 0x38}, {0x0f, 0x09, 0x90},
                                       {0x0f, 0x08, 0x90}, {0x0f, 0x32, 0x90}, {0x0f, 0x30, 0x90}, {0xf4, 0x90, 0x90},
                                       {0xfa, 0x90, 0x90}, {0xfb, 0x90, 0x90}, {0x0f, 0x33, 0x90}, {0x0f, 0x01, 0x10}};
    for (unsigned i = 0; i < ARRAY_SIZE(codes); i++) {
        struct rig r;
        rig_init(&r, LONG, 3);
        vltest_row("%02x %02x %02x in ring 3", codes[i][0], codes[i][1], codes[i][2]);
        rig_code(&r, codes[i], 3);
        rig_expect(&r, VEC_GP, 0);
        CHECK_EQ_U64(rig_get(&r, STACK0 - 40, 8), CODE);
        rig_free(&r);
    }
}

static void test_cr_undefined(void)
{
    static const uint8_t codes[][3] = {{0x0f, 0x20, 0xc8}, {0x0f, 0x22, 0xe8}, {0x0f, 0x0b, 0x90}, {0x0f, 0xff, 0xc0},
                                       {0x0f, 0x01, 0xd0}, {0x0f, 0x01, 0xc8}, {0x0f, 0x01, 0xc1}, {0x0f, 0xaa, 0x90}};
    for (unsigned i = 0; i < ARRAY_SIZE(codes); i++) {
        struct rig r;
        rig_init(&r, LONG, 0);
        vltest_row("%02x %02x %02x", codes[i][0], codes[i][1], codes[i][2]);
        rig_code(&r, codes[i], 3);
        rig_expect(&r, VEC_UD, NO_ERROR);
        rig_free(&r);
    }
}

/* ---- changes of mode ---- */

/* From real mode to 64-bit code and a fault there, as a boot loader does it. */
static void test_boot(void)
{
    struct rig r, tables;
    rig_init(&r, REAL, 0);
    rig_init(&tables, LONG, 0);
    /* Take over the tables of long mode, but for the code at hand and the real-mode vectors. */
    memcpy(r.ram.base + GDT, tables.ram.base + GDT, CODE - GDT);
    memcpy(r.ram.base + HANDLERS, tables.ram.base + HANDLERS, 16 * 256);
    rig_free(&tables);
    rig_put(&r, DATA_AT, 2, GDT_END - 1), rig_put(&r, DATA_AT + 2, 4, GDT);
    rig_put(&r, DATA_AT + 8, 2, 0xfff), rig_put(&r, DATA_AT + 10, 8, IDT);
    r.s.cr0 = CR0_ET;
    EMIT(&r, 0x66, 0x0f, 0x01, 0x16, LE16(DATA_AT),                  /* lgdt [DATA_AT] */
         0x0f, 0x20, 0xc0, 0x66, 0x83, 0xc8, 0x01, 0x0f, 0x22, 0xc0, /* cr0 |= PE */
         0x66, 0xea, LE32(CODE + 0x40), LE16(CODE_COMPAT0));         /* jmp to 32-bit code */
    r.code_at = CODE + 0x40;
    EMIT(&r, 0x66, 0xb8, LE16(DATA0), 0x8e, 0xd0, 0x8e, 0xd8,              /* ss, ds */
         0xb8, LE32(0x20), 0x0f, 0x22, 0xe0,                               /* cr4 = PAE */
         0xb8, LE32(TABLES), 0x0f, 0x22, 0xd8,                             /* cr3 */
         0xb9, LE32(0xc0000080), 0x0f, 0x32, 0x80, 0xcc, 0x01, 0x0f, 0x30, /* EFER.LME */
         0x0f, 0x20, 0xc0, 0x0d, LE32(0x80000000), 0x0f, 0x22, 0xc0,       /* cr0 |= PG */
         0xea, LE32(CODE + 0xc0), LE16(CODE0));                            /* jmp to 64-bit code */
    r.code_at = CODE + 0xc0;
    EMIT(&r, 0x0f, 0x01, 0x1c, 0x25, LE32(DATA_AT + 8),        /* lidt */
         0x48, 0xb8, LE32(0x89abcdef), LE32(0x01234567), UD2); /* mov rax, imm64: 64-bit code alone has it */
    r.s.gpr[RSP] = STACK0;
    struct outcome o = rig_go(&r, 100);
    CHECK_EQ_U64(o.kind, VM_EXIT_HLT);
    CHECK_EQ_U64(r.s.rip, HANDLERS + 16 * VEC_UD + 1);
    CHECK_EQ_U64(r.s.gpr[RAX], UINT64_C(0x0123456789abcdef));
    CHECK_EQ_U64(r.s.efer, EFER_LME | EFER_LMA);
    rig_free(&r);
}

static void test_long_mode_refusals(void)
{
    static const struct {
        const char *what;
        uint64_t cr4, efer;
        uint32_t cs_attr, tr_attr; /* set */
        bool legal;
    } rows[] = {
        {"all is there", CR4_PAE, EFER_LME, 0, 0, true},   {"no PAE", 0, EFER_LME, 0, 0, false},
        {"CS.L set", CR4_PAE, EFER_LME, ATTR_L, 0, false}, {"a 16-bit TSS", CR4_PAE, EFER_LME, 0, SYS_32BIT, false},
        {"no LME: plain paging", 0, 0, ATTR_L, 0, true},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rig r;
        rig_init(&r, PROTECTED, 0);
        vltest_row("%s", rows[i].what);
        r.s.cr4 = rows[i].cr4;
        r.s.efer = rows[i].efer;
        r.s.cr3 = TABLES;
        r.s.seg[SEG_CS].attr |= rows[i].cs_attr;
        r.s.seg[SEG_TR].attr &= ~rows[i].tr_attr;
        EMIT(&r, 0x0f, 0x22, 0xc0);
        r.s.gpr[RAX] = r.s.cr0 | CR0_PG;
        rig_go(&r, 1);
        CHECK((r.s.cr0 & CR0_PG ? true : false) == rows[i].legal);
        CHECK((r.s.efer & EFER_LMA ? true : false) == (rows[i].legal && rows[i].efer));
        rig_free(&r);
    }
}

static void test_pae_pointers(void)
{
    for (unsigned bad = 0; bad < 2; bad++) {
        struct rig r;
        rig_init(&r, PROTECTED, 0);
        vltest_row("%s pointers", bad ? "bad" : "good");
        rig_put(&r, TABLES + 0x1000, 8, (TABLES + 0x2000) | 1);
        rig_put(&r, TABLES + 0x1008, 8, bad ? 3 : 2);
        r.s.cr4 = CR4_PAE;
        r.s.cr3 = TABLES + 0x1000;
        EMIT(&r, 0x0f, 0x22, 0xc0, UD2);
        r.s.gpr[RAX] = r.s.cr0 | CR0_PG;
        rig_expect(&r, bad ? VEC_GP : VEC_UD, bad ? 0 : NO_ERROR);
        CHECK((r.s.cr0 & CR0_PG ? true : false) == !bad);
        rig_free(&r);
    }
}

/* ---- LMSW, SMSW, CLTS, tables, debug registers ---- */

static void test_msw(void)
{
    struct rig r;
    rig_init(&r, PROTECTED, 0);
    EMIT(&r, 0x0f, 0x01, 0xf0, 0x0f, 0x01, 0xe3, 0x0f, 0x06, HLT); /* lmsw ax; smsw ebx; clts */
    r.s.gpr[RAX] = 0xe;                                            /* MP, EM, TS; PE can't be cleared */
    rig_go(&r, 10);
    CHECK_EQ_U64(r.s.gpr[RBX] & 0xf, 0xf);
    CHECK_EQ_U64(r.s.cr0 & 0xf, 0x7);
    rig_free(&r);
}

static void test_table_registers(void)
{
    struct rig r;
    rig_init(&r, LONG, 0);
    rig_put(&r, DATA_AT, 2, 0x123), rig_put(&r, DATA_AT + 2, 8, 0xffff800000001000);
    EMIT(&r, 0x0f, 0x01, 0x1c, 0x25, LE32(DATA_AT), 0x0f, 0x01, 0x0c, 0x25, LE32(DATA_AT + 16), HLT);
    rig_go(&r, 10);
    CHECK_EQ_U64(r.s.idtr.base, 0xffff800000001000);
    CHECK_EQ_U64(r.s.idtr.limit, 0x123);
    CHECK(!memcmp(r.ram.base + DATA_AT, r.ram.base + DATA_AT + 16, 10));
    rig_free(&r);

    rig_init(&r, LONG, 0);
    rig_put(&r, DATA_AT + 2, 8, UINT64_C(1) << 47);
    EMIT(&r, 0x0f, 0x01, 0x14, 0x25, LE32(DATA_AT));
    rig_expect(&r, VEC_GP, 0);
    CHECK_EQ_U64(r.s.gdtr.base, GDT);
    rig_free(&r);

    rig_init(&r, REAL, 0); /* 16-bit operands: 24 bits of base */
    rig_put(&r, DATA_AT, 2, 0x3ff), rig_put(&r, DATA_AT + 2, 4, 0xff000000);
    EMIT(&r, 0x0f, 0x01, 0x1e, LE16(DATA_AT), HLT);
    rig_go(&r, 10);
    CHECK_EQ_U64(r.s.idtr.base, 0);
    rig_free(&r);
}

static void test_umip(void)
{
    static const uint8_t codes[][3] = {{0x0f, 0x01, 0x00},
                                       {0x0f, 0x01, 0x08},
                                       {0x0f, 0x01, 0xe0},
                                       {0x0f, 0x00, 0xc0},
                                       {0x0f, 0x00, 0xc8}}; /* SGDT SIDT SMSW SLDT STR */
    for (unsigned i = 0; i < 2 * ARRAY_SIZE(codes); i++) {
        struct rig r;
        rig_init(&r, LONG, 3);
        vltest_row("0f %02x %02x, UMIP %u", codes[i / 2][1], codes[i / 2][2], i % 2);
        r.s.cr4 |= i % 2 ? CR4_UMIP : 0;
        r.s.gpr[RAX] = DATA_AT;
        rig_code(&r, codes[i / 2], 3);
        EMIT(&r, UD2);
        rig_expect(&r, i % 2 ? VEC_GP : VEC_UD, i % 2 ? 0 : NO_ERROR);
        rig_free(&r);
    }
}

static void test_debug_registers(void)
{
    struct rig r;
    rig_init(&r, LONG, 0);
    EMIT(&r, 0x0f, 0x23, 0xd8, 0x0f, 0x23, 0xf3, 0x0f, 0x23, 0xf9, 0x0f, 0x21, 0xe2, HLT);
    r.s.gpr[RAX] = 0xffff800012345678, r.s.gpr[RBX] = 0, r.s.gpr[RCX] = 0x55; /* dr3, dr6, dr7; rdx = dr4 */
    rig_go(&r, 10);
    CHECK_EQ_U64(r.s.dr[3], 0xffff800012345678);
    CHECK_EQ_U64(r.s.dr6, 0xffff0ff0);
    CHECK_EQ_U64(r.s.dr7, 0x455);
    CHECK_EQ_U64(r.s.gpr[RDX], 0xffff0ff0);
    rig_free(&r);

    rig_init(&r, LONG, 0);
    EMIT(&r, 0x0f, 0x23, 0xf8); /* dr7 = rax */
    r.s.gpr[RAX] = UINT64_C(1) << 32;
    rig_expect(&r, VEC_GP, 0);
    rig_free(&r);

    rig_init(&r, LONG, 0);
    EMIT(&r, 0x0f, 0x21, 0xc0);
    r.s.dr7 |= DR7_GD;
    rig_expect(&r, VEC_DB, CODE); /* no error code: the topmost word is RIP, and it is a fault */
    CHECK_EQ_U64(r.s.dr6 & DR6_BD, DR6_BD);
    CHECK_EQ_U64(r.s.dr7 & DR7_GD, 0);
    rig_free(&r);
}

static void test_tsc(void)
{
    struct rig r;
    rig_init(&r, LONG, 3);
    r.s.tsc = UINT64_C(0x500000000);
    r.s.tsc_aux = 7;
    EMIT(&r, 0x0f, 0x31, 0x89, 0xd3, 0x0f, 0x01, 0xf9, UD2); /* rdtsc; mov ebx, edx; rdtscp */
    rig_expect(&r, VEC_UD, NO_ERROR);
    CHECK_EQ_U64(r.s.gpr[RBX], 5);
    CHECK_EQ_U64(r.s.gpr[RAX], 2); /* in the test's virtual time, one tick an instruction */
    CHECK_EQ_U64(r.s.gpr[RCX], 7);
    rig_free(&r);
    rig_init(&r, LONG, 3);
    r.s.cr4 |= CR4_TSD;
    EMIT(&r, 0x0f, 0x31);
    rig_expect(&r, VEC_GP, 0);
    rig_free(&r);
}

static void test_stac(void)
{
    struct rig r;
    rig_init(&r, LONG, 0);
    r.s.cr4 |= CR4_SMAP;
    rig_put(&r, TABLES + 0x3000 + 8 * (CODE >> 12), 8, CODE | 3); /* code and stack must be the kernel's */
    rig_put(&r, TABLES + 0x3000 + 8 * ((STACK0 >> 12) - 1), 8, (STACK0 - 0x1000) | 3);
    for (unsigned page = GDT >> 12; page < CODE >> 12; page++)
        rig_put(&r, TABLES + 0x3000 + 8 * page, 8, page << 12 | 3);
    EMIT(&r, 0x0f, 0x01, 0xcb, 0x8b, 0x04, 0x25, LE32(DATA_AT), /* stac; mov eax, [user] */
         0x0f, 0x01, 0xca, 0x8b, 0x1c, 0x25, LE32(DATA_AT));    /* clac; mov ebx, [user] */
    rig_put(&r, DATA_AT, 4, 0x1234);
    rig_expect(&r, VEC_PF, PF_PRESENT);
    CHECK_EQ_U64(r.s.gpr[RAX], 0x1234);
    CHECK_EQ_U64(r.s.gpr[RBX], 0);
    rig_free(&r);
}

/* What the software TLB remembers of a page's rights must not outlive CR0.WP. */
static void test_wp_flush(void)
{
    struct rig r;
    rig_init(&r, LONG, 0);
    r.s.cr0 &= ~CR0_WP;
    rig_put(&r, TABLES + 0x3000 + 8 * (DATA_AT >> 12), 8, DATA_AT | 5);
    EMIT(&r, 0xff, 0x04, 0x25, LE32(DATA_AT), 0xff, 0x04, 0x25, LE32(DATA_AT), /* inc dword [DATA_AT], twice */
         0x0f, 0x20, 0xc0, 0x0d, LE32(0x10000), 0x0f, 0x22, 0xc0,              /* cr0 |= WP */
         0xff, 0x04, 0x25, LE32(DATA_AT));
    rig_expect(&r, VEC_PF, PF_PRESENT | PF_WRITE);
    CHECK_EQ_U64(rig_get(&r, DATA_AT, 4), 2);
    rig_free(&r);
}

/* A large page's pieces are cached one by one; INVLPG of any of them drops all (SDM 3, 4.10.4.1). */
static void test_invlpg_large(void)
{
    struct rig r;
    rig_init(&r, LONG, 0);
    rig_put(&r, 0x200000, 4, 0x1111);
    EMIT(&r, 0x8b, 0x04, 0x25, LE32(0x200000),                /* mov eax, [2 MiB] */
         0xc7, 0x04, 0x25, LE32(TABLES + 0x2008), LE32(0x87), /* the large page now maps 0 */
         0x0f, 0x01, 0x3c, 0x25, LE32(0x234000),              /* invlpg elsewhere in it */
         0x8b, 0x1c, 0x25, LE32(0x200000 + DATA_AT), 0x8b, 0x0c, 0x25, LE32(0x200000), HLT);
    rig_put(&r, DATA_AT, 4, 0x2222);
    rig_put(&r, 0, 4, 0x3333);
    rig_go(&r, 20);
    CHECK_EQ_U64(r.s.gpr[RAX], 0x1111);
    CHECK_EQ_U64(r.s.gpr[RBX], 0x2222);
    CHECK_EQ_U64(r.s.gpr[RCX], 0x3333);
    rig_free(&r);
}

static void test_fsgsbase(void)
{
    struct rig r;
    rig_init(&r, LONG, 3);
    r.s.cr4 |= CR4_FSGSBASE;
    EMIT(&r, 0xf3, 0x48, 0x0f, 0xae, 0xd0, 0xf3, 0x48, 0x0f, 0xae, 0xc3, UD2); /* wrfsbase rax; rdfsbase rbx */
    r.s.gpr[RAX] = 0x7fff00001000;
    rig_expect(&r, VEC_UD, NO_ERROR);
    CHECK_EQ_U64(r.s.gpr[RBX], 0x7fff00001000);
    rig_free(&r);
    rig_init(&r, LONG, 0);
    r.s.cr4 |= CR4_FSGSBASE;
    r.s.gpr[RAX] = UINT64_C(1) << 47;
    EMIT(&r, 0xf3, 0x48, 0x0f, 0xae, 0xd0);
    rig_expect(&r, VEC_GP, 0);
    rig_free(&r);
    rig_init(&r, LONG, 0);
    EMIT(&r, 0xf3, 0x48, 0x0f, 0xae, 0xd0);
    rig_expect(&r, VEC_UD, NO_ERROR);
    rig_free(&r);
}

/* ---- MSRs ---- */

static void test_msrs(void)
{
    static const struct {
        const char *what;
        uint32_t index;
        uint64_t value;
        bool legal;
        uint64_t reads; /* behind a legal write */
    } rows[] = {
        {"EFER: SCE and NXE", 0xc0000080, 0xd01, true, 0xd01},
        {"EFER: LMA is the CPU's own", 0xc0000080, 0x900, true, 0xd00},
        {"EFER: clear LME while paging", 0xc0000080, 0x400, false, 0},
        {"EFER: SVME", 0xc0000080, 0x1d01, false, 0},
        {"EFER: FFXSR", 0xc0000080, 0x4d01, false, 0},
        {"STAR", 0xc0000081, 0x0023001000000000, true, 0x0023001000000000},
        {"LSTAR", 0xc0000082, 0xffffffff81000000, true, 0xffffffff81000000},
        {"LSTAR, not canonical", 0xc0000082, 0x0000800000000000, false, 0},
        {"CSTAR, not canonical", 0xc0000083, 0x8000000000000000, false, 0},
        {"SFMASK", 0xc0000084, 0x47700, true, 0x47700},
        {"FS base", 0xc0000100, 0x7f0000001000, true, 0x7f0000001000},
        {"FS base, not canonical", 0xc0000100, 0x0000800000000000, false, 0},
        {"GS base", 0xc0000101, 0xffff888000000000, true, 0xffff888000000000},
        {"kernel GS base, not canonical", 0xc0000102, 0x0000800000000000, false, 0},
        {"TSC_AUX", 0xc0000103, 5, true, 5},
        {"TSC_AUX, upper half", 0xc0000103, UINT64_C(1) << 32, false, 0},
        {"SYSENTER_EIP, not canonical", 0x176, 0x0000800000000000, false, 0},
        {"PAT", 0x277, 0x0007040600070406, true, 0x0007040600070406},
        {"PAT with type 8", 0x277, 0x0007040600070408, false, 0},
        {"PAT with type 2", 0x277, 0x0207040600070406, false, 0},
        {"APIC base: disable", 0x1b, 0xfee00100, true, 0xfee00100},
        {"APIC base: x2APIC", 0x1b, 0xfee00d00, false, 0},
        {"APIC base beyond MAXPHYADDR", 0x1b, 0x010000fee00900, false, 0},
        {"microcode revision: 0", 0x8b, 0, true, 0},
        {"MCG_CAP is read-only", 0x179, 0, false, 0},
        {"no such register", 0x12345678, 0, false, 0},
        {"an MTRR, which CPUID does not offer", 0x2ff, 0, false, 0},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rig r;
        rig_init(&r, LONG, 0);
        vltest_row("%s", rows[i].what);
        EMIT(&r, 0x0f, 0x30, 0x31, 0xc0, 0x31, 0xd2, 0x0f, 0x32, UD2); /* wrmsr; eax = edx = 0; rdmsr */
        r.s.gpr[RCX] = rows[i].index;
        r.s.gpr[RAX] = (uint32_t)rows[i].value;
        r.s.gpr[RDX] = rows[i].value >> 32;
        rig_expect(&r, rows[i].legal ? VEC_UD : VEC_GP, rows[i].legal ? NO_ERROR : 0);
        if (rows[i].legal)
            CHECK_EQ_U64(r.s.gpr[RAX] | r.s.gpr[RDX] << 32, rows[i].reads);
        rig_free(&r);
    }
}

static uint64_t apic_told;
static void apic_base_changed(void *context, uint64_t value)
{
    (void)context;
    apic_told = value;
}

static void test_apic_base(void)
{
    struct rig r;
    rig_init(&r, LONG, 0);
    r.host.apic_base_changed = apic_base_changed;
    EMIT(&r, 0x0f, 0x30, 0xb8, LE32(1), 0x0f, 0xa2, HLT); /* wrmsr; cpuid leaf 1 */
    r.s.gpr[RCX] = 0x1b;
    r.s.gpr[RAX] = 0xfee00100;
    r.s.gpr[RDX] = 0;
    rig_go(&r, 10);
    CHECK_EQ_U64(apic_told, 0xfee00100);
    CHECK_EQ_U64(r.s.gpr[RDX] >> 9 & 1, 0); /* CPUID hides a disabled APIC */
    rig_free(&r);
}

/* The registers that a 64-bit Linux reads unguarded on this vendor and family exist. */
static void test_linux_msrs(void)
{
    static const uint32_t indices[] = {0x10, 0x17, 0x1b, 0x8b, 0xce, 0x10a, 0x179, 0x1a0, 0x1d9, 0x277, 0xc0000080};
    for (unsigned i = 0; i < ARRAY_SIZE(indices); i++) {
        struct rig r;
        rig_init(&r, LONG, 0);
        vltest_row("MSR %x", indices[i]);
        r.s.gpr[RCX] = indices[i];
        EMIT(&r, 0x0f, 0x32, UD2);
        rig_expect(&r, VEC_UD, NO_ERROR);
        rig_free(&r);
    }
}

/* ---- CPUID ---- */

static struct rig cpuid_rig;

static void cpuid(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    struct rig *r = &cpuid_rig;
    r->code_at = CODE;
    EMIT(r, 0x0f, 0xa2, HLT);
    r->s.rip = CODE;
    r->s.halted = false;
    r->s.gpr[RAX] = leaf, r->s.gpr[RCX] = sub;
    rig_go(r, 10);
    out[0] = (uint32_t)r->s.gpr[RAX], out[1] = (uint32_t)r->s.gpr[RBX];
    out[2] = (uint32_t)r->s.gpr[RCX], out[3] = (uint32_t)r->s.gpr[RDX];
}

static void test_cpuid(void)
{
    uint32_t v[4];
    rig_init(&cpuid_rig, LONG, 0);
    cpuid(0, 0, v);
    const uint32_t name[] = {v[1], v[3], v[2]};
    CHECK(!memcmp(name, "GenuineIntel", 12));
    cpuid(1, 0, v);
    CHECK_EQ_U64(v[0], CPU_SIGNATURE);
    CHECK_EQ_U64(v[2] >> 31, 1);                   /* a hypervisor is there, */
    CHECK_EQ_U64(v[2] & (1u << 26 | 1u << 28), 0); /* but no XSAVE and no AVX */
    CHECK_EQ_U64(v[3] & 0x07808111, 0x07808111);   /* FPU TSC CX8 CMOV MMX FXSR SSE SSE2 */
    cpuid(0x40000000, 0, v);
    CHECK(!memcmp(&v[1], "VirtlabVirtl", 12));
    cpuid(0x80000008, 0, v);
    CHECK_EQ_U64(v[0], 48 << 8 | CPU_PHYSICAL_BITS);
    cpuid(0x15, 0, v); /* the test's TSC runs at 1 GHz, as the crystal does */
    CHECK_EQ_U64(v[0], 1);
    CHECK_EQ_U64(v[1], 1);
    CHECK_EQ_U64(v[2], 1000000000);
    cpuid_rig.host.tsc_hz = 2449999123;
    cpuid(0x15, 0, v);
    double ratio = (double)v[2] * v[1] / v[0] / 2449999123.0;
    CHECK(ratio > 0.999999 && ratio < 1.000001);
    CHECK((uint64_t)v[2] / 1000 * v[1] <= UINT32_MAX); /* as Linux multiplies */
    char brand[48];
    for (unsigned i = 0; i < 3; i++) {
        cpuid(0x80000002 + i, 0, v);
        memcpy(brand + 16 * i, v, 16);
    }
    CHECK_EQ_STR(brand, "Virtlab software CPU");
    cpuid(4, 1, v); /* sizes must make sense: (ways) * (line) * (sets) */
    CHECK_EQ_U64(((v[1] >> 22) + 1) * ((v[1] & 0xfff) + 1) * (v[2] + 1), 32 * 1024);
    cpuid(4, 4, v);
    CHECK_EQ_U64(v[0], 0);
    rig_free(&cpuid_rig);
}

/* ---- HLT and IF ---- */

static void test_halt(void)
{
    struct rig r;
    rig_init(&r, LONG, 0);
    EMIT(&r, 0xfb, 0xf4, UD2); /* sti; hlt */
    struct outcome o = rig_go(&r, 10);
    CHECK_EQ_U64(o.kind, VM_EXIT_HLT);
    CHECK(r.s.halted && cpu_can_inject(r.cpu));
    CHECK_EQ_U64(r.s.rip, CODE + 2);
    CHECK_EQ_U64(r.stats.exits[EXIT_INDEX_HLT].taken, 1);
    cpu_inject(r.cpu, 0x40);
    cpu_run(r.cpu, &r.exit, 1);
    cpu_get_state(r.cpu, &r.s);
    CHECK_EQ_U64(rig_get(&r, STACK0 - 40, 8), CODE + 2); /* woken behind HLT */
    rig_free(&r);
}

static void test_iopl(void)
{
    struct rig r;
    rig_init(&r, PROTECTED, 3);
    r.s.rflags |= FLAG_IOPL | FLAG_IF;
    EMIT(&r, 0xfa, UD2);
    rig_expect(&r, VEC_UD, NO_ERROR);
    CHECK_EQ_U64(rig_get(&r, STACK0 - 12, 4) & FLAG_IF, 0);
    rig_free(&r);
}

static const struct vltest tests[] = {
    {"MOV to CR takes what the manual allows and refuses the rest whole", test_cr_writes},
    {"privileged instructions are #GP(0) in ring 3", test_cr_privilege},
    {"instructions that do not exist here are #UD", test_cr_undefined},
    {"real mode leads to protected mode leads to long mode", test_boot},
    {"long mode begins only when all is prepared", test_long_mode_refusals},
    {"paging with PAE loads four pointers or is refused", test_pae_pointers},
    {"LMSW, SMSW and CLTS see the low word of CR0", test_msw},
    {"LIDT, LGDT and SIDT move limit and base", test_table_registers},
    {"UMIP hides the system registers from ring 3", test_umip},
    {"debug registers keep state, their fixed bits, and DR7.GD", test_debug_registers},
    {"RDTSC and RDTSCP tell the guest's time", test_tsc},
    {"STAC and CLAC open and close user pages under SMAP", test_stac},
    {"a page written without WP is read-only again with it", test_wp_flush},
    {"INVLPG drops a large page whole", test_invlpg_large},
    {"RDFSBASE and WRFSBASE work when CR4 says so", test_fsgsbase},
    {"MSRs take what the manual allows", test_msrs},
    {"a write to IA32_APIC_BASE is told, and CPUID follows", test_apic_base},
    {"the MSRs that Linux expects exist", test_linux_msrs},
    {"CPUID tells what this CPU is", test_cpuid},
    {"STI; HLT halts, and an interrupt wakes it behind HLT", test_halt},
    {"IOPL 3 lets ring 3 change IF", test_iopl},
};

int main(void)
{
    return vltest_run("control", tests, ARRAY_SIZE(tests));
}

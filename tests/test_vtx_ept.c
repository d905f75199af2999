/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_vtx_ept.c - extended page tables (SDM 3, 30.3) and tagged TLBs (30.4): violations and their qualification bit by
 * bit, misconfigurations, accessed and dirty flags, what INVEPT and INVVPID make forget; and what a walk in two
 * dimensions costs, by page sizes.
 */
#include "vtx_rig.h"
#include <virtlab/exit.h>

#define LINEAR 0x80u
#define FINAL  0x100u

/* ---- violations ---- */

enum access_kind { LOAD, STORE, FETCH };

static uint32_t access_data(struct rig *r, enum access_kind kind, uint64_t at)
{
    *rig_gpr(r, RBX) = at;
    switch (kind) {
    case LOAD: return RIG_RUN(r, 0x48, 0x8b, 0x03);  /* mov rax, [rbx] */
    case STORE: return RIG_RUN(r, 0x48, 0x89, 0x03); /* mov [rbx], rax */
    default: return RIG_RUN(r, 0xff, 0xe3);          /* jmp rbx */
    }
}

/* Every permission against every access: bits 2:0 what was tried, 5:3 what is allowed. */
static void test_permissions(void)
{
    static const unsigned needs[] = {EPT_READ, EPT_WRITE, EPT_EXECUTE};
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    for (unsigned permission = 0; permission < 8; permission++) {
        for (unsigned kind = LOAD; kind <= FETCH; kind++) {
            vltest_row("permission %u, access %u", permission, kind);
            rig_vmcs(&r, RIG_LONG, true);
            memset(rig_guest(&r, RIG_DATA), 0xf4, 16);
            *rig_ept_entry(&r, 1, RIG_DATA) = (RIG_GUEST + RIG_DATA) | permission | (permission ? EPT_TYPE_WB : 0);
            uint32_t reason = access_data(&r, (enum access_kind)kind, RIG_DATA + 8);
            bool sane = !((permission & EPT_WRITE) && !(permission & EPT_READ));
            CHECK_EQ_U64(reason, !sane ? EXIT_EPT_MISCONFIG : permission & needs[kind] ? EXIT_HLT : EXIT_EPT_VIOLATION);
            if (reason == EXIT_HLT)
                continue;
            CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_PHYSICAL_ADDRESS), RIG_DATA + 8);
            if (reason == EXIT_EPT_MISCONFIG)
                continue;
            CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_QUALIFICATION), needs[kind] | permission << 3 | LINEAR | FINAL);
            CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_LINEAR_ADDRESS), RIG_DATA + 8);
        }
    }
    rig_close(&r);
}

/* Bits 5:3 are the AND over all levels. */
static void test_permissions_combine(void)
{
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    for (unsigned level = 1; level <= 4; level++) {
        vltest_row("level %u", level);
        rig_vmcs(&r, RIG_LONG, true);
        CHECK_EQ_U64(access_data(&r, LOAD, RIG_DATA), EXIT_HLT);
        rig_wr(&r, VMCS_GUEST_RIP, RIG_CODE);
        *rig_ept_entry(&r, level, RIG_DATA) &= ~(uint64_t)EPT_WRITE;
        (void)invept(r.vmx, INVEPT_ALL_CONTEXTS, 0, 0);
        /* The guest's tables must be written, too (accessed bits): set them first. */
        for (unsigned l = 1; l <= 4; l++)
            *rig_guest_entry(&r, l, RIG_DATA) |= 0x60, *rig_guest_entry(&r, l, RIG_CODE) |= 0x60;
        CHECK_EQ_U64(access_data(&r, STORE, RIG_DATA), EXIT_EPT_VIOLATION);
        CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_QUALIFICATION), EPT_WRITE | (EPT_READ | EPT_EXECUTE) << 3 | LINEAR | FINAL);
    }
    rig_close(&r);
}

/* A page table of the guest's that EPT doesn't map: bit 8 clear, and the address is the table's. */
static void test_tables_missing(void)
{
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    rig_vmcs(&r, RIG_LONG, true);
    *rig_ept_entry(&r, 1, RIG_TABLES + 3 * PAGE_SIZE) = 0;
    CHECK_EQ_U64(rig_enter(&r), EXIT_EPT_VIOLATION);
    CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_QUALIFICATION), EPT_READ | LINEAR);
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_PHYSICAL_ADDRESS), RIG_TABLES + 3 * PAGE_SIZE + 8 * (RIG_CODE >> 12));
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_LINEAR_ADDRESS), RIG_CODE);
    vltest_row("readable only: the accessed bit can't be set");
    *rig_ept_entry(&r, 1, RIG_TABLES + 3 * PAGE_SIZE) =
        (RIG_GUEST + RIG_TABLES + 3 * PAGE_SIZE) | EPT_READ | EPT_TYPE_WB;
    CHECK_EQ_U64(rig_enter(&r), EXIT_EPT_VIOLATION);
    CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_QUALIFICATION), EPT_WRITE | EPT_READ << 3 | LINEAR);
    CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_PHYSICAL_ADDRESS), RIG_TABLES + 3 * PAGE_SIZE + 8 * (RIG_CODE >> 12));
    rig_close(&r);
}

/* ---- misconfigurations (30.3.3.1) ---- */

static void test_misconfigurations(void)
{
    static const struct {
        const char *what;
        unsigned level;
        uint64_t set;
        bool bad;
    } rows[] = {
        {"PML4E: bit 7", 4, 0x80, true},
        {"PML4E: bits 6:3", 4, 0x08, true},
        {"PDPTE that leads on: bits 6:3", 3, 0x40, true},
        {"PDE that leads on: bits 6:3", 2, 0x10, true},
        {"PML4E: beyond the physical-address width", 4, UINT64_C(1) << 40, true},
        {"PTE: beyond the physical-address width", 1, UINT64_C(1) << 51, true},
        {"PDPTE of a page: address bits 29:12", 3, 0x80, true},
        {"PDE of a page: address bits 20:12", 2, 0x80, true},
        {"PTE: memory type 7", 1, 0x08, true}, /* 6 with bit 3 */
        {"PTE: ignore PAT", 1, 0x40, false},
        {"PTE: ignored bits", 1, UINT64_C(0xfff0000000000c00), false},
        {"PML4E: ignored bits", 4, UINT64_C(0xfff0000000000e00), false},
    };
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s", rows[i].what);
        rig_vmcs(&r, RIG_LONG, true);
        *rig_ept_entry(&r, rows[i].level, RIG_CODE) |= rows[i].set;
        CHECK_EQ_U64(rig_enter(&r), rows[i].bad ? EXIT_EPT_MISCONFIG : EXIT_HLT);
        if (rows[i].bad) /* the very first thing translated is the guest's root table, the PTE's row the code */
            CHECK_EQ_U64(rig_rd(&r, VMCS_GUEST_PHYSICAL_ADDRESS), rows[i].level == 1 ? RIG_CODE : RIG_TABLES);
    }
    rig_close(&r);
}

/* ---- accessed and dirty flags (30.3.5) ---- */

static void test_accessed_dirty(void)
{
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    vltest_row("not asked for");
    rig_vmcs(&r, RIG_LONG, true);
    CHECK_EQ_U64(access_data(&r, STORE, RIG_DATA), EXIT_HLT);
    CHECK_EQ_U64(*rig_ept_entry(&r, 1, RIG_DATA) & (EPT_ACCESSED | EPT_DIRTY), 0);

    vltest_row("asked for");
    rig_vmcs(&r, RIG_LONG, true);
    rig_set(&r, VMCS_EPT_POINTER, EPTP_AD);
    CHECK_EQ_U64(access_data(&r, LOAD, RIG_DATA), EXIT_HLT);
    CHECK_EQ_U64(*rig_ept_entry(&r, 1, RIG_DATA) & (EPT_ACCESSED | EPT_DIRTY), EPT_ACCESSED);
    CHECK_EQ_U64(*rig_ept_entry(&r, 2, RIG_DATA) & (EPT_ACCESSED | EPT_DIRTY), EPT_ACCESSED);
    CHECK_EQ_U64(*rig_ept_entry(&r, 1, RIG_CODE) & (EPT_ACCESSED | EPT_DIRTY), EPT_ACCESSED);
    CHECK_EQ_U64(*rig_ept_entry(&r, 1, 0x60000) & (EPT_ACCESSED | EPT_DIRTY), 0);
    /* The guest's tables count as written. */
    CHECK_EQ_U64(*rig_ept_entry(&r, 1, RIG_TABLES) & (EPT_ACCESSED | EPT_DIRTY), EPT_ACCESSED | EPT_DIRTY);
    /* A store behind a load finds the page cached, yet must set the flag. */
    rig_wr(&r, VMCS_GUEST_RIP, RIG_CODE);
    CHECK_EQ_U64(access_data(&r, STORE, RIG_DATA), EXIT_HLT);
    CHECK_EQ_U64(*rig_ept_entry(&r, 1, RIG_DATA) & (EPT_ACCESSED | EPT_DIRTY), EPT_ACCESSED | EPT_DIRTY);

    vltest_row("and then a guest's table that can't be written can't be read");
    rig_vmcs(&r, RIG_LONG, true);
    rig_set(&r, VMCS_EPT_POINTER, EPTP_AD);
    *rig_ept_entry(&r, 1, RIG_TABLES) &= ~(uint64_t)EPT_WRITE;
    CHECK_EQ_U64(rig_enter(&r), EXIT_EPT_VIOLATION);
    CHECK_EQ_U64(rig_rd(&r, VMCS_EXIT_QUALIFICATION), EPT_READ | EPT_WRITE | (EPT_READ | EPT_EXECUTE) << 3 | LINEAR);
    rig_close(&r);
}

/* ---- tagged TLBs (30.4) ---- */

/* Reads RIG_DATA, remaps it to the next page, and reads again: does the old translation still serve? */
static bool stays_cached(struct rig *r, bool vpid, void (*between)(struct rig *r))
{
    rig_vmcs(r, RIG_LONG, true);
    if (!vpid)
        rig_clear(r, VMCS_CPU2_CONTROLS, CPU2_VPID);
    *(uint64_t *)rig_guest(r, RIG_DATA) = 1;
    *(uint64_t *)rig_guest(r, RIG_DATA + PAGE_SIZE) = 2;
    *rig_guest_entry(r, 1, RIG_DATA) |= 0x160; /* accessed, dirty, global */
    CHECK_EQ_U64(access_data(r, LOAD, RIG_DATA), EXIT_HLT);
    CHECK_EQ_U64(*rig_gpr(r, RAX), 1);
    *rig_ept_entry(r, 1, RIG_DATA) += PAGE_SIZE;
    if (between)
        between(r);
    rig_wr(r, VMCS_GUEST_RIP, RIG_CODE);
    CHECK_EQ_U64(access_data(r, LOAD, RIG_DATA), EXIT_HLT);
    return *rig_gpr(r, RAX) == 1;
}

static void do_invept(struct rig *r)
{
    CHECK(invept(r->vmx, INVEPT_SINGLE_CONTEXT, rig_rd(r, VMCS_EPT_POINTER), 0) == VMX_SUCCEED);
}
static void do_invept_other(struct rig *r)
{
    CHECK(invept(r->vmx, INVEPT_SINGLE_CONTEXT, 0x50000 | EPTP_TYPE_WB | EPTP_WALK_4, 0) == VMX_SUCCEED);
}
static void do_invvpid_address(struct rig *r)
{
    CHECK(invvpid(r->vmx, INVVPID_ADDRESS, 1, gva(RIG_DATA)) == VMX_SUCCEED);
}
static void do_invvpid_other_address(struct rig *r)
{
    CHECK(invvpid(r->vmx, INVVPID_ADDRESS, 1, gva(RIG_STACK)) == VMX_SUCCEED);
}
static void do_invvpid_single(struct rig *r)
{
    CHECK(invvpid(r->vmx, INVVPID_SINGLE_CONTEXT, 1, gva(0)) == VMX_SUCCEED);
}
static void do_invvpid_other(struct rig *r)
{
    CHECK(invvpid(r->vmx, INVVPID_SINGLE_CONTEXT, 2, gva(0)) == VMX_SUCCEED);
}
static void do_invvpid_all(struct rig *r)
{
    CHECK(invvpid(r->vmx, INVVPID_ALL_CONTEXTS, 0, gva(0)) == VMX_SUCCEED);
}
static void do_invvpid_retaining(struct rig *r) /* the page is global only with CR4.PGE */
{
    CHECK(invvpid(r->vmx, INVVPID_RETAINING_GLOBALS, 1, gva(0)) == VMX_SUCCEED);
}
static void use_other_vpid(struct rig *r)
{
    rig_wr(r, VMCS_VPID, 2);
}

static void test_invalidation(void)
{
    static const struct {
        const char *what;
        bool vpid;
        void (*between)(struct rig *r);
        bool stays;
    } rows[] = {
        {"VPID: an exit and an entry flush nothing", true, NULL, true},
        {"no VPID: they flush", false, NULL, false},
        {"INVEPT, single context", true, do_invept, false},
        {"INVEPT of other tables", true, do_invept_other, true},
        {"INVVPID of the address", true, do_invvpid_address, false},
        {"INVVPID of another address", true, do_invvpid_other_address, true},
        {"INVVPID, single context", true, do_invvpid_single, false},
        {"INVVPID of another VPID", true, do_invvpid_other, true},
        {"INVVPID, all contexts", true, do_invvpid_all, false},
        {"INVVPID retaining globals", true, do_invvpid_retaining, false},
        {"another VPID", true, use_other_vpid, false},
    };
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s", rows[i].what);
        CHECK_EQ_U64(stays_cached(&r, rows[i].vpid, rows[i].between), rows[i].stays);
    }
    rig_close(&r);
}

/* ---- what a walk costs ---- */

/* An entry of level 3 or 2 that maps 1 GiB or 2 MiB around guest-physical 0, instead of leading on. */
static void make_large(struct rig *r, unsigned ept_level, unsigned guest_level)
{
    if (guest_level > 1) /* guest-virtual to guest-physical, both from 0 */
        *rig_guest_entry(r, guest_level, 0) = 0xe7;
    if (ept_level > 1) /* guest-physical 0 must then lie at a host-physical multiple of the page's size: at 0 */
        *rig_ept_entry(r, ept_level, 0) = EPT_RWX | EPT_TYPE_WB | EPT_LEAF;
}

/*
 * Entries read by one walk, no caches between: n levels in the guest and m in the EPT cost n * (m + 1) + m, of which n
 * are the guest's own. Without EPT it is n.
 */
static void test_references(void)
{
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    for (unsigned guest = 1; guest <= 3; guest++) {
        for (unsigned ept = 0; ept <= 3; ept++) {
            unsigned n = 5 - guest, m = ept ? 5 - ept : 0;
            vltest_row("guest pages of 4 KiB << %u, %s << %u", 9 * (guest - 1), ept ? "EPT" : "no EPT", 9 * (ept - 1));
            rig_vmcs(&r, RIG_LONG, true);
            make_large(&r, ept, guest);
            struct paging p = {.cr0 = CR0_PE | CR0_PG,
                               .cr3 = RIG_TABLES,
                               .cr4 = CR4_PAE,
                               .efer = EFER_LME | EFER_LMA,
                               .maxphyaddr = 40,
                               .eptp = ept ? RIG_EPT | EPTP_TYPE_WB | EPTP_WALK_4 : 0};
            /* The guest's tables, where this EPT, or none, finds them. */
            uint64_t from = RIG_GUEST + RIG_TABLES, to = (ept == 1 ? RIG_GUEST : 0) + RIG_TABLES;
            memmove(r.ram.base + to, r.ram.base + from, 4 * PAGE_SIZE);
            struct translation t;
            CHECK(mmu_walk(&p, &r.ram, gva(RIG_DATA), ACCESS_READ, (struct access_rights){.user = true}, &t));
            CHECK_EQ_U64(t.refs, n);
            CHECK_EQ_U64(t.ept_refs, (n + 1) * m);
            CHECK_EQ_U64(t.refs + t.ept_refs, n * (m + 1) + m);
            CHECK_EQ_U64(t.gpa.v, (ept == 1 ? RIG_GUEST : 0) + RIG_DATA);
        }
    }
    rig_close(&r);
}

/* With paging-structure caches a second walk nearby reads one entry of the guest's, and the EPT for the result alone.
 */
static void test_walk_cache(void)
{
    static const struct {
        bool ept;
        unsigned refs, ept_refs;
    } rows[] = {{false, 1, 0}, {true, 1, 4}};
    struct rig r;
    CHECK_FATAL(rig_open(&r));
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s EPT", rows[i].ept ? "with" : "without");
        rig_vmcs(&r, RIG_LONG, rows[i].ept);
        struct walk_cache cache;
        struct paging p = {.cr0 = CR0_PE | CR0_PG,
                           .cr3 = (rows[i].ept ? 0 : RIG_GUEST) + RIG_TABLES,
                           .cr4 = CR4_PAE,
                           .efer = EFER_LME | EFER_LMA,
                           .maxphyaddr = 40,
                           .cache = &cache,
                           .eptp = rows[i].ept ? RIG_EPT | EPTP_TYPE_WB | EPTP_WALK_4 : 0};
        const struct access_rights user = {.user = true};
        struct translation t;
        walk_cache_clear(&cache);
        CHECK(mmu_walk(&p, &r.ram, gva(RIG_DATA), ACCESS_READ, user, &t));
        CHECK_EQ_U64(t.refs, 4);
        CHECK_EQ_U64(t.ept_refs, rows[i].ept ? 20 : 0);
        CHECK(mmu_walk(&p, &r.ram, gva(RIG_DATA + PAGE_SIZE), ACCESS_READ, user, &t));
        CHECK_EQ_U64(t.refs, rows[i].refs);
        CHECK_EQ_U64(t.ept_refs, rows[i].ept_refs);
        CHECK_EQ_U64(t.gpa.v, RIG_GUEST + RIG_DATA + PAGE_SIZE);
        /* Rights taken away higher up are remembered until a flush; given back, they are seen at once. */
        *rig_guest_entry(&r, 3, 0) &= ~UINT64_C(4);
        CHECK(mmu_walk(&p, &r.ram, gva(RIG_DATA), ACCESS_READ, user, &t));
        walk_cache_clear(&cache);
        CHECK(!mmu_walk(&p, &r.ram, gva(RIG_DATA), ACCESS_READ, user, &t));
        CHECK(mmu_walk(&p, &r.ram, gva(RIG_DATA), ACCESS_READ, (struct access_rights){.user = false}, &t));
        *rig_guest_entry(&r, 3, 0) |= 4;
        CHECK(mmu_walk(&p, &r.ram, gva(RIG_DATA), ACCESS_READ, user, &t));
    }
    rig_close(&r);
}

static const struct vltest tests[] = {
    {"permissions: every one against every access", test_permissions},
    {"permissions are combined over the levels", test_permissions_combine},
    {"violations at the guest's own tables", test_tables_missing},
    {"misconfigurations", test_misconfigurations},
    {"accessed and dirty flags", test_accessed_dirty},
    {"what stays cached over an exit, and what INVEPT and INVVPID drop", test_invalidation},
    {"a walk in two dimensions reads n * (m + 1) + m entries", test_references},
    {"paging-structure caches shorten a walk, and change no answer", test_walk_cache},
};

int main(void)
{
    return vltest_run("test_vtx_ept", tests, ARRAY_SIZE(tests));
}

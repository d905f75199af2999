/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_mmu.c - the page walker against a model written from the manual's tables alone, and the software TLB.
 *
 * The model works differently on purpose: it expands the manual's figures of entries bit by bit, level by level,
 * without sharing a line with walk.c. Random tables in a small RAM point at each other, at nothing, and outside, so
 * that every format meets every kind of entry; then the two must agree on each access, its error code, and the tables
 * left behind.
 */
#include "mmu/tlb.h"
#include "mmu/walk.h"
#include "vltest.h"

#define RAM_SIZE (64 * PAGE_SIZE)

static uint64_t rng_state = 0x9e3779b97f4a7c15;

static uint64_t rng(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state * UINT64_C(0x2545f4914f6cdd1d);
}
static bool chance(unsigned percent)
{
    return rng() % 100 < percent;
}

/* ---- the model ---- */

struct model {
    bool mapped;
    uint32_t error;
    uint64_t gpa;
    unsigned shift;
    bool readable, writable, executable, global;
};

static bool bit(uint64_t value, unsigned n)
{
    return value >> n & 1;
}

static uint64_t model_load(const uint8_t *ram, uint64_t at, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)(at + i < RAM_SIZE ? ram[at + i] : 0xff) << (8 * i);
    return value;
}

static void model_or(uint8_t *ram, uint64_t at, uint8_t set)
{
    if (at < RAM_SIZE)
        ram[at] |= set;
}

/* One level: what of an entry is reserved, as the rows of SDM 3, tables 4-4 to 4-20 list it. */
enum row { PML4E, PDPTE, PDPTE_1G, PDE64, PDE64_2M, PTE64, PDE32, PDE32_4M, PTE32 };

static bool model_reserved(const struct paging *p, enum row row, uint64_t entry)
{
    if (row == PDE32 || row == PTE32)
        return false;
    if (row == PDE32_4M) {
        for (unsigned n = 13; n <= 21; n++) /* bit 13 + i is address bit 32 + i, up to bit 39 */
            if (bit(entry, n) && (n == 21 || 32 + (n - 13) >= p->maxphyaddr))
                return true;
        return false;
    }
    bool pae = !(p->efer & EFER_LMA);
    for (unsigned n = p->maxphyaddr; n < (pae ? 63u : 52u); n++)
        if (bit(entry, n))
            return true;
    if (bit(entry, 63) && !(p->efer & EFER_NXE))
        return true;
    if (row == PML4E && bit(entry, 7))
        return true;
    unsigned top = row == PDPTE_1G ? 29 : row == PDE64_2M ? 20 : 0;
    for (unsigned n = 13; n <= top; n++)
        if (bit(entry, n))
            return true;
    return false;
}

static struct model model_walk(const struct paging *p, uint8_t *ram, uint64_t at, enum access access,
                               struct access_rights who, bool mark)
{
    struct model m = {.shift = 12};
    bool lma = p->efer & EFER_LMA, pae = p->cr4 & CR4_PAE;
    if (!lma)
        at &= 0xffffffff;
    if (!(p->cr0 & CR0_PG)) {
        m.mapped = m.readable = m.writable = m.executable = true;
        m.gpa = at;
        return m;
    }
    uint32_t base_code = (access == ACCESS_WRITE ? 2 : 0) | (who.user ? 4 : 0);
    if (access == ACCESS_FETCH && ((p->cr4 & CR4_SMEP) || (pae && (p->efer & EFER_NXE))))
        base_code |= 16;

    uint64_t visited[4], entry = 0, table;
    unsigned levels = 0, size = lma || pae ? 8 : 4;
    enum row plan[4];
    unsigned shifts[4], planned = 0;
    if (lma) {
        table = p->cr3 & UINT64_C(0xffffffffff000);
        plan[0] = PML4E, plan[1] = PDPTE, plan[2] = PDE64, plan[3] = PTE64, planned = 4;
        shifts[0] = 39, shifts[1] = 30, shifts[2] = 21, shifts[3] = 12;
    } else if (pae) {
        uint64_t pointer = p->pdpte[at >> 30];
        m.error = base_code;
        if (!bit(pointer, 0))
            return m;
        table = pointer & UINT64_C(0xffffffffff000);
        plan[0] = PDE64, plan[1] = PTE64, planned = 2;
        shifts[0] = 21, shifts[1] = 12;
    } else {
        table = p->cr3 & 0xfffff000;
        plan[0] = PDE32, plan[1] = PTE32, planned = 2;
        shifts[0] = 22, shifts[1] = 12;
    }
    bool user = true, write = true, nx = false;
    for (unsigned i = 0; i < planned; i++) {
        unsigned entries = size == 8 ? 512 : 1024;
        visited[levels] = table + at / (UINT64_C(1) << shifts[i]) % entries * size;
        entry = model_load(ram, visited[levels++], size);
        m.error = base_code;
        if (!bit(entry, 0))
            return m;
        enum row row = plan[i];
        bool large = false;
        if (bit(entry, 7)) {
            if (row == PDPTE)
                row = PDPTE_1G, large = true;
            else if (row == PDE64)
                row = PDE64_2M, large = true;
            else if (row == PDE32 && (p->cr4 & CR4_PSE))
                row = PDE32_4M, large = true;
        }
        m.error = base_code | 1 | 8;
        if (model_reserved(p, row, entry))
            return m;
        write &= bit(entry, 1);
        user &= bit(entry, 2);
        nx |= size == 8 && bit(entry, 63);
        m.shift = shifts[i];
        if (large)
            break;
        table = entry & UINT64_C(0xffffffffff000) & (size == 8 ? UINT64_MAX : 0xffffffff);
    }
    bool wp = p->cr0 & CR0_WP, smep = p->cr4 & CR4_SMEP, smap = (p->cr4 & CR4_SMAP) && !who.smap_off;
    bool can_read = who.user ? user : !(user && smap);
    bool can_write = who.user ? user && write : can_read && (write || !wp);
    bool can_fetch = who.user ? user && !nx : !nx && !(user && smep);
    m.error = base_code | 1;
    if (!(access == ACCESS_READ ? can_read : access == ACCESS_WRITE ? can_write : can_fetch))
        return m;

    for (unsigned i = 0; mark && i < levels; i++)
        model_or(ram, visited[i], 0x20);
    if (mark && access == ACCESS_WRITE)
        model_or(ram, visited[levels - 1], 0x40);
    bool dirty = bit(entry, 6) || access == ACCESS_WRITE;

    uint64_t page = (UINT64_C(1) << m.shift) - 1, frame = entry & UINT64_C(0xfffffffffffff) & ~page;
    if (m.shift == 22) {
        frame = entry & 0xffc00000;
        for (unsigned i = 0; i < 8; i++)
            frame |= (uint64_t)bit(entry, 13 + i) << (32 + i);
    }
    m.mapped = true;
    m.error = 0;
    m.gpa = frame + (at & page);
    m.readable = can_read;
    m.writable = can_write && dirty;
    m.executable = can_fetch;
    m.global = bit(entry, 8) && (p->cr4 & CR4_PGE);
    return m;
}

/* ---- random tables ---- */

static uint64_t random_entry(unsigned size, unsigned maxphyaddr)
{
    if (chance(8))
        return rng(); /* anything at all */
    uint64_t entry = (rng() % (RAM_SIZE / PAGE_SIZE)) * PAGE_SIZE;
    if (chance(10))
        entry = rng() & ((UINT64_C(1) << maxphyaddr) - 1) & PAGE_MASK; /* outside, mostly */
    entry |= chance(95) ? 1 : 0;
    entry |= chance(75) ? 2 : 0;
    entry |= chance(75) ? 4 : 0;
    entry |= rng() & 0x178; /* PWT, PCD, A, D, G */
    if (chance(20)) {
        entry |= 0x80;
        if (chance(80))
            entry &= ~UINT64_C(0x3fffe000); /* a large page's reserved bits, cleared */
    }
    if (size == 8 && chance(12))
        entry |= UINT64_C(1) << 63;
    if (size == 8 && chance(3))
        entry |= UINT64_C(1) << (maxphyaddr + rng() % (63 - maxphyaddr));
    return entry;
}

static void random_tables(uint8_t *ram, unsigned size, unsigned maxphyaddr)
{
    for (uint64_t at = 0; at < RAM_SIZE; at += size) {
        uint64_t entry = random_entry(size, maxphyaddr);
        memcpy(ram + at, &entry, size);
    }
}

static struct paging random_paging(unsigned format)
{
    static const unsigned widths[] = {32, 36, 40, 46, 52};
    struct paging p = {.cr0 = CR0_PE | CR0_PG, .maxphyaddr = widths[rng() % ARRAY_SIZE(widths)]};
    if (chance(50))
        p.cr0 |= CR0_WP;
    if (format >= 1)
        p.cr4 |= CR4_PAE;
    if (format == 2)
        p.efer |= EFER_LME | EFER_LMA;
    static const uint64_t cr4[] = {CR4_PSE, CR4_PGE, CR4_SMEP, CR4_SMAP};
    for (unsigned i = 0; i < ARRAY_SIZE(cr4); i++)
        if (chance(50))
            p.cr4 |= cr4[i];
    if (format && chance(70))
        p.efer |= EFER_NXE;
    if (format == 3)
        p.cr0 &= ~(CR0_PG | (chance(50) ? CR0_PE : 0)), p.efer = 0;
    p.cr3 = rng() % (RAM_SIZE / PAGE_SIZE) * PAGE_SIZE | (rng() & 0x18);
    for (unsigned i = 0; i < 4; i++)
        p.pdpte[i] = rng() % (RAM_SIZE / PAGE_SIZE) * PAGE_SIZE | (chance(85) ? 1 : 0);
    return p;
}

static void describe(const struct paging *p, uint64_t at, enum access access, struct access_rights who)
{
    vltest_row("cr0 %" PRIx64 " cr3 %" PRIx64 " cr4 %" PRIx64 " efer %" PRIx64 " width %u, at %" PRIx64
               ", access %d user %d smap_off %d",
               p->cr0, p->cr3, p->cr4, p->efer, p->maxphyaddr, at, access, who.user, who.smap_off);
}

static bool same(const struct model *m, bool mapped, const struct translation *t)
{
    if (m->mapped != mapped)
        return false;
    if (!mapped)
        return m->error == t->error_code;
    return m->gpa == t->gpa.v && m->shift == t->page_shift && m->readable == t->readable &&
           m->writable == t->writable && m->executable == t->executable && m->global == t->global;
}

static void test_model(void)
{
    enum { ROUNDS = 240, WALKS = 2000 };
    struct ram ram = {.fd = -1, .base = malloc(RAM_SIZE), .size = RAM_SIZE};
    uint8_t *shadow = malloc(RAM_SIZE);
    unsigned mapped_count = 0, large_count = 0, faults[32] = {0};
    CHECK_FATAL(ram.base && shadow);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned format = round % 4; /* 32-bit, PAE, 4-level, none */
        struct paging p = random_paging(format);
        random_tables(ram.base, format == 0 ? 4 : 8, p.maxphyaddr);
        memcpy(shadow, ram.base, RAM_SIZE);
        for (unsigned i = 0; i < WALKS; i++) {
            uint64_t at = (uint64_t)((int64_t)(rng() << 16) >> 16);
            enum access access = (enum access)(rng() % 3);
            struct access_rights who = {.user = chance(40), .smap_off = chance(30)};
            struct translation t;
            struct model m = model_walk(&p, shadow, at, access, who, true);
            bool mapped = mmu_walk(&p, &ram, gva(at), access, who, &t);
            mapped_count += mapped;
            large_count += mapped && t.page_shift > 12;
            if (!mapped)
                faults[t.error_code & 31]++;
            if (!same(&m, mapped, &t)) {
                describe(&p, at, access, who);
                vltest_check(false, __FILE__, __LINE__, "model %d %" PRIx64 " error %x, walk %d %" PRIx64 " error %x",
                             m.mapped, m.gpa, m.error, mapped, t.gpa.v, t.error_code);
                goto out;
            }
        }
        vltest_row("round %u, format %u", round, format);
        CHECK(memcmp(shadow, ram.base, RAM_SIZE) == 0); /* accessed and dirty bits, and nothing else */
    }
    /* The comparison is worth nothing if the cases aren't there. */
    CHECK(mapped_count > ROUNDS * WALKS / 8);
    CHECK(large_count > 5000);
    for (uint32_t code = 0; code < 32; code++) {
        bool impossible = (code & (PF_RSVD | PF_PRESENT)) == PF_RSVD || (code & (PF_WRITE | PF_FETCH)) == 0x12;
        vltest_row("error code %x", code);
        CHECK(impossible ? faults[code] == 0 : faults[code] > 0);
    }
out:
    free(ram.base);
    free(shadow);
}

/* ---- named cases ---- */

struct rig {
    struct ram ram;
    struct paging p;
    uint64_t *page[16]; /* whole pages of RAM as tables */
};

static void rig_init(struct rig *r)
{
    memset(r, 0, sizeof(*r));
    r->ram = (struct ram){.fd = -1, .base = aligned_alloc(PAGE_SIZE, RAM_SIZE), .size = RAM_SIZE};
    memset(r->ram.base, 0, RAM_SIZE);
    for (unsigned i = 0; i < 16; i++)
        r->page[i] = (uint64_t *)(r->ram.base + i * PAGE_SIZE);
    r->p = (struct paging){.cr0 = CR0_PE | CR0_PG | CR0_WP,
                           .cr3 = PAGE_SIZE,
                           .cr4 = CR4_PAE,
                           .efer = EFER_LME | EFER_LMA | EFER_NXE,
                           .maxphyaddr = 40};
    /* VA 0: PML4 in page 1, PDPT in 2, PD in 3, PT in 4. */
    r->page[1][0] = 2 * PAGE_SIZE | 7;
    r->page[2][0] = 3 * PAGE_SIZE | 7;
    r->page[3][0] = 4 * PAGE_SIZE | 7;
    r->page[4][0] = 9 * PAGE_SIZE | 7;
}

static void rig_free(struct rig *r)
{
    free(r->ram.base);
}

static const struct access_rights supervisor = {0}, user = {.user = true}, excused = {.smap_off = true};

static void test_bits(void)
{
    struct rig r;
    struct translation t;
    rig_init(&r);
    CHECK(mmu_walk(&r.p, &r.ram, gva(0x123), ACCESS_READ, user, &t));
    CHECK_EQ_U64(t.gpa.v, 9 * PAGE_SIZE + 0x123);
    CHECK_EQ_U64(t.refs, 4);
    for (unsigned level = 1; level <= 4; level++) {
        vltest_row("table in page %u", level);
        CHECK_EQ_U64(r.page[level][0] & 0x60, 0x20); /* A on every level, D on none */
    }
    CHECK(!t.writable); /* a write must come back, to set D */
    CHECK(mmu_walk(&r.p, &r.ram, gva(0), ACCESS_WRITE, user, &t));
    CHECK(t.writable);
    for (unsigned level = 1; level <= 4; level++) {
        vltest_row("table in page %u", level);
        CHECK_EQ_U64(r.page[level][0] & 0x60, level == 4 ? 0x60 : 0x20);
    }
    rig_free(&r);
}

static void test_failed_walk_marks_nothing(void)
{
    struct rig r;
    struct translation t;
    rig_init(&r);
    r.page[4][0] &= ~UINT64_C(2);
    CHECK(!mmu_walk(&r.p, &r.ram, gva(0), ACCESS_WRITE, user, &t));
    CHECK_EQ_U64(t.error_code, PF_PRESENT | PF_WRITE | PF_USER);
    for (unsigned level = 1; level <= 4; level++)
        CHECK_EQ_U64(r.page[level][0] & 0x60, 0);
    rig_free(&r);
}

static void test_rights(void)
{
    /* Leaf bits (1 P, 2 RW, 4 US, 8 XD), added controls, access, accessor, expected error code (0: permitted). */
    static const struct {
        const char *what;
        unsigned leaf;
        uint64_t cr4, cr0_off;
        enum access access;
        const struct access_rights *who;
        uint32_t error;
    } rows[] = {
        {"user reads user page", 7, 0, 0, ACCESS_READ, &user, 0},
        {"user reads supervisor page", 3, 0, 0, ACCESS_READ, &user, 5},
        {"user writes read-only page", 5, 0, 0, ACCESS_WRITE, &user, 7},
        {"user fetches from XD page", 15, 0, 0, ACCESS_FETCH, &user, 0x15},
        {"supervisor writes read-only page, WP", 1, 0, 0, ACCESS_WRITE, &supervisor, 3},
        {"supervisor writes read-only page, no WP", 1, 0, CR0_WP, ACCESS_WRITE, &supervisor, 0},
        {"supervisor fetches from XD page", 11, 0, 0, ACCESS_FETCH, &supervisor, 0x11},
        {"supervisor fetches from user page", 7, 0, 0, ACCESS_FETCH, &supervisor, 0},
        {"supervisor fetches from user page, SMEP", 7, CR4_SMEP, 0, ACCESS_FETCH, &supervisor, 0x11},
        {"supervisor reads user page, SMAP", 7, CR4_SMAP, 0, ACCESS_READ, &supervisor, 1},
        {"supervisor reads user page, SMAP, AC", 7, CR4_SMAP, 0, ACCESS_READ, &excused, 0},
        {"supervisor reads own page, SMAP", 3, CR4_SMAP, 0, ACCESS_READ, &supervisor, 0},
        {"user reads user page, SMAP", 7, CR4_SMAP, 0, ACCESS_READ, &user, 0},
        {"supervisor fetches from user page, SMAP", 7, CR4_SMAP, 0, ACCESS_FETCH, &supervisor, 0},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rig r;
        struct translation t;
        rig_init(&r);
        vltest_row("%s", rows[i].what);
        r.page[4][0] = 9 * PAGE_SIZE | (rows[i].leaf & 7) | (rows[i].leaf & 8 ? UINT64_C(1) << 63 : 0);
        r.p.cr4 |= rows[i].cr4;
        r.p.cr0 &= ~rows[i].cr0_off;
        bool mapped = mmu_walk(&r.p, &r.ram, gva(0), rows[i].access, *rows[i].who, &t);
        CHECK(mapped == (rows[i].error == 0));
        CHECK_EQ_U64(mapped ? 0 : t.error_code, rows[i].error);
        rig_free(&r);
    }
}

static void test_large_pages(void)
{
    struct rig r;
    struct translation t;
    rig_init(&r);
    r.page[3][1] = UINT64_C(0x40200000) | 0x83;
    CHECK(mmu_walk(&r.p, &r.ram, gva(0x2abcde), ACCESS_READ, supervisor, &t));
    CHECK_EQ_U64(t.gpa.v, 0x402abcde);
    CHECK_EQ_U64(t.page_shift, 21);
    r.page[3][1] |= 1 << 13;
    CHECK(!mmu_walk(&r.p, &r.ram, gva(0x2abcde), ACCESS_READ, supervisor, &t));
    CHECK_EQ_U64(t.error_code, PF_PRESENT | PF_RSVD);
    r.page[2][1] = UINT64_C(0x80000000) | 0x83;
    CHECK(mmu_walk(&r.p, &r.ram, gva(0x7abcdef0), ACCESS_READ, supervisor, &t));
    CHECK_EQ_U64(t.gpa.v, 0xbabcdef0);
    CHECK_EQ_U64(t.page_shift, 30);

    /* PSE-36: bits 39:32 of the frame lie in bits 20:13 of a 32-bit entry. */
    uint32_t *directory = (uint32_t *)r.page[1];
    r.p.efer = 0;
    r.p.cr4 = CR4_PSE;
    directory[1] = 0x00c00083 | 0x5 << 13;
    CHECK(mmu_walk(&r.p, &r.ram, gva(0x412345), ACCESS_READ, supervisor, &t));
    CHECK_EQ_U64(t.gpa.v, UINT64_C(0x500c12345));
    CHECK_EQ_U64(t.page_shift, 22);
    rig_free(&r);
}

static void test_outside_ram(void)
{
    struct rig r;
    struct translation t;
    rig_init(&r);
    r.page[3][0] = UINT64_C(0x80000000) | 7; /* a page table where no RAM is: all ones, so reserved bits */
    CHECK(!mmu_walk(&r.p, &r.ram, gva(0), ACCESS_READ, supervisor, &t));
    CHECK_EQ_U64(t.error_code, PF_PRESENT | PF_RSVD);
    r.page[3][0] = 4 * PAGE_SIZE | 7;
    r.page[4][0] = UINT64_C(0xfee00000) | 7; /* a page where no RAM is: a device */
    CHECK(mmu_walk(&r.p, &r.ram, gva(8), ACCESS_WRITE, supervisor, &t));
    CHECK_EQ_U64(t.gpa.v, 0xfee00008);
    rig_free(&r);
}

static void test_peek(void)
{
    struct rig r;
    struct translation t;
    rig_init(&r);
    r.page[4][0] = 9 * PAGE_SIZE | 1;
    CHECK(mmu_peek(&r.p, &r.ram, gva(0x10), &t));
    CHECK_EQ_U64(t.gpa.v, 9 * PAGE_SIZE + 0x10);
    CHECK_EQ_U64(r.page[4][0], 9 * PAGE_SIZE | 1);
    CHECK(!mmu_peek(&r.p, &r.ram, gva(0x1000), &t));
    rig_free(&r);
}

static void test_pdptes(void)
{
    struct rig r;
    rig_init(&r);
    r.p.efer = 0;
    r.p.cr3 = 5 * PAGE_SIZE + 0x20;
    r.page[5][4] = 6 * PAGE_SIZE | 1;
    r.page[5][5] = 0xffffffff00000ffe; /* not present: the rest is ignored */
    CHECK(mmu_load_pdptes(&r.p, &r.ram));
    CHECK_EQ_U64(r.p.pdpte[0], 6 * PAGE_SIZE | 1);
    CHECK_EQ_U64(r.p.pdpte[1], 0xffffffff00000ffe);
    for (unsigned n = 0; n < 64; n++) {
        bool reserved = n == 1 || n == 2 || (n >= 5 && n <= 8) || n >= 40;
        r.page[5][6] = UINT64_C(1) << n | 1;
        vltest_row("bit %u", n);
        CHECK(mmu_load_pdptes(&r.p, &r.ram) == !reserved);
    }
    rig_free(&r);
}

/* ---- the software TLB ---- */

static struct tlb tlb;

static void fill(enum tlb_mode mode, uint64_t at, uint64_t frame, bool global)
{
    struct tlb_entry *e = tlb_evict(&tlb, mode, gva(at), global);
    e->page = e->read = e->write = e->fetch = at;
    e->frame = frame;
}

static bool held(enum tlb_mode mode, uint64_t at)
{
    return tlb.entry[mode][tlb_index(at)].read == at;
}

static void test_tlb_flushes(void)
{
    tlb_init(&tlb);
    CHECK(!held(TLB_USER, 0)); /* empty matches nothing, not even page 0 */
    fill(TLB_USER, 0x1000, 0, false);
    fill(TLB_SUPERVISOR, 0x1000, 0, false);
    fill(TLB_SUPERVISOR, 0xffff800000002000, 0, true);
    CHECK(held(TLB_USER, 0x1000) && held(TLB_SUPERVISOR, 0x1000) && held(TLB_SUPERVISOR, 0xffff800000002000));
    tlb_flush_nonglobal(&tlb);
    CHECK(!held(TLB_USER, 0x1000) && !held(TLB_SUPERVISOR, 0x1000) && held(TLB_SUPERVISOR, 0xffff800000002000));
    tlb_flush_all(&tlb);
    CHECK(!held(TLB_SUPERVISOR, 0xffff800000002000));
}

static void test_tlb_page(void)
{
    tlb_init(&tlb);
    for (unsigned mode = 0; mode < TLB_MODES; mode++) {
        fill((enum tlb_mode)mode, 0x5000, 0, mode == 1);
        fill((enum tlb_mode)mode, 0x6000, 0, false);
    }
    tlb_flush_page(&tlb, gva(0x5fff));
    for (unsigned mode = 0; mode < TLB_MODES; mode++)
        CHECK(!held((enum tlb_mode)mode, 0x5000) && held((enum tlb_mode)mode, 0x6000));
    fill(TLB_USER, 0x200000, 0, false);
    tlb_note_mapping(&tlb, gva(0x200000), 21);
    CHECK(!tlb_flush_page(&tlb, gva(0x1ff000)) && held(TLB_USER, 0x200000));
    CHECK(tlb_flush_page(&tlb, gva(0x201000)) && !held(TLB_USER, 0x200000)); /* a piece of the same mapping */
    CHECK(!tlb_flush_page(&tlb, gva(0x201000)));
}

static unsigned count_entries(bool global)
{
    unsigned count = 0;
    for (unsigned mode = 0; mode < TLB_MODES; mode++)
        for (unsigned i = 0; i < TLB_SIZE; i++)
            count += tlb.entry[mode][i].page != NO_TAG && tlb.entry[mode][i].global == global;
    return count;
}

/* The list of touched slots against what it stands for: after any history, no non-global entry survives its flush. */
static void test_tlb_books(void)
{
    for (unsigned round = 0; round < 200; round++) {
        tlb_init(&tlb);
        unsigned fills = (unsigned)(rng() % 1500);
        for (unsigned i = 0; i < fills; i++) {
            fill((enum tlb_mode)(rng() % TLB_MODES), rng() % 700 * PAGE_SIZE, 0, chance(30));
            if (chance(5))
                tlb_flush_page(&tlb, gva(rng() % 700 * PAGE_SIZE));
            if (round % 2 && chance(1)) /* every other round lets the list overflow */
                tlb_flush_nonglobal(&tlb);
        }
        unsigned globals = count_entries(true);
        tlb_flush_nonglobal(&tlb);
        unsigned survivors = count_entries(false), after = count_entries(true);
        vltest_row("round %u, %u fills", round, fills);
        CHECK_EQ_U64(survivors, 0);
        CHECK_EQ_U64(after, globals);
    }
}

static void test_tlb_protect(void)
{
    tlb_init(&tlb);
    fill(TLB_USER, 0x1000, 0x7000, false);
    fill(TLB_SUPERVISOR, 0xabc000, 0x7000, true);
    fill(TLB_SUPERVISOR, 0x3000, 0x8000, false);
    tlb_protect_frame(&tlb, gpa(0x7000));
    CHECK_EQ_U64(tlb.entry[TLB_USER][tlb_index(0x1000)].write, NO_TAG);
    CHECK_EQ_U64(tlb.entry[TLB_SUPERVISOR][tlb_index(0xabc000)].write, NO_TAG);
    CHECK_EQ_U64(tlb.entry[TLB_SUPERVISOR][tlb_index(0x3000)].write, 0x3000);
    CHECK(held(TLB_USER, 0x1000));
}

static const struct vltest tests[] = {
    {"the walker agrees with the model on random tables of all formats", test_model},
    {"a walk sets A on all levels and D on the leaf of a write", test_bits},
    {"a walk that faults sets no bit", test_failed_walk_marks_nothing},
    {"access rights follow U/S, R/W, XD, WP, SMEP and SMAP", test_rights},
    {"large pages of 2 MiB, 1 GiB and 4 MiB translate whole", test_large_pages},
    {"tables outside RAM fault, pages outside RAM are devices", test_outside_ram},
    {"a peek neither asks for rights nor leaves a trace", test_peek},
    {"the PAE pointers are loaded with their reserved bits checked", test_pdptes},
    {"TLB flushes keep global entries, or nothing", test_tlb_flushes},
    {"flushing a page empties it in all modes, and large pages whole", test_tlb_page},
    {"no non-global entry outlives a flush, whatever came before", test_tlb_books},
    {"a protected frame takes no more fast writes", test_tlb_protect},
};

int main(void)
{
    return vltest_run("mmu", tests, ARRAY_SIZE(tests));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_shadow.c - shadow page tables over a host page table that is an array, with the page walker as oracle.
 *
 * What the host maps must be what a walk of the guest's tables permits, without setting any bit; after a flush and a
 * sync nothing stale is left; a fault is hidden exactly if a walk succeeds, and leaves the same A and D bits behind.
 */
#include "mmu/shadow.h"
#include "vltest.h"
#include <errno.h>
#include <sys/mman.h>

#define RAM_SIZE (UINT64_C(8) << 20)
#define FRAMES   (RAM_SIZE / PAGE_SIZE)
#define TABLES   24 /* frames 1.. of RAM hold tables in the random tests */

/* Entries. */
enum { P = 1, RW = 2, US = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100 };
#define XD (UINT64_C(1) << 63)

/* ---- the host ---- */

/* The regions of guest-virtual space that tests use. Page 0 and a hole can't be mapped. */
static const uint64_t bases[] = {0, 0x200000, 0x40000000, 0x8000000000, 0x7fffffe00000, 0x400000000000, 0x8040200000};
#define BASES   ARRAY_SIZE(bases)
#define SPACES  16
#define HOLE    UINT64_C(0x240000)
#define HOLE_TO UINT64_C(0x250000)

struct host_page {
    uint32_t frame;
    uint8_t prot;
};
struct space {
    uint64_t key;
    struct host_page page[BASES][512];
};
struct host {
    struct space space[SPACES];
    unsigned maps, unmaps, clears, fail_percent;
    unsigned asked, told; /* may_execute, code_written */
    bool judged[FRAMES];  /* asked, and not told since */
    bool sensitive[FRAMES];
};

static uint8_t ram_bytes[RAM_SIZE] __attribute__((aligned(4096)));
static struct ram ram = {.fd = -1, .base = ram_bytes, .size = RAM_SIZE};
static struct paging paging;
static struct stats stats;
static struct tlb tlb;
static struct host host;
static struct shadow_set *set;
static uint64_t rng_state;

static uint64_t rng(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state * UINT64_C(0x2545f4914f6cdd1d);
}
static bool chance(unsigned percent)
{
    return (rng() >> 20) % 100 < percent;
}

static struct space *space_of(uint64_t key)
{
    for (unsigned i = 0; i < SPACES; i++)
        if (host.space[i].key == key)
            return &host.space[i];
    for (unsigned i = 0; i < SPACES; i++)
        if (!host.space[i].key) {
            host.space[i].key = key;
            return &host.space[i];
        }
    CHECK_FATAL(!"too many spaces");
    return NULL;
}

static struct host_page *page_of(uint64_t key, uint64_t at)
{
    for (unsigned b = 0; b < BASES; b++)
        if (at >> 21 == bases[b] >> 21)
            return &space_of(key)->page[b][at >> 12 & 511];
    return NULL;
}

static int maybe_fail(uint64_t key)
{
    if (rng() % 1000 >= host.fail_percent)
        return 0;
    memset(space_of(key)->page, 0, sizeof(space_of(key)->page));
    return rng() & 1 ? -ENOMEM : -EIO;
}

static bool host_mappable(void *context, gva_t at, uint64_t len)
{
    (void)context;
    return at.v >= PAGE_SIZE && at.v + len < (UINT64_C(1) << 47) && !(at.v < HOLE_TO && at.v + len > HOLE);
}

static int host_map(void *context, uint64_t key, gva_t at, gpa_t frame, uint64_t len, int prot, struct reason *why)
{
    (void)why;
    host.maps++;
    CHECK(host_mappable(context, at, len));
    CHECK(!((at.v | frame.v | len) & (PAGE_SIZE - 1)) && frame.v + len <= RAM_SIZE && len && (prot & PROT_READ));
    for (uint64_t done = 0; done < len; done += PAGE_SIZE) {
        struct host_page *page = page_of(key, at.v + done);
        CHECK_FATAL(page != NULL);
        *page = (struct host_page){(uint32_t)((frame.v + done) >> 12), (uint8_t)prot};
    }
    return maybe_fail(key);
}

static int host_unmap(void *context, uint64_t key, gva_t at, uint64_t len, struct reason *why)
{
    (void)why;
    host.unmaps++;
    CHECK(host_mappable(context, at, len));
    for (uint64_t done = 0; done < len; done += PAGE_SIZE) {
        struct host_page *page = page_of(key, at.v + done);
        CHECK_FATAL(page != NULL);
        page->prot = 0;
    }
    return maybe_fail(key);
}

static int host_clear(void *context, uint64_t key, struct reason *why)
{
    (void)context, (void)why;
    host.clears++;
    memset(space_of(key)->page, 0, sizeof(space_of(key)->page));
    return maybe_fail(key);
}

static bool host_may_execute(void *context, gpa_t frame, gva_t entry)
{
    (void)context, (void)entry;
    host.asked++;
    host.judged[frame.v >> 12] = true;
    CHECK(watch_of(shadow_watch(set), frame) & WATCH_EXEC);
    return !host.sensitive[frame.v >> 12];
}

static void host_code_written(void *context, gpa_t frame)
{
    (void)context;
    host.told++;
    CHECK(host.judged[frame.v >> 12]);
    host.judged[frame.v >> 12] = false;
}

/* ---- the guest ---- */

static uint64_t *entry(uint64_t table, unsigned index)
{
    return (uint64_t *)(ram_bytes + table) + index;
}

/* A store by software: the TLB's fast path if nobody watches. */
static void store(uint64_t *at, uint64_t value)
{
    gpa_t place = gpa((uint64_t)((uint8_t *)at - ram_bytes));
    watch_written(shadow_watch(set), place, 8);
    *at = value;
}

static void start(void)
{
    shadow_destroy(set);
    memset(ram_bytes, 0, sizeof(ram_bytes));
    memset(&host, 0, sizeof(host));
    memset(&stats, 0, sizeof(stats));
    tlb_init(&tlb);
    rng_state = 0x9e3779b97f4a7c15;
    paging = (struct paging){.cr0 = CR0_PE | CR0_PG | CR0_WP,
                             .cr4 = CR4_PAE | CR4_PGE,
                             .efer = EFER_LME | EFER_LMA | EFER_NXE,
                             .cr3 = 0x1000,
                             .maxphyaddr = 40};
    const struct shadow_ops ops = {.map = host_map,
                                   .unmap = host_unmap,
                                   .clear = host_clear,
                                   .mappable = host_mappable,
                                   .may_execute = host_may_execute,
                                   .code_written = host_code_written};
    struct reason why;
    set = shadow_create(&ram, &paging, &tlb, &stats, &ops, &why);
    CHECK_FATAL(set != NULL);
}

static struct shadow *user(void)
{
    struct reason why;
    struct shadow *shadow = shadow_get(set, true, &why);
    CHECK_FATAL(shadow != NULL);
    return shadow;
}

static int fault(uint64_t at, enum access access)
{
    struct reason why;
    return shadow_fault(user(), gva(at), access, &why);
}

static void flush_and_sync(void)
{
    struct reason why;
    shadow_flushed(set);
    CHECK(shadow_sync(user(), &why) == 0);
}

static int prot_at(uint64_t at)
{
    return page_of(shadow_key(user()), at)->prot;
}
static unsigned frame_at(uint64_t at)
{
    return page_of(shadow_key(user()), at)->frame;
}

/* Tables for the region at 2 MiB: root 0x1000, 0x2000, 0x3000, leaf table 0x4000; page i is frame 0x100 + i. */
#define CODE UINT64_C(0x200000)
static void simple_tables(uint64_t leaf_flags)
{
    start();
    *entry(0x1000, 0) = 0x2000 | P | RW | US | A;
    *entry(0x2000, 0) = 0x3000 | P | RW | US | A;
    *entry(0x3000, 1) = 0x4000 | P | RW | US | A;
    for (unsigned i = 0; i < 512; i++)
        *entry(0x4000, i) = (0x100000 + i * PAGE_SIZE) | leaf_flags;
}

/* ---- statements ---- */

static void test_lazy(void)
{
    simple_tables(P | RW | US);
    CHECK_EQ_U64(host.maps, 0);
    CHECK(fault(CODE + 0x5123, ACCESS_READ) == SHADOW_MAPPED);
    CHECK_EQ_U64(host.maps, 1);
    CHECK_EQ_U64(stats.counter[COUNTER_SHADOW_FILLS], 1);
    CHECK_EQ_U64(stats.counter[COUNTER_HIDDEN_FAULTS], 1);
    CHECK_EQ_U64(prot_at(CODE + 0x5000), PROT_READ);
    CHECK_EQ_U64(frame_at(CODE + 0x5000), 0x105);
    CHECK_EQ_U64(*entry(0x4000, 5) & (A | D), A);
    CHECK(fault(CODE + 0x5123, ACCESS_WRITE) == SHADOW_MAPPED);
    CHECK_EQ_U64(prot_at(CODE + 0x5000), PROT_READ | PROT_WRITE);
    CHECK_EQ_U64(*entry(0x4000, 5) & (A | D), A | D);
    CHECK(fault(CODE + 0x5123, ACCESS_WRITE) == SHADOW_EMULATE); /* it is mapped: that was no fault of ours */
}

static void test_around(void)
{
    simple_tables(P | RW | US | A | D);
    *entry(0x4000, 100) = 0;
    *entry(0x4000, 200) &= ~(uint64_t)A;
    *entry(0x4000, 300) &= ~(uint64_t)D;
    CHECK(fault(CODE + 0x5123, ACCESS_READ) == SHADOW_MAPPED);
    CHECK_EQ_U64(prot_at(CODE + 99 * PAGE_SIZE), PROT_READ | PROT_WRITE);
    CHECK_EQ_U64(prot_at(CODE + 100 * PAGE_SIZE), 0);
    CHECK_EQ_U64(prot_at(CODE + 200 * PAGE_SIZE), 0);
    CHECK_EQ_U64(prot_at(CODE + 300 * PAGE_SIZE), PROT_READ);
    CHECK_EQ_U64(prot_at(CODE + 511 * PAGE_SIZE), PROT_READ | PROT_WRITE);
    CHECK_EQ_U64(*entry(0x4000, 200) & A, 0);
    CHECK_EQ_U64(prot_at(HOLE), 0);
    CHECK_EQ_U64(host.maps, 6); /* runs between the hole and what isn't mapped, or mapped otherwise */
}

static void test_rights(void)
{
    static const struct {
        const char *what;
        uint64_t leaf;
        enum access access;
        int answer;
    } rows[] = {
        {"not present", 0, ACCESS_READ, SHADOW_TRUE_FAULT},
        {"supervisor's page", P | RW, ACCESS_READ, SHADOW_TRUE_FAULT},
        {"write to a read-only page", P | US, ACCESS_WRITE, SHADOW_TRUE_FAULT},
        {"read of a read-only page", P | US, ACCESS_READ, SHADOW_MAPPED},
        {"fetch from NX", P | US | XD, ACCESS_FETCH, SHADOW_TRUE_FAULT},
        {"fetch", P | US, ACCESS_FETCH, SHADOW_MAPPED},
        {"reserved bit", P | RW | US | UINT64_C(1) << 45, ACCESS_READ, SHADOW_TRUE_FAULT},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s", rows[i].what);
        simple_tables(rows[i].leaf);
        CHECK_EQ_U64((uint64_t)fault(CODE + 0x1000, rows[i].access), (uint64_t)rows[i].answer);
    }
    simple_tables(P | RW | US);
    *entry(0x4000, 7) = RAM_SIZE | P | RW | US;
    *entry(0x1000, 0) |= US;
    vltest_row("elsewhere");
    CHECK(fault(CODE + 0x7000, ACCESS_READ) == SHADOW_EMULATE); /* a device */
    CHECK(fault(HOLE, ACCESS_READ) == SHADOW_EMULATE);
    CHECK(fault(0, ACCESS_READ) == SHADOW_EMULATE);
    CHECK(fault(UINT64_C(0xffff800000000000), ACCESS_READ) == SHADOW_EMULATE);
    CHECK(fault(UINT64_C(0x1234567890abcdef), ACCESS_WRITE) == SHADOW_EMULATE);
}

static void test_trace(void)
{
    simple_tables(P | RW | US | A | D);
    CHECK(fault(CODE, ACCESS_READ) == SHADOW_MAPPED);
    for (unsigned table = 0x1000; table <= 0x4000; table += 0x1000)
        CHECK_EQ_U64(watch_of(shadow_watch(set), gpa(table)), WATCH_TABLE);
    store(entry(0x4000, 9), 0x100000 | P | US | A);
    CHECK_EQ_U64(stats.counter[COUNTER_PT_WRITES], 1);
    CHECK_EQ_U64(watch_of(shadow_watch(set), gpa(0x4000)), 0);
    store(entry(0x4000, 10), 0);
    CHECK_EQ_U64(stats.counter[COUNTER_PT_WRITES], 1); /* unsync: full speed */
    CHECK_EQ_U64(prot_at(CODE + 0x9000), PROT_READ | PROT_WRITE);
    flush_and_sync();
    CHECK_EQ_U64(prot_at(CODE + 0x9000), 0);
    CHECK_EQ_U64(prot_at(CODE + 0xa000), 0);
    CHECK_EQ_U64(prot_at(CODE + 0xb000), PROT_READ | PROT_WRITE);
    CHECK_EQ_U64(host.unmaps, 1);
    *entry(0x4000, 11) = 0; /* unsync still, so nobody is told */
    flush_and_sync();
    CHECK_EQ_U64(prot_at(CODE + 0xb000), 0);
    for (unsigned i = 0; i < 100; i++)
        flush_and_sync();
    CHECK_EQ_U64(watch_of(shadow_watch(set), gpa(0x4000)), WATCH_TABLE); /* quiet: traced again */
    store(entry(0x3000, 1), 0);
    flush_and_sync();
    CHECK_EQ_U64(prot_at(CODE + 0xc000), 0);
    CHECK_EQ_U64(watch_of(shadow_watch(set), gpa(0x4000)), 0); /* no longer a table of ours */
}

/* Two address spaces share a leaf table: one is synced while it is traced again, the other must still learn of it. */
static void test_shared_table(void)
{
    simple_tables(P | RW | US | A | D);
    memcpy(entry(0x5000, 0), entry(0x1000, 0), PAGE_SIZE);
    CHECK(fault(CODE, ACCESS_READ) == SHADOW_MAPPED);
    paging.cr3 = 0x5000;
    CHECK(fault(CODE, ACCESS_READ) == SHADOW_MAPPED);
    store(entry(0x4000, 2), 0);
    flush_and_sync();
    paging.cr3 = 0x1000;
    flush_and_sync(); /* both know now */
    *entry(0x4000, 3) = 0;
    paging.cr3 = 0x5000;
    for (unsigned i = 0; i < 100; i++)
        flush_and_sync();
    CHECK_EQ_U64(prot_at(CODE + 0x3000), 0);
    CHECK_EQ_U64(watch_of(shadow_watch(set), gpa(0x4000)), WATCH_TABLE);
    paging.cr3 = 0x1000;
    CHECK_EQ_U64(prot_at(CODE + 0x3000), PROT_READ | PROT_WRITE);
    flush_and_sync();
    CHECK_EQ_U64(prot_at(CODE + 0x3000), 0);
}

static void test_execute(void)
{
    simple_tables(P | RW | US | A | D);
    CHECK(fault(CODE + 0x1000, ACCESS_WRITE) == SHADOW_MAPPED);
    CHECK(fault(CODE + 0x1010, ACCESS_FETCH) == SHADOW_MAPPED);
    CHECK_EQ_U64(prot_at(CODE + 0x1000), PROT_READ | PROT_EXEC);
    CHECK_EQ_U64(prot_at(CODE + 0x2000), PROT_READ | PROT_WRITE); /* never looked at */
    CHECK(fault(CODE + 0x1018, ACCESS_WRITE) == SHADOW_EMULATE);
    watch_written(shadow_watch(set), gpa(0x101018), 4);
    CHECK_EQ_U64(host.told, 1);
    CHECK_EQ_U64(prot_at(CODE + 0x1000), PROT_READ);
    CHECK(fault(CODE + 0x1018, ACCESS_WRITE) == SHADOW_MAPPED);
    CHECK(fault(CODE + 0x1010, ACCESS_FETCH) == SHADOW_MAPPED);
    CHECK_EQ_U64(host.asked, 2);
    host.sensitive[0x102] = true;
    CHECK(fault(CODE + 0x2000, ACCESS_FETCH) == SHADOW_SENSITIVE);
    CHECK_EQ_U64(prot_at(CODE + 0x2000) & PROT_EXEC, 0);
    /* Code decoded by the interpreter. */
    watch_add(shadow_watch(set), gpa(0x103000), WATCH_CODE);
    CHECK_EQ_U64(prot_at(CODE + 0x3000), PROT_READ);
    CHECK(fault(CODE + 0x3000, ACCESS_WRITE) == SHADOW_EMULATE);
    watch_remove(shadow_watch(set), gpa(0x103000), WATCH_CODE);
    CHECK(fault(CODE + 0x3000, ACCESS_WRITE) == SHADOW_MAPPED);
}

static void test_tlb(void)
{
    simple_tables(P | RW | US | A | D);
    struct tlb_entry *e = tlb_evict(&tlb, TLB_SUPERVISOR, gva(0x400000004000), false);
    e->frame = 0x4000, e->page = e->write = 0x400000004000;
    CHECK(fault(CODE, ACCESS_READ) == SHADOW_MAPPED);
    CHECK_EQ_U64(e->write, NO_TAG);
}

static void test_self_map(void)
{
    simple_tables(P | RW | US | A | D);
    *entry(0x4000, 4) = 0x4000 | P | RW | US | A | D;
    CHECK(fault(CODE, ACCESS_READ) == SHADOW_MAPPED);
    CHECK_EQ_U64(prot_at(CODE + 0x4000), PROT_READ);
    CHECK(fault(CODE + 0x4000, ACCESS_WRITE) == SHADOW_MAPPED); /* the trace goes */
    CHECK_EQ_U64(prot_at(CODE + 0x4000), PROT_READ | PROT_WRITE);
    CHECK_EQ_U64(stats.counter[COUNTER_PT_WRITES], 1);
    *entry(0x4000, 8) = 0;
    flush_and_sync();
    CHECK_EQ_U64(prot_at(CODE + 0x8000), 0);
    for (unsigned i = 0; i < 100; i++)
        flush_and_sync();
    CHECK_EQ_U64(prot_at(CODE + 0x4000), PROT_READ);
}

static void test_large(void)
{
    simple_tables(0);
    *entry(0x3000, 1) = 0x400000 | P | RW | US | PS;
    CHECK(fault(CODE + 0x12345, ACCESS_READ) == SHADOW_MAPPED);
    CHECK_EQ_U64(host.maps, 2); /* the hole is in between */
    CHECK_EQ_U64(frame_at(CODE + 0x1ff000), 0x5ff);
    CHECK_EQ_U64(prot_at(CODE + 0x1ff000), PROT_READ);
    CHECK(fault(CODE + 0x12345, ACCESS_WRITE) == SHADOW_MAPPED);
    CHECK_EQ_U64(prot_at(CODE + 0x12000), PROT_READ | PROT_WRITE);
    flush_and_sync();
    CHECK_EQ_U64(prot_at(CODE + 0x12000), PROT_READ | PROT_WRITE);
    store(entry(0x3000, 1), *entry(0x3000, 1) & ~(uint64_t)D);
    flush_and_sync();
    CHECK_EQ_U64(prot_at(CODE + 0x12000) & PROT_WRITE, 0);
    *entry(0x2000, 0) = 0 | P | RW | US | PS; /* 1 GiB, longer than RAM */
    flush_and_sync();
    CHECK(fault(CODE, ACCESS_READ) == SHADOW_MAPPED);
    CHECK_EQ_U64(frame_at(CODE + 0x5000), 0x205);
}

static void test_supervisor(void)
{
    struct reason why;
    simple_tables(P | A | D);
    struct shadow *shadow = shadow_get(set, false, &why);
    CHECK(shadow_fault(shadow, gva(CODE), ACCESS_READ, &why) == SHADOW_MAPPED);
    CHECK(shadow_fault(shadow, gva(CODE), ACCESS_WRITE, &why) == SHADOW_TRUE_FAULT);
    CHECK_EQ_U64(page_of(shadow_key(shadow), CODE)->prot, PROT_READ);
    paging.cr0 &= ~(uint64_t)CR0_WP;
    shadow_flushed(set);
    CHECK(shadow_fault(shadow, gva(CODE), ACCESS_WRITE, &why) == SHADOW_MAPPED);
    CHECK_EQ_U64(page_of(shadow_key(shadow), CODE)->prot, PROT_READ | PROT_WRITE);
    paging.cr0 |= CR0_WP;
    shadow_flushed(set);
    CHECK(shadow_sync(shadow, &why) == 0);
    CHECK_EQ_U64(page_of(shadow_key(shadow), CODE)->prot, 0);
    CHECK(fault(CODE, ACCESS_READ) == SHADOW_TRUE_FAULT);
}

static void test_drop_and_forget(void)
{
    struct reason why;
    simple_tables(P | RW | US | A | D);
    CHECK(fault(CODE, ACCESS_READ) == SHADOW_MAPPED);
    uint64_t key = shadow_key(user());
    CHECK(shadow_cached(set, key));
    CHECK(shadow_drop(user(), &why) == 0);
    CHECK_EQ_U64(host.clears, 1);
    CHECK_EQ_U64(watch_of(shadow_watch(set), gpa(0x1000)), 0);
    CHECK(fault(CODE, ACCESS_READ) == SHADOW_MAPPED);
    shadow_forget(set, key);
    CHECK_EQ_U64(host.clears, 1);
    CHECK_EQ_U64(watch_of(shadow_watch(set), gpa(0x4000)), 0);
    CHECK(fault(CODE, ACCESS_READ) == SHADOW_MAPPED);
    /* More address spaces than are cached: the oldest one goes. */
    for (unsigned i = 0; i < SHADOWS_MAX; i++) {
        paging.cr3 = 0x10000 + i * PAGE_SIZE;
        (void)user();
    }
    CHECK(!shadow_cached(set, key));
    CHECK_EQ_U64(host.clears, 2);
}

/* ---- random guests ---- */

static uint64_t random_entry(unsigned level)
{
    uint64_t flags = 0;
    flags |= chance(85) ? P : 0;
    flags |= chance(75) ? RW : 0;
    flags |= chance(80) ? US : 0;
    flags |= chance(60) ? A : 0;
    flags |= chance(60) ? D : 0;
    flags |= chance(20) ? G : 0;
    flags |= chance(10) ? XD : 0;
    flags |= chance(1) ? UINT64_C(1) << 45 : 0;
    if (level == 1 || chance(8)) /* a page, a table seen as a page, a loop, what lies outside */
        return flags | (rng() % (FRAMES + 8)) << 12;
    if (level <= 3 && chance(20))
        return flags | PS | (level == 2 ? (rng() % 5) << 21 : 0);
    return flags | (1 + rng() % TABLES) << 12;
}

/* An entry that one of our addresses goes through, or any other. */
static uint64_t *random_place(unsigned *level)
{
    uint64_t at = bases[rng() % BASES] + (rng() % 512 << 12);
    *level = 1 + (unsigned)(rng() % 4);
    unsigned index = chance(90) ? at >> (3 + 9 * *level) & 511 : (unsigned)(rng() % 512);
    return entry((1 + rng() % TABLES) << 12, index);
}

/* One bit of an entry on the way to one of our addresses, or to the page itself. */
static void flip_bit(void)
{
    static const uint64_t flips[] = {P, RW, US, A, D, XD, PAGE_SIZE};
    struct mmu_path path;
    uint64_t at = bases[rng() % BASES] + (rng() % 512 << 12);
    if (!mmu_region(&paging, &ram, gva(at), &path))
        return;
    unsigned i = (unsigned)(rng() % 8);
    gpa_t place = i < path.steps || path.page_shift
                      ? path.step[i % path.steps].at
                      : gpa((path.step[path.steps - 1].entry & UINT64_C(0xfffffff000)) + (at >> 12 & 511) * 8);
    if (place.v < (TABLES + 1) * PAGE_SIZE)
        store((uint64_t *)(ram_bytes + place.v), *(uint64_t *)(ram_bytes + place.v) ^ flips[rng() % ARRAY_SIZE(flips)]);
}

static struct shadow *random_shadow(bool *is_user)
{
    struct reason why;
    *is_user = chance(70);
    paging.cr3 = (1 + rng() % 3) << 12;
    struct shadow *shadow = shadow_get(set, *is_user, &why);
    return shadow ? shadow : shadow_get(set, *is_user, &why);
}

/* What no mapping may ever be, even a stale one. */
static void check_watched(void)
{
    for (unsigned s = 0; s < SPACES; s++)
        for (unsigned i = 0; i < BASES * 512; i++) {
            const struct host_page *page = &host.space[s].page[i / 512][i % 512];
            unsigned watchers = watch_of(shadow_watch(set), gpa((uint64_t)page->frame << 12));
            if (page->prot & PROT_WRITE)
                CHECK(!watchers && !(page->prot & PROT_EXEC));
            if (page->prot & PROT_EXEC)
                CHECK((watchers & WATCH_EXEC) && host.judged[page->frame] && !host.sensitive[page->frame]);
        }
}

/* After a sync: each mapping is what a walk permits without setting any bit. */
static void check_synced(struct shadow *shadow, bool is_user)
{
    static uint8_t before[(TABLES + 1) * PAGE_SIZE];
    memcpy(before, ram_bytes, sizeof(before));
    for (unsigned b = 0; b < BASES; b++)
        for (unsigned i = 0; i < 512; i++) {
            const struct host_page *page = &space_of(shadow_key(shadow))->page[b][i];
            struct translation t;
            struct access_rights who = {.user = is_user};
            gva_t at = gva(bases[b] + i * PAGE_SIZE);
            static const struct {
                int prot;
                enum access access;
            } kinds[] = {{PROT_READ, ACCESS_READ}, {PROT_WRITE, ACCESS_WRITE}, {PROT_EXEC, ACCESS_FETCH}};
            for (unsigned k = 0; k < 3; k++)
                if (page->prot & kinds[k].prot)
                    CHECK(mmu_walk(&paging, &ram, at, kinds[k].access, who, &t) && t.gpa.v >> 12 == page->frame);
        }
    CHECK(!memcmp(before, ram_bytes, sizeof(before)));
}

static void check_fault(struct shadow *shadow, bool is_user)
{
    static uint8_t copy[RAM_SIZE] __attribute__((aligned(4096)));
    memcpy(copy, ram_bytes, (TABLES + 1) * PAGE_SIZE);
    const struct ram other = {.fd = -1, .base = copy, .size = RAM_SIZE};
    gva_t at = gva(bases[rng() % BASES] + rng() % (512 * PAGE_SIZE));
    enum access access = (enum access)(rng() % 3);
    static const int prots[] = {[ACCESS_READ] = PROT_READ, [ACCESS_WRITE] = PROT_WRITE, [ACCESS_FETCH] = PROT_EXEC};
    struct translation t;
    struct reason why;
    bool fits = host_mappable(NULL, gva(at.v & PAGE_MASK), PAGE_SIZE);
    bool allowed = fits && mmu_walk(&paging, &other, at, access, (struct access_rights){.user = is_user}, &t);
    unsigned fails = host.fail_percent;
    unsigned clears = host.clears;
    int answer = shadow_fault(shadow, at, access, &why);
    CHECK(!memcmp(copy, ram_bytes, (TABLES + 1) * PAGE_SIZE)); /* the same A and D bits */
    if (answer < 0) {
        CHECK(fails && answer == -EIO);
        return;
    }
    CHECK((answer == SHADOW_TRUE_FAULT) == (fits && !allowed));
    const struct host_page *page = page_of(shadow_key(shadow), at.v);
    if (answer == SHADOW_MAPPED && !fails && host.clears == clears)
        CHECK((page->prot & prots[access]) && page->frame == t.gpa.v >> 12);
    if (answer == SHADOW_SENSITIVE)
        CHECK(access == ACCESS_FETCH && host.sensitive[t.gpa.v >> 12]);
}

static void random_guest(uint64_t seed, unsigned fail_percent)
{
    start();
    rng_state = seed;
    host.fail_percent = fail_percent;
    for (unsigned i = 0; i < FRAMES; i++)
        host.sensitive[i] = chance(20);
    for (unsigned table = 1; table <= TABLES; table++)
        for (unsigned i = 0; i < 512; i++)
            *entry(table << 12, i) = random_entry(table <= 3 ? 4 : table <= 8 ? 3 : table <= 14 ? 2 : 1);
    bool is_user;
    struct shadow *shadow = random_shadow(&is_user);
    for (unsigned n = 0; n < 3000; n++) {
        struct reason why;
        unsigned level;
        uint64_t *place;
        switch (rng() % 16) {
        case 0: shadow = random_shadow(&is_user); break;
        case 1: shadow_flushed(set); break;
        case 2:
        case 3:
            place = random_place(&level);
            store(place, random_entry(level));
            break;
        case 8:
            for (unsigned i = 0; i < 100; i++)
                flip_bit();
            break;
        case 4: watch_written(shadow_watch(set), gpa(rng() % RAM_SIZE), rng() % 10000); break;
        case 5:
            if (chance(5))
                paging.cr0 ^= CR0_WP, shadow_flushed(set);
            break;
        case 6:
            if (chance(5) && shadow_drop(shadow, &why) == 0)
                shadow = random_shadow(&is_user);
            break;
        case 7: watch_add(shadow_watch(set), gpa(rng() % RAM_SIZE), WATCH_CODE); break;
        case 9: watch_remove_all(shadow_watch(set), WATCH_CODE); break;
        default: check_fault(shadow, is_user); break;
        }
        shadow = shadow_get(set, is_user, &why);
        CHECK_FATAL(shadow != NULL);
        if (n % 8 == 0) {
            shadow_flushed(set);
            if (shadow_sync(shadow, &why) == 0)
                check_synced(shadow, is_user);
            check_watched();
        }
    }
    vltest_row("seed %" PRIu64, seed);
    CHECK(stats.counter[COUNTER_HIDDEN_FAULTS] > 0);
}

static void test_random(void)
{
    for (uint64_t seed = 1; seed <= 12; seed++)
        random_guest(seed * 0x9e3779b97f4a7c15, 0);
}

static void test_random_failures(void)
{
    for (uint64_t seed = 1; seed <= 12; seed++)
        random_guest(seed * 0x94d049bb133111eb, 30);
}

static const struct vltest tests[] = {
    {"pages are mapped when they are touched, and writable when they are written", test_lazy},
    {"a fault maps what its neighbours permit without setting a bit", test_around},
    {"true faults are told from hidden ones, and from what the host can't map", test_rights},
    {"tables are traced, unsync after the first write, and traced again when quiet", test_trace},
    {"a table traced again through one shadow is still doubtful for others", test_shared_table},
    {"code is looked at before it may run, and a write drops the verdict", test_execute},
    {"a traced table leaves the software TLB's fast path", test_tlb},
    {"a table that maps itself writable is written after its trace is off", test_self_map},
    {"large pages are mapped in one go", test_large},
    {"a supervisor's shadow honours WP", test_supervisor},
    {"a shadow can be dropped, forgotten and recycled", test_drop_and_forget},
    {"random guests: what is mapped is what a walk permits", test_random},
    {"random guests: the same when the host fails", test_random_failures},
};

int main(void)
{
    int failed = vltest_run("shadow", tests, ARRAY_SIZE(tests));
    shadow_destroy(set);
    return failed;
}

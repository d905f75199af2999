/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sites.c - where silent instructions are, and how the CPU is made to stop there.
 *
 * INT3 in place of an instruction's first byte is safe only if an instruction begins there: in the middle of one, or in
 * data, it would change the guest. So nothing is guessed. Code is gone through from where the CPU has really been (the
 * places where it enters and leaves the world), along all direct branches; a call is taken to return. Where an indirect
 * branch leads isn't known, so it gets a breakpoint too, for some time: a *scout*, executed in software, so that the
 * next entry is at its target.
 *
 * What escapes: code that is reached only through an indirect branch whose scout has retired, in a page that is
 * executable already. It runs truly as the technique has it, but unseen.
 *
 * The guest may read its own code, so breakpoints stand in copies of pages, in the spare part of RAM's memfd (ram.h),
 * and the world maps those for execution. x86 can't forbid reading what may be executed: a guest that reads the very
 * bytes of a site, by the page's executable mapping, sees INT3.
 */
#include "full/trap/trap.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INT3        0xcc
#define INSN_MAX    15
#define COPIES      (RAM_SPARE / PAGE_SIZE)
#define PENDING_MAX 4096
#define SCOUT_HITS  32

struct page {
    uint16_t copy;
    uint64_t known[PAGE_SIZE / 64]; /* an instruction begins here */
    uint64_t silent[PAGE_SIZE / 64], scout[PAGE_SIZE / 64];
    uint8_t hits[PAGE_SIZE]; /* of scouts */
};

struct sites {
    struct direct *d;
    const struct ram *ram;
    ZydisDecoder decoder;
    struct page **page; /* one for each frame; NULL: no copy */
    uint16_t free[COPIES];
    unsigned free_count;
    uint64_t pending[PENDING_MAX]; /* addresses still to be gone through */
    unsigned pending_count;
};

struct sites *sites_create(struct direct *d, struct reason *why)
{
    struct sites *s = calloc(1, sizeof(*s));
    if (s)
        s->page = calloc(d->cpu->host->ram->size >> PAGE_SHIFT, sizeof(struct page *));
    if (!s || !s->page) {
        free(s);
        fail(why, ENOMEM, "not enough memory to keep books of sensitive instructions");
        return NULL;
    }
    s->d = d;
    s->ram = d->cpu->host->ram;
    while (s->free_count < COPIES) {
        s->free[s->free_count] = (uint16_t)(COPIES - 1 - s->free_count);
        s->free_count++;
    }
    ZydisDecoderInit(&s->decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return s;
}

void sites_destroy(struct sites *s)
{
    if (!s)
        return;
    for (uint64_t i = 0; i < s->ram->size >> PAGE_SHIFT; i++)
        free(s->page[i]);
    free(s->page);
    free(s);
}

/* ---- copies ---- */

static bool bit(const uint64_t *bits, unsigned at)
{
    return bits[at / 64] >> (at % 64) & 1;
}
static void set_bit(uint64_t *bits, unsigned at)
{
    bits[at / 64] |= UINT64_C(1) << (at % 64);
}
static void clear_bit(uint64_t *bits, unsigned at)
{
    bits[at / 64] &= ~(UINT64_C(1) << (at % 64));
}

static uint64_t offset_of(const struct sites *s, const struct page *page)
{
    return s->ram->size + (uint64_t)page->copy * PAGE_SIZE;
}
static uint8_t *copy_of(const struct sites *s, const struct page *page)
{
    return s->ram->base + offset_of(s, page);
}

/* The frame's books, with a copy of its bytes; NULL when there is no room. It is watched, so that it stays true. */
static struct page *page_of(struct sites *s, gpa_t frame)
{
    struct page **slot = &s->page[frame.v >> PAGE_SHIFT];
    if (*slot || !s->free_count)
        return *slot;
    struct page *page = calloc(1, sizeof(*page));
    if (!page)
        return NULL;
    page->copy = s->free[--s->free_count];
    watch_add(shadow_watch(s->d->shadows), frame, WATCH_EXEC);
    memcpy(copy_of(s, page), ram_at(s->ram, gpa(frame.v & PAGE_MASK), PAGE_SIZE), PAGE_SIZE);
    return *slot = page;
}

uint64_t sites_code_at(struct sites *s, gpa_t frame)
{
    const struct page *page = page_of(s, frame);
    return page ? offset_of(s, page) : frame.v;
}

void sites_forget(struct sites *s, gpa_t frame)
{
    struct page **slot = &s->page[frame.v >> PAGE_SHIFT];
    if (*slot)
        s->free[s->free_count++] = (*slot)->copy;
    free(*slot);
    *slot = NULL;
}

/* ---- going through code ---- */

/* A place in guest code, as the present address space maps it. */
struct place {
    struct page *page;
    const uint8_t *bytes; /* of the frame, from its start */
    unsigned off;
};

/* False: nothing is mapped there, it isn't RAM, or there is no room for copies. */
static bool find(struct sites *s, uint64_t at, bool make, struct place *out)
{
    struct translation t;
    const struct cpu *cpu = s->d->cpu;
    if (!mmu_peek(&cpu->paging, s->ram, gva(at), &t))
        return false;
    gpa_t frame = gpa(t.gpa.v & PAGE_MASK);
    out->bytes = ram_at(s->ram, frame, PAGE_SIZE);
    out->off = at & ~PAGE_MASK;
    if (!out->bytes)
        return false;
    out->page = make ? page_of(s, frame) : s->page[frame.v >> PAGE_SHIFT];
    return out->page;
}

static bool decode(struct sites *s, const struct place *p, uint64_t at, ZydisDecodedInstruction *z)
{
    uint8_t both[INSN_MAX];
    unsigned left = (unsigned)PAGE_SIZE - p->off;
    const uint8_t *bytes = p->bytes + p->off;
    struct translation t;
    if (left < INSN_MAX) {
        memcpy(both, bytes, left);
        const uint8_t *next = mmu_peek(&s->d->cpu->paging, s->ram, gva(at + left), &t)
                                  ? ram_at(s->ram, gpa(t.gpa.v), INSN_MAX - left)
                                  : NULL;
        if (next) {
            memcpy(both + left, next, INSN_MAX - left);
            bytes = both;
            left = INSN_MAX;
        }
    }
    return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&s->decoder, NULL, bytes, left, z));
}

static void arm(struct sites *s, const struct place *p, uint64_t *kind)
{
    set_bit(kind, p->off);
    copy_of(s, p->page)[p->off] = INT3;
}

static void pend(struct sites *s, uint64_t at)
{
    if (s->pending_count < PENDING_MAX)
        s->pending[s->pending_count++] = at;
}

/* Does control go on behind the instruction? Where else it may go is noted. */
static bool goes_on(struct sites *s, const struct place *p, uint64_t next, const ZydisDecodedInstruction *z)
{
    bool direct = z->raw.imm[0].is_relative;
    bool branch = z->meta.category == ZYDIS_CATEGORY_UNCOND_BR || z->meta.category == ZYDIS_CATEGORY_COND_BR ||
                  z->meta.category == ZYDIS_CATEGORY_CALL;
    if (branch && direct)
        pend(s, next + (uint64_t)z->raw.imm[0].value.s);
    else if (branch && z->meta.branch_type == ZYDIS_BRANCH_TYPE_NEAR)
        arm(s, p, p->page->scout);
    switch (z->mnemonic) {
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
    case ZYDIS_MNEMONIC_SYSRET:
    case ZYDIS_MNEMONIC_SYSEXIT:
    case ZYDIS_MNEMONIC_UD2:
    case ZYDIS_MNEMONIC_INT3: return false;
    default: return z->meta.category != ZYDIS_CATEGORY_UNCOND_BR && z->meta.category != ZYDIS_CATEGORY_RET;
    }
}

static void follow_one(struct sites *s, uint64_t at)
{
    struct place p = {0};
    ZydisDecodedInstruction z;
    for (;;) {
        if ((!p.page || !(at & ~PAGE_MASK) || p.off >= PAGE_SIZE) && !find(s, at, true, &p))
            return;
        if (bit(p.page->known, p.off) || !decode(s, &p, at, &z))
            return;
        set_bit(p.page->known, p.off);
        if (silent_instruction(&z))
            arm(s, &p, p.page->silent);
        if (!goes_on(s, &p, at + z.length, &z))
            return;
        at += z.length;
        p.off += z.length;
    }
}

void sites_follow(struct sites *s, gva_t at)
{
    s->pending_count = 0;
    pend(s, at.v);
    while (s->pending_count)
        follow_one(s, s->pending[--s->pending_count]);
}

/* ---- breakpoints that are hit ---- */

enum site sites_hit(struct sites *s, gva_t at)
{
    struct place p;
    if (!find(s, at.v, false, &p))
        return SITE_NONE;
    if (bit(p.page->silent, p.off))
        return SITE_SILENT;
    if (!bit(p.page->scout, p.off))
        return SITE_NONE;
    if (++p.page->hits[p.off] == SCOUT_HITS) {
        clear_bit(p.page->scout, p.off);
        copy_of(s, p.page)[p.off] = p.bytes[p.off];
    }
    return SITE_SCOUT;
}

void sites_lift(struct sites *s, gva_t at, gva_t next, bool lifted)
{
    struct place p;
    if (find(s, next.v, false, &p)) {
        bool armed = lifted || bit(p.page->silent, p.off) || bit(p.page->scout, p.off);
        copy_of(s, p.page)[p.off] = armed ? INT3 : p.bytes[p.off];
    }
    if (find(s, at.v, false, &p) && bit(p.page->silent, p.off))
        copy_of(s, p.page)[p.off] = lifted ? p.bytes[p.off] : INT3;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tlb_span.c - the software TLB's span: a kernel's direct map as one entry.
 *
 * Kernels map all RAM in one piece, by large pages, and live there. An entry for 4 KiB of it costs a hash and a
 * dependent load at each access; one for the whole costs a compare with constants. What can go wrong is that a piece of
 * the span is not like the others: so it holds only pages that a walk would find present, readable and writable for a
 * supervisor, with accessed and dirty bits set; and single frames that must not be written unseen have a guard byte.
 *
 * Read before: tlb.h. Read next: full/bt/memory.c, which looks things up here.
 */
#include "mmu/tlb_span.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REGION_SHIFT 21
#define REGION_SIZE  (UINT64_C(1) << REGION_SHIFT)
#define REGIONS_MAX  128 /* to look at on each side: a flush makes us look again */
#define ENTRY_GLOBAL UINT64_C(0x100)

int tlb_init_spans(struct tlb *tlb, const struct ram *ram, struct reason *why)
{
    tlb_init(tlb);
    tlb->guard = calloc(ram->size / PAGE_SIZE, 1);
    return tlb->guard ? 0 : fail(why, ENOMEM, "not enough memory for the software TLB");
}

void tlb_destroy(struct tlb *tlb)
{
    free(tlb->guard);
}

void tlb_span_forget(struct tlb *tlb)
{
    tlb->span = tlb->supervisor = (struct tlb_span){0};
    tlb->span_local = false;
    memset(tlb->clear, 0, sizeof(tlb->clear));
}

void tlb_use_span(struct tlb *tlb, bool supervisor)
{
    tlb->span = tlb->supervisor;
    if (!supervisor)
        tlb->span.size = 0;
    for (unsigned i = 0; i < STORES_KINDS; i++)
        tlb->clear[i].size = supervisor ? tlb->clear[i].known : 0;
}

/* ---- clear stretches ---- */

#define CLEAR_PAGES 4096 /* to look at on each side */

void tlb_clear_around(struct tlb *tlb, enum tlb_stores kind, gva_t at, bool supervisor)
{
    const struct tlb_span *span = &tlb->supervisor;
    const uint64_t pages = span->size >> PAGE_SHIFT, page = (at.v - span->low) >> PAGE_SHIFT;
    if (page >= pages || span->guard[page])
        return;
    uint64_t first = page, end = page + 1;
    while (first > 0 && page - first < CLEAR_PAGES && !span->guard[first - 1])
        first--;
    while (end < pages && end - page < CLEAR_PAGES && !span->guard[end])
        end++;
    const uint64_t size = (end - first) << PAGE_SHIFT;
    tlb->clear[kind] = (struct tlb_clear){.low = span->low + (first << PAGE_SHIFT),
                                          .size = supervisor ? size : 0,
                                          .known = size,
                                          .host = span->host + (first << PAGE_SHIFT),
                                          .guard = span->guard + first};
}

/* A frame's guard byte was set. */
static void no_longer_clear(struct tlb *tlb, const uint8_t *guard)
{
    for (unsigned i = 0; i < STORES_KINDS; i++) {
        struct tlb_clear *clear = &tlb->clear[i];
        if (guard >= clear->guard && guard < clear->guard + (clear->known >> PAGE_SHIFT))
            *clear = (struct tlb_clear){0};
    }
}

void tlb_guard(struct tlb *tlb, gpa_t frame, bool guarded)
{
    if (!tlb->guard)
        return;
    uint8_t *guard = &tlb->guard[frame.v >> PAGE_SHIFT];
    guard[0] = (uint8_t)(guarded ? guard[0] | GUARD_THIS : guard[0] & ~GUARD_THIS);
    if (guarded)
        no_longer_clear(tlb, guard);
    if (!(frame.v >> PAGE_SHIFT))
        return;
    guard[-1] = (uint8_t)(guarded ? guard[-1] | GUARD_NEXT : guard[-1] & ~GUARD_NEXT);
    if (guarded)
        no_longer_clear(tlb, guard - 1);
}

/* ---- looking for the span around an address ---- */

struct search {
    const struct paging *paging;
    const struct ram *ram;
    unsigned refs;
    bool local;
};

/* May the region (2 MiB) be in a span? *frame is where it is mapped. */
static bool suits(struct search *s, uint64_t at, uint64_t *frame)
{
    struct mmu_path path;
    struct translation t;
    bool large =
        (int64_t)(at << 16) >> 16 == (int64_t)at && mmu_region(s->paging, s->ram, gva(at), &path) && path.page_shift;
    s->refs += large ? path.steps : 0;
    if (!large || !mmu_region_page(s->paging, &path, gva(at), 0, (struct access_rights){0}, &t) || !t.writable ||
        !ram_at(s->ram, t.gpa, REGION_SIZE))
        return false;
    if (!(path.step[path.steps - 1].entry & ENTRY_GLOBAL) || !(s->paging->cr4 & CR4_PGE))
        s->local = true;
    *frame = t.gpa.v;
    return true;
}

/* How many regions follow at `at`, going by `step`, that are mapped in one piece with it? */
static uint64_t reach(struct search *s, uint64_t at, uint64_t frame, int64_t step)
{
    uint64_t count = 0, found;
    while (count < REGIONS_MAX && suits(s, at + (uint64_t)step, &found) && found == frame + (uint64_t)step) {
        at += (uint64_t)step;
        frame += (uint64_t)step;
        count++;
    }
    return count;
}

unsigned tlb_span_grow(struct tlb *tlb, const struct paging *paging, const struct ram *ram, gva_t where)
{
    struct tlb_span *span = &tlb->supervisor;
    struct search s = {.paging = paging, .ram = ram};
    uint64_t at = where.v & ~(REGION_SIZE - 1), frame;
    if (!tlb->guard || where.v - span->low < span->size || !suits(&s, at, &frame))
        return s.refs;
    uint64_t below = reach(&s, at, frame, -(int64_t)REGION_SIZE), above = reach(&s, at, frame, REGION_SIZE);
    uint64_t low = at - below * REGION_SIZE, size = (below + 1 + above) * REGION_SIZE - PAGE_SIZE;
    if (size <= span->size)
        return s.refs;
    frame -= below * REGION_SIZE;
    *span = (struct tlb_span){.low = low,
                              .size = size,
                              .addend = (uintptr_t)ram_at(ram, gpa(frame), PAGE_SIZE) - low,
                              .host = (uintptr_t)ram_at(ram, gpa(frame), PAGE_SIZE),
                              .guard = tlb->guard + (frame >> PAGE_SHIFT)};
    tlb->span_local = s.local;
    memset(tlb->clear, 0, sizeof(tlb->clear)); /* they were of the old one */
    for (uint64_t i = 0; i <= below + above; i++)
        tlb_note_mapping(tlb, gva(low + i * REGION_SIZE), REGION_SHIFT);
    return s.refs;
}

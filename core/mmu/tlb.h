/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tlb.h - the software TLB: guest-virtual page to host pointer, in one compare and one add.
 *
 * Direct-mapped, one array for each kind of accessor, so that a change of privilege flushes nothing. An entry has three
 * tags, one a kind of access; a tag equals the page's address when that access may go straight to memory, and NO_TAG
 * when it must take the slow path (mem.c): not mapped, not permitted, a device, or a write to a page that holds decoded
 * code.
 */
#ifndef VIRTLAB_MMU_TLB_H
#define VIRTLAB_MMU_TLB_H

#include "mmu/walk.h"
#include <virtlab/types.h>

#define TLB_BITS 10
#define TLB_SIZE (1u << TLB_BITS)
#define NO_TAG   UINT64_C(1) /* no page has this address */

enum tlb_mode {
    TLB_USER,
    TLB_SUPERVISOR,    /* SMAP enforced, also for implicit accesses */
    TLB_SUPERVISOR_AC, /* explicit supervisor accesses with RFLAGS.AC set under SMAP */
    TLB_USER_ALIGNED,  /* user accesses while alignment is checked: stays empty, so that each one takes the slow path */
    TLB_MODES
};

struct tlb_entry {
    uint64_t read, write, fetch; /* page address or NO_TAG */
    uintptr_t addend;            /* host address = guest-virtual address + addend, when a tag matches */
    uint64_t page;               /* guest-virtual page of the entry, or NO_TAG when it is empty */
    uint64_t frame;              /* its guest-physical page */
    bool global;
} __attribute__((aligned(64))); /* one cache line, and a shift instead of a multiplication to find it */

/* Non-global entries filled since the last flush, so that a CR3 write costs what was used and no more. */
#define TLB_TOUCHED_MAX 512

/*
 * A span: the largest stretch of supervisor addresses known that lies in RAM in one piece, by large pages that may be
 * read and written, accessed and dirty already: a kernel's direct map. Translated code looks here first (full/bt), with
 * a subtraction and a compare instead of a hash. An access that begins in [low, low + size) and has at most a page is
 * within. Its stores must not reach guarded frames: see tlb_protect_frame().
 */
struct tlb_span {
    uint64_t low, size;
    uintptr_t addend;     /* as in struct tlb_entry */
    uintptr_t host;       /* where `low` is */
    const uint8_t *guard; /* of the frame that `low` is mapped to */
};

/*
 * A stretch of the span in which no frame is guarded: a store there needs one compare, as a load does. Two are kept,
 * one where the stack is and one for everything else; they are chosen anew now and then, where stores were that weren't
 * in.
 */
enum tlb_stores { STORES_STACK, STORES_OTHER, STORES_KINDS };
struct tlb_clear {
    uint64_t low, size;   /* in force: none at CPL 3 */
    uint64_t known;       /* the size, whether in force or not */
    uintptr_t host;       /* where `low` is */
    const uint8_t *guard; /* of the frame there */
};

/* A frame's guard byte, for stores that begin in it and have at most a page: 0 when they may go straight to memory. */
enum { GUARD_THIS = 1, GUARD_NEXT = 2 };

struct tlb {
    struct tlb_span span;       /* in force: none at CPL 3 */
    struct tlb_span supervisor; /* the one known */
    struct tlb_clear clear[STORES_KINDS];
    bool span_local; /* not all of its pages are global */
    uint8_t *guard;  /* one byte a frame of RAM; NULL: no spans */
    struct tlb_entry entry[TLB_MODES][TLB_SIZE];
    uint16_t touched[TLB_TOUCHED_MAX];
    unsigned touched_count; /* TLB_TOUCHED_MAX: too many to list, flush by a full pass */
    /*
     * Bounds of the large mappings that pieces were filled in from, one pair for each quarter of the address space:
     * kernels keep large pages and the pages that they invalidate one by one apart.
     */
    struct {
        uint64_t low, high; /* first and last byte; low > high: none */
    } large[4];
};

/* Upper bits are folded in, so that two buffers some power of two apart do not fight for the same slots. */
static inline unsigned tlb_index(uint64_t at)
{
    uint64_t page = at >> PAGE_SHIFT;
    return (page ^ (page >> TLB_BITS)) & (TLB_SIZE - 1);
}

/*
 * A probe looks into the slot of an access' first byte for the page of its last. Where two neighbours share a slot (the
 * fold does that at multiples of 2 GiB), an access that crosses into the second would take that page for its own: it is
 * never accessed directly.
 */
static inline bool tlb_ambiguous(uint64_t page)
{
    return tlb_index(page) == tlb_index(page - 1);
}

/* An empty TLB without spans. */
void tlb_init(struct tlb *tlb);
/* With spans over this RAM. */
int tlb_init_spans(struct tlb *tlb, const struct ram *ram, struct reason *why) MUST_CHECK;
void tlb_destroy(struct tlb *tlb);
/* The span is in force for supervisor accesses only. */
void tlb_use_span(struct tlb *tlb, bool supervisor);
/* A piece of a large supervisor page was filled in: is there a larger span around it? To be followed by
 * tlb_use_span(). Returns entries read. */
unsigned tlb_span_grow(struct tlb *tlb, const struct paging *paging, const struct ram *ram, gva_t at);
/* Stores are made at `at`: the clear stretch around it, if there is one, is to be the one for their kind. */
void tlb_clear_around(struct tlb *tlb, enum tlb_stores kind, gva_t at, bool supervisor);
/* The piece that was just filled in at `at` is of a mapping of 1 << page_shift bytes. */
void tlb_note_mapping(struct tlb *tlb, gva_t at, unsigned page_shift);
/* Empties the slot of `at` for a new entry and keeps the books; the caller fills it in. */
struct tlb_entry *tlb_evict(struct tlb *tlb, enum tlb_mode mode, gva_t at, bool global);
void tlb_flush_all(struct tlb *tlb);
void tlb_flush_nonglobal(struct tlb *tlb);
/* One page, in all modes; everything (true), when it may be a piece of a large one (SDM 3, 4.10.4.1). */
bool tlb_flush_page(struct tlb *tlb, gva_t at);
/* The guest-physical page now holds code: writes to it must take the slow path. */
void tlb_protect_frame(struct tlb *tlb, gpa_t frame);
/* That is over, as whoever fills in a write tag for the frame has found. */
void tlb_unprotect_frame(struct tlb *tlb, gpa_t frame);

#endif

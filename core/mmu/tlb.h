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

struct tlb {
    struct tlb_entry entry[TLB_MODES][TLB_SIZE];
    uint16_t touched[TLB_TOUCHED_MAX];
    bool large;             /* a piece of a large page was filled in: INVLPG of one piece must drop them all */
    unsigned touched_count; /* TLB_TOUCHED_MAX: too many to list, flush by a full pass */
};

/* Upper bits are folded in, so that two buffers some power of two apart do not fight for the same slots. */
static inline unsigned tlb_index(uint64_t at)
{
    uint64_t page = at >> PAGE_SHIFT;
    return (page ^ (page >> TLB_BITS)) & (TLB_SIZE - 1);
}

void tlb_init(struct tlb *tlb);
/* Empties the slot of `at` for a new entry and keeps the books; the caller fills it in. */
struct tlb_entry *tlb_evict(struct tlb *tlb, enum tlb_mode mode, gva_t at, bool global);
void tlb_flush_all(struct tlb *tlb);
void tlb_flush_nonglobal(struct tlb *tlb);
/* One page, in all modes; everything, when pieces of large pages are there (SDM 3, 4.10.4.1). */
void tlb_flush_page(struct tlb *tlb, gva_t at);
/* The guest-physical page now holds code: writes to it must take the slow path. */
void tlb_protect_frame(struct tlb *tlb, gpa_t frame);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tlb.c - keeping and emptying the software TLB; filling and probing it is x86/mem.c's and x86/mem.h's.
 *
 * A guest that switches address spaces often (write-protected forks, pipes) flushes often, with few entries filled in
 * between. So the slots that hold non-global entries are listed as they are filled, and a flush empties just those;
 * only when the list overflows does it look at every slot.
 */
#include "mmu/tlb_span.h"

static void empty(struct tlb_entry *entry)
{
    entry->read = entry->write = entry->fetch = entry->page = NO_TAG;
    entry->frame = NO_TAG;
    entry->global = false;
}

/* All slots of all modes, as one row. */
static struct tlb_entry *slots(struct tlb *tlb)
{
    return (struct tlb_entry *)&tlb->entry;
}

void tlb_flush_all(struct tlb *tlb)
{
    for (unsigned i = 0; i < TLB_MODES * TLB_SIZE; i++)
        empty(&slots(tlb)[i]);
    tlb->touched_count = 0;
    tlb_span_forget(tlb);
    for (unsigned i = 0; i < ARRAY_SIZE(tlb->large); i++) {
        tlb->large[i].low = UINT64_MAX;
        tlb->large[i].high = 0;
    }
}

/* Bits 47 and 46. */
static unsigned quarter(gva_t at)
{
    return at.v >> 46 & 3;
}

void tlb_note_mapping(struct tlb *tlb, gva_t at, unsigned page_shift)
{
    if (page_shift == PAGE_SHIFT)
        return;
    uint64_t size = UINT64_C(1) << page_shift, low = at.v & ~(size - 1), high = low + size - 1;
    unsigned q = quarter(at);
    if (low < tlb->large[q].low)
        tlb->large[q].low = low;
    if (high > tlb->large[q].high)
        tlb->large[q].high = high;
}

void tlb_init(struct tlb *tlb)
{
    tlb->guard = NULL;
    tlb_flush_all(tlb);
}

struct tlb_entry *tlb_evict(struct tlb *tlb, enum tlb_mode mode, gva_t at, bool global)
{
    struct tlb_entry *entry = &tlb->entry[mode][tlb_index(at.v)];
    /* The slot of a non-global entry is listed already. A slot may be listed twice: that costs time, no more. */
    bool listed = entry->page != NO_TAG && !entry->global;
    empty(entry);
    entry->global = global;
    if (!global && !listed && tlb->touched_count < TLB_TOUCHED_MAX)
        tlb->touched[tlb->touched_count++] = (uint16_t)(entry - slots(tlb));
    return entry;
}

void tlb_flush_nonglobal(struct tlb *tlb)
{
    if (tlb->span_local)
        tlb_span_forget(tlb);
    if (tlb->touched_count < TLB_TOUCHED_MAX) {
        for (unsigned i = 0; i < tlb->touched_count; i++) {
            struct tlb_entry *entry = &slots(tlb)[tlb->touched[i]];
            if (!entry->global) /* a global entry may have taken the slot since */
                empty(entry);
        }
    } else {
        for (unsigned i = 0; i < TLB_MODES * TLB_SIZE; i++)
            if (!slots(tlb)[i].global)
                empty(&slots(tlb)[i]);
    }
    tlb->touched_count = 0;
}

bool tlb_flush_page(struct tlb *tlb, gva_t at)
{
    unsigned q = quarter(at);
    if (at.v >= tlb->large[q].low && at.v <= tlb->large[q].high) {
        tlb_flush_all(tlb);
        return true;
    }
    for (unsigned mode = 0; mode < TLB_MODES; mode++) {
        struct tlb_entry *entry = &tlb->entry[mode][tlb_index(at.v)];
        if (entry->page == (at.v & PAGE_MASK))
            empty(entry);
    }
    return false;
}

void tlb_protect_frame(struct tlb *tlb, gpa_t frame)
{
    for (unsigned i = 0; i < TLB_MODES * TLB_SIZE; i++)
        if (slots(tlb)[i].frame == (frame.v & PAGE_MASK))
            slots(tlb)[i].write = NO_TAG;
    tlb_guard(tlb, frame, true);
}

void tlb_unprotect_frame(struct tlb *tlb, gpa_t frame)
{
    tlb_guard(tlb, frame, false);
}

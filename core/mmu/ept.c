/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ept.c - the walk through extended page tables (ept.h says what for).
 *
 * Read next: walk.c, which calls it for each entry of the guest's tables.
 */
#include "mmu/ept.h"

#define ROOT_SHIFT 39 /* what an entry of the topmost table spans */
#define LEVEL_BITS 9

static bool may_be_leaf(unsigned shift)
{
    return shift == 30 || shift == 21;
}

static bool is_leaf(unsigned shift, uint64_t entry)
{
    return shift == PAGE_SHIFT || (may_be_leaf(shift) && (entry & EPT_LEAF));
}

/* Bits that must be zero (SDM 3, 30.3.3.1). */
static uint64_t reserved_bits(unsigned shift, bool leaf, unsigned maxphyaddr)
{
    uint64_t reserved = EPT_ADDRESS & ~((UINT64_C(1) << maxphyaddr) - 1);
    if (leaf)
        return reserved | (EPT_ADDRESS & ((UINT64_C(1) << shift) - 1));
    return reserved | 0x78 | (may_be_leaf(shift) ? 0 : EPT_LEAF);
}

/* Memory types 2, 3 and 7 do not exist (SDM 3, table 12-10). */
static bool type_exists(uint64_t entry)
{
    unsigned type = entry >> EPT_TYPE_SHIFT & 7;
    return type != 2 && type != 3 && type != 7;
}

/* A present entry that no CPU accepts (SDM 3, 30.3.3.1): writable but not readable, reserved bits, a type of no memory.
 * Execute-only is permitted here, and IA32_VMX_EPT_VPID_CAP says so. */
static bool misconfigured(unsigned shift, bool leaf, uint64_t entry, unsigned maxphyaddr)
{
    if ((entry & (EPT_READ | EPT_WRITE)) == EPT_WRITE || (entry & reserved_bits(shift, leaf, maxphyaddr)))
        return true;
    return leaf && !type_exists(entry);
}

/* Sets accessed and dirty bits (SDM 3, 30.3.5). */
static void mark(uint64_t *entry, bool dirty)
{
    uint64_t set = EPT_ACCESSED | (dirty ? EPT_DIRTY : 0);
    if ((__atomic_load_n(entry, __ATOMIC_RELAXED) & set) != set)
        __atomic_fetch_or(entry, set, __ATOMIC_SEQ_CST);
}

enum ept_outcome ept_walk(const struct ram *memory, uint64_t eptp, unsigned maxphyaddr, gpa_t at, unsigned access,
                          struct ept_path *out)
{
    uint64_t table = eptp & EPT_ADDRESS, *way[4];
    unsigned depth = 0;
    *out = (struct ept_path){.permitted = EPT_RWX};
    if (at.v >> (ROOT_SHIFT + LEVEL_BITS)) { /* beyond what four levels can map */
        out->permitted = 0;
        return EPT_VIOLATION;
    }
    for (unsigned shift = ROOT_SHIFT;; shift -= LEVEL_BITS) {
        uint64_t index = at.v >> shift & ((1u << LEVEL_BITS) - 1);
        uint64_t *place = ram_at(memory, gpa(table + index * 8), 8);
        uint64_t entry = place ? __atomic_load_n(place, __ATOMIC_RELAXED) : UINT64_MAX;
        out->refs++;
        out->permitted &= entry & EPT_RWX;
        if (!(entry & EPT_RWX))
            return EPT_VIOLATION;
        bool leaf = is_leaf(shift, entry);
        if (misconfigured(shift, leaf, entry, maxphyaddr))
            return EPT_MISCONFIG;
        way[depth++] = place;
        if (leaf) {
            uint64_t offset = (UINT64_C(1) << shift) - 1;
            out->page_shift = shift;
            out->clean = (eptp & EPTP_AD) && !(entry & EPT_DIRTY) && !(access & EPT_WRITE);
            out->host = gpa((entry & EPT_ADDRESS & ~offset) | (at.v & offset));
            break;
        }
        table = entry & EPT_ADDRESS;
    }
    if (access & ~out->permitted)
        return EPT_VIOLATION;
    for (unsigned i = 0; (eptp & EPTP_AD) && i < depth; i++)
        mark(way[i], i == depth - 1 && (access & EPT_WRITE));
    return EPT_OK;
}

bool ept_pointer_valid(uint64_t eptp, unsigned maxphyaddr)
{
    uint64_t type = eptp & EPTP_TYPE;
    return (type == EPTP_TYPE_UC || type == EPTP_TYPE_WB) && (eptp & EPTP_WALK) == EPTP_WALK_4 &&
           !(eptp & EPTP_RESERVED) && !(eptp >> maxphyaddr);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * walk_entry.h - what an entry of a page table says, in each of the three formats. Part of walk.c only, kept apart
 * because it is the manual's tables and nothing else: no state, no order of events.
 */
#ifndef VIRTLAB_MMU_WALK_ENTRY_H
#define VIRTLAB_MMU_WALK_ENTRY_H

#include "mmu/walk.h"

/* An entry of any format (SDM 3, 4.3 to 4.5). */
#define ENTRY_P  UINT64_C(0x001)
#define ENTRY_RW UINT64_C(0x002)
#define ENTRY_US UINT64_C(0x004)
#define ENTRY_A  UINT64_C(0x020)
#define ENTRY_D  UINT64_C(0x040)
#define ENTRY_PS UINT64_C(0x080)
#define ENTRY_G  UINT64_C(0x100)
#define ENTRY_XD (UINT64_C(1) << 63)

#define PDPTE_PRESENT UINT64_C(1)

enum format { FORMAT_NONE, FORMAT_32BIT, FORMAT_PAE, FORMAT_4LEVEL };

/* Bits first..last set; none when first > last. */
static inline uint64_t bits(unsigned first, unsigned last)
{
    return first > last ? 0 : (UINT64_MAX >> (63 - last)) & (UINT64_MAX << first);
}

static inline enum format format_of(const struct paging *paging)
{
    if (!(paging->cr0 & CR0_PG))
        return FORMAT_NONE;
    if (paging->efer & EFER_LMA)
        return FORMAT_4LEVEL;
    return paging->cr4 & CR4_PAE ? FORMAT_PAE : FORMAT_32BIT;
}

/* Outside RAM every bit reads as one. */
static inline uint64_t read_entry(const struct ram *ram, gpa_t at, unsigned size)
{
    const void *host = ram_at(ram, at, size);
    if (size == 4)
        return host ? __atomic_load_n((const uint32_t *)host, __ATOMIC_RELAXED) : UINT32_MAX;
    return host ? __atomic_load_n((const uint64_t *)host, __ATOMIC_RELAXED) : UINT64_MAX;
}

/* Sets bits of an entry unless it has changed since it was read: false then. */
static inline bool update_entry(const struct ram *ram, gpa_t at, unsigned size, uint64_t seen, uint64_t set)
{
    void *host = ram_at(ram, at, size);
    if (!host)
        return true;
    if (size == 4) {
        uint32_t expected = (uint32_t)seen;
        return __atomic_compare_exchange_n((uint32_t *)host, &expected, (uint32_t)(seen | set), false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_RELAXED);
    }
    return __atomic_compare_exchange_n((uint64_t *)host, &seen, seen | set, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* Does the entry map a page itself, rather than point to the next table? `shift` is the entry's reach. */
static inline bool is_leaf(const struct paging *paging, enum format format, unsigned shift, uint64_t entry)
{
    if (shift == 12)
        return true;
    if (!(entry & ENTRY_PS))
        return false;
    return format == FORMAT_32BIT ? (paging->cr4 & CR4_PSE) != 0 : shift <= 30;
}

/* 32-bit format, 4 MiB page: address bits 39:32 stand in entry bits 20:13 (PSE-36, SDM 3, 4.3). */
static inline unsigned pse36_bits(const struct paging *paging)
{
    unsigned above = paging->maxphyaddr > 32 ? paging->maxphyaddr - 32 : 0;
    return above < 8 ? above : 8;
}

/* Which bits of a present entry must be zero (SDM 3, tables 4-4 to 4-20). */
static inline uint64_t reserved_bits(const struct paging *paging, enum format format, unsigned shift, bool leaf)
{
    if (format == FORMAT_32BIT)
        return leaf && shift == 22 ? bits(13 + pse36_bits(paging), 21) : 0;

    uint64_t reserved = bits(paging->maxphyaddr, format == FORMAT_PAE ? 62 : 51);
    if (!(paging->efer & EFER_NXE))
        reserved |= ENTRY_XD;
    if (leaf && shift > 12)
        reserved |= bits(13, shift - 1); /* bit 12 is PAT */
    if (shift == 39)
        reserved |= ENTRY_PS;
    return reserved;
}

static inline uint64_t frame_of(const struct paging *paging, enum format format, unsigned shift, uint64_t entry)
{
    uint64_t frame = entry & bits(shift, 51);
    if (format == FORMAT_32BIT && shift == 22)
        frame |= (entry >> 13 & bits(0, 7) & ~(~UINT64_C(0) << pse36_bits(paging))) << 32;
    return frame;
}

#endif

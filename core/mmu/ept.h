/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ept.h - extended page tables: guest-physical to host-physical addresses (SDM 3, 30.3).
 *
 * The second dimension of a two-dimensional walk. mmu/walk.c goes down the guest's tables; each address it finds there
 * is guest-physical, so to read the entry it must first go down these. A walk of four levels in both dimensions reads
 * 4 entries of the guest, each found by 4 of the EPT, and 4 more for the final address: 24 in all.
 */
#ifndef VIRTLAB_MMU_EPT_H
#define VIRTLAB_MMU_EPT_H

#include <virtlab/ram.h>

/* What an access needs, as the low bits of an EPT entry and of an exit qualification name it. */
enum ept_access { EPT_READ = 1, EPT_WRITE = 2, EPT_EXECUTE = 4 };

/* An EPT entry (SDM 3, tables 30-1 to 30-7). */
#define EPT_RWX        UINT64_C(0x007)
#define EPT_TYPE_SHIFT 3 /* of a leaf: memory type, 3 bits */
#define EPT_TYPE_WB    UINT64_C(0x030)
#define EPT_IGNORE_PAT UINT64_C(0x040)
#define EPT_LEAF       UINT64_C(0x080) /* in a PDPTE or PDE: it maps a page */
#define EPT_ACCESSED   UINT64_C(0x100)
#define EPT_DIRTY      UINT64_C(0x200)
#define EPT_ADDRESS    UINT64_C(0x000ffffffffff000)

/* The EPT pointer (SDM 3, table 25-9): memory type of the tables, length of the walk less one, accessed and dirty. */
#define EPTP_TYPE     UINT64_C(0x07)
#define EPTP_WALK     UINT64_C(0x38)
#define EPTP_WALK_4   UINT64_C(0x18)
#define EPTP_AD       UINT64_C(0x40)
#define EPTP_RESERVED UINT64_C(0xf80)
#define EPTP_TYPE_UC  0
#define EPTP_TYPE_WB  6

enum ept_outcome {
    EPT_OK,
    EPT_VIOLATION, /* not mapped, or not permitted */
    EPT_MISCONFIG, /* an entry that no CPU accepts */
};

/* What the tables say of one guest-physical address. */
struct ept_path {
    gpa_t host;          /* host-physical address, when EPT_OK */
    unsigned page_shift; /* 12, 21 or 30 */
    unsigned permitted;  /* enum ept_access, over all entries on the way */
    unsigned refs;       /* entries read */
    bool clean;          /* EPT keeps dirty bits, and this page's is still clear: a write must walk again */
};

/*
 * Translates `at` for an access (enum ept_access, or several). `memory` is host-physical memory; tables outside it read
 * as all ones, which is a misconfiguration. Sets accessed and dirty bits if the EPT pointer asks for them.
 */
enum ept_outcome ept_walk(const struct ram *memory, uint64_t eptp, unsigned maxphyaddr, gpa_t at, unsigned access,
                          struct ept_path *out);

/* Could VM entry accept this EPT pointer (SDM 3, 27.2.1.1)? */
bool ept_pointer_valid(uint64_t eptp, unsigned maxphyaddr);

#endif

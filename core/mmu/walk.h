/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * walk.h - the page walker: guest-virtual to guest-physical by the guest's own tables (SDM 3, chapter 4).
 *
 * One function for all formats: no paging, 32-bit (with PSE pages), PAE, and 4-level. It checks presence, reserved
 * bits, R/W, U/S, NX, WP, SMEP and SMAP, sets accessed and dirty bits, and says how large the page is and what else may
 * be done to it, so that software TLBs and shadow tables can cache the answer. It knows nothing of engines.
 */
#ifndef VIRTLAB_MMU_WALK_H
#define VIRTLAB_MMU_WALK_H

#include "mmu/ept.h"
#include "mmu/walk_cache.h"
#include <virtlab/cpu_state.h>
#include <virtlab/ram.h>
#include <virtlab/stats.h>

/* What of the CPU's state decides a translation. */
struct paging {
    uint64_t cr0, cr3, cr4, efer;
    uint64_t pdpte[4];        /* PAE paging: the four entries as loaded at MOV to CR3 (SDM 3, 4.4.1) */
    uint64_t eptp;            /* not 0: addresses in the tables, and the result, go through EPT, too (mmu/ept.h) */
    struct walk_cache *cache; /* parts of walks, remembered (walk_cache.h); or NULL */
    unsigned maxphyaddr;      /* bits of a physical address; the bits above are reserved in entries */
};

enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_FETCH };

/* Who accesses. An implicit supervisor access (descriptor tables, TSS, event delivery) is not excused by AC. */
struct access_rights {
    bool user;     /* CPL 3 */
    bool smap_off; /* explicit supervisor access with RFLAGS.AC set */
};

struct translation {
    gpa_t gpa;           /* of the address that was asked for */
    unsigned page_shift; /* 12, 21, 22 or 30: how large the mapping is */
    bool writable;       /* by this kind of accessor, dirty bit set already: a write needs no further walk */
    bool executable;     /* by this kind of accessor */
    bool readable;       /* by this kind of accessor */
    bool global;
    bool maps_user, maps_write,
        maps_fetch;      /* the mapping's own rights, for whoever copies it: U/S; R/W and dirty; XD */
    unsigned refs;       /* entries of the (guest's) tables read */
    uint32_t error_code; /* when the walk failed: of the #PF */

    /* With EPT: gpa above is host-physical, and the walk may end in the second dimension instead of a #PF. */
    unsigned ept_refs;          /* EPT entries read */
    enum ept_outcome ept;       /* EPT_OK unless the walk ended there */
    gpa_t guest;                /* the guest-physical address that EPT was asked for last */
    uint64_t ept_qualification; /* exit qualification of an EPT violation (SDM 3, table 28-7), bits 0 to 8 */
};

/*
 * Translates `at` for an access; the PAE pointers must be in paging->pdpte already. Sets A (and, for a write, D) bits
 * in the guest's tables. Returns true with *out filled, or false with out->error_code: a page fault, CR2 = at. Tables
 * that lie outside RAM read as all ones, as from a bus that nobody answers: reserved bits, so a fault. With EPT, false
 * and out->ept is not EPT_OK: no #PF, but an EPT violation or misconfiguration.
 */
bool mmu_walk(const struct paging *paging, const struct ram *ram, gva_t at, enum access access,
              struct access_rights who, struct translation *out);

/* The same without setting any bit and without permission checks: for debuggers and dumps. */
bool mmu_peek(const struct paging *paging, const struct ram *ram, gva_t at, struct translation *out);

/* What the tables say of an address, or of a region. */
#define MMU_LEVELS_MAX 4
struct mmu_path {
    struct {
        gpa_t at;
        uint64_t entry;
        gpa_t guest;        /* with EPT: `at` is host-physical, and this what it was before */
        bool locked;        /* with EPT: it forbids to write the entry */
    } step[MMU_LEVELS_MAX]; /* in the order of the walk; the last one maps the page */
    unsigned steps;
    unsigned page_shift;         /* 0: no page yet, the last step leads to the table that maps 4 KiB pages */
    uint64_t frame;              /* of the whole page, 4 KiB or larger */
    bool user, writable, noexec; /* combined over the levels */
    uint32_t error;              /* PF_PRESENT and PF_RSVD of a walk that ended early */
};

/*
 * For shadow tables, which look at all pages of a 2 MiB region at once (4-level paging only). mmu_region() is the way
 * to the region: three entries and the leaf table they lead to, or fewer and a large page; false if it ends early, or
 * goes through an entry not accessed yet. mmu_region_page() then is what a walk to `at` in it would find, with this
 * entry in the leaf table (ignored under a large page): false unless it is accessed and readable. No bit is set.
 */
bool mmu_region(const struct paging *paging, const struct ram *ram, gva_t at, struct mmu_path *path);
bool mmu_region_page(const struct paging *paging, const struct mmu_path *region, gva_t at, uint64_t leaf,
                     struct access_rights who, struct translation *out);

/*
 * Loads the four PAE pointers that CR3 names (only when PAE paging is on, not in long mode). False when one has
 * reserved bits set: the instruction that caused it raises #GP(0).
 */
bool mmu_load_pdptes(struct paging *paging, const struct ram *ram) MUST_CHECK;

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tables.h - how the hypervisor reads the guest's page tables: what update.c and spaces.c share.
 */
#ifndef VIRTLAB_PARA_TABLES_H
#define VIRTLAB_PARA_TABLES_H

#include <sys/mman.h>

#include "para/direct.h"

#define ALL_RIGHTS (PTE_P | PTE_W | PTE_U)

static inline uint64_t *entry_at(const struct engine *e, uint64_t table, unsigned slot)
{
    return ram_at(e->host->ram, gpa((table << PAGE_SHIFT) + slot * 8), 8);
}

static inline uint64_t frame_of(uint64_t entry)
{
    return (entry & PTE_ADDRESS) >> PAGE_SHIFT;
}

/* Rights add up on the way down: PTE_P, W, U as all levels allow, PTE_NX as any forbids. */
static inline uint64_t rights_below(uint64_t above, uint64_t entry)
{
    return (above & (entry | PTE_NX)) | (entry & PTE_NX);
}

/* What user code may do by `entry`, reached with `above`: PROT_..., 0 for nothing. */
static inline int user_rights(uint64_t above, uint64_t entry)
{
    uint64_t both = rights_below(above, entry);

    if (!(both & PTE_P) || !(both & PTE_U))
        return 0;
    return PROT_READ | (both & PTE_W ? PROT_WRITE : 0) | (both & PTE_NX ? 0 : PROT_EXEC);
}

/* The frame that user code with these rights sees: where its system calls are rewritten, the shadow (patch.c). */
static inline uint64_t seen_frame(const struct engine *e, uint64_t entry, int prot)
{
    return (prot & (PROT_WRITE | PROT_EXEC)) == PROT_EXEC ? patch_frame(e, frame_of(entry)) : frame_of(entry);
}

#endif

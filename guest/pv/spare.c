/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spare.c: the address space of a child that has ended is kept for the next child of the same process.
 *
 * A server or a shell forks again and again, and each child looks much like the one before.  To make page tables of
 * pages and pages of page tables again is dear: the hypervisor takes away the right to write them, on all CPUs, looks
 * at every entry, and later gives the right back.  So one dead child's tables stay as they are, pinned, with their
 * pages; fork (vma.c) copies into the pages that are there, and changes only the entries that differ.
 *
 * Next: usercopy.c.
 */
#include "mm.h"
#include "pv_ops.h"

static struct mm *spare;
bool pv_spares = true;

static int count_page(u64 *pte, u64 va, void *arg)
{
    (void)va;
    *(unsigned *)arg += *pte != 0;
    return 0;
}

/* Only what fork would copy anyway: pages that nobody else has are out of use as long as they are kept. */
bool pv_mm_keep(struct mm *mm)
{
    unsigned pages = 0;

    if (!pv_spares || spare || !mm->origin || !page_plenty())
        return false;
    pte_walk(mm, 0, USER_TOP, count_page, &pages);
    if (pages > pv_fork_copy)
        return false;
    spare = mm;
    return true;
}

/* What the parent hasn't mapped, the next child hasn't either. */
static int prune(u64 *pte, u64 va, void *parent)
{
    const u64 *his = pte_get(parent, va, false);
    void *page = pte_page(*pte);

    if (his && *his)
        return 0;
    pv_set_pte(pte, 0);
    pv_page_release(page);
    return 0;
}

static void drop(void)
{
    struct mm *mm = spare;
    bool on = pv_spares;

    spare = NULL;
    pv_spares = false;
    if (mm && !pv_mm_retire(mm))
        mm_free(mm);
    pv_spares = on;
}

struct mm *pv_mm_spare(const struct mm *of)
{
    struct mm *mm = spare;

    if (mm && mm->origin != of)
        drop();
    if (!spare)
        return NULL;
    spare = NULL;
    pv_lazy_begin();
    pte_walk(mm, 0, USER_TOP, prune, (void *)of);
    pv_lazy_end();
    mm_forget_ranges(mm);
    mm->refs = 1;
    return mm;
}

void pv_memory_short(void)
{
    drop();
}

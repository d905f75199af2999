/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fork_mm.c [17, continued]: fork's part of an address space: every page is shared, and the first write copies it.
 *
 * Where faults are dear (PV_FORK_COPY), few pages are copied at once instead, and the tables of an earlier child may be
 * there to be used again (pv_mm_spare).
 *
 * Next: fault.c.
 */
#include "mm.h"
#include "pv_ops.h"

struct fork_walk {
    struct mm *to;
    bool shared, copy;
    struct page_run copies;
};

static int count_writable(u64 *pte, u64 va, void *arg)
{
    (void)va;
    *(unsigned *)arg += *pte & PTE_W ? 1 : 0;
    return 0;
}

/* Where faults are dear (PV_FORK_COPY), a few pages are copied at once: neither side will fault on them. */
static bool copy_is_cheaper(struct mm *from, const struct vma *v, unsigned *left)
{
    unsigned pages = 0;

    if (v->shared || !*left || !page_plenty())
        return false;
    pte_walk(from, v->start, v->end, count_writable, &pages);
    if (pages > *left)
        return false;
    *left -= pages;
    return true;
}

/* Tables that are used again (pv_mm_spare) may have the right page in place: of the last child, and like this one. */
static bool copy_into(u64 old, u64 entry)
{
    if (!old || ((old ^ entry) & ~PTE_ADDR) || page_refs(pte_page(old)) != 1)
        return false;
    memcpy(pte_page(old), pte_page(entry), PAGE_SIZE);
    return true;
}

static void replace_entry(u64 *pte, u64 entry)
{
    u64 old = *pte;

    pv_set_pte(pte, entry);
    if (old)
        pv_page_release(pte_page(old));
}

static int share_page(u64 *pte, u64 va, void *arg)
{
    struct fork_walk *w = arg;
    u64 *to = pte_get(w->to, va, true), entry = *pte;
    void *copy;

    if (!to)
        return -ENOMEM;
    if (w->copy && (entry & PTE_W) && copy_into(*to, entry))
        return 0;
    copy = w->copy && (entry & PTE_W) ? page_run_next(&w->copies) : NULL;
    if (copy) {
        memcpy(copy, pte_page(entry), PAGE_SIZE);
        replace_entry(to, (entry & ~PTE_ADDR) | virt_to_phys(copy));
        return 0;
    }
    if (!w->shared && (entry & PTE_W))
        pv_set_pte(pte, entry &= ~PTE_W);
    if (*to != entry) {
        page_ref(pte_page(entry));
        replace_entry(to, entry);
    }
    return 0;
}

static int fork_vma(struct mm *from, struct mm *to, const struct vma *v, unsigned *left)
{
    unsigned before = *left;
    struct fork_walk w = {.to = to, .shared = v->shared, .copy = copy_is_cheaper(from, v, left)};
    int r;

    w.copies.ahead = before - *left;
    r = pte_walk(from, v->start, v->end, share_page, &w);
    page_run_end(&w.copies);
    return r;
}

struct mm *mm_fork(struct mm *from)
{
    struct mm *spare = pv_mm_spare(from), *to = spare ? spare : mm_create();
    struct vma **tail;
    unsigned copies_left = PV_FORK_COPY;
    int r = 0;

    if (!to)
        return NULL;
    to->origin = from;
    to->brk_start = from->brk_start;
    to->brk = from->brk;
    tail = &to->vmas;
    pv_lazy_begin();
    for (const struct vma *v = from->vmas; v && !r; v = v->next) {
        *tail = vma_copy(v);
        if (!*tail) {
            r = -ENOMEM;
            break;
        }
        (*tail)->next = NULL;
        r = fork_vma(from, to, *tail, &copies_left);
        tail = &(*tail)->next;
    }
    pv_lazy_end();
    tlb_flush(); /* the parent has lost its write permissions */
    if (r) {
        vm_zap(to, 0, USER_TOP); /* a spare one may hold more than the ranges say */
        mm_put(to);
        return NULL;
    }
    return to;
}

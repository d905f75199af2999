/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fault.c [18]: demand paging and copy-on-write.
 *
 * A page fault is the moment when a range of vma.c becomes a page-table entry:
 *   not present, anonymous      read: the shared zero page; write: a fresh page
 *   not present, of a file      the page cache's page, shared; a private write copies it
 *   present, but not writable   a private page: copied, unless nobody else holds it any more
 *
 * Next: mmap.c.
 */
#include "fs.h"
#include "mm.h"
#include "pv_ops.h"

#include <linux/mman.h>

#define PTES 512 /* in a table */
#define FEW  16  /* neighbours that are mapped on suspicion */

static int permitted(const struct vma *v, u32 access)
{
    u32 need = access & PF_WRITE ? PROT_WRITE : access & PF_FETCH ? PROT_EXEC : PROT_READ;

    /* x86 has no write-only or execute-only pages: any permission lets one read. */
    if (need == PROT_READ)
        return v->prot & (PROT_READ | PROT_WRITE | PROT_EXEC) ? 0 : -EACCES;
    return v->prot & need ? 0 : -EACCES;
}

static int install(u64 *pte, const struct vma *v, void *page, bool writable)
{
    if (!page)
        return -ENOMEM;
    pv_set_pte(pte, pte_make(page, v->prot, writable));
    return 0;
}

static void *copy_of(const void *page, size_t bytes, struct page_run *from)
{
    u8 *copy = page_run_next(from);

    if (!copy)
        return NULL;
    if (bytes)
        memcpy(copy, page, bytes);
    if (bytes < PAGE_SIZE)
        memset(copy + bytes, 0, PAGE_SIZE - bytes);
    return copy;
}

/* Who maps several pages at once has fresh ones for reading, too: it would be dear to come back for each. */
static int map_anonymous(u64 *pte, const struct vma *v, bool write, struct page_run *from)
{
    if (from->ahead <= 1)
        return install(pte, v, write ? page_alloc_zeroed() : zero_page, write);
    return install(pte, v, copy_of(zero_page, 0, from), v->prot & PROT_WRITE);
}

static int map_file(u64 *pte, const struct vma *v, u64 va, bool write, struct page_run *from)
{
    u64 index = (v->offset + (va - v->start)) / PAGE_SIZE;
    size_t bytes = PAGE_SIZE;
    void *cached;
    int r;

    if (va >= v->file_end)
        return map_anonymous(pte, v, write, from);
    r = inode_page(v->inode, index, false, &cached);
    if (r)
        return r;
    if (v->file_end - va < PAGE_SIZE)
        bytes = v->file_end - va;
    if (!v->shared && (write || bytes < PAGE_SIZE))
        return install(pte, v, copy_of(cached, bytes, from), write);
    page_ref(cached);
    return install(pte, v, cached, v->shared && (v->prot & PROT_WRITE));
}

static int map_page(u64 *pte, const struct vma *v, u64 va, bool write, struct page_run *from)
{
    return v->inode ? map_file(pte, v, va, write, from) : map_anonymous(pte, v, write, from);
}

/* --- where faults are dear: the neighbours as well ---------------------------------------- */

struct span {
    u64 start, end; /* page addresses of one table's entries: of those around a page that can be treated like it */
    u64 *pte;       /* start's */
};

/* Is what `mask` leaves of a neighbour's entry the same? Looks in a block of `pages`, a power of two. */
static struct span span_around(u64 *pte, const struct vma *v, u64 va, u64 pages, u64 mask)
{
    u64 block = pages * PAGE_SIZE, first = MAX(va & -block, v->start), last = MIN((va & -block) + block, v->end);
    struct span s = {va, va + PAGE_SIZE, pte};

    while (s.end < last && !((pte[(s.end - va) / PAGE_SIZE] ^ *pte) & mask))
        s.end += PAGE_SIZE;
    while (s.start > first && !((s.pte[-1] ^ *pte) & mask)) {
        s.start -= PAGE_SIZE;
        s.pte--;
    }
    return s;
}

/* As many as the range seems to want: all of a small one, and many for a program that walks through it. */
static u64 pages_ahead(const u64 *pte, const struct vma *v, u64 va)
{
    bool small = v->end - v->start <= PV_FAULT_AROUND * PAGE_SIZE;
    bool walks = va > v->start && ((va / PAGE_SIZE) % PTES == 0 || pte[-1]);

    if (!page_plenty()) {
        pv_memory_short();
        return 1;
    }
    return small || walks ? PV_FAULT_AROUND : MIN(PV_FAULT_AROUND, FEW);
}

typedef int page_fn(u64 *pte, const struct vma *v, u64 va, bool write, struct page_run *from);

/* Does `fn` for all pages of the span; only what happens at `va` counts, for a neighbour can have a fault of its own.
 */
static int for_span(struct span s, u64 va, page_fn *fn, const struct vma *v, bool write)
{
    struct page_run from = {.ahead = (unsigned)((s.end - s.start) / PAGE_SIZE)};
    u64 at = s.start;
    int r = 0;

    pv_lazy_begin();
    for (; at < s.end && !r; at += PAGE_SIZE)
        r = fn(s.pte + (at - s.start) / PAGE_SIZE, v, at, write, &from);
    if (r && at <= va)
        r = fn(s.pte + (va - s.start) / PAGE_SIZE, v, va, write, &from);
    pv_lazy_end();
    page_run_end(&from);
    return at <= va + PAGE_SIZE ? r : 0;
}

/* A write to a present page without W: the range allows it, so the page is shared or was. */
static int make_writable(u64 *pte, const struct vma *v, u64 va, bool write, struct page_run *from)
{
    void *page = pte_page(*pte), *copy;

    (void)write;
    if (v->shared || page_refs(page) == 1) {
        pv_set_pte(pte, pte_make(page, v->prot, true));
    } else {
        copy = copy_of(page, page == zero_page ? 0 : PAGE_SIZE, from);
        if (!copy)
            return -ENOMEM;
        pv_set_pte(pte, pte_make(copy, v->prot, true));
        pv_page_release(page);
    }
    pv_invlpg(va);
    return 0;
}

static inline int with_neighbours(u64 *pte, const struct vma *v, u64 va, page_fn *fn, bool write)
{
    struct page_run one = {0};
    u64 pages;

    if (PV_FAULT_AROUND == 1)
        return fn(pte, v, va, write, &one);
    pages = pages_ahead(pte, v, va);
    if (*pte)
        return for_span(span_around(pte, v, va, MIN(pages, FEW), PTE_P | PTE_W), va, fn, v, write);
    return for_span(span_around(pte, v, va, pages, ~0ull), va, fn, v, write);
}

int vm_fault(struct mm *mm, u64 va, u32 access)
{
    const struct vma *v = vma_find(mm, va = PAGE_DOWN(va));
    bool write = access & PF_WRITE;
    u64 *pte;
    int r;

    if (!v)
        return -EFAULT;
    r = permitted(v, access);
    if (r)
        return r;
    pte = pte_get(mm, va, true);
    if (!pte)
        return -ENOMEM;
    if (!*pte)
        return with_neighbours(pte, v, va, map_page, write);
    if (write && !(*pte & PTE_W))
        return with_neighbours(pte, v, va, make_writable, true);
    pv_invlpg(va); /* the entry permits it: what the CPU remembered was out of date */
    return 0;
}

/*
 * Where faults are dear (PV_POPULATE): a new range is mapped before it is touched, up to so many pages. Nothing depends
 * on it: what can't be had now will have its fault.
 */
void vm_populate(struct mm *mm, const struct vma *v)
{
    u64 end = MIN(v->end, v->start + (u64)PV_POPULATE * PAGE_SIZE);
    struct span s;

    for (u64 va = v->start; va < end && page_plenty() && !permitted(v, 0); va = s.end) {
        u64 *pte = pte_get(mm, va, true);

        if (!pte)
            return;
        s = *pte ? (struct span){.end = va + PAGE_SIZE} : span_around(pte, v, va, PV_FAULT_AROUND, ~0ull);
        if (!*pte && for_span(s, va, map_page, v, v->prot & PROT_WRITE))
            return;
    }
}

/* Where the kernel can write what the process will see at va; for filling another address space. */
void *vm_writable_page(struct mm *mm, u64 va)
{
    u64 *pte;

    if (vm_fault(mm, va, PF_WRITE))
        return NULL;
    pte = pte_get(mm, va, false);
    return pte ? pte_page(*pte) : NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vma.c [17]: what a process has mapped: a list of ranges, sorted by address, without overlaps.
 *
 * The list says what an address means; page tables are a cache of it that fault.c fills.
 *
 * Next: fork_mm.c, which copies all of it; then fault.c.
 */
#include "fs.h"
#include "mm.h"
#include "pv_ops.h"
#include "task.h"

#define MMAP_LOW  0x10000ull
#define MMAP_HIGH (STACK_TOP - STACK_SIZE - 0x100000)

static void vma_free(struct vma *v)
{
    if (v->inode)
        inode_put(v->inode);
    kfree(v, sizeof(*v));
}

struct vma *vma_copy(const struct vma *from)
{
    struct vma *v = kalloc(sizeof(*v));

    if (!v)
        return NULL;
    *v = *from;
    if (v->inode)
        inode_get(v->inode);
    return v;
}

/* The range that holds va, or NULL. */
struct vma *vma_find(const struct mm *mm, u64 va)
{
    struct vma *v = mm->vmas;

    while (v && v->end <= va)
        v = v->next;
    return v && v->start <= va ? v : NULL;
}

bool vma_range_free(const struct mm *mm, u64 start, u64 end)
{
    struct vma *v = mm->vmas;

    while (v && v->end <= start)
        v = v->next;
    return !v || v->start >= end;
}

/* The highest gap of that size (as Linux does, which keeps low addresses for brk); 0 if none. */
u64 vma_find_gap(const struct mm *mm, u64 size)
{
    u64 floor = MMAP_LOW, best = 0;

    for (const struct vma *v = mm->vmas;; v = v->next) {
        u64 ceiling = v ? MIN(v->start, MMAP_HIGH) : MMAP_HIGH;

        if (ceiling > floor && ceiling - floor >= size)
            best = ceiling - size;
        if (!v)
            return best;
        floor = MAX(floor, v->end);
    }
}

static bool mergeable(const struct vma *a, const struct vma *b)
{
    if (a->end != b->start || a->prot != b->prot || a->inode != b->inode || a->shared != b->shared)
        return false;
    return !a->inode || (a->offset + (a->end - a->start) == b->offset && a->file_end == b->file_end);
}

/* Joins neighbours that have become alike, so that the list stays short. */
void vma_coalesce(struct mm *mm)
{
    struct vma *v = mm->vmas;

    while (v && v->next) {
        struct vma *next = v->next;

        if (!mergeable(v, next)) {
            v = next;
            continue;
        }
        v->end = next->end;
        v->next = next->next;
        vma_free(next);
    }
}

int vma_map(struct mm *mm, const struct vma *what)
{
    struct vma **link = &mm->vmas, *v;

    v = vma_copy(what);
    if (!v)
        return -ENOMEM;
    while (*link && (*link)->start < v->start)
        link = &(*link)->next;
    v->next = *link;
    *link = v;
    vma_coalesce(mm);
    return 0;
}

/* Makes `at` a border between ranges, if it lies inside one. */
int vma_split(struct mm *mm, u64 at)
{
    struct vma *v = vma_find(mm, at), *upper;

    if (!v || v->start == at)
        return 0;
    upper = vma_copy(v);
    if (!upper)
        return -ENOMEM;
    upper->start = at;
    upper->offset += at - v->start;
    v->end = at;
    v->next = upper;
    return 0;
}

static int drop_page(u64 *pte, u64 va, void *arg)
{
    void *page = pte_page(*pte);

    (void)va;
    (void)arg;
    pv_set_pte(pte, 0);
    pv_page_release(page);
    return 0;
}

void vm_zap(struct mm *mm, u64 start, u64 end)
{
    pv_lazy_begin();
    pte_walk(mm, start, end, drop_page, NULL);
    pv_lazy_end();
    tlb_flush_range(start, end);
}

int vma_unmap(struct mm *mm, u64 start, u64 end)
{
    struct vma **link = &mm->vmas;
    int r;

    if ((r = vma_split(mm, start)) || (r = vma_split(mm, end)))
        return r;
    while (*link && (*link)->start < end) {
        struct vma *v = *link;

        if (v->start < start) {
            link = &v->next;
            continue;
        }
        vm_zap(mm, v->start, v->end);
        *link = v->next;
        vma_free(v);
    }
    return 0;
}

struct mm *mm_create(void)
{
    struct mm *mm;

    pv_tables_look(true); /* what a process before has left is free now */
    mm = kalloc(sizeof(*mm));
    if (!mm)
        return NULL;
    mm->tables.ahead = PV_TABLES_AHEAD;
    mm->pml4 = pml4_create(&mm->tables);
    if (!mm->pml4) {
        kfree(mm, sizeof(*mm));
        return NULL;
    }
    mm->refs = 1;
    return mm;
}

void mm_forget_ranges(struct mm *mm)
{
    struct vma *v;

    while ((v = mm->vmas)) {
        mm->vmas = v->next;
        vma_free(v);
    }
}

void mm_free(struct mm *mm)
{
    struct vma *v;

    while ((v = mm->vmas)) {
        pte_walk(mm, v->start, v->end, drop_page, NULL);
        mm->vmas = v->next;
        vma_free(v);
    }
    pml4_destroy(mm->pml4);
    page_run_end(&mm->tables);
    kfree(mm, sizeof(*mm));
}

/* The caller no longer runs on these tables. */
void mm_put(struct mm *mm)
{
    if (!--mm->refs && !pv_mm_retire(mm))
        mm_free(mm);
}

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

static void *copy_of(const void *page, size_t bytes)
{
    u8 *copy = page_alloc();

    if (!copy)
        return NULL;
    memcpy(copy, page, bytes);
    memset(copy + bytes, 0, PAGE_SIZE - bytes);
    return copy;
}

static int map_anonymous(u64 *pte, const struct vma *v, bool write)
{
    if (!write)
        return install(pte, v, zero_page, false);
    return install(pte, v, page_alloc_zeroed(), true);
}

static int map_file(u64 *pte, const struct vma *v, u64 va, bool write)
{
    u64 page_va = PAGE_DOWN(va);
    u64 index = (v->offset + (page_va - v->start)) / PAGE_SIZE;
    size_t bytes = PAGE_SIZE;
    void *cached;
    int r;

    if (page_va >= v->file_end)
        return map_anonymous(pte, v, write);
    r = inode_page(v->inode, index, false, &cached);
    if (r)
        return r;
    if (v->file_end - page_va < PAGE_SIZE)
        bytes = v->file_end - page_va;
    if (!v->shared && (write || bytes < PAGE_SIZE))
        return install(pte, v, copy_of(cached, bytes), write);
    page_ref(cached);
    return install(pte, v, cached, v->shared && (v->prot & PROT_WRITE));
}

static int map_page(u64 *pte, const struct vma *v, u64 va, bool write)
{
    return v->inode ? map_file(pte, v, va, write) : map_anonymous(pte, v, write);
}

/*
 * Where faults are dear (PV_FAULT_AROUND), the following pages of the range are mapped along with the one that was
 * touched: fresh ones, or those of a file to be read.
 */
static int map_around(u64 *pte, const struct vma *v, u64 va, bool write)
{
    u64 page_va = PAGE_DOWN(va), block = (u64)PV_FAULT_AROUND * PAGE_SIZE;
    u64 end = MIN((page_va / block + 1) * block, v->end);
    int r;

    pv_lazy_begin();
    r = map_page(pte, v, va, write);
    while (!r && (page_va += PAGE_SIZE) < end && !*++pte && !(v->inode && (write || v->shared)))
        if (map_page(pte, v, page_va, write))
            break; /* it will have a fault of its own */
    pv_lazy_end();
    return r;
}

/* A write to a present page without W: the range allows it, so the page is shared or was. */
static int make_writable(u64 *pte, const struct vma *v, u64 va)
{
    void *page = pte_page(*pte), *copy;

    if (v->shared || page_refs(page) == 1) {
        pv_set_pte(pte, pte_make(page, v->prot, true));
    } else {
        copy = page == zero_page ? page_alloc_zeroed() : copy_of(page, PAGE_SIZE);
        if (!copy)
            return -ENOMEM;
        pv_set_pte(pte, pte_make(copy, v->prot, true));
        page_unref(page);
    }
    pv_invlpg(va);
    return 0;
}

int vm_fault(struct mm *mm, u64 va, u32 access)
{
    const struct vma *v = vma_find(mm, va);
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
        return map_around(pte, v, va, write);
    if (write && !(*pte & PTE_W))
        return make_writable(pte, v, va);
    pv_invlpg(va); /* the entry permits it: what the CPU remembered was out of date */
    return 0;
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

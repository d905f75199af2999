/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmap.c [19]: the system calls that change an address space.
 *
 * Next: usercopy.c.
 */
#include <linux/mman.h>

#include "file.h"
#include "fs.h"
#include "mm.h"
#include "pv_ops.h"
#include "syscall.h"
#include "task.h"

#define PROT_ALL (PROT_READ | PROT_WRITE | PROT_EXEC)

static bool bad_range(u64 start, u64 len)
{
    return (start & PAGE_MASK) || !len || start >= USER_TOP || len > USER_TOP - start;
}

/* What to map: a file, fresh memory, or (shared anonymous) an unnamed file of zeros. */
static int mapping_source(struct vma *v, u64 flags, int fd, u64 offset)
{
    struct file *f;

    v->file_end = UINT64_MAX;
    if (flags & MAP_ANONYMOUS) {
        if (!v->shared)
            return 0;
        v->inode = inode_new(S_IFREG | 0600);
        if (!v->inode)
            return -ENOMEM;
        v->inode->size = v->end - v->start;
        return 0;
    }
    f = fd_get(fd);
    if (!f)
        return -EBADF;
    if (offset & PAGE_MASK)
        return -EINVAL;
    if (!f->inode || (!S_ISREG(f->inode->mode) && !f->inode->dev_is_zero))
        return -ENODEV;
    if (f->inode->dev_is_zero)
        return 0;
    inode_get(f->inode);
    v->inode = f->inode;
    v->offset = offset;
    return 0;
}

/* mmap(addr, length, prot, flags, fd, offset) */
long sys_mmap(const u64 *a)
{
    struct mm *mm = current->mm;
    u64 addr = a[0], len = PAGE_UP(a[1]), flags = a[3];
    struct vma v = {.prot = a[2] & PROT_ALL, .shared = flags & MAP_SHARED};
    int r;

    if (!a[1] || len < a[1] || len > USER_TOP)
        return -EINVAL;
    if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
        if (bad_range(addr, len))
            return -EINVAL;
        if ((flags & MAP_FIXED_NOREPLACE) && !vma_range_free(mm, addr, addr + len))
            return -EEXIST;
        r = vma_unmap(mm, addr, addr + len);
        if (r)
            return r;
    } else if (!addr || bad_range(PAGE_DOWN(addr), len) ||
               !vma_range_free(mm, PAGE_DOWN(addr), PAGE_DOWN(addr) + len)) {
        addr = vma_find_gap(mm, len);
        if (!addr)
            return -ENOMEM;
    }
    v.start = PAGE_DOWN(addr);
    v.end = v.start + len;
    r = mapping_source(&v, flags, (int)a[4], a[5]);
    if (r)
        return r;
    r = vma_map(mm, &v);
    if (!r)
        vm_populate(mm, &v);
    if (v.inode)
        inode_put(v.inode);
    return r ? r : (long)v.start;
}

/* munmap(addr, length) */
long sys_munmap(const u64 *a)
{
    u64 len = PAGE_UP(a[1]);

    if (bad_range(a[0], len))
        return -EINVAL;
    return vma_unmap(current->mm, a[0], a[0] + len);
}

/* Rewrites one entry; a page that nobody shares becomes writable at once, without a fault. */
static int protect_page(u64 *pte, u64 va, void *arg)
{
    const struct vma *v = arg;
    void *page = pte_page(*pte);
    bool writable = (v->prot & PROT_WRITE) && (v->shared || page_refs(page) == 1);

    (void)va;
    pv_set_pte(pte, pte_make(page, v->prot, writable));
    return 0;
}

static bool fully_mapped(const struct mm *mm, u64 start, u64 end)
{
    for (const struct vma *v; start < end; start = v->end)
        if (!(v = vma_find(mm, start)))
            return false;
    return true;
}

/* mprotect(addr, length, prot) */
long sys_mprotect(const u64 *a)
{
    struct mm *mm = current->mm;
    u64 start = a[0], len = PAGE_UP(a[1]), end = start + len;
    int r;

    if (!len)
        return 0;
    if (bad_range(start, len))
        return -EINVAL;
    if (!fully_mapped(mm, start, end))
        return -ENOMEM;
    if ((r = vma_split(mm, start)) || (r = vma_split(mm, end)))
        return r;
    pv_lazy_begin();
    for (struct vma *v = vma_find(mm, start); v && v->start < end; v = v->next) {
        v->prot = a[2] & PROT_ALL;
        pte_walk(mm, v->start, v->end, protect_page, v);
    }
    pv_lazy_end();
    tlb_flush_range(start, end);
    vma_coalesce(mm);
    return 0;
}

/* brk(addr): moves the end of the heap; on failure it stays, and the answer tells. */
long sys_brk(const u64 *a)
{
    struct mm *mm = current->mm;
    u64 old_end = PAGE_UP(mm->brk), new_end = PAGE_UP(a[0]);
    struct vma v = {.start = old_end, .end = new_end, .prot = PROT_READ | PROT_WRITE};

    if (a[0] < mm->brk_start || a[0] >= USER_TOP)
        return (long)mm->brk;
    if (new_end > old_end && (!vma_range_free(mm, old_end, new_end) || vma_map(mm, &v)))
        return (long)mm->brk;
    vm_populate(mm, &v);
    if (new_end < old_end && vma_unmap(mm, new_end, old_end))
        return (long)mm->brk;
    mm->brk = a[0];
    return (long)mm->brk;
}

struct move {
    struct mm *mm;
    u64 delta;
};

static int move_page(u64 *pte, u64 va, void *arg)
{
    struct move *m = arg;
    u64 *to = pte_get(m->mm, va + m->delta, true);

    if (!to)
        return -ENOMEM;
    pv_set_pte(to, *pte);
    pv_set_pte(pte, 0);
    return 0;
}

/* Moves a range, pages and all, to a gap of the new size. */
static long move_range(struct mm *mm, const struct vma *v, u64 start, u64 len, u64 new_len)
{
    u64 to = vma_find_gap(mm, new_len);
    struct move m = {mm, to - start};
    struct vma moved = *v;
    int r;

    if (!to)
        return -ENOMEM;
    moved.start = to;
    moved.end = to + new_len;
    moved.offset += start - v->start;
    r = vma_map(mm, &moved);
    if (r)
        return r;
    pv_lazy_begin();
    r = pte_walk(mm, start, start + len, move_page, &m);
    pv_lazy_end();
    if (r)
        return -ENOMEM; /* both ranges stay mapped; nothing is lost but the call */
    tlb_flush_range(start, start + len);
    r = vma_unmap(mm, start, start + len);
    return r ? r : (long)to;
}

/* mremap(addr, old length, new length, flags) */
long sys_mremap(const u64 *a)
{
    struct mm *mm = current->mm;
    u64 start = a[0], len = PAGE_UP(a[1]), new_len = PAGE_UP(a[2]);
    struct vma *v = vma_find(mm, start);

    if (bad_range(start, len) || bad_range(start, new_len) || (a[3] & ~(u64)MREMAP_MAYMOVE))
        return -EINVAL;
    if (!v || v->end < start + len)
        return -EFAULT;
    if (new_len <= len) {
        int r = new_len < len ? vma_unmap(mm, start + new_len, start + len) : 0;

        return r ? r : (long)start;
    }
    if (v->end == start + len && vma_range_free(mm, v->end, start + new_len)) {
        v->end = start + new_len;
        vma_coalesce(mm);
        return (long)start;
    }
    return a[3] & MREMAP_MAYMOVE ? move_range(mm, v, start, len, new_len) : -ENOMEM;
}

/* madvise(addr, length, advice): forgetting is the one piece of advice with a visible effect. */
long sys_madvise(const u64 *a)
{
    u64 start = a[0], len = PAGE_UP(a[1]);

    if (len && bad_range(start, len))
        return -EINVAL;
    if (len && a[2] == MADV_DONTNEED)
        vm_zap(current->mm, start, start + len);
    return 0;
}

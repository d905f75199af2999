/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mm.h: memory: frames, kernel heap, page tables, and what a process maps.
 *
 * Read page.c (frames), pagetable.c, vma.c, fork_mm.c, fault.c, mmap.c in this order.
 */
#ifndef MM_H
#define MM_H

#include "kernel.h"

struct bootinfo;
struct inode;

/* Page-table entry bits (SDM vol. 3A, 4.5). */
#define PTE_P    0x001ull
#define PTE_W    0x002ull
#define PTE_U    0x004ull
#define PTE_A    0x020ull
#define PTE_D    0x040ull
#define PTE_PS   0x080ull
#define PTE_G    0x100ull
#define PTE_NX   (1ull << 63)
#define PTE_ADDR 0x000ffffffffff000ull

/* Page-fault error code bits (SDM vol. 3A, 4.7). */
#define PF_WRITE 0x02u
#define PF_USER  0x04u
#define PF_FETCH 0x10u

/* page.c: frames, by their address in the direct map; a page is freed with its last reference. */
void page_init(const struct bootinfo *bi);
void *page_alloc(void) MUST_CHECK;
void *page_alloc_zeroed(void) MUST_CHECK;
void *page_alloc_run(unsigned pages) MUST_CHECK; /* contiguous */
bool page_plenty(void);                          /* there is enough to be generous with */
/* Pages taken one by one that lie side by side, as far as memory allows: `ahead` of them at a time. */
struct page_run {
    u8 *next;
    unsigned left, ahead;
};
void *page_run_next(struct page_run *run) MUST_CHECK;
void page_run_end(struct page_run *run); /* gives back what wasn't taken */
void page_ref(void *page);
void page_unref(void *page);
u32 page_refs(const void *page);
u64 page_total(void);
u64 page_free_count(void);
extern u8 zero_page[PAGE_SIZE]; /* part of the image, hence never counted nor freed */

/* heap.c: small objects, zeroed.  The caller remembers the size. */
#define KALLOC_MAX 2048
void *kalloc(size_t size) MUST_CHECK;
void kfree(void *p, size_t size);

/* One range of a process's address space. */
struct vma {
    u64 start, end;
    u32 prot;            /* PROT_READ | PROT_WRITE | PROT_EXEC */
    bool shared;         /* MAP_SHARED */
    struct inode *inode; /* NULL: anonymous */
    u64 offset;          /* in the file, of start; page-aligned */
    u64 file_end;        /* bytes from this address on are zero (an ELF segment's bss) */
    struct vma *next;    /* by address */
};

struct mm {
    u64 *pml4;
    struct page_run tables; /* where the next page tables come from */
    struct vma *vmas;
    u64 brk_start, brk;
    u32 refs;
    const struct mm *origin; /* what it was forked from, which may be gone; NULL */
};

/* pagetable.c */
void pagetable_init(const struct bootinfo *bi);
u64 *pte_get(struct mm *mm, u64 va, bool create);
void *pte_page(u64 pte);
u64 pte_make(const void *page, u32 prot, bool writable);
typedef int pte_visitor(u64 *pte, u64 va, void *arg);
int pte_walk(struct mm *mm, u64 start, u64 end, pte_visitor *visit, void *arg);
u64 *pml4_create(struct page_run *from) MUST_CHECK;
void pml4_destroy(u64 *pml4);
u64 kernel_cr3(void);
void tlb_flush(void);
void tlb_flush_range(u64 start, u64 end);

/* vma.c */
struct mm *mm_create(void) MUST_CHECK;
void mm_put(struct mm *mm);
void mm_free(struct mm *mm);          /* nobody refers to it any more */
void mm_forget_ranges(struct mm *mm); /* its pages stay in its tables */
struct vma *vma_copy(const struct vma *from) MUST_CHECK;
struct vma *vma_find(const struct mm *mm, u64 va);
int vma_map(struct mm *mm, const struct vma *what) MUST_CHECK; /* takes its own inode reference */
int vma_unmap(struct mm *mm, u64 start, u64 end) MUST_CHECK;
int vma_split(struct mm *mm, u64 at) MUST_CHECK;
void vma_coalesce(struct mm *mm);
void vm_zap(struct mm *mm, u64 start, u64 end); /* forget the pages, keep the range */
bool vma_range_free(const struct mm *mm, u64 start, u64 end);
u64 vma_find_gap(const struct mm *mm, u64 size);

/* fork_mm.c */
struct mm *mm_fork(struct mm *from) MUST_CHECK;

/* fault.c: 0, or why not: -EFAULT nothing mapped, -EACCES protection, -ENOMEM, -ENXIO past EOF. */
int vm_fault(struct mm *mm, u64 va, u32 access) MUST_CHECK;
void vm_populate(struct mm *mm, const struct vma *v);
void *vm_writable_page(struct mm *mm, u64 va) MUST_CHECK;

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pagetable.c [16]: four-level page tables (SDM vol. 3A, 4.5).
 *
 * Every address space shares one PML4 slot, the kernel's direct map, built once here from 2 MiB
 * pages.  User tables grow on demand and are freed with the address space.
 *
 * Next: vma.c, which decides what belongs into them.
 */
#include "mm.h"

#include <linux/mman.h>

#include "bootinfo.h"
#include "pv_ops.h"

#define ENTRIES    512
#define LARGE_PAGE 0x200000ull
#define GIB        0x40000000ull
#define TOP_LEVEL  3
#define INVLPG_MAX 32 /* beyond so many pages, dropping the whole TLB is cheaper */

static u64 *kernel_pml4;
extern u8 kernel_end[];

static unsigned index_at(u64 va, int level)
{
    return va >> (12 + 9 * level) & (ENTRIES - 1);
}

static u64 *table_of(u64 entry)
{
    return phys_to_virt(entry & PTE_ADDR);
}

static u64 *new_table(struct page_run *from)
{
    void *table = page_run_next(from);

    return table ? memset(table, 0, PAGE_SIZE) : NULL;
}

/* The table below slot; if it is absent it is made, unless `from` is NULL. NULL: there is none. */
static u64 *table_below(u64 *slot, struct page_run *from)
{
    u64 *table;

    if (*slot & PTE_P)
        return table_of(*slot);
    if (!from || !(table = new_table(from)))
        return NULL;
    pv_set_table(slot, virt_to_phys(table) | PTE_P | PTE_W | PTE_U);
    return table;
}

/* --- the kernel's own map ---------------------------------------------------------------- */

static void map_large(u64 pa)
{
    u64 va = KBASE + pa;
    struct page_run one = {0};
    u64 *table = kernel_pml4, attr = PTE_P | PTE_W | PTE_A | PTE_D | PTE_G | PTE_PS;

    for (int level = TOP_LEVEL; level > 1; level--)
        if (!(table = table_below(&table[index_at(va, level)], &one)))
            panic("no memory for the kernel's page tables");
    if (pa >= virt_to_phys(kernel_end))
        attr |= PTE_NX; /* only what holds the image may run */
    pv_set_pte(&table[index_at(va, 1)], pa | attr);
}

/* Maps RAM exactly; the boot loader's archive is part of it.  The first MiB comes along. */
void pagetable_init(const struct bootinfo *bi)
{
    kernel_pml4 = page_alloc_zeroed();
    if (!kernel_pml4)
        panic("no memory for the kernel's page tables");
    for (int i = 0; i < bi->nr_ram && !PV_RAM_IS_MAPPED; i++)
        for (u64 pa = bi->ram[i].start & -LARGE_PAGE; pa < bi->ram[i].end; pa += LARGE_PAGE)
            map_large(pa);
    for (u64 pa = bi->initrd.start & -LARGE_PAGE; pa < bi->initrd.end && !PV_RAM_IS_MAPPED; pa += LARGE_PAGE)
        map_large(pa); /* a loader may put it where its map shows no RAM */
    pv_write_cr3(virt_to_phys(kernel_pml4));
}

u64 kernel_cr3(void)
{
    return virt_to_phys(kernel_pml4);
}

/* --- user maps --------------------------------------------------------------------------- */

u64 *pml4_create(struct page_run *from)
{
    u64 *pml4 = new_table(from);

    if (!pml4)
        return NULL;
    pv_set_pte(&pml4[KBASE_PML4], kernel_pml4[KBASE_PML4]);
    return pml4;
}

static void free_tables(u64 *table, int level, unsigned entries)
{
    for (unsigned i = 0; level > 0 && i < entries; i++)
        if (table[i] & PTE_P)
            free_tables(table_of(table[i]), level - 1, ENTRIES);
    page_unref(table);
}

/* Frees the tables; the pages they map must be gone already (vma.c). */
void pml4_destroy(u64 *pml4)
{
    free_tables(pml4, TOP_LEVEL, KBASE_PML4);
}

/* The entry that maps va with a 4 KiB page, or NULL. */
u64 *pte_get(struct mm *mm, u64 va, bool create)
{
    struct page_run *from = create ? &mm->tables : NULL;
    u64 *table = mm->pml4;

    pv_tables_look(false);
    for (int level = TOP_LEVEL; level > 0; level--)
        if (!(table = table_below(&table[index_at(va, level)], from)))
            return NULL;
    return &table[index_at(va, 0)];
}

void *pte_page(u64 pte)
{
    return phys_to_virt(pte & PTE_ADDR);
}

u64 pte_make(const void *page, u32 prot, bool writable)
{
    u64 pte = virt_to_phys(page) | PTE_A;

    if (prot & (PROT_READ | PROT_WRITE | PROT_EXEC))
        pte |= PTE_P | PTE_U;
    if (writable)
        pte |= PTE_W | PTE_D;
    if (!(prot & PROT_EXEC))
        pte |= PTE_NX;
    return pte;
}

struct walk {
    pte_visitor *visit;
    void *arg;
};

static int walk_level(u64 *table, int level, u64 start, u64 end, const struct walk *w)
{
    u64 span = (u64)PAGE_SIZE << (9 * level);
    int r = 0;

    while (!r && start < end) {
        u64 *slot = &table[index_at(start, level)];
        u64 next = MIN((start & -span) + span, end);

        if (level == 0) {
            if (*slot)
                r = w->visit(slot, start, w->arg);
        } else if (*slot & PTE_P) {
            r = walk_level(table_of(*slot), level - 1, start, next, w);
        }
        start = next;
    }
    return r;
}

/* Visits the entries in use of [start, end), until a visitor returns non-zero. */
int pte_walk(struct mm *mm, u64 start, u64 end, pte_visitor *visit, void *arg)
{
    struct walk w = {visit, arg};

    pv_tables_look(true);
    return walk_level(mm->pml4, TOP_LEVEL, start, end, &w);
}

/* --- TLB --------------------------------------------------------------------------------- */

void tlb_flush(void)
{
    pv_write_cr3(pv_read_cr3());
}

void tlb_flush_range(u64 start, u64 end)
{
    if ((end - start) / PAGE_SIZE > INVLPG_MAX) {
        tlb_flush();
        return;
    }
    for (; start < end; start += PAGE_SIZE)
        pv_invlpg(start);
}

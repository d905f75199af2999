/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load_start.c - the CPU states in which boot protocols start a kernel.
 */
#include "machine/load.h"

/* Access rights of VT-x (cpu_state.h): 4 GiB segments, present, accessed, ring 0. */
#define ATTR_CODE32 (ATTR_G | ATTR_DB | ATTR_P | ATTR_S | 0xb)
#define ATTR_CODE64 (ATTR_G | ATTR_L | ATTR_P | ATTR_S | 0xb)
#define ATTR_DATA   (ATTR_G | ATTR_DB | ATTR_P | ATTR_S | 0x3)
#define ATTR_TSS    (ATTR_P | 0xb) /* busy; VM entry demands that TR is usable (SDM 3, 27.3.1.2) */

/* Selectors. Linux fixes the first two: __BOOT_CS and __BOOT_DS (Documentation/arch/x86/boot.rst). */
#define BOOT_CS  0x10
#define BOOT_DS  0x18
#define BOOT_TSS 0x20 /* a descriptor of 16 bytes */

static void set_segments(struct cpu_state *start, uint32_t code_attr)
{
    const struct segment_reg data = {.limit = 0xffffffff, .attr = ATTR_DATA, .selector = BOOT_DS};

    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        start->seg[i] = data;
    start->seg[SEG_CS] = (struct segment_reg){.limit = 0xffffffff, .attr = code_attr, .selector = BOOT_CS};
    start->seg[SEG_LDTR] = (struct segment_reg){.attr = ATTR_UNUSABLE};
    start->seg[SEG_TR] = (struct segment_reg){.limit = 0x67, .attr = ATTR_TSS, .selector = BOOT_TSS};
    start->idtr = (struct table_reg){0}; /* an exception before the kernel has an IDT is a triple fault */
}

/* PVH and Multiboot say: segments are flat, paging is off, and the kernel may not rely on the GDT. */
void start_protected(struct cpu_state *start, uint64_t entry, uint64_t ebx)
{
    set_segments(start, ATTR_CODE32);
    start->gdtr = (struct table_reg){0};
    start->cr0 = CR0_PE | CR0_ET;
    start->gpr[RDX] = 0;
    start->gpr[RBX] = ebx;
    start->rip = entry;
}

#define PTE_PRESENT UINT64_C(0x01)
#define PTE_WRITE   UINT64_C(0x02)
#define PTE_USER    UINT64_C(0x04)
#define PTE_LARGE   UINT64_C(0x80)
#define PTES        512
#define LARGE_PAGE  (UINT64_C(2) << 20)
#define MAPPED_GIB  4

/* Tables that map the first 4 GiB to themselves with 2 MiB pages: one PML4, one PDPT, four page directories. */
static int put_page_tables(struct load *load, enum load_ring ring, uint64_t *cr3)
{
    uint64_t table[2 + MAPPED_GIB][PTES] = {{0}}, at;
    const uint64_t flags = PTE_PRESENT | PTE_WRITE | (ring == LOAD_ANY_RING ? PTE_USER : 0);
    int err = layout_place_low(&load->layout, "page tables", LOW_START, sizeof(table), PAGE_SIZE, &at, load->why);

    if (err)
        return err;
    table[0][0] = (at + PAGE_SIZE) | flags;
    for (unsigned i = 0; i < MAPPED_GIB; i++)
        table[1][i] = (at + (2 + i) * PAGE_SIZE) | flags;
    for (uint64_t i = 0; i < MAPPED_GIB * PTES; i++)
        table[2 + i / PTES][i % PTES] = i * LARGE_PAGE | flags | PTE_LARGE;
    *cr3 = at;
    return load_put(load, at, table, sizeof(table));
}

/* A descriptor with base 0 and limit 4 GiB - 1 (SDM 3, 3.4.5); attr's bits are where the descriptor has them. */
static uint64_t flat_descriptor(uint64_t attr)
{
    return UINT64_C(0x000f00000000ffff) | attr << 40;
}

static int put_gdt(struct load *load, struct table_reg *gdtr)
{
    const uint64_t gdt[] = {
        [BOOT_CS / 8] = flat_descriptor(ATTR_CODE64),
        [BOOT_DS / 8] = flat_descriptor(ATTR_DATA),
        [BOOT_TSS / 8] = 0x67 | (uint64_t)ATTR_TSS << 40,
        [BOOT_TSS / 8 + 1] = 0,
    };
    uint64_t at;
    int err = layout_place_low(&load->layout, "the GDT", LOW_START, sizeof(gdt), 16, &at, load->why);

    if (err)
        return err;
    *gdtr = (struct table_reg){.base = at, .limit = sizeof(gdt) - 1};
    return load_put(load, at, gdt, sizeof(gdt));
}

int start_long(struct load *load, uint64_t entry, uint64_t rsi, enum load_ring ring)
{
    struct cpu_state *start = load->start;
    int err = put_page_tables(load, ring, &start->cr3);

    if (!err)
        err = put_gdt(load, &start->gdtr);
    if (err)
        return err;
    set_segments(start, ATTR_CODE64);
    start->cr0 = CR0_PE | CR0_ET | CR0_PG;
    start->cr4 = CR4_PAE;
    start->efer = EFER_LME | EFER_LMA;
    start->gpr[RDX] = 0;
    start->gpr[RSI] = rsi;
    start->rip = entry;
    return 0;
}

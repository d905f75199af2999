/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpu.c - descriptor tables and page tables of the checks, each set up only by the checks that need them.
 */
#include "check.h"

#define LARGE_PAGE 0x200000ull
#define ENTRIES    512

/* ---- GDT, TSS, IDT (SDM 3, 3.4.5, 7.7, 6.14.1) ---- */

struct __attribute__((packed)) tss {
    uint32_t reserved0;
    uint64_t rsp[3], reserved1, ist[7], reserved2;
    uint16_t reserved3, io_map;
};

struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

struct __attribute__((packed)) table {
    uint16_t limit;
    uint64_t base;
};

#define GATE_INTERRUPT 0x8e
#define GATE_USER      0x60
#define TSS_AVAILABLE  0x890000000000ull

static uint64_t gdt[GDT_ENTRIES] = {
    [CODE32 / 8] = 0x00cf9b000000ffff,      [KERNEL_CODE / 8] = 0x00af9b000000ffff,
    [KERNEL_DATA / 8] = 0x00cf93000000ffff, [SYSRET_BASE / 8] = 0x00cffb000000ffff,
    [USER_DATA / 8] = 0x00cff3000000ffff,   [USER_CODE / 8] = 0x00affb000000ffff,
};
static struct tss tss;
static struct gate idt[VECTORS];

extern char vectors[][16]; /* trap.S */

static void fill_idt(void)
{
    for (unsigned i = 0; i < VECTORS; i++) {
        uint64_t at = ADDRESS(vectors[i]);

        idt[i] = (struct gate){.offset_low = (uint16_t)at,
                               .selector = KERNEL_CODE,
                               .type = GATE_INTERRUPT | (i == VECTOR_LEAVE ? GATE_USER : 0),
                               .offset_middle = (uint16_t)(at >> 16),
                               .offset_high = (uint32_t)(at >> 32)};
    }
}

void use_descriptors(void)
{
    struct table gdtr = {sizeof(gdt) - 1, ADDRESS(gdt)}, idtr = {sizeof(idt) - 1, ADDRESS(idt)};
    uint64_t at = ADDRESS(&tss);

    tss = (struct tss){.rsp[0] = ADDRESS(trap_stack_end), .io_map = sizeof(tss)};
    gdt[TSS / 8] = TSS_AVAILABLE | (at & 0xffffff) << 16 | (at >> 24 & 0xff) << 56 | (sizeof(tss) - 1);
    gdt[TSS / 8 + 1] = at >> 32;
    fill_idt();
    __asm__ volatile("lgdt %0" : : "m"(gdtr), "m"(gdt));
    __asm__ volatile("lidt %0" : : "m"(idtr), "m"(idt));
    __asm__ volatile("ltr %w0" : : "r"(TSS), "m"(tss));
}

_Noreturn void trap_unexpected(void);

_Noreturn void trap_unexpected(void)
{
    verdict_wrong("got an unexpected exception %lu, error 0x%lx, rip 0x%lx, cr2 0x%lx, want none", trap.vector,
                  trap.error, trap.rip, trap.cr2);
}

_Noreturn void went_on(void);

/* Ring 3 comes here behind an instruction that should have stopped it. */
_Noreturn void went_on(void)
{
    verdict_wrong("got no exception in ring 3, want one");
}

void want_trap(bool trapped, uint64_t vector, uint64_t error)
{
    if (!trapped || (trap.vector == VECTOR_LEAVE && vector != VECTOR_LEAVE))
        verdict_wrong("got no exception, want vector %lu", vector);
    want("vector", trap.vector, vector);
    want("error code", trap.error, error);
}

/* ---- page tables (SDM 3, 4.5) ---- */

#define TABLE static _Alignas(4096) uint64_t
TABLE pml4[ENTRIES], pointers[ENTRIES], directories[4 * ENTRIES], pages[ENTRIES];

_Alignas(4096) volatile uint64_t window[ENTRIES], frame[ENTRIES], other_frame[ENTRIES];

void use_page_tables(void)
{
    const uint64_t open = PTE_P | PTE_W | PTE_U;
    uint64_t large = ADDRESS(window) / LARGE_PAGE;

    for (uint64_t i = 0; i < 4 * ENTRIES; i++)
        directories[i] = i * LARGE_PAGE | open | PTE_PS;
    for (uint64_t i = 0; i < ENTRIES; i++)
        pages[i] = (large * LARGE_PAGE + i * 4096) | open;
    for (uint64_t i = 0; i < 4; i++)
        pointers[i] = ADDRESS(&directories[i * ENTRIES]) | open;
    directories[large] = ADDRESS(pages) | open;
    pml4[0] = ADDRESS(pointers) | open;
    write_cr3(ADDRESS(pml4));
}

static volatile uint64_t *window_entry(void)
{
    return &pages[ADDRESS(window) / 4096 % ENTRIES];
}

void set_window_quietly(uint64_t entry)
{
    *window_entry() = entry;
}

void set_window(uint64_t entry)
{
    set_window_quietly(entry);
    __asm__ volatile("invlpg (%0)" : : "r"(window) : "memory");
}

uint64_t get_window(void)
{
    return *window_entry();
}

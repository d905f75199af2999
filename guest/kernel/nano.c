/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nano.c [47]: the seven virtualization nanobenchmarks of Adams and Agesen ("A Comparison of Software and Hardware
 * Techniques for x86 Virtualization", ASPLOS 2006, section 6.3), each a single operation that only a kernel can do, or
 * that a VMM treats apart in a kernel:
 *
 *   syscall  a system call from user mode into a handler that does nothing but return
 *   in       a byte from port 0x80
 *   cr8wr    a write of CR8 that lets no interrupt through
 *   callret  a call of a subroutine that only returns
 *   pgfault  a page fault in the kernel, and the return from it
 *   divzero  a divide error in the kernel, and the return from it
 *   ptemod   a write of a page-table entry of the address space in use
 *
 * It is a workload as those of guest/workloads, run by resident.c:  init=kernel:nano -- 20ms in
 *
 * Next: nano_asm.S.
 */
#define WORKLOAD_FLAT
#include "../workloads/workload.h"

#include <linux/mman.h>

#include "cpu.h"
#include "mm.h"
#include "nano.h"
#include "pv_ops.h"
#include "resident.h"

#define PORT    0x80 /* the BIOS' POST codes: reading it does no harm anywhere */
#define CODE_VA 0x10000000ull
#define DATA_VA 0x10001000ull
#define NOWHERE 0x10002000ull
#define VEC_DE  0
#define VEC_UD  6
#define VEC_PF  14
#define STACK   8192

static struct mm *mm;
static u64 *pte;     /* that maps DATA_VA */
static u64 entry[2]; /* its two values: two pages that differ */
static u8 trap_stack[STACK] __attribute__((aligned(16)));

/* --- the operations -------------------------------------------------------------------------- */

/* To be unrolled NANO_TIMES times, as the loops in assembler are. */
#define REPEAT(n, operation)                                                     \
    for (unsigned left = (n); left > 0; left--) {                                \
        _Pragma("GCC unroll 16") for (int i = 0; i < NANO_TIMES; i++) operation; \
    }

static void do_in(unsigned n)
{
    REPEAT(n, (void)pv_inb(PORT))
}

#ifdef PARAVIRT
#define do_cr8wr NULL /* there is no such register */
#else
static void do_cr8wr(unsigned n)
{
    pv_write_cr8(1);
    REPEAT(n, pv_write_cr8(0))
    if (pv_read_cr8() != 0)
        fail("CR8 is not what was written");
}
#endif

static void do_callret(unsigned n)
{
    nano_call(n);
}

static void do_divzero(unsigned n)
{
    nano_divide(n);
}

static void do_pgfault(unsigned n)
{
    nano_touch(n, NOWHERE);
}

static void do_syscall(unsigned n)
{
    nano_enter_user(n, CODE_VA);
}

/* What DATA_VA maps at present. A paravirtual kernel can't reach user addresses, and looks the page up. */
static u8 byte_at_data(void)
{
#ifdef PARAVIRT
    return *(const u8 *)pte_page(*pte);
#else
    return *(volatile u8 *)DATA_VA;
#endif
}

/* The last value written must be the one that counts. */
static void do_ptemod(unsigned n)
{
    REPEAT(n, pv_set_pte(pte, entry[i & 1]))
    pv_invlpg(DATA_VA);
    if (byte_at_data() != 1)
        fail("the page-table entry is not what was written");
}

static const struct operation {
    const char *name;
    void (*repeat)(unsigned n); /* NULL: not in this build */
    bool faults;                /* every time */
} operations[] = {
    {"syscall", do_syscall, false}, {"in", do_in, false},          {"cr8wr", do_cr8wr, false},
    {"callret", do_callret, false}, {"pgfault", do_pgfault, true}, {"divzero", do_divzero, true},
    {"ptemod", do_ptemod, false},
};
static const struct operation *chosen = &operations[0];

/* --- the workload ---------------------------------------------------------------------------- */

static int configure(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
        chosen = &operations[i];
        if (argc == 1 && !strcmp(argv[0], chosen->name))
            return 0;
    }
    return -1;
}

static void *new_page(u8 filling)
{
    void *page = page_alloc();

    if (!page)
        fail("no memory");
    return memset(page, filling, PAGE_SIZE);
}

static u64 *map(u64 va, u64 value)
{
    u64 *slot = pte_get(mm, va, true);

    if (!slot)
        fail("no memory for page tables");
    pv_set_pte(slot, value);
    return slot;
}

/* An address space with a page of code and a page of data; and the handlers. */
static void setup(void)
{
    void *code = new_page(0);

    if (!chosen->repeat)
        not_applicable("a paravirtual kernel has no such operation");
    memcpy(code, nano_user_code, (size_t)(nano_user_code_end - nano_user_code));
    mm = mm_create();
    if (!mm)
        fail("no memory for an address space");
    map(CODE_VA, pte_make(code, PROT_READ | PROT_EXEC, false));
    for (u8 i = 0; i < 2; i++)
        entry[i] = pte_make(new_page(i), PROT_READ | PROT_WRITE, true);
    pte = map(DATA_VA, entry[0]);
    pv_write_cr3(virt_to_phys(mm->pml4));
    if (byte_at_data() != 0) /* the entry is in use now: a shadow page table has taken it over */
        fail("the new address space is not as it was made");

    cpu_set_kernel_stack((u64)trap_stack + STACK);
    cpu_set_syscall_entry(nano_syscall_entry);
    cpu_set_trap_entry(VEC_UD, nano_leave_user);
    cpu_set_trap_entry(VEC_DE, nano_divide_error);
    cpu_set_trap_entry(VEC_PF, nano_page_fault);
}

/* The check value says no more than that each operation had its effect: how many there are is measured, too. */
static uint64_t work(unsigned n)
{
    u64 before = nano_faults, wanted = chosen->faults ? (u64)n * NANO_TIMES : 0;

    chosen->repeat(n);
    if (nano_faults - before != wanted)
        fail("%lu faults were handled, not %lu", nano_faults - before, wanted);
    return mix(0, NANO_TIMES);
}

const struct workload workload = {
    .name = "nano",
    .args = " syscall|in|cr8wr|callret|pgfault|divzero|ptemod",
    .unit = "16 times the operation (syscall if none is named)",
    .default_n = 1000,
    .configure = configure,
    .setup = setup,
    .work = work,
};

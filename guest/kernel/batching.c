/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * batching.c [50]: what a paravirtual kernel gains by asking for many things at once, and by not waiting for each.
 *
 *   update, updates   page-table entries changed, by a hypercall each; by lists of 128
 *   read, write       blocks of 4 KiB of the disk, one transfer each
 *   reads, writes     the same by transfers of 32 blocks
 *
 * With `waiting` behind it, each disk transfer is waited for in the hypervisor, as if there were no asynchronous
 * completion: without it, the front-end and the driver domain work side by side, and a write is done when it has been
 * asked for (pv/blk.c).  What is written is what was there.  The bare kernel's disk driver can do neither, but takes
 * the same transfers.
 *
 * A workload as nano.c, run by resident.c:  init=kernel:batching -- 20ms reads waiting
 */
#define WORKLOAD_FLAT
#include "../workloads/workload.h"

#include <linux/mman.h>

#include "ata.h"
#include "cpu.h"
#include "mm.h"
#include "nano.h"
#include "pv_ops.h"
#include "resident.h"

#define BLOCK    (PAGE_SIZE / SECTOR_SIZE) /* sectors */
#define BLOCKS   32
#define CODE_VA  0x10000000ull
#define DATA_VA  0x10200000ull /* one page table's */
#define VEC_UD   6
#define STACK    8192
#define DISK_GAP 1 /* the blocks begin behind the disk's header */

/* --- page-table entries --------------------------------------------------------------------- */

#ifdef PARAVIRT
#define UPDATES 128

static struct para_mmu_update list[2][UPDATES]; /* the same pages, read-only and writable */
static u8 trap_stack[STACK] __attribute__((aligned(16)));

static void updates(unsigned at_a_time)
{
    static unsigned turn;

    turn ^= 1;
    for (unsigned i = 0; i < UPDATES; i += at_a_time)
        if (pv_call(PARA_CALL_MMU_UPDATE, (u64)&list[turn][i], at_a_time, 0, 0, 0))
            fail("the hypervisor refuses a page-table entry");
}

static void do_update(void)
{
    updates(1);
}

static void do_updates(void)
{
    updates(UPDATES);
}

/* An address space that user code has run in, so that each update is one of pages in use. */
static void setup_updates(void)
{
    struct mm *mm = mm_create();
    u8 *data = page_alloc_run(UPDATES), *code = page_alloc_zeroed();
    u64 *slot;

    if (!mm || !data || !code || !(slot = pte_get(mm, CODE_VA, true)))
        fail("no memory");
    memcpy(code, nano_user_code, (size_t)(nano_user_code_end - nano_user_code));
    pv_set_pte(slot, pte_make(code, PROT_READ | PROT_EXEC, false));
    for (unsigned i = 0; i < UPDATES; i++) {
        slot = pte_get(mm, DATA_VA + i * PAGE_SIZE, true);
        if (!slot)
            fail("no memory");
        for (unsigned writable = 0; writable < 2; writable++) {
            list[writable][i].entry = virt_to_phys(slot);
            list[writable][i].value = pte_make(data + i * PAGE_SIZE, PROT_READ | (writable ? PROT_WRITE : 0), writable);
        }
        pv_set_pte(slot, list[0][i].value);
    }
    pv_write_cr3(virt_to_phys(mm->pml4));
    cpu_set_kernel_stack((u64)trap_stack + STACK);
    cpu_set_syscall_entry(nano_syscall_entry);
    cpu_set_trap_entry(VEC_UD, nano_leave_user);
    nano_enter_user(1, CODE_VA);
}

static void set_waiting(void)
{
    pv_disk_async = false;
}
#else
#define do_update     NULL
#define do_updates    NULL
#define setup_updates NULL
#define set_waiting   NULL
#endif

/* --- the disk -------------------------------------------------------------------------------- */

static u8 *buffer; /* what the blocks hold */

static int take(u8 *block, u64 index, u32 n, void *first)
{
    memcpy((u8 *)first + index * SECTOR_SIZE, block, n * SECTOR_SIZE);
    return 0;
}

static int give(u8 *block, u64 index, u32 n, void *first)
{
    memcpy(block, (u8 *)first + index * SECTOR_SIZE, n * SECTOR_SIZE);
    return 0;
}

static void transfers(int (*transfer)(u64, u64, ata_block_fn *, void *), ata_block_fn *move, unsigned at_a_time)
{
    for (unsigned i = 0; i < BLOCKS; i += at_a_time)
        if (transfer((DISK_GAP + i) * BLOCK, at_a_time * BLOCK, move, buffer + i * PAGE_SIZE))
            fail("the disk fails");
}

static void do_read(void)
{
    transfers(ata_read, take, 1);
}

static void do_reads(void)
{
    transfers(ata_read, take, BLOCKS);
}

static void do_write(void)
{
    transfers(ata_write, give, 1);
}

static void do_writes(void)
{
    transfers(ata_write, give, BLOCKS);
}

static void setup_disk(void)
{
    ata_init();
    if (ata_sectors() < (DISK_GAP + BLOCKS) * BLOCK)
        fail("there is no disk, or too small a one");
    buffer = page_alloc_run(BLOCKS);
    if (!buffer)
        fail("no memory");
    do_reads();
}

/* --- the workload ---------------------------------------------------------------------------- */

static const struct operation {
    const char *name;
    void (*repeat)(void); /* NULL: not in this build */
    void (*setup)(void);
} operations[] = {
    {"update", do_update, setup_updates}, {"updates", do_updates, setup_updates}, {"read", do_read, setup_disk},
    {"reads", do_reads, setup_disk},      {"write", do_write, setup_disk},        {"writes", do_writes, setup_disk},
};
static const struct operation *chosen = &operations[0];
static bool waiting;

static int configure(int argc, char **argv)
{
    waiting = argc == 2 && !strcmp(argv[1], "waiting");
    for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
        chosen = &operations[i];
        if (argc == 1 + waiting && !strcmp(argv[0], chosen->name))
            return 0;
    }
    return -1;
}

static void setup(void)
{
    void (*wait)(void) = set_waiting;

    if (!chosen->repeat || (waiting && !wait))
        not_applicable("only a paravirtual kernel has this choice");
    if (waiting)
        wait();
    chosen->setup();
}

static uint64_t work(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        chosen->repeat();
    return mix(0, BLOCKS);
}

static void finish(void)
{
    if (buffer && ata_flush())
        fail("the disk fails");
}

const struct workload workload = {
    .name = "batching",
    .args = " update|updates|read|reads|write|writes [waiting]",
    .unit = "128 page-table entries, or 32 blocks of the disk (update if none is named)",
    .default_n = 100,
    .configure = configure,
    .setup = setup,
    .work = work,
    .finish = finish,
};

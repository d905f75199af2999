/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tables.c: page-table updates: one by one, as a list, or left to the next return to user mode; and the policies of a
 * kernel for which a fault or a request is dear.
 *
 * An update that is only queued is not in the table yet. So who looks at live tables says so first (pv_tables_look),
 * and a page that an entry has referred to is free only when the list has been carried out (pv_page_release): user code
 * on another core might still use it.
 *
 * Next: spare.c.
 */
#include "mm.h"
#include "pv_ops.h"

/* As many as the hypervisor takes at a time; a list this long is hardly cheaper by getting longer. */
#define QUEUE 128

static struct para_mmu_update queue[QUEUE]; /* the first shared->update_count are waiting */
static void *released[QUEUE];
static unsigned releases;
static struct mm *retired;
static bool writes; /* to tables are among them */
static bool lazy;
static bool batches = true;
bool pv_defers = true, pv_disk_async = true;
unsigned pv_fault_around = 64, pv_fork_copy = 256, pv_populate = 64;

/* To show what each is worth, it can be switched off (docs/para.md). */
void pv_option(const char *word)
{
    if (!strcmp(word, "nobatch"))
        batches = pv_defers = false;
    else if (!strcmp(word, "nodefer"))
        pv_defers = false;
    else if (!strcmp(word, "noaround"))
        pv_fault_around = 1, pv_populate = 0;
    else if (!strcmp(word, "noforkcopy"))
        pv_fork_copy = 0;
    else if (!strcmp(word, "nopopulate"))
        pv_populate = 0;
    else if (!strcmp(word, "ticks"))
        pv_tickless = false;
    else if (!strcmp(word, "nospare"))
        pv_spares = false;
    else if (!strcmp(word, "noasync"))
        pv_disk_async = false;
}

static void free_released(void)
{
    struct mm *mm = retired;

    while (releases)
        page_unref(released[--releases]);
    retired = NULL;
    if (mm)
        mm_free(mm);
}

void pv_lazy_flush(void)
{
    unsigned count = pv_shared->update_count;
    long r = 0;

    pv_shared->update_count = 0;
    writes = false;
    if (count)
        r = pv_call(PARA_CALL_MMU_UPDATE, (u64)queue, count, 0, 0, 0);
    if (r)
        pv_refused("a list of page-table entries", r);
    free_released();
}

void pv_lazy_begin(void)
{
    lazy = batches;
}

void pv_lazy_end(void)
{
    lazy = false;
    if (!pv_defers)
        pv_lazy_flush();
}

void pv_tables_look(bool even_lazy)
{
    if (!pv_shared->update_count)
        free_released();
    else if (writes && (even_lazy || !lazy))
        pv_lazy_flush();
}

void pv_page_release(void *page)
{
    if (!pv_shared->update_count) {
        page_unref(page);
        return;
    }
    if (releases == QUEUE)
        pv_lazy_flush();
    released[releases++] = page;
}

static void defer(u64 entry, u64 value)
{
    if (pv_shared->update_count == QUEUE)
        pv_lazy_flush();
    queue[pv_shared->update_count] = (struct para_mmu_update){entry, value};
    writes = (writes && pv_shared->update_count) || entry % sizeof(u64) == 0;
    pv_shared->updates = (u64)queue;
    pv_barrier();
    pv_shared->update_count++;
}

void pv_update_now(u64 *slot, u64 value)
{
    const struct para_mmu_update update = {virt_to_phys(slot), value};
    long r = pv_call(PARA_CALL_MMU_UPDATE, (u64)&update, 1, 0, 0, 0);

    if (r)
        pv_refused("a page-table entry", r);
}

void pv_update(u64 *slot, u64 value)
{
    if (lazy || pv_defers)
        defer(virt_to_phys(slot), value);
    else
        pv_update_now(slot, value);
}

/* A new table is an ordinary page, cheap to fill, until this has been carried out. */
void pv_set_table(u64 *slot, u64 value)
{
    if (!pv_is_table(slot)) {
        *(volatile u64 *)slot = value;
    } else if (pv_defers && !lazy) {
        defer(virt_to_phys(slot), value);
    } else {
        pv_lazy_flush();
        pv_update_now(slot, value);
    }
}

/* Its tables are ordinary pages again when the hypervisor has unpinned them. */
bool pv_mm_retire(struct mm *mm)
{
    u64 root = virt_to_phys(mm->pml4);

    if (retired || !pv_defers)
        pv_lazy_flush();
    if (!pv_is_table(mm->pml4))
        return false;
    if (pv_mm_keep(mm))
        return true;
    if (!pv_defers) {
        pv_call(PARA_CALL_UNPIN, root, 0, 0, 0, 0);
        return false;
    }
    defer(root + PARA_UPDATE_UNPIN, 0);
    retired = mm;
    return true;
}

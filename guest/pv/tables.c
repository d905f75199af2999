/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tables.c: page-table updates, one by one or as a list.
 *
 * Next: usercopy.c.
 */
#include "pv_ops.h"

/* As many as the hypervisor takes at a time; a list this long is hardly cheaper by getting longer. */
#define QUEUE 128

static struct para_mmu_update queue[QUEUE];
static unsigned queued;
static bool lazy;
static bool batches = true;
unsigned pv_fault_around = 16;

/* To show what each is worth: nobatch makes every update a call of its own, noaround every page a fault of its own. */
void pv_option(const char *word)
{
    if (!strcmp(word, "nobatch"))
        batches = false;
    else if (!strcmp(word, "noaround"))
        pv_fault_around = 1;
}

void pv_lazy_begin(void)
{
    lazy = batches;
}

void pv_lazy_end(void)
{
    pv_lazy_flush();
    lazy = false;
}

void pv_lazy_flush(void)
{
    long r = queued ? pv_call(PARA_CALL_MMU_UPDATE, (u64)queue, queued, 0, 0, 0) : 0;

    queued = 0;
    if (r)
        pv_refused("a list of page-table entries", r);
}

void pv_update(u64 *slot, u64 value)
{
    if (!lazy) {
        pv_update_now(slot, value);
        return;
    }
    if (queued == QUEUE)
        pv_lazy_flush();
    queue[queued++] = (struct para_mmu_update){virt_to_phys(slot), value};
}

void pv_update_now(u64 *slot, u64 value)
{
    const struct para_mmu_update update = {virt_to_phys(slot), value};
    long r = pv_call(PARA_CALL_MMU_UPDATE, (u64)&update, 1, 0, 0, 0);

    if (r)
        pv_refused("a page-table entry", r);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tables.c: page-table updates, one by one or as a list.
 *
 * Next: usercopy.c.
 */
#include "pv_ops.h"

void pv_update(u64 *slot, u64 value)
{
    const struct para_mmu_update update = {virt_to_phys(slot), value};
    long r = pv_call(PARA_CALL_MMU_UPDATE, (u64)&update, 1, 0, 0, 0);

    if (r)
        pv_refused("a page-table entry", r);
}

void pv_lazy_flush(void) {}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.c - what a guest's pointers point to.
 *
 * Arguments of hypercalls are addresses in the window. The hypervisor writes through them with no more right than the
 * guest's kernel has: else a call that stores a result, or a trap frame, would be a way to write into a page table.
 */
#include "para/direct.h"

#include <sys/mman.h>

void *guest_at(const struct engine *e, uint64_t va, uint64_t len, bool write)
{
    uint64_t at = va - PARA_WINDOW;
    void *pointer = len ? ram_at(e->host->ram, gpa(at), len) : NULL;

    if (!pointer)
        return NULL;
    for (uint64_t frame = at >> PAGE_SHIFT; write && frame <= (at + len - 1) >> PAGE_SHIFT; frame++) {
        if (!(frame_window_rights(e, frame) & PROT_WRITE))
            return NULL;
    }
    return pointer;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.c - the processor's physical memory, and the EPT tables in it.
 *
 * The guest's RAM is mapped a second time, at GUEST_BASE; below it the hypervisor takes pages as it needs them. The EPT
 * is filled lazily: each part of RAM costs one violation when it is first touched. The mapping is by pages of 2 MiB
 * where RAM reaches that far, else 4 KiB; or by 4 KiB throughout, which makes walks longer (vcpu->ept_shift).
 *
 * Read next: setup.c.
 */
#include "hwassist/vtx/hypervisor/hypervisor.h"
#include "mmu/ept.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

int physical_create(struct vcpu *vcpu, struct reason *why)
{
    const struct ram *ram = vcpu->machine->ram;
    uint64_t size = GUEST_BASE + ram->size;
    uint8_t *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return fail(why, errno, "the processor's physical memory (%llu MiB): %s", (unsigned long long)size >> 20,
                    strerror(errno));
    vcpu->physical = (struct ram){.fd = -1, .base = base, .size = size};
    vcpu->next_page = PAGE_SIZE;
    if (mmap(base + GUEST_BASE, ram->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, ram->fd, 0) == MAP_FAILED)
        return fail(why, errno, "the guest's RAM in the processor's physical memory: %s", strerror(errno));
    return 0;
}

void physical_destroy(struct vcpu *vcpu)
{
    if (vcpu->physical.base)
        munmap(vcpu->physical.base, vcpu->physical.size);
}

gpa_t page_new(struct vcpu *vcpu)
{
    gpa_t page = gpa(vcpu->next_page);
    vcpu->next_page += PAGE_SIZE;
    return page;
}

void *page_at(const struct vcpu *vcpu, gpa_t at)
{
    return ram_at(&vcpu->physical, at, PAGE_SIZE);
}

/* ---- EPT ---- */

#define TABLE_FLAGS EPT_RWX
#define LEAF_FLAGS  (EPT_RWX | EPT_TYPE_WB)

/* The table that `entry` leads to, made if need be. */
static uint64_t *next_table(struct vcpu *vcpu, uint64_t *entry)
{
    if (!(*entry & EPT_RWX))
        *entry = page_new(vcpu).v | TABLE_FLAGS;
    return page_at(vcpu, gpa(*entry & EPT_ADDRESS));
}

/* Does a page of 2^shift bytes around `at` lie within RAM? */
static bool fits(const struct vcpu *vcpu, uint64_t at, unsigned shift)
{
    uint64_t size = UINT64_C(1) << shift;
    return (at & ~(size - 1)) + size <= vcpu->machine->ram->size;
}

void ept_map(struct vcpu *vcpu, gpa_t at)
{
    uint64_t *table = page_at(vcpu, gpa(vcpu->eptp & EPT_ADDRESS));
    for (unsigned shift = 39;; shift -= 9) {
        uint64_t *entry = &table[at.v >> shift & 511];
        if (shift == PAGE_SHIFT || (shift <= vcpu->ept_shift && fits(vcpu, at.v, shift) && !(*entry & EPT_RWX))) {
            uint64_t page = at.v & ~((UINT64_C(1) << shift) - 1);
            *entry = (GUEST_BASE + page) | LEAF_FLAGS | (shift > PAGE_SHIFT ? EPT_LEAF : 0);
            return;
        }
        table = next_table(vcpu, entry);
    }
}

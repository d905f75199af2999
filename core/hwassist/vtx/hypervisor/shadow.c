/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shadow.c - memory without EPT: shadow page tables, as the first generation of VT-x needed them.
 *
 * The processor walks tables that the hypervisor fills: guest-virtual straight to host-physical. The guest believes in
 * its own. The scheme is the "virtual TLB" that Intel's manual once described for this (SDM 3B of 2006, 27.3): the
 * shadow is treated as a TLB would be.
 *
 *     #PF       exits. The guest's own tables are walked; if they permit the access the shadow lacks an entry, a
 * *hidden fault*: it is filled in. If not, the fault is the guest's: a *true fault*, injected. CR3 load  exits:
 * non-global entries are dropped. INVLPG exits: one is dropped. CR0, CR4, EFER   exit in bits that say how tables are
 * read: all entries are dropped.
 *
 * Accessed and dirty bits come right because a walk sets them, and a page is mapped writable only when it is dirty. No
 * trace on the guest's page tables is needed: until it flushes, a guest may not expect a change to be seen.
 *
 * The price: exits for every fault, flush and address space, where EPT has none. That is the comparison to make.
 */
#include "hwassist/vtx/hypervisor/hypervisor.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define POOL_PAGES 4096u  /* tables; when they are used up the shadow begins anew */
#define DROP_MAX   16384u /* non-global entries that are kept in mind */

#define ENTRY_P     UINT64_C(0x01)
#define ENTRY_RW    UINT64_C(0x02)
#define ENTRY_US    UINT64_C(0x04)
#define ENTRY_AD    UINT64_C(0x60) /* set beforehand: nobody looks at the shadow's own */
#define ENTRY_PS    UINT64_C(0x80)
#define ENTRY_XD    (UINT64_C(1) << 63)
#define ENTRY_FRAME UINT64_C(0x000ffffffffff000)

struct vtx_shadow {
    struct paging guest; /* as the guest believes them to be */
    gpa_t pool;          /* the first of its pages is the root */
    unsigned used;
    bool splintered; /* a large page of the guest's was mapped in pieces: INVLPG must drop them all */
    unsigned drops;
    uint64_t *drop[DROP_MAX]; /* the non-global entries filled in since the last flush */
};

struct vtx_shadow *vtx_shadow_create(struct vcpu *vcpu, struct reason *why)
{
    struct vtx_shadow *s = calloc(1, sizeof(*s));
    if (!s) {
        fail(why, ENOMEM, "not enough memory for shadow tables");
        return NULL;
    }
    s->pool = gpa(vcpu->next_page);
    vcpu->next_page += POOL_PAGES * PAGE_SIZE;
    s->used = 1;
    return s;
}

void vtx_shadow_destroy(struct vtx_shadow *shadow)
{
    free(shadow);
}

/* ---- dropping entries ---- */

static void forget_translations(struct vcpu *vcpu)
{
    (void)invvpid(vcpu->vmx, INVVPID_SINGLE_CONTEXT, rd(vcpu, VMCS_VPID), gva(0));
}

static void drop_all(struct vcpu *vcpu)
{
    struct vtx_shadow *s = vcpu->shadow;
    memset(ram_at(&vcpu->physical, s->pool, s->used * PAGE_SIZE), 0, s->used * PAGE_SIZE);
    s->used = 1;
    s->drops = 0;
    s->splintered = false;
    forget_translations(vcpu);
}

static void drop_nonglobal(struct vcpu *vcpu)
{
    struct vtx_shadow *s = vcpu->shadow;
    for (unsigned i = 0; i < s->drops; i++)
        *s->drop[i] = 0;
    s->drops = 0;
    forget_translations(vcpu);
}

/* ---- the tables ---- */

/* A table for `entry` to lead to. NULL: the pool is used up. */
static uint64_t *next_table(struct vcpu *vcpu, uint64_t *entry)
{
    struct vtx_shadow *s = vcpu->shadow;
    if (!(*entry & ENTRY_P) || (*entry & ENTRY_PS)) {
        if (s->used == POOL_PAGES)
            return NULL;
        *entry = (s->pool.v + s->used++ * PAGE_SIZE) | ENTRY_P | ENTRY_RW | ENTRY_US | ENTRY_AD;
    }
    return page_at(vcpu, gpa(*entry & ENTRY_FRAME));
}

/* The entry that maps `at` by pages of 2^shift bytes, its tables made. NULL: the pool is used up. */
static uint64_t *entry_for(struct vcpu *vcpu, uint64_t at, unsigned shift)
{
    uint64_t *table = page_at(vcpu, vcpu->shadow->pool);
    for (unsigned level = 39; table; level -= 9) {
        uint64_t *entry = &table[at >> level & 511];
        if (level == shift)
            return entry;
        table = next_table(vcpu, entry);
    }
    return NULL;
}

/* The entry that maps `at` now, or NULL. */
static uint64_t *entry_of(struct vcpu *vcpu, uint64_t at)
{
    uint64_t *table = page_at(vcpu, vcpu->shadow->pool);
    for (unsigned level = 39;; level -= 9) {
        uint64_t *entry = &table[at >> level & 511];
        if (!(*entry & ENTRY_P))
            return NULL;
        if (level == PAGE_SHIFT || (*entry & ENTRY_PS))
            return entry;
        table = page_at(vcpu, gpa(*entry & ENTRY_FRAME));
    }
}

/* ---- filling in ---- */

/*
 * The rights of the guest's mapping. CR0.WP is always set in the processor, so that the shadow's R/W counts for the
 * guest's kernel, too; a kernel that has it clear may write where it is clear, and then user code must fault again.
 */
static uint64_t rights_of(const struct translation *t)
{
    uint64_t rights = ENTRY_P | ENTRY_AD | (t->maps_fetch ? 0 : ENTRY_XD);
    if (t->maps_write)
        return rights | ENTRY_RW | (t->maps_user ? ENTRY_US : 0);
    if (t->writable)
        return rights | ENTRY_RW;
    return rights | (t->maps_user ? ENTRY_US : 0);
}

/* Does all of the 2 MiB around it lie in RAM? */
static bool fits_large(const struct vcpu *vcpu, gpa_t at)
{
    return (at.v >> LARGE_SHIFT) + 1 <= vcpu->machine->ram->size >> LARGE_SHIFT;
}

/* False: the entry says that already, so that the fault wasn't hidden. */
static bool fill(struct vcpu *vcpu, uint64_t at, const struct translation *t)
{
    struct vtx_shadow *s = vcpu->shadow;
    bool large = t->page_shift >= LARGE_SHIFT && fits_large(vcpu, t->gpa);
    unsigned shift = large ? LARGE_SHIFT : PAGE_SHIFT;
    uint64_t *entry = entry_for(vcpu, at, shift);
    if (!entry || s->drops == DROP_MAX) {
        drop_all(vcpu);
        entry = entry_for(vcpu, at, shift);
    }
    uint64_t frame = (GUEST_BASE + t->gpa.v) & ~((UINT64_C(1) << shift) - 1);
    uint64_t value = frame | rights_of(t) | (large ? ENTRY_PS : 0);
    if (*entry == value)
        return false;
    if (*entry & ENTRY_P) /* less may be permitted now, or elsewhere */
        (void)invvpid(vcpu->vmx, INVVPID_ADDRESS, rd(vcpu, VMCS_VPID), gva(at));
    *entry = value;
    s->splintered |= t->page_shift > shift && !large;
    if (!t->global)
        s->drop[s->drops++] = entry;
    COUNT(vcpu->machine->stats, SHADOW_FILLS);
    return true;
}

/* ---- page faults ---- */

/* The guest's own fault. One that comes in the delivery of another is a double fault (SDM 3, table 6-5). */
static enum handled true_fault(struct vcpu *vcpu, uint64_t at, uint32_t error)
{
    bool second = vcpu->event.valid && vcpu->event.type == EVENT_EXCEPTION;
    reclassify(vcpu, EXIT_INDEX_EXCEPTION, EXIT_INDEX_TRUE_FAULT);
    if (second && vcpu->event.vector == VEC_DF) {
        vcpu->event.valid = false;
        vcpu->exit->kind = VM_EXIT_SHUTDOWN;
        return TO_MACHINE;
    }
    *vmx_registers(vcpu->vmx).cr2 = at;
    if (second && vcpu->event.vector == VEC_PF)
        inject_error(vcpu, VEC_DF, 0);
    else
        inject_error(vcpu, VEC_PF, error);
    return RESUME;
}

enum handled vtx_shadow_page_fault(struct vcpu *vcpu)
{
    uint64_t at = rd(vcpu, VMCS_EXIT_QUALIFICATION);
    uint32_t error = (uint32_t)rd(vcpu, VMCS_EXIT_ERROR_CODE);
    enum access access = error & PF_FETCH ? ACCESS_FETCH : error & PF_WRITE ? ACCESS_WRITE : ACCESS_READ;
    struct access_rights who = {.user = error & PF_USER, .smap_off = rd(vcpu, VMCS_GUEST_RFLAGS) & FLAG_AC};
    struct translation t;
    if (!mmu_walk(&vcpu->shadow->guest, vcpu->machine->ram, gva(at), access, who, &t))
        return true_fault(vcpu, at, t.error_code);
    if (!is_guest_ram(vcpu, t.gpa.v)) {
        reclassify(vcpu, EXIT_INDEX_EXCEPTION, EXIT_INDEX_MMIO);
        return emulate(vcpu);
    }
    if (!fill(vcpu, at, &t))
        return true_fault(vcpu, at, error | PF_PRESENT);
    reclassify(vcpu, EXIT_INDEX_EXCEPTION, EXIT_INDEX_HIDDEN_FAULT);
    COUNT(vcpu->machine->stats, HIDDEN_FAULTS);
    return RESUME;
}

/* ---- what the guest does to its tables ---- */

enum handled vtx_shadow_mov_to_cr3(struct vcpu *vcpu, uint64_t value)
{
    if (value >> vcpu->shadow->guest.maxphyaddr) {
        inject_error(vcpu, VEC_GP, 0);
        return RESUME;
    }
    vcpu->shadow->guest.cr3 = value;
    drop_nonglobal(vcpu);
    skip_instruction(vcpu);
    return RESUME;
}

enum handled vtx_shadow_invlpg(struct vcpu *vcpu, gva_t at)
{
    uint64_t *entry = entry_of(vcpu, at.v);
    if (vcpu->shadow->splintered)
        drop_all(vcpu);
    else if (entry)
        *entry = 0;
    (void)invvpid(vcpu->vmx, INVVPID_ADDRESS, rd(vcpu, VMCS_VPID), at);
    skip_instruction(vcpu);
    return RESUME;
}

/* ---- state ---- */

void vtx_shadow_load_state(struct vcpu *vcpu, const struct cpu_state *state)
{
    struct vtx_shadow *s = vcpu->shadow;
    const uint64_t paging0 = CR0_PG | CR0_PE | CR0_WP, paging4 = CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP | CR4_SMAP;
    bool same = !((state->cr0 ^ s->guest.cr0) & paging0) && !((state->cr4 ^ s->guest.cr4) & paging4) &&
                state->cr3 == s->guest.cr3 && state->efer == s->guest.efer;
    s->guest.cr0 = state->cr0;
    s->guest.cr3 = state->cr3;
    s->guest.cr4 = state->cr4;
    s->guest.efer = state->efer;
    s->guest.maxphyaddr = vcpu->physical_bits;
    if (!same)
        drop_all(vcpu);
    wr(vcpu, VMCS_GUEST_CR0, (state->cr0 & ~(CR0_CD | CR0_NW)) | CR0_NE | paging0);
    wr(vcpu, VMCS_GUEST_CR4, state->cr4 | CR4_VMXE | CR4_PAE);
    wr(vcpu, VMCS_GUEST_CR3, s->pool.v);
}

uint64_t vtx_shadow_cr3(const struct vcpu *vcpu)
{
    return vcpu->shadow->guest.cr3;
}

/* Only long mode: other modes have other formats of tables, and without EPT no CPU runs unpaged guests. */
bool vtx_shadow_enterable(struct vcpu *vcpu)
{
    return rd(vcpu, VMCS_GUEST_EFER) & EFER_LMA;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shadow.h - shadow page tables: guest-virtual straight to guest RAM, in tables that the host's MMU really uses.
 *
 * The guest's own tables say how guest-virtual becomes guest-physical; the host knows where guest-physical memory is.
 * A *shadow* is the composition of both, for one address space of the guest and one privilege. Who uses shadows gives
 * them a way to change real mappings (struct shadow_ops); for the world these are mmap and munmap in the space of the
 * same key. Here are the books: what is mapped, from which guest entries, and what must go when those change.
 *
 *     shadow = shadow_get(set, user)                 of the present CR3; space = the world's space of
 * shadow_key(shadow) space fresh -> shadow_forget(set, key) shadow_sync(shadow)                            before each
 * run; nearly free when nothing was flushed run the space -> page fault -> shadow_fault()  SHADOW_MAPPED: run again;
 * others: execute this one instruction in software, which raises the fault, reaches the device ... INVLPG, MOV to CR3,
 * CR0, CR4 -> shadow_flushed() a store in software, or DMA  -> watch_written() (watch.h)
 *
 * A shadow behaves like a TLB: what it maps was permitted by the guest's tables at the time of a walk, and is correct
 * until the guest, having made an entry stricter, asks for a flush (SDM 3, 4.10.4). That gives time to be lazy:
 *  - Filled lazily. A *hidden fault* is one that only the shadow caused: the guest's tables permit the access. A *true
 *    fault* is the guest's own. Accessed and dirty bits are set as the processor would, by mmu_walk; a page is mapped
 *    writable only when its D is set. A fault also maps what the neighbouring entries permit and what was accessed
 *    already (fault-around).
 *  - *Traces* (Adams & Agesen, ASPLOS 2006, 2.3): the page tables that mappings came from are watched. The first write
 *    takes the trace off: the table is *unsync*, later writes run at full speed, and at the next shadow_sync after a
 *    flush the table is held against what was seen. A table that stays quiet for a while is traced again.
 *
 * Only 4-level paging (long mode). Reading order: watch.h, shadow.h, shadow_region.c, shadow_fill.c, shadow.c.
 */
#ifndef VIRTLAB_MMU_SHADOW_H
#define VIRTLAB_MMU_SHADOW_H

#include "mmu/tlb.h"
#include "mmu/walk.h"
#include "mmu/watch.h"

struct shadow_set; /* all shadows of one vCPU */
struct shadow;

/* How real mappings are changed. Called from within the functions below, never for RAM or addresses that don't fit. */
struct shadow_ops {
    /*
     * RAM's bytes from `frame` on (len of them, whole pages) appear at `at`, with PROT_READ | _WRITE | _EXEC, in place
     * of what was there. unmap: nothing there any more. clear: nothing in the whole space. They may be carried out
     * late, but before the space runs. 0, or -errno with why: then nothing is mapped in this space any more. -ENOMEM
     * is taken as "too many mappings": the shadow begins anew. Any other error goes to the caller. Keys without a space
     * are possible for unmap and clear: 0.
     */
    int (*map)(void *context, uint64_t key, gva_t at, gpa_t frame, uint64_t len, int prot, struct reason *why);
    int (*unmap)(void *context, uint64_t key, gva_t at, uint64_t len, struct reason *why);
    int (*clear)(void *context, uint64_t key, struct reason *why);
    /* May something stand at [at, at + len)? */
    bool (*mappable)(void *context, gva_t at, uint64_t len);
    /*
     * May code of this page run directly? `entry` is where the guest wants to go on in it; asked at every fetch fault.
     * The frame is watched from before the question on; once it is written, code_written() says so (the page is not
     * executable any more, and a verdict about it is void) and the next fetch asks again.
     */
    bool (*may_execute)(void *context, gpa_t frame, gva_t entry);
    void (*code_written)(void *context, gpa_t frame);
    void *context;
};

/*
 * A set with no shadows yet. All pointers are borrowed and must outlive the set: `paging` is the vCPU's, read at each
 * call; `tlb` its software TLB (NULL: none); counted are SHADOW_FILLS, HIDDEN_FAULTS, PT_WRITES and the exits
 * HIDDEN_FAULT, PT_WRITE and CODE_WRITE. NULL with why.
 */
struct shadow_set *shadow_create(const struct ram *ram, const struct paging *paging, struct tlb *tlb,
                                 struct stats *stats, const struct shadow_ops *ops, struct reason *why) MUST_CHECK;
/* Frees the books; calls no ops. NULL is allowed. */
void shadow_destroy(struct shadow_set *set);
/* The watched frames of this set: for struct cpu's `watch`. Belongs to the set. */
struct watch *shadow_watch(struct shadow_set *set);

/*
 * The shadow of the present CR3 as user code (`user`) or as kernel code sees it, made if need be. Up to SHADOWS_MAX are
 * cached; then the one that was got longest ago is recycled (ops.clear). It stays valid until the next shadow_get,
 * shadow_drop or shadow_forget. Paging must be on, 4-level. NULL with why when ops failed.
 */
#define SHADOWS_MAX 64
struct shadow *shadow_get(struct shadow_set *set, bool user, struct reason *why) MUST_CHECK;
/* The shadow's name, and that of its space: the root's address, and a bit for `user`. */
uint64_t shadow_key(const struct shadow *shadow);

/* What a page fault in the space was. */
enum shadow_answer {
    SHADOW_MAPPED,     /* hidden: filled in, run again */
    SHADOW_TRUE_FAULT, /* the guest's tables forbid it: software will find the same and raise #PF */
    SHADOW_EMULATE,    /* permitted, but not here: a device, a watched frame, an address that the host can't map; or the
                          page is mapped already, so that the fault can't be what it seems. Software must do it. */
    SHADOW_SENSITIVE,  /* a fetch from a page that may_execute refuses */
};
/*
 * A page fault at `at` by this kind of access (shadow_access()). The shadow must be of the present CR3. `at` may be any
 * value. Returns an enum shadow_answer, or -errno with why.
 */
int shadow_fault(struct shadow *shadow, gva_t at, enum access access, struct reason *why) MUST_CHECK;
/*
 * The same before the fact: the guest's next instruction makes this access for sure (it has just faulted there, and the
 * guest's kernel has come back from that). A hidden fault avoided.
 */
int shadow_fill_ahead(struct shadow *shadow, gva_t at, enum access access, struct reason *why) MUST_CHECK;
/* From the host's page-fault error code. */
static inline enum access shadow_access(uint32_t error)
{
    return error & PF_FETCH ? ACCESS_FETCH : error & PF_WRITE ? ACCESS_WRITE : ACCESS_READ;
}

/* The guest has asked for a flush, or changed what decides rights (CR0.WP, CR4, EFER.NXE): all shadows must be synced.
 */
void shadow_flushed(struct shadow_set *set);
/* Unmaps what the guest's tables no longer say, if a flush was asked for since the last time. 0 or -errno with why. */
int shadow_sync(struct shadow *shadow, struct reason *why) MUST_CHECK;

/* No longer of use for a while: forgets everything, traces too, so that it costs nothing; calls ops.clear. */
int shadow_drop(struct shadow *shadow, struct reason *why) MUST_CHECK;
/* The space of this key has lost its mappings (world_options.forget, a fresh space): the books follow. Calls no ops. */
void shadow_forget(struct shadow_set *set, uint64_t key);
/* Is anything cached under this key? (So that who changes modes need not keep books of his own.) */
bool shadow_cached(const struct shadow_set *set, uint64_t key);

/* For watch.c: the frame is about to be watched; the frame, so far watched by these, has been written. */
void shadow_protect_frame(struct shadow_set *set, gpa_t frame);
void shadow_frame_written(struct shadow_set *set, gpa_t frame, unsigned watchers);

#endif

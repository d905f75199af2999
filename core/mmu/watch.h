/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch.h - frames of guest RAM that somebody has drawn conclusions from: decoded code, page tables, scanned code.
 *
 * A conclusion holds until the frame is written. So nothing may write to a watched frame unseen: the software TLB has
 * no write tag for it and no shadow maps it writable. A store to it, or a device's DMA, is told to all who watch.
 *
 *     block.c decodes from a frame            watch_add(CODE)     the store kills its blocks
 *     shadow.c reads a page table             watch_add(TABLE)    ... takes the trace off
 *     somebody scans code, to run it directly watch_add(EXEC)     ... drops the verdict, and takes X away
 *
 * One module for three kinds, because they meet: a frame that is both code and table must be watched by both, and the
 * last one who watches must not be lost when the first one goes. Engines without shadows have no struct watch: block.c
 * alone then guards its pages.
 */
#ifndef VIRTLAB_MMU_WATCH_H
#define VIRTLAB_MMU_WATCH_H

#include <virtlab/types.h>

enum watcher {
    WATCH_CODE = 1,  /* blocks were decoded from it */
    WATCH_TABLE = 2, /* a traced page table */
    WATCH_EXEC = 4,  /* shadow_ops.may_execute has an opinion of it */
};

struct shadow_set;
struct tlb;

struct watch {
    uint8_t *frame; /* enum watcher, one byte a frame of RAM */
    uint64_t frames;
    struct tlb *tlb; /* the software TLB, or NULL */
    struct shadow_set *shadows;
};

/* Who watches the frame of `at`? Outside RAM nobody does. */
static inline unsigned watch_of(const struct watch *watch, gpa_t at)
{
    uint64_t n = at.v >> PAGE_SHIFT;
    return n < watch->frames ? watch->frame[n] : 0;
}

/* From now on the frame is watched: first everything that could write to it unseen is taken away. Frames only in RAM.
 */
void watch_add(struct watch *watch, gpa_t frame, enum watcher watcher);
/* One lost interest. */
void watch_remove(struct watch *watch, gpa_t frame, enum watcher watcher);
/* ... in all frames. */
void watch_remove_all(struct watch *watch, enum watcher watcher);
/*
 * The bytes [at, at + len) have been written, or will be before any guest code runs in the world: by a store that
 * software carried out, or by DMA. CODE is not this function's affair: block_written() is called as well.
 */
void watch_written(struct watch *watch, gpa_t at, uint64_t len);

#endif

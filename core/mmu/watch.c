/* SPDX-License-Identifier: GPL-2.0-or-later */
/* watch.c - frames of guest RAM that somebody has drawn conclusions from; see watch.h. Read next: shadow_region.c. */
#include "mmu/watch.h"
#include "mmu/shadow.h"

void watch_add(struct watch *watch, gpa_t frame, enum watcher watcher)
{
    uint8_t *watchers = &watch->frame[frame.v >> PAGE_SHIFT];
    if (*watchers & watcher)
        return;
    bool first = !*watchers;
    *watchers |= watcher;
    if (!first)
        return;
    shadow_protect_frame(watch->shadows, gpa(frame.v & PAGE_MASK));
    if (watch->tlb)
        tlb_protect_frame(watch->tlb, frame);
}

void watch_remove(struct watch *watch, gpa_t frame, enum watcher watcher)
{
    watch->frame[frame.v >> PAGE_SHIFT] &= (uint8_t)~watcher;
}

void watch_remove_all(struct watch *watch, enum watcher watcher)
{
    for (uint64_t n = 0; n < watch->frames; n++)
        if (watch->frame[n]) /* so that untouched parts of the array stay untouched */
            watch->frame[n] &= (uint8_t)~watcher;
}

void watch_written(struct watch *watch, gpa_t at, uint64_t len)
{
    for (uint64_t page = at.v & PAGE_MASK; len && page < at.v + len; page += PAGE_SIZE) {
        unsigned watchers = watch_of(watch, gpa(page));
        if (watchers)
            shadow_frame_written(watch->shadows, gpa(page), watchers);
    }
}

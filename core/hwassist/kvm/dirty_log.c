/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dirty_log.c - which pages of RAM the guest has written (KVM API 4.8 and 4.35): for a migration while it runs.
 *
 * The kernel takes the right to write away from every page of the slot; the first write to one is an exit, after which
 * its bit is set and the page writable (or, on CPUs with page-modification logging, the processor itself keeps a list).
 * While the log runs, RAM is mapped by small pages, so that a bit means 4 KiB.
 */
#include "hwassist/kvm/kvm.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

static size_t words_of(const struct engine *e)
{
    return (e->host->ram->size / PAGE_SIZE + 63) / 64;
}

static int start(struct engine *e, struct reason *why)
{
    if (!e->dirty)
        e->dirty = calloc(words_of(e), sizeof(*e->dirty));
    if (!e->dirty)
        return fail(why, ENOMEM, "hwassist/kvm: not enough memory for the log of written pages");
    int err = kvm_map_ram(e, 0, why); /* a log that ran already ends, and is forgotten */
    return err ? err : kvm_map_ram(e, KVM_MEM_LOG_DIRTY_PAGES, why);
}

static int take(struct engine *e, uint64_t *bitmap, struct reason *why)
{
    struct kvm_dirty_log log = {.slot = RAM_SLOT, .dirty_bitmap = e->dirty};

    if (!e->dirty)
        return fail(why, EINVAL, "hwassist/kvm: the log of written pages was not started");
    kvm_finish(e); /* a store that has come out to us may be half done */
    if (ioctl(e->vm, KVM_GET_DIRTY_LOG, &log) < 0)
        return fail(why, errno, "hwassist/kvm: KVM_GET_DIRTY_LOG: %s", strerror(errno));
    for (size_t i = 0; i < words_of(e); i++)
        bitmap[i] |= e->dirty[i];
    return 0;
}

static void stop(struct engine *e)
{
    struct reason why = {""};

    if (e->dirty && kvm_map_ram(e, 0, &why))
        return; /* taking a flag from a slot does not fail; else the log runs on */
    free(e->dirty);
    e->dirty = NULL;
}

const struct engine_dirty_log kvm_dirty_log = {.start = start, .take = take, .stop = stop};

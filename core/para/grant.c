/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * grant.c - pages that the guest lends to a driver domain (Xen, "grant tables").
 *
 * A driver domain maps what is granted when it is born, and nothing else (backend.h). So a grant that comes or goes
 * costs a domain its life, half a millisecond; a front-end grants its pages once and uses them for good (Xen's
 * "persistent grants"). A page that is granted can't become a page table, for input may arrive in it.
 *
 * Next: block.c.
 */
#include "para/direct.h"

struct grant *grant_find(struct engine *e, uint64_t reference)
{
    return reference < PARA_GRANTS_MAX && e->grant[reference].used ? &e->grant[reference] : NULL;
}

static int64_t share(struct engine *e, uint64_t at, uint64_t flags)
{
    uint64_t frame = at >> PAGE_SHIFT;

    if (at & ~PAGE_MASK || frame >= e->frames || flags > PARA_GRANT_READ_ONLY)
        return -PARA_EINVAL;
    if (e->frame[frame].type != FRAME_PAGE)
        return -PARA_EPERM;
    if (e->frame[frame].writable == UINT32_MAX)
        return -PARA_EBUSY;
    for (unsigned i = 0; i < PARA_GRANTS_MAX; i++) {
        if (e->grant[i].used)
            continue;
        patch_drop(e, frame);
        e->frame[frame].writable++;
        e->grant[i] = (struct grant){.used = true, .read_only = flags & PARA_GRANT_READ_ONLY, .frame = (uint32_t)frame};
        block_grants_change(e);
        return i;
    }
    return -PARA_EBUSY;
}

static int64_t revoke(struct engine *e, uint64_t reference)
{
    struct grant *grant = grant_find(e, reference);

    if (!grant)
        return -PARA_EINVAL;
    if (grant->busy)
        return -PARA_EBUSY;
    grant->used = false;
    block_grants_change(e);
    e->frame[grant->frame].writable--;
    return 0;
}

int64_t grant_call(struct engine *e, const uint64_t *args)
{
    switch (args[0]) {
    case PARA_GRANT_SHARE: return share(e, args[1], args[2]);
    case PARA_GRANT_REVOKE: return revoke(e, args[1]);
    default: return -PARA_EINVAL;
    }
}

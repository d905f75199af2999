/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block.c - the disk's ring: requests from the guest's front-end to the driver domain, responses back.
 *
 * The ring is a granted page of the guest's, so all that it says is checked: indices first, then each request once it
 * has been copied. The domain's answers are claims too; nothing but a status and the disk's bytes is taken from them.
 *
 * Next: backend.c, the driver domain.
 */
#include "para/backend.h"
#include "para/direct.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define WAIT_NS 5000000 /* then look whether the domain lives, and whether the machine wants its thread back */

struct disk {
    struct backend backend;
    struct grant *ring;
    uint32_t consumed, seen; /* requests taken; arena's `done` when last looked at */
    unsigned under_way;
    struct work {
        struct grant *page; /* NULL: none */
        uint64_t id;
        uint16_t operation, first, count; /* the slot's own could be written by the domain */
    } work[PARA_RING];                    /* by slot */
};

static struct para_block_ring *ring_of(struct engine *e)
{
    return ram_at(e->host->ram, gpa((uint64_t)e->disk->ring->frame << PAGE_SHIFT), PAGE_SIZE);
}

static void respond(struct engine *e, uint64_t id, int64_t status)
{
    struct para_block_ring *ring = ring_of(e);
    uint32_t at = ring->response_produced;

    ring->response[at % PARA_RING] = (struct para_block_response){id, status};
    __atomic_store_n(&ring->response_produced, at + 1, __ATOMIC_RELEASE);
    e->shared->event_pending |= UINT64_C(1) << PARA_PORT_DISK;
}

static uint8_t *granted_bytes(struct engine *e, const struct grant *grant, unsigned first)
{
    return ram_at(e->host->ram, gpa(((uint64_t)grant->frame << PAGE_SHIFT) + first * 512), 512);
}

static int check(struct engine *e, const struct para_block_request *request, struct grant **page)
{
    const struct backend *backend = &e->disk->backend;

    *page = grant_find(e, request->grant);
    if (request->operation == PARA_BLOCK_FLUSH) {
        *page = e->disk->ring; /* it needs none */
        return 0;
    }
    if (request->operation > PARA_BLOCK_FLUSH || !*page || !request->count || request->first > PARA_BLOCK_SECTORS ||
        request->count > PARA_BLOCK_SECTORS - request->first)
        return -PARA_EINVAL;
    if (request->sector > backend->sectors || request->count > backend->sectors - request->sector)
        return -PARA_EINVAL;
    if (request->operation == PARA_BLOCK_READ ? (*page)->read_only : backend->read_only)
        return -PARA_EPERM;
    return 0;
}

/* One request into a free slot; false when there is none. */
static bool submit(struct engine *e, const struct para_block_request *request)
{
    struct disk *disk = e->disk;
    struct grant *page;
    int err = check(e, request, &page);
    unsigned i = 0;

    if (err) {
        respond(e, request->id, err);
        return true;
    }
    while (i < PARA_RING && disk->work[i].page)
        i++;
    if (i == PARA_RING)
        return false;
    struct slot *slot = &disk->backend.arena->slot[i];

    disk->work[i] = (struct work){.page = page,
                                  .id = request->id,
                                  .operation = request->operation,
                                  .first = request->first,
                                  .count = request->count};
    page->busy++;
    disk->under_way++;
    slot->operation = request->operation;
    slot->count = request->count;
    slot->sector = request->sector;
    if (request->operation == PARA_BLOCK_WRITE)
        memcpy(slot->data, granted_bytes(e, page, request->first), request->count * 512u);
    atomic_store(&slot->state, SLOT_ASKED);
    return true;
}

static void finish(struct engine *e, unsigned i)
{
    struct disk *disk = e->disk;
    struct slot *slot = &disk->backend.arena->slot[i];
    struct work *work = &disk->work[i];
    int32_t status = slot->status;

    if (work->operation == PARA_BLOCK_READ && !status)
        memcpy(granted_bytes(e, work->page, work->first), slot->data, work->count * 512u);
    respond(e, work->id, status ? -PARA_EIO : 0);
    work->page->busy--;
    work->page = NULL;
    disk->under_way--;
    atomic_store(&slot->state, SLOT_EMPTY);
}

void block_poll(struct engine *e)
{
    struct disk *disk = e->disk;
    uint32_t done = atomic_load(&disk->backend.arena->done);

    if (!disk->under_way || done == disk->seen)
        return;
    disk->seen = done;
    for (unsigned i = 0; i < PARA_RING; i++) {
        if (disk->work[i].page && atomic_load(&disk->backend.arena->slot[i].state) == SLOT_DONE)
            finish(e, i);
    }
}

/* Waits for the domain once; false when the machine wants its thread back. */
static bool wait_once(struct engine *e)
{
    backend_wait(&e->disk->backend, e->disk->seen, WAIT_NS);
    block_poll(e);
    return !atomic_load(&e->kicked);
}

static int64_t send(struct engine *e)
{
    struct disk *disk = e->disk;
    struct para_block_ring *ring = ring_of(e);
    uint32_t produced = __atomic_load_n(&ring->request_produced, __ATOMIC_ACQUIRE), taken = 0;

    if (produced - disk->consumed > PARA_RING)
        return -PARA_EINVAL;
    block_poll(e);
    for (; disk->consumed != produced; taken++) {
        const struct para_block_request request = ring->request[disk->consumed % PARA_RING];

        if (!submit(e, &request))
            break; /* taken with the next one */
        disk->consumed++;
        COUNT(e->host->stats, HYPERCALL_ENTRIES);
    }
    if (taken)
        backend_ring(&disk->backend);
    while (!(e->features & PARA_FEATURE_ASYNC) && disk->under_way)
        wait_once(e);
    return 0;
}

static int64_t poll(struct engine *e)
{
    uint64_t bit = UINT64_C(1) << PARA_PORT_DISK;

    block_poll(e);
    while (!(e->shared->event_pending & bit) && e->disk->under_way && wait_once(e))
        ;
    e->shared->event_pending &= ~bit;
    return 0;
}

static int64_t bind(struct engine *e, uint64_t reference)
{
    struct grant *ring = grant_find(e, reference);
    struct reason unused = {""};

    if (!ring || ring->read_only || e->disk)
        return -PARA_EINVAL;
    if (!e->host->drive)
        return -PARA_ENODEV;
    e->disk = calloc(1, sizeof *e->disk);
    if (!e->disk || madvise(e->host->ram->base, e->host->ram->size, MADV_DONTFORK) ||
        backend_start(&e->disk->backend, e->host->drive, e->host->drive_readonly, &unused)) {
        free(e->disk);
        e->disk = NULL;
        return -PARA_ENODEV;
    }
    e->disk->ring = ring;
    ring->busy++;
    ring_of(e)->sectors = e->disk->backend.sectors;
    ring_of(e)->response_produced = 0;
    return PARA_PORT_DISK;
}

void block_destroy(struct engine *e)
{
    if (!e->disk)
        return;
    backend_stop(&e->disk->backend);
    for (unsigned i = 0; i < PARA_RING; i++) {
        if (e->disk->work[i].page)
            e->disk->work[i].page->busy--;
    }
    e->disk->ring->busy--;
    free(e->disk);
    e->disk = NULL;
}

struct backend *block_backend(struct engine *e)
{
    return e->disk ? &e->disk->backend : NULL;
}

int64_t block_event(struct engine *e, const uint64_t *args)
{
    if (args[0] == PARA_EVENT_BIND_DISK)
        return bind(e, args[1]);
    if (args[1] != PARA_PORT_DISK || !e->disk)
        return -PARA_EINVAL;
    switch (args[0]) {
    case PARA_EVENT_SEND: return send(e);
    case PARA_EVENT_POLL: return poll(e);
    case PARA_EVENT_UNBIND: block_destroy(e); return 0;
    default: return -PARA_EINVAL;
    }
}

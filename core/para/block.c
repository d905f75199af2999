/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block.c - the hypervisor's part in the disk: it brings guest and driver domain together, and is then called only when
 * one of them sleeps.
 *
 * Requests and responses stand in a granted page that both sides see (struct para_block_ring); the domain checks them
 * (domain.c). Nothing is taken from the ring here but request_produced, to know whether something is under way, and
 * what the guest makes of that is its own affair.
 *
 * Next: backend.h, the driver domain.
 */
#include "para/backend.h"

#include <stdlib.h>
#include <sys/mman.h>

#define WAIT_NS 5000000 /* then look whether the domain lives, and whether the machine wants its thread back */

struct disk {
    struct backend backend;
    struct grant *ring;
    uint32_t seen; /* requests answered, when last looked at */
};

static struct para_block_ring *ring_of(struct engine *e)
{
    return ram_at(e->host->ram, gpa((uint64_t)e->disk->ring->frame << PAGE_SHIFT), PAGE_SIZE);
}

static uint32_t produced(struct engine *e)
{
    return __atomic_load_n(&ring_of(e)->request_produced, __ATOMIC_ACQUIRE);
}

static uint32_t served(const struct engine *e)
{
    return atomic_load(&e->disk->backend.arena->served);
}

static bool under_way(struct engine *e)
{
    uint32_t count = produced(e) - served(e);

    return count && count <= PARA_RING;
}

void block_poll(struct engine *e)
{
    uint32_t now = served(e);

    if (now == e->disk->seen)
        return;
    e->host->stats->counter[COUNTER_DISK_REQUESTS] += now - e->disk->seen;
    e->disk->seen = now;
    e->shared->event_pending |= UINT64_C(1) << PARA_PORT_DISK;
}

/*
 * The domain takes turns with the guest's kernel on one core. Measured against a core of its own, where it spins: that
 * makes a read twice to three times as dear, for its 4 KiB come from another core's cache; and a write is no cheaper.
 */
static void keep_near(struct engine *e)
{
    struct world_space *kernel = world_space_find(e->pool, KERNEL_KEY);

    if (kernel)
        world_space_join(kernel, e->disk->backend.pid);
}

/* Waits for the domain once; false when the machine wants its thread back. */
static bool wait_once(struct engine *e)
{
    backend_wait(&e->disk->backend, e->disk->seen, WAIT_NS);
    keep_near(e);
    block_poll(e);
    return !atomic_load(&e->kicked);
}

static int64_t send(struct engine *e, bool wait)
{
    if (produced(e) - served(e) > PARA_RING)
        return -PARA_EINVAL;
    COUNT(e->host->stats, DISK_NOTIFICATIONS);
    block_poll(e);
    backend_ring(&e->disk->backend);
    keep_near(e);
    if (wait || !(e->features & PARA_FEATURE_ASYNC)) {
        while (under_way(e) && wait_once(e))
            ;
    }
    return 0;
}

static int64_t poll(struct engine *e)
{
    uint64_t bit = UINT64_C(1) << PARA_PORT_DISK;

    block_poll(e);
    while (!(e->shared->event_pending & bit) && under_way(e) && wait_once(e))
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
    if (!e->disk || madvise(e->host->ram->base, e->host->ram->size + RAM_SPARE, MADV_DONTFORK) ||
        backend_open(&e->disk->backend, e->host->drive, e->host->drive_readonly, &unused)) {
        free(e->disk);
        e->disk = NULL;
        return -PARA_ENODEV;
    }
    e->disk->ring = ring;
    e->disk->backend.ram_fd = e->host->ram->fd;
    e->disk->backend.ring = ring->frame;
    e->disk->backend.grants = e->grant;
    ring->busy = true;
    ring_of(e)->sectors = e->disk->backend.sectors;
    ring_of(e)->response_produced = 0;
    ring_of(e)->domain_sleeps = 1; /* the first notification makes it */
    return PARA_PORT_DISK;
}

void block_grants_change(struct engine *e)
{
    if (!e->disk || !e->disk->backend.pid)
        return;
    backend_end_domain(&e->disk->backend);
    ring_of(e)->domain_sleeps = 1;
    if (under_way(e))
        backend_ring(&e->disk->backend);
}

void block_destroy(struct engine *e)
{
    if (!e->disk)
        return;
    backend_close(&e->disk->backend, produced(e));
    e->disk->ring->busy = false;
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
    case PARA_EVENT_SEND: return send(e, args[2] == PARA_SEND_WAIT);
    case PARA_EVENT_POLL: return poll(e);
    case PARA_EVENT_UNBIND: block_destroy(e); return 0;
    default: return -PARA_EINVAL;
    }
}

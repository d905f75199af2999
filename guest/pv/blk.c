/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blk.c: the disk, in place of ata.c: the front-end of a split driver.
 *
 * Pages and a ring are granted to the driver domain once and for all (Xen calls that persistent grants).  A transfer is
 * cut into requests of a page; a notification carries as many as there are, and while the domain works on them, those
 * that are done are copied.
 */
#include "ata.h"
#include "mm.h"
#include "pv_ops.h"

#define REFILL (PARA_RING / 2) /* new requests are sent together, when so many have come back */

static struct {
    volatile struct para_block_ring *ring;
    u8 *page[PARA_RING];
    u32 grant[PARA_RING];
    u64 sectors;
    long port;
} disk;

static long grant(void *page)
{
    return pv_call(PARA_CALL_GRANT, PARA_GRANT_SHARE, virt_to_phys(page), 0, 0, 0);
}

void ata_init(void)
{
    void *ring = page_alloc_zeroed();
    long reference = ring ? grant(ring) : -PARA_EINVAL;

    disk.ring = ring;
    disk.port = reference < 0 ? reference : pv_call(PARA_CALL_EVENT, PARA_EVENT_BIND_DISK, (u64)reference, 0, 0, 0);
    if (disk.port < 0)
        return;
    for (unsigned i = 0; i < PARA_RING; i++) {
        disk.page[i] = page_alloc();
        reference = disk.page[i] ? grant(disk.page[i]) : -PARA_EINVAL;
        if (reference < 0)
            return;
        disk.grant[i] = (u32)reference;
    }
    disk.sectors = disk.ring->sectors;
    kinfo("virtlab: disk of %lu MiB in a driver domain\n", disk.sectors / 2048);
}

u64 ata_sectors(void)
{
    return disk.sectors;
}

/* A transfer in progress: pieces of a page each, piece i in page i modulo PARA_RING. */
struct transfer {
    u16 operation;
    u64 lba, count, pieces, issued, done;
    u8 answered[PARA_RING];
    int error;
};

static u32 piece_sectors(const struct transfer *t, u64 piece)
{
    return (u32)MIN(t->count - piece * PARA_BLOCK_SECTORS, PARA_BLOCK_SECTORS);
}

static void issue(struct transfer *t)
{
    u32 at = disk.ring->request_produced;
    u64 piece = t->issued++;

    t->answered[piece % PARA_RING] = false;
    disk.ring->request[at % PARA_RING] = (struct para_block_request){
        .id = piece,
        .sector = t->lba + piece * PARA_BLOCK_SECTORS,
        .operation = t->operation,
        .count = (u16)piece_sectors(t, piece),
        .grant = disk.grant[piece % PARA_RING],
    };
    pv_barrier();
    disk.ring->request_produced = at + 1;
}

static void take_responses(struct transfer *t)
{
    while (disk.ring->response_consumed != disk.ring->response_produced) {
        struct para_block_response r = disk.ring->response[disk.ring->response_consumed % PARA_RING];

        disk.ring->response_consumed++;
        t->answered[r.id % PARA_RING] = true;
        if (r.status && !t->error)
            t->error = -EIO;
    }
}

/* Waits until the oldest piece is done. */
static void wait_for_oldest(struct transfer *t)
{
    take_responses(t);
    while (!t->answered[t->done % PARA_RING]) {
        pv_call(PARA_CALL_EVENT, PARA_EVENT_POLL, (u64)disk.port, 0, 0, 0);
        take_responses(t);
    }
}

static int transfer(struct transfer *t, ata_block_fn *move, void *arg)
{
    bool read = t->operation == PARA_BLOCK_READ;
    int r = 0;

    t->pieces = (t->count + PARA_BLOCK_SECTORS - 1) / PARA_BLOCK_SECTORS;
    while (t->done < t->pieces && (t->done < t->issued || !r)) {
        bool refill = t->issued - t->done <= PARA_RING - REFILL && t->issued < t->pieces && !r && !t->error;

        while (refill && !r && t->issued < t->pieces && t->issued - t->done < PARA_RING) {
            if (!read && move)
                r = move(disk.page[t->issued % PARA_RING], t->issued * PARA_BLOCK_SECTORS, piece_sectors(t, t->issued),
                         arg);
            if (!r)
                issue(t);
        }
        if (refill)
            pv_call(PARA_CALL_EVENT, PARA_EVENT_SEND, (u64)disk.port, 0, 0, 0);
        if (t->done == t->issued)
            break;
        wait_for_oldest(t);
        if (read && !r && !t->error)
            r = move(disk.page[t->done % PARA_RING], t->done * PARA_BLOCK_SECTORS, piece_sectors(t, t->done), arg);
        t->done++;
    }
    return t->error ? t->error : r;
}

int ata_read(u64 lba, u64 count, ata_block_fn *take, void *arg)
{
    struct transfer t = {.operation = PARA_BLOCK_READ, .lba = lba, .count = count};

    return transfer(&t, take, arg);
}

int ata_write(u64 lba, u64 count, ata_block_fn *fill, void *arg)
{
    struct transfer t = {.operation = PARA_BLOCK_WRITE, .lba = lba, .count = count};

    return transfer(&t, fill, arg);
}

int ata_flush(void)
{
    struct transfer t = {.operation = PARA_BLOCK_FLUSH, .count = 1};

    return transfer(&t, NULL, NULL);
}

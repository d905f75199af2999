/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blk.c: the disk, in place of ata.c: the front-end of a split driver.
 *
 * Pages and a ring are granted to the driver domain once and for all (Xen calls that persistent grants); page i belongs
 * to the ring's entry i.  A transfer is cut into requests of a page each.
 *
 * Telling the domain takes a hypercall; but while requests keep coming it stays awake and looks by itself, and says so
 * in the ring.  Then there is nothing to do but to give it this core for a moment (PARA_CALL_RELAX): a fast disk has
 * answered when the core comes back.  A slow one hasn't: then we wait by a hypercall, and try the other way less often.
 *
 * A write is done, for its caller, when it is in the ring: the domain carries out requests in their order, so who reads
 * the block later reads what was written.  ata_flush waits for all of them.  What has failed by then is the error of
 * the next write or flush, as with any kernel that writes behind.  With the option noasync every call waits for its
 * end.
 */
#include "ata.h"
#include "clock.h"
#include "mm.h"
#include "pv_ops.h"

#define PATIENCE_MAX 30000 /* ns of giving the core away for an answer: what waiting by hypercall costs at worst */
#define RETRY        1024  /* waits by hypercall, before it is tried again */

static struct {
    volatile struct para_block_ring *ring;
    u8 *page[PARA_RING];
    u32 grant[PARA_RING];
    struct {
        bool under_way, failed;
        bool behind; /* nobody waits for it: an error is `disk.error` */
    } entry[PARA_RING];
    int error;
    unsigned patience, hypercalls;
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
    disk.patience = PATIENCE_MAX;
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

/* --- the ring ---------------------------------------------------------------------------- */

static u32 next_entry(void)
{
    return disk.ring->request_produced % PARA_RING;
}

static void issue(u16 operation, u64 sector, u32 count, bool behind)
{
    u32 entry = next_entry();

    disk.entry[entry].under_way = true;
    disk.entry[entry].behind = behind;
    disk.ring->request[entry] = (struct para_block_request){
        .id = entry,
        .sector = sector,
        .operation = operation,
        .count = (u16)count,
        .grant = disk.grant[entry],
    };
    pv_barrier();
    disk.ring->request_produced++;
}

/* What was issued is to be carried out. */
static void notify(void)
{
    __sync_synchronize(); /* between request_produced and domain_sleeps, which the domain uses the other way round */
    if (!pv_disk_async)
        pv_call(PARA_CALL_EVENT, PARA_EVENT_SEND, (u64)disk.port, PARA_SEND_WAIT, 0, 0);
    else if (disk.ring->domain_sleeps)
        pv_call(PARA_CALL_EVENT, PARA_EVENT_SEND, (u64)disk.port, 0, 0, 0);
}

static void take_responses(void)
{
    while (disk.ring->response_consumed != disk.ring->response_produced) {
        struct para_block_response r = disk.ring->response[disk.ring->response_consumed % PARA_RING];
        u32 entry = r.id % PARA_RING;

        disk.ring->response_consumed++;
        disk.entry[entry].under_way = false;
        disk.entry[entry].failed = r.status != 0;
        if (r.status && disk.entry[entry].behind)
            disk.error = -EIO;
    }
}

static int take_error(void)
{
    int error = disk.error;

    disk.error = 0;
    return error;
}

/* Gives the core to the domain until it has answered: false if that takes too long. */
static bool relax_until_done(u32 entry)
{
    u64 start = clock_ns();

    while (disk.patience && clock_ns() - start < disk.patience) {
        pv_call(PARA_CALL_RELAX, 0, 0, 0, 0, 0);
        take_responses();
        if (!disk.entry[entry].under_way) {
            disk.patience = PATIENCE_MAX;
            return true;
        }
    }
    disk.patience = disk.patience < 1000 ? 0 : disk.patience / 2;
    if (!disk.patience && ++disk.hypercalls % RETRY == 0)
        disk.patience = PATIENCE_MAX;
    return false;
}

static int wait_for(u32 entry)
{
    take_responses();
    while (disk.entry[entry].under_way && !relax_until_done(entry)) {
        pv_call(PARA_CALL_EVENT, PARA_EVENT_POLL, (u64)disk.port, 0, 0, 0);
        take_responses();
    }
    return disk.entry[entry].failed ? -EIO : 0;
}

/* The next entry, when it is free again. */
static u32 wait_for_room(void)
{
    u32 entry = next_entry();

    take_responses();
    if (disk.entry[entry].under_way)
        notify();
    wait_for(entry);
    return entry;
}

/* --- transfers --------------------------------------------------------------------------- */

static u32 piece_sectors(u64 count, u64 piece)
{
    return (u32)MIN(count - piece * PARA_BLOCK_SECTORS, PARA_BLOCK_SECTORS);
}

/* As many pieces are asked for at a time as there is room for, and taken in their order while others are under way. */
int ata_read(u64 lba, u64 count, ata_block_fn *take, void *arg)
{
    u64 pieces = (count + PARA_BLOCK_SECTORS - 1) / PARA_BLOCK_SECTORS, issued = 0;
    u32 first = next_entry();
    int r = 0;

    for (u64 done = 0; done < issued || (done < pieces && !r); done++) {
        u32 entry = (u32)(first + done) % PARA_RING;
        int error;

        if (!r && issued < pieces && issued - done <= PARA_RING / 2) {
            for (; issued < pieces && issued - done < PARA_RING; issued++) {
                wait_for_room();
                issue(PARA_BLOCK_READ, lba + issued * PARA_BLOCK_SECTORS, piece_sectors(count, issued), false);
            }
            notify();
        }
        error = wait_for(entry);
        r = r ? r : error;
        r = r ? r : take(disk.page[entry], done * PARA_BLOCK_SECTORS, piece_sectors(count, done), arg);
    }
    return r;
}

int ata_write(u64 lba, u64 count, ata_block_fn *fill, void *arg)
{
    u64 pieces = (count + PARA_BLOCK_SECTORS - 1) / PARA_BLOCK_SECTORS;
    int r = take_error();

    for (u64 piece = 0; piece < pieces && !r; piece++) {
        u32 entry = wait_for_room();

        r = fill(disk.page[entry], piece * PARA_BLOCK_SECTORS, piece_sectors(count, piece), arg);
        if (!r)
            issue(PARA_BLOCK_WRITE, lba + piece * PARA_BLOCK_SECTORS, piece_sectors(count, piece), true);
    }
    notify();
    return r;
}

int ata_flush(void)
{
    u32 entry;
    int r;

    for (entry = 0; entry < PARA_RING; entry++)
        wait_for(entry);
    entry = wait_for_room();
    issue(PARA_BLOCK_FLUSH, 0, 0, false);
    notify();
    r = wait_for(entry);
    return r ? r : take_error();
}

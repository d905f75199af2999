/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ata_transfer.c - sectors between the disk and the data port, and the addresses that say which.
 *
 * A transfer goes through one buffer of at most ATA_MULTIPLE_MAX sectors, a "DRQ block". Reading: the drive fills the
 * buffer, raises DRQ and the interrupt, the guest empties it, and so on. Writing: the guest fills the buffer, the drive
 * stores it and interrupts. All data goes through ata_data_burst_read and _write, be it one word or a whole REP INSW.
 * ATA/ATAPI-6, chapter 9 (protocols). Read next: ata_disk.c.
 */
#include "io/ata_state.h"
#include <string.h>

/* The addresses in the task file, in the three ways of writing them. */

static uint64_t address48(const struct ata *ata)
{
    return (uint64_t)ata->lba_high.before << 40 | (uint64_t)ata->lba_mid.before << 32 |
           (uint64_t)ata->lba_low.before << 24 | (uint64_t)ata->lba_high.now << 16 | (uint64_t)ata->lba_mid.now << 8 |
           ata->lba_low.now;
}

static uint64_t address28(const struct ata *ata)
{
    unsigned low = ata->lba_low.now, cylinder = ata->lba_mid.now | (unsigned)ata->lba_high.now << 8;
    unsigned head = ata->device & 15;
    if (ata->device & DEVICE_LBA)
        return (uint64_t)head << 24 | (uint64_t)cylinder << 8 | low;
    if (low == 0 || low > ata->translation.sectors || head >= ata->translation.heads)
        return UINT64_MAX; /* sectors count from 1 */
    return ((uint64_t)cylinder * ata->translation.heads + head) * ata->translation.sectors + low - 1;
}

static void put_address(struct ata *ata, uint64_t sector, bool wide)
{
    if (!wide && !(ata->device & DEVICE_LBA)) {
        uint64_t track = sector / ata->translation.sectors, cylinder = track / ata->translation.heads;
        ata->lba_low.now = (uint8_t)(sector % ata->translation.sectors + 1);
        ata->lba_mid.now = cylinder & 0xff;
        ata->lba_high.now = (uint8_t)(cylinder >> 8);
        ata->device = (uint8_t)((ata->device & 0xf0) | track % ata->translation.heads);
        return;
    }
    ata->lba_low.now = sector & 0xff;
    ata->lba_mid.now = (sector >> 8) & 0xff;
    ata->lba_high.now = (sector >> 16) & 0xff;
    ata->lba_low.before = (sector >> 24) & 0xff;
    ata->lba_mid.before = (sector >> 32) & 0xff;
    ata->lba_high.before = (sector >> 40) & 0xff;
    if (!wide)
        ata->device = (uint8_t)((ata->device & 0xf0) | ((sector >> 24) & 15));
}

bool ata_locate(struct ata *ata, bool wide)
{
    uint64_t first = wide ? address48(ata) : address28(ata);
    uint32_t count = wide ? (uint32_t)ata->count.before << 8 | ata->count.now : ata->count.now;
    if (count == 0)
        count = wide ? 65536 : 256;
    if (first >= ata->disk.sectors || count > ata->disk.sectors - first) {
        ata_complete_with_error(ata, ERROR_IDNF);
        return false;
    }
    ata->wide = wide;
    ata->sector = first;
    ata->left = count;
    return true;
}

static void host_error(struct ata *ata)
{
    put_address(ata, ata->sector, ata->wide);
    ata_complete_with_error(ata, ERROR_UNC);
}

static unsigned next_block(const struct ata *ata)
{
    return ata->left < ata->block ? ata->left : ata->block;
}

static void offer(struct ata *ata, enum transfer transfer, unsigned bytes)
{
    ata->transfer = transfer;
    ata->position = 0;
    ata->end = bytes;
    ata->status = STATUS_DRDY | STATUS_DSC | STATUS_DRQ;
}

void ata_offer_buffer(struct ata *ata, unsigned bytes)
{
    offer(ata, TO_GUEST, bytes);
    ata_interrupt(ata);
}

/* Reads the next block for the guest. */
static void fill(struct ata *ata)
{
    unsigned sectors = next_block(ata);
    if (!ata_disk_read(&ata->disk, ata->sector, sectors, ata->buffer)) {
        host_error(ata);
        return;
    }
    ata->sector += sectors;
    ata->left -= sectors;
    ata_offer_buffer(ata, sectors * SECTOR_BYTES);
}

/* The guest has filled the buffer: stores it, and asks for the next block. */
static void store(struct ata *ata)
{
    unsigned sectors = ata->end / SECTOR_BYTES;
    if (!ata_disk_write(&ata->disk, ata->sector, sectors, ata->buffer)) {
        host_error(ata);
        return;
    }
    ata->sector += sectors;
    ata->left -= sectors;
    if (ata->left == 0) {
        ata_complete(ata);
        return;
    }
    offer(ata, FROM_GUEST, next_block(ata) * SECTOR_BYTES);
    ata_interrupt(ata);
}

/* The guest has emptied the buffer. The last block's end gives no interrupt (9.5, PIO data-in). */
static void emptied(struct ata *ata)
{
    if (ata->left > 0) {
        fill(ata);
    } else {
        ata->transfer = IDLE;
        ata->status = STATUS_DRDY | STATUS_DSC;
    }
}

void ata_data_burst_read(struct ata *ata, uint8_t *buffer, size_t bytes)
{
    while (bytes > 0) {
        if (ata->transfer != TO_GUEST || (ata->device & DEVICE_SLAVE)) {
            memset(buffer, 0xff, bytes);
            return;
        }
        size_t here = ata->end - ata->position;
        if (here > bytes)
            here = bytes;
        memcpy(buffer, ata->buffer + ata->position, here);
        ata->position += (unsigned)here;
        buffer += here;
        bytes -= here;
        if (ata->position == ata->end)
            emptied(ata);
    }
}

void ata_data_burst_write(struct ata *ata, const uint8_t *buffer, size_t bytes)
{
    while (bytes > 0 && ata->transfer == FROM_GUEST && !(ata->device & DEVICE_SLAVE)) {
        size_t here = ata->end - ata->position;
        if (here > bytes)
            here = bytes;
        memcpy(ata->buffer + ata->position, buffer, here);
        ata->position += (unsigned)here;
        buffer += here;
        bytes -= here;
        if (ata->position == ata->end)
            store(ata);
    }
}

void ata_read_sectors(struct ata *ata, bool wide, unsigned block)
{
    if (block == 0) { /* READ MULTIPLE without SET MULTIPLE */
        ata_complete_with_error(ata, ERROR_ABRT);
        return;
    }
    ata->block = block;
    if (ata_locate(ata, wide))
        fill(ata);
}

void ata_write_sectors(struct ata *ata, bool wide, unsigned block)
{
    if (block == 0 || ata->disk.read_only) {
        ata_complete_with_error(ata, ERROR_ABRT);
        return;
    }
    ata->block = block;
    if (ata_locate(ata, wide))
        offer(ata, FROM_GUEST, next_block(ata) * SECTOR_BYTES); /* the first block is asked for without interrupt */
}

void ata_verify(struct ata *ata, bool wide)
{
    if (!ata_locate(ata, wide))
        return;
    for (ata->block = ATA_MULTIPLE_MAX; ata->left > 0;) {
        unsigned sectors = next_block(ata);
        if (!ata_disk_read(&ata->disk, ata->sector, sectors, ata->buffer)) {
            host_error(ata);
            return;
        }
        ata->sector += sectors;
        ata->left -= sectors;
    }
    ata_complete(ata);
}

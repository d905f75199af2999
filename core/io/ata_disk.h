/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ata_disk.h - the medium behind the ATA drive: a file of whole sectors, and what IDENTIFY DEVICE says of it.
 * Only ata.c uses this.
 */
#ifndef VIRTLAB_IO_ATA_DISK_H
#define VIRTLAB_IO_ATA_DISK_H

#include <virtlab/types.h>

#define SECTOR_BYTES 512

struct ata_disk {
    int fd;
    uint64_t sectors;
    bool read_only;
    bool complained; /* a host error was reported already */
    char *path;
};

/* How the drive counts cylinders, heads and sectors. */
struct ata_geometry {
    uint32_t cylinders, heads, sectors;
};

/* Opens a regular file or block device of at least one and only whole sectors. 0 or -errno with why. */
int ata_disk_open(struct ata_disk *disk, const char *path, bool read_only, struct reason *why) MUST_CHECK;
void ata_disk_close(struct ata_disk *disk);

/*
 * Whole sectors, which the caller knows to exist. False when the host can't: what the guest then sees is a bad medium.
 * The first such error gives one line on stderr.
 */
bool ata_disk_read(struct ata_disk *disk, uint64_t sector, unsigned count, uint8_t *bytes) MUST_CHECK;
bool ata_disk_write(struct ata_disk *disk, uint64_t sector, unsigned count, const uint8_t *bytes) MUST_CHECK;
bool ata_disk_flush(struct ata_disk *disk) MUST_CHECK;

/* The geometry that a drive of this size has by default. */
struct ata_geometry ata_default_geometry(uint64_t sectors);

/* Fills one sector with the answer to IDENTIFY DEVICE. `multiple` is what SET MULTIPLE MODE set, 0 for none. */
void ata_identify(uint8_t *sector, const struct ata_disk *disk, const struct ata_geometry *translation,
                  unsigned multiple_max, unsigned multiple);

#endif

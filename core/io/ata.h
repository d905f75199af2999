/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ata.h - the primary ATA channel with one PIO disk (the master), ports 0x1f0-0x1f7 and 0x3f6, IRQ 14.
 *
 * The disk is a file of whole 512-byte sectors. A machine without a drive doesn't create the device: the unclaimed
 * ports then read as 0xff, which is what a probe expects of an empty channel. Commands take no guest time. Facts:
 * ATA/ATAPI-6 (T13/1410D).
 */
#ifndef VIRTLAB_IO_ATA_H
#define VIRTLAB_IO_ATA_H

#include "io/device.h"

#define ATA_DATA_PORT 0x1f0

struct ata;

/* Opens `path`, for reading only if so asked. NULL with why for a file that can't be a disk. */
struct ata *ata_create(struct bus *ports, struct irq_line irq, const char *path, bool read_only, struct reason *why);

/*
 * `bytes` of consecutive accesses to the data port at once, for REP INS and REP OUTS: the same effect as that many
 * bytes of single accesses through the bus, and the same code. Reads beyond what the drive offers yield 0xff.
 */
void ata_data_burst_read(struct ata *ata, uint8_t *buffer, size_t bytes);
void ata_data_burst_write(struct ata *ata, const uint8_t *buffer, size_t bytes);

uint64_t ata_sectors(const struct ata *ata);

extern const struct device_ops ata_ops;

#endif

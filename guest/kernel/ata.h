/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ata.h: the one disk (ata.c). */
#ifndef ATA_H
#define ATA_H

#include "kernel.h"

#define SECTOR_SIZE 512

void ata_init(void);
u64 ata_sectors(void); /* 0: there is no disk */

/* Called with each block on its way: n sectors, of which the first has number `index` of the
 * transfer; full ones to take after a read, ones to fill before a write.  Its first error is the
 * result. */
typedef int ata_block_fn(u8 *block, u64 index, u32 n, void *arg);
int ata_read(u64 lba, u64 count, ata_block_fn *take, void *arg) MUST_CHECK;
int ata_write(u64 lba, u64 count, ata_block_fn *fill, void *arg) MUST_CHECK;
int ata_flush(void) MUST_CHECK;

#endif

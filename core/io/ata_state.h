/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ata_state.h - the ATA drive's insides, shared by its three parts: ata.c (registers and ports), ata_command.c (what
 * each command does) and ata_transfer.c (addresses and the PIO data transfer).
 */
#ifndef VIRTLAB_IO_ATA_STATE_H
#define VIRTLAB_IO_ATA_STATE_H

#include "io/ata.h"
#include "io/ata_disk.h"

#define ATA_MULTIPLE_MAX   16   /* sectors to a block at most */
#define ATA_CMD_DIAGNOSTIC 0x90 /* the one command that an absent slave hears too */

#define STATUS_ERR    0x01
#define STATUS_DRQ    0x08
#define STATUS_DSC    0x10
#define STATUS_DRDY   0x40
#define STATUS_BSY    0x80
#define ERROR_ABRT    0x04
#define ERROR_IDNF    0x10
#define ERROR_UNC     0x40
#define DIAGNOSTIC_OK 0x01 /* in the error register */
#define DEVICE_SLAVE  0x10
#define DEVICE_LBA    0x40
#define CONTROL_NIEN  0x02
#define CONTROL_SRST  0x04
#define CONTROL_HOB   0x80 /* read the registers' previous values */

/* What the buffer is being used for. */
enum transfer { IDLE, TO_GUEST, FROM_GUEST };

/* A register that 48-bit commands use as a queue of two: the last value written, and the one before. */
struct wide_register {
    uint8_t now, before;
};

struct ata {
    struct wide_register count, lba_low, lba_mid, lba_high;
    uint8_t features, error, status, device, control;
    bool interrupt; /* pending in the drive; nIEN hides it from the line */

    enum transfer transfer;
    bool wide;              /* the command has a 48-bit address */
    uint64_t sector;        /* where the next block is read from or written to */
    uint32_t left;          /* sectors after the block in the buffer (reading), or from it on (writing) */
    unsigned block;         /* sectors to a DRQ block in this command */
    unsigned position, end; /* bytes of the buffer that are through, and all */
    unsigned multiple;      /* sectors to a block of READ and WRITE MULTIPLE; 0: not set */
    struct ata_geometry translation;
    uint8_t buffer[ATA_MULTIPLE_MAX * SECTOR_BYTES];

    struct ata_disk disk;
    struct irq_line irq;
};

/* ata.c: the level of IRQ 14; and the end of a command, good or bad. */
void ata_update_irq(struct ata *ata);
void ata_interrupt(struct ata *ata);
void ata_complete(struct ata *ata);
void ata_complete_with_error(struct ata *ata, uint8_t error);
void ata_put_signature(struct ata *ata); /* what the registers show after a reset or diagnostic */

/* ata_command.c: ends with one of the above, or with a transfer under way. */
void ata_execute(struct ata *ata, uint8_t command);

/*
 * ata_transfer.c. ata_locate takes address and count from the task file, leaving them in ->sector and ->left; when any
 * of it lies beyond the end of the disk, it is false and the command has ended. `wide` is a 48-bit command. The others
 * start what their names say; block is the number of sectors to a DRQ block, or 0 when READ and WRITE MULTIPLE were
 * never set up.
 */
bool ata_locate(struct ata *ata, bool wide) MUST_CHECK;
void ata_read_sectors(struct ata *ata, bool wide, unsigned block);
void ata_write_sectors(struct ata *ata, bool wide, unsigned block);
void ata_verify(struct ata *ata, bool wide);
void ata_offer_buffer(struct ata *ata, unsigned bytes); /* to the guest, with an interrupt */

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ata_command.c - what each ATA command does: ATA/ATAPI-6, chapter 8. Those that move sectors go on in ata_transfer.c.
 */
#include "io/ata_state.h"

enum command {
    CMD_NOP = 0x00,
    CMD_RECALIBRATE = 0x10, /* to 0x1f */
    CMD_READ = 0x20,
    CMD_READ_NO_RETRY = 0x21,
    CMD_READ_EXT = 0x24,
    CMD_READ_MULTIPLE_EXT = 0x29,
    CMD_WRITE = 0x30,
    CMD_WRITE_NO_RETRY = 0x31,
    CMD_WRITE_EXT = 0x34,
    CMD_WRITE_MULTIPLE_EXT = 0x39,
    CMD_VERIFY = 0x40,
    CMD_VERIFY_NO_RETRY = 0x41,
    CMD_VERIFY_EXT = 0x42,
    CMD_SET_PARAMETERS = 0x91,
    CMD_IDENTIFY_PACKET = 0xa1,
    CMD_READ_MULTIPLE = 0xc4,
    CMD_WRITE_MULTIPLE = 0xc5,
    CMD_SET_MULTIPLE = 0xc6,
    CMD_STANDBY_NOW = 0xe0,
    CMD_IDLE_NOW = 0xe1,
    CMD_STANDBY = 0xe2,
    CMD_IDLE = 0xe3,
    CMD_CHECK_POWER = 0xe5,
    CMD_SLEEP = 0xe6,
    CMD_FLUSH = 0xe7,
    CMD_FLUSH_EXT = 0xea,
    CMD_IDENTIFY = 0xec,
    CMD_SET_FEATURES = 0xef,
};

static void identify(struct ata *ata)
{
    ata_identify(ata->buffer, &ata->disk, &ata->translation, ATA_MULTIPLE_MAX, ata->multiple);
    ata->left = 0;
    ata_offer_buffer(ata, SECTOR_BYTES);
}

static void set_multiple(struct ata *ata)
{
    unsigned sectors = ata->count.now;
    if (sectors > ATA_MULTIPLE_MAX || (sectors & (sectors - 1)) != 0) {
        ata_complete_with_error(ata, ERROR_ABRT);
        return;
    }
    ata->multiple = sectors;
    ata_complete(ata);
}

static void set_parameters(struct ata *ata)
{
    struct ata_geometry wanted = {.heads = (ata->device & 15u) + 1, .sectors = ata->count.now};
    if (wanted.sectors == 0) {
        ata_complete_with_error(ata, ERROR_ABRT);
        return;
    }
    uint64_t cylinders = ata->disk.sectors / (wanted.heads * wanted.sectors);
    wanted.cylinders = cylinders > 65535 ? 65535 : (uint32_t)cylinders;
    ata->translation = wanted;
    ata_complete(ata);
}

static void set_features(struct ata *ata)
{
    switch (ata->features) {
    case 0x02: /* write cache on, off */
    case 0x82:
    case 0x55: /* look-ahead off, on */
    case 0xaa:
    case 0x66: /* keep or forget the settings at software reset */
    case 0xcc: ata_complete(ata); return;
    case 0x03: /* transfer mode: default PIO, or a PIO mode with flow control */
        if (ata->count.now <= 1 || (ata->count.now >= 8 && ata->count.now <= 12)) {
            ata_complete(ata);
            return;
        }
    }
    ata_complete_with_error(ata, ERROR_ABRT);
}

static void flush(struct ata *ata)
{
    if (ata_disk_flush(&ata->disk))
        ata_complete(ata);
    else
        ata_complete_with_error(ata, ERROR_ABRT);
}

void ata_execute(struct ata *ata, uint8_t command)
{
    switch (command) {
    case CMD_READ:
    case CMD_READ_NO_RETRY: ata_read_sectors(ata, false, 1); break;
    case CMD_READ_EXT: ata_read_sectors(ata, true, 1); break;
    case CMD_READ_MULTIPLE: ata_read_sectors(ata, false, ata->multiple); break;
    case CMD_READ_MULTIPLE_EXT: ata_read_sectors(ata, true, ata->multiple); break;
    case CMD_WRITE:
    case CMD_WRITE_NO_RETRY: ata_write_sectors(ata, false, 1); break;
    case CMD_WRITE_EXT: ata_write_sectors(ata, true, 1); break;
    case CMD_WRITE_MULTIPLE: ata_write_sectors(ata, false, ata->multiple); break;
    case CMD_WRITE_MULTIPLE_EXT: ata_write_sectors(ata, true, ata->multiple); break;
    case CMD_VERIFY:
    case CMD_VERIFY_NO_RETRY: ata_verify(ata, false); break;
    case CMD_VERIFY_EXT: ata_verify(ata, true); break;
    case CMD_IDENTIFY: identify(ata); break;
    case CMD_SET_MULTIPLE: set_multiple(ata); break;
    case CMD_SET_PARAMETERS: set_parameters(ata); break;
    case CMD_SET_FEATURES: set_features(ata); break;
    case CMD_FLUSH:
    case CMD_FLUSH_EXT: flush(ata); break;
    case CMD_CHECK_POWER:
        ata->count.now = 0xff; /* active */
        ata_complete(ata);
        break;
    case CMD_STANDBY_NOW:
    case CMD_IDLE_NOW:
    case CMD_STANDBY:
    case CMD_IDLE:
    case CMD_SLEEP: ata_complete(ata); break;
    case ATA_CMD_DIAGNOSTIC:
        ata_put_signature(ata);
        ata_complete(ata);
        break;
    case CMD_IDENTIFY_PACKET: /* says by the signature that it is no packet device */
        ata_put_signature(ata);
        ata_complete_with_error(ata, ERROR_ABRT);
        break;
    default:
        if ((command & 0xf0) == CMD_RECALIBRATE)
            ata_complete(ata);
        else
            ata_complete_with_error(ata, ERROR_ABRT); /* NOP too, by definition; and DEVICE RESET, a packet device's */
    }
}

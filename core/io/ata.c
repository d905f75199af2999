/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ata.c - the primary ATA channel: its registers, ports and interrupt.
 *
 * A command is over as soon as it is written: BSY never shows, except during a software reset. A transfer that it has
 * started goes on with each access to the data port.
 *
 * Facts: ATA/ATAPI-6, chapters 7 (registers) and 9. Read next: ata_command.c, ata_transfer.c.
 */
#include "io/ata.h"
#include "io/ata_state.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Offsets in the command block, 0x1f0 ff.; the first name is for reading, the second for writing. */
enum { DATA, ERROR_FEATURES, COUNT, LBA_LOW, LBA_MID, LBA_HIGH, DEVICE, STATUS_COMMAND, COMMAND_PORTS };

#define CONTROL_PORT    0x3f6
#define DEVICE_OBSOLETE 0xa0 /* read as ones */

void ata_update_irq(struct ata *ata)
{
    irq_set(&ata->irq, ata->interrupt && !(ata->control & CONTROL_NIEN));
}

void ata_interrupt(struct ata *ata)
{
    ata->interrupt = true;
    ata_update_irq(ata);
}

/* The end of a command, good or bad. */
void ata_complete(struct ata *ata)
{
    ata->transfer = IDLE;
    ata->status = STATUS_DRDY | STATUS_DSC;
    ata_interrupt(ata);
}

void ata_complete_with_error(struct ata *ata, uint8_t error)
{
    ata_complete(ata);
    ata->error = error;
    ata->status |= STATUS_ERR;
}

/* What the registers show after a reset or diagnostic (9.12): an ATA drive that has passed. */
void ata_put_signature(struct ata *ata)
{
    ata->count = ata->lba_low = (struct wide_register){1, 0};
    ata->lba_mid = ata->lba_high = (struct wide_register){0, 0};
    ata->device = 0;
    ata->error = DIAGNOSTIC_OK;
}

static void write_command(struct ata *ata, uint8_t command)
{
    /* The slave isn't there; only the diagnostic is for both. */
    if ((ata->device & DEVICE_SLAVE) && command != ATA_CMD_DIAGNOSTIC)
        return;
    if (ata->status & STATUS_BSY)
        return;
    ata->interrupt = false;
    ata_update_irq(ata);
    ata->error = 0;
    ata_execute(ata, command);
}

static void write_control(struct ata *ata, uint8_t value)
{
    bool was_in_reset = ata->control & CONTROL_SRST, in_reset = value & CONTROL_SRST;
    ata->control = value;
    if (in_reset) {
        ata->transfer = IDLE;
        ata->status = STATUS_BSY;
        ata->interrupt = false;
    } else if (was_in_reset) {
        ata_put_signature(ata);
        ata->status = STATUS_DRDY | STATUS_DSC;
        ata->multiple = 0;
    }
    ata_update_irq(ata);
}

static void put_wide(struct wide_register *reg, uint8_t value)
{
    reg->before = reg->now;
    reg->now = value;
}

static uint8_t get_wide(const struct ata *ata, const struct wide_register *reg)
{
    return ata->control & CONTROL_HOB ? reg->before : reg->now;
}

static uint8_t read_status(const struct ata *ata)
{
    return ata->device & DEVICE_SLAVE ? 0 : ata->status; /* the master answers for an absent slave (9.16.1) */
}

static uint8_t read_register(struct ata *ata, unsigned reg)
{
    switch (reg) {
    case ERROR_FEATURES: return ata->error;
    case COUNT: return get_wide(ata, &ata->count);
    case LBA_LOW: return get_wide(ata, &ata->lba_low);
    case LBA_MID: return get_wide(ata, &ata->lba_mid);
    case LBA_HIGH: return get_wide(ata, &ata->lba_high);
    case DEVICE: return ata->device | DEVICE_OBSOLETE;
    case STATUS_COMMAND:
        if (!(ata->device & DEVICE_SLAVE)) {
            ata->interrupt = false; /* reading the status acknowledges */
            ata_update_irq(ata);
        }
        return read_status(ata);
    default: return 0xff;
    }
}

static void write_register(struct ata *ata, unsigned reg, uint8_t value)
{
    ata->control &= ~CONTROL_HOB; /* a write to the command block ends the reading of previous values (7.8) */
    switch (reg) {
    case ERROR_FEATURES: ata->features = value; break;
    case COUNT: put_wide(&ata->count, value); break;
    case LBA_LOW: put_wide(&ata->lba_low, value); break;
    case LBA_MID: put_wide(&ata->lba_mid, value); break;
    case LBA_HIGH: put_wide(&ata->lba_high, value); break;
    case DEVICE: ata->device = value & (uint8_t)~DEVICE_OBSOLETE; break;
    case STATUS_COMMAND: write_command(ata, value); break;
    }
}

static uint64_t command_block_read(void *device, uint64_t offset, unsigned size)
{
    struct ata *ata = device;
    uint8_t bytes[8] = {0};
    uint64_t value = 0;
    if (offset == DATA) {
        ata_data_burst_read(ata, bytes, size);
    } else {
        for (unsigned i = 0; i < size; i++)
            bytes[i] = read_register(ata, (unsigned)offset + i);
    }
    memcpy(&value, bytes, sizeof value);
    return value;
}

static void command_block_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct ata *ata = device;
    uint8_t bytes[8];
    memcpy(bytes, &value, sizeof bytes);
    if (offset == DATA) {
        ata_data_burst_write(ata, bytes, size);
    } else {
        for (unsigned i = 0; i < size; i++)
            write_register(ata, (unsigned)offset + i, bytes[i]);
    }
}

static uint64_t control_read(void *device, uint64_t offset, unsigned size)
{
    (void)offset, (void)size;
    return read_status(device);
}

static void control_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    (void)offset, (void)size;
    write_control(device, (uint8_t)value);
}

static void ata_reset(void *device)
{
    struct ata *ata = device;
    ata->control = ata->features = 0;
    ata->transfer = IDLE;
    ata->multiple = 0;
    ata->translation = ata_default_geometry(ata->disk.sectors);
    ata_put_signature(ata);
    ata->status = STATUS_DRDY | STATUS_DSC;
    ata->interrupt = false;
    ata_update_irq(ata);
}

uint64_t ata_sectors(const struct ata *ata)
{
    return ata->disk.sectors;
}

static void ata_destroy(void *device)
{
    struct ata *ata = device;
    if (ata)
        ata_disk_close(&ata->disk);
    free(ata);
}

static const struct bus_ops command_block = {command_block_read, command_block_write, .byte_wide = false};
static const struct bus_ops control_block = {control_read, control_write, .byte_wide = true};

struct ata *ata_create(struct bus *ports, struct irq_line irq, const char *path, bool read_only, struct reason *why)
{
    struct ata *ata = calloc(1, sizeof *ata);
    if (!ata) {
        fail(why, ENOMEM, "ata: out of memory");
        return NULL;
    }
    if (ata_disk_open(&ata->disk, path, read_only, why)) {
        free(ata);
        return NULL;
    }
    ata->irq = irq;
    ata_reset(ata);
    if (bus_claim(ports, "ata", ATA_DATA_PORT, COMMAND_PORTS, &command_block, ata, why) ||
        bus_claim(ports, "ata control", CONTROL_PORT, 1, &control_block, ata, why)) {
        ata_destroy(ata);
        return NULL;
    }
    return ata;
}

const struct device_ops ata_ops = {.name = "ata", .reset = ata_reset, .destroy = ata_destroy};

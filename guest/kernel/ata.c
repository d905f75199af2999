/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ata.c [41]: the primary master ATA disk by programmed I/O (ATA/ATAPI-6, T13 1410D).
 *
 * The device's interrupt is off (nIEN); after each command and each sector its status is polled.
 * One command moves up to 256 sectors, and where the disk knows READ and WRITE MULTIPLE, a block of
 * up to 16 sectors each time it asks.  An absent disk shows as a floating bus or as zeros.
 *
 * Next: dev.c.
 */
#include "ata.h"

#include "clock.h"
#include "pv_ops.h"

#define DATA       0x1f0
#define COUNT      0x1f2
#define LBA0       0x1f3
#define LBA1       0x1f4
#define LBA2       0x1f5
#define DRIVE      0x1f6
#define COMMAND    0x1f7 /* status when read */
#define CONTROL    0x3f6 /* alternate status when read */
#define BSY        0x80
#define DRDY       0x40
#define DF         0x20
#define DRQ        0x08
#define ERR        0x01
#define NIEN       0x02
#define SRST       0x04
#define DRIVE_LBA  0xe0 /* master, LBA mode */
#define IDENTIFY   0xec
#define SET_MULT   0xc6
#define FLUSH      0xe7
#define WORDS      (SECTOR_SIZE / 2)
#define LBA28_END  0x10000000ull
#define MAX_COUNT  256
#define MAX_BLOCK  16 /* sectors; divides MAX_COUNT */
#define MAX_POLLS  100000000u
#define PROBE_POLL 100000u

/* The commands, by whether a block has many sectors and whether the address is wide. */
static const u8 read_commands[2][2] = {{0x20, 0x24}, {0xc4, 0x29}};
static const u8 write_commands[2][2] = {{0x30, 0x34}, {0xc5, 0x39}};

static u64 sectors;
static u32 block_size = 1; /* sectors that pass at each DRQ */
static u8 block[MAX_BLOCK * SECTOR_SIZE] __attribute__((aligned(16)));

u64 ata_sectors(void)
{
    return sectors;
}

/* Waits until the device is not busy; its status, or BSY still set on a timeout. */
static u8 wait_idle(u32 polls)
{
    u8 status;

    do
        status = pv_inb(COMMAND);
    while ((status & BSY) && --polls);
    return status;
}

static int wait_data(void)
{
    u8 status = wait_idle(MAX_POLLS);

    return (status & (BSY | DRQ | ERR | DF)) == DRQ ? 0 : -EIO;
}

/* IDENTIFY DEVICE words 60-61 (LBA28), 83 bit 10 and 100-103 (LBA48). */
static u64 capacity(const u16 *id)
{
    u64 lba28 = (u64)id[61] << 16 | id[60];
    u64 lba48 = (u64)id[103] << 48 | (u64)id[102] << 32 | (u64)id[101] << 16 | id[100];

    return (id[83] & (1u << 10)) && lba48 ? lba48 : lba28;
}

/* IDENTIFY word 47: how many sectors a block may have.  Some disks say so and then refuse. */
static void set_block_size(const u16 *id)
{
    u32 n = MAX_BLOCK;

    while (n > (id[47] & 0xff))
        n /= 2;
    if (n < 2)
        return;
    pv_outb(COUNT, (u8)n);
    pv_outb(COMMAND, SET_MULT);
    if (!(wait_idle(PROBE_POLL) & (BSY | ERR | DF)))
        block_size = n;
}

void ata_init(void)
{
    u16 id[WORDS];
    u8 status;

    pv_outb(CONTROL, NIEN);
    pv_outb(DRIVE, DRIVE_LBA);
    status = pv_inb(CONTROL);
    if (status == 0xff || !(status & (BSY | DRDY)))
        return;
    if (wait_idle(PROBE_POLL) & BSY)
        return;
    pv_outb(COMMAND, IDENTIFY);
    status = wait_idle(PROBE_POLL);
    if ((status & (BSY | DRQ | ERR)) != DRQ)
        return; /* nothing, or a CD-ROM */
    pv_insw(DATA, id, WORDS);
    sectors = capacity(id);
    set_block_size(id);
    kinfo("virtlab: disk of %lu sectors\n", sectors);
}

static void set_address(u64 lba, u32 count)
{
    pv_outb(COUNT, (u8)count); /* 256 is written as 0 */
    pv_outb(LBA0, (u8)lba);
    pv_outb(LBA1, (u8)(lba >> 8));
    pv_outb(LBA2, (u8)(lba >> 16));
}

/* Starts one command; beyond LBA28 the registers take two bytes each, the high one first. */
static int start(u64 lba, u32 count, const u8 commands[2][2])
{
    bool wide = lba + count > LBA28_END;

    if (wait_idle(MAX_POLLS) & BSY)
        return -EIO;
    if (wide) {
        set_address(lba >> 24, count >> 8);
        pv_outb(DRIVE, DRIVE_LBA);
    } else {
        pv_outb(DRIVE, (u8)(DRIVE_LBA | (lba >> 24)));
    }
    set_address(lba, count);
    pv_outb(COMMAND, commands[block_size > 1][wide]);
    pv_inb(CONTROL); /* 400 ns until the status is valid */
    return 0;
}

/* Gives up a write half-way: the device would wait for its data for ever. */
static void reset_device(void)
{
    pv_outb(CONTROL, SRST | NIEN);
    pv_outb(CONTROL, NIEN);
    wait_idle(MAX_POLLS);
    block_size = 1; /* a reset may undo SET MULTIPLE */
}

static int in_range(u64 lba, u64 count)
{
    return lba <= sectors && count <= sectors - lba ? 0 : -EIO;
}

/* Begins the next command if sector number i of count starts one. */
static int start_at(u64 lba, u64 i, u64 count, const u8 commands[2][2])
{
    if (i % MAX_COUNT)
        return 0;
    return start(lba + i, (u32)MIN(count - i, MAX_COUNT), commands);
}

/* The block at sector i: full, unless the command ends before. */
static u32 block_at(u64 i, u64 count)
{
    return (u32)MIN(block_size, count - i);
}

int ata_read(u64 lba, u64 count, ata_block_fn *take, void *arg)
{
    int r = in_range(lba, count), taken = 0;
    u32 n;

    for (u64 i = 0; !r && i < count; i += n) {
        n = block_at(i, count);
        if ((r = start_at(lba, i, count, read_commands)) || (r = wait_data()))
            break;
        pv_insw(DATA, block, (u64)n * WORDS);
        if (!taken) /* even then the disk wants to be emptied */
            taken = take(block, i, n, arg);
    }
    return r ? r : taken;
}

int ata_write(u64 lba, u64 count, ata_block_fn *fill, void *arg)
{
    int r = in_range(lba, count);
    u32 n;

    for (u64 i = 0; !r && i < count; i += n) {
        n = block_at(i, count);
        /* What can't be read from the process must not reach the disk. */
        r = fill(block, i, n, arg);
        if (r && i % MAX_COUNT)
            reset_device();
        if (r || (r = start_at(lba, i, count, write_commands)) || (r = wait_data()))
            break;
        pv_outsw(DATA, block, (u64)n * WORDS);
    }
    if (r)
        return r;
    return wait_idle(MAX_POLLS) & (BSY | ERR | DF) ? -EIO : 0;
}

int ata_flush(void)
{
    if (!sectors)
        return 0;
    pv_outb(COMMAND, FLUSH);
    pv_inb(CONTROL);
    return wait_idle(MAX_POLLS) & (BSY | ERR | DF) ? -EIO : 0;
}

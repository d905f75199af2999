/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ata_disk.c - the medium behind the ATA drive; interface in ata_disk.h. Read next: ata.c.
 */
#include "io/ata_disk.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LBA28_SECTORS 0x0fffffffu

int ata_disk_open(struct ata_disk *disk, const char *path, bool read_only, struct reason *why)
{
    struct stat about;
    off_t size;
    *disk = (struct ata_disk){.read_only = read_only};
    disk->fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not block us */
    if (disk->fd < 0)
        return fail(why, errno, "%s: can't open drive: %s", path, strerror(errno));
    if (fstat(disk->fd, &about) != 0 || !(S_ISREG(about.st_mode) || S_ISBLK(about.st_mode))) {
        close(disk->fd);
        return fail(why, EINVAL, "%s: a drive must be a file or a block device", path);
    }
    size = lseek(disk->fd, 0, SEEK_END);
    if (size < SECTOR_BYTES || size % SECTOR_BYTES != 0) {
        close(disk->fd);
        return fail(why, EINVAL, "%s: a drive of %lld bytes isn't whole sectors of %d; try 'truncate -s %%%d'", path,
                    (long long)size, SECTOR_BYTES, SECTOR_BYTES);
    }
    disk->sectors = (uint64_t)size / SECTOR_BYTES;
    disk->path = strdup(path);
    if (!disk->path) {
        close(disk->fd);
        return fail(why, ENOMEM, "%s: out of memory", path);
    }
    return 0;
}

void ata_disk_close(struct ata_disk *disk)
{
    close(disk->fd);
    free(disk->path);
}

static bool complain(struct ata_disk *disk, const char *what, uint64_t sector, const char *error)
{
    if (!disk->complained)
        fprintf(stderr, "virtlab: %s: can't %s sector %llu: %s\n", disk->path, what, (unsigned long long)sector, error);
    disk->complained = true;
    return false;
}

bool ata_disk_read(struct ata_disk *disk, uint64_t sector, unsigned count, uint8_t *bytes)
{
    size_t length = (size_t)count * SECTOR_BYTES;
    for (size_t done = 0; done < length;) {
        ssize_t got = pread(disk->fd, bytes + done, length - done, (off_t)(sector * SECTOR_BYTES + done));
        if (got > 0)
            done += (size_t)got;
        else if (got == 0)
            return complain(disk, "read", sector, "the file has become shorter");
        else if (errno != EINTR)
            return complain(disk, "read", sector, strerror(errno));
    }
    return true;
}

bool ata_disk_write(struct ata_disk *disk, uint64_t sector, unsigned count, const uint8_t *bytes)
{
    size_t length = (size_t)count * SECTOR_BYTES;
    for (size_t done = 0; done < length;) {
        ssize_t put = pwrite(disk->fd, bytes + done, length - done, (off_t)(sector * SECTOR_BYTES + done));
        if (put > 0)
            done += (size_t)put;
        else if (put == 0)
            return complain(disk, "write", sector, "nothing was written");
        else if (errno != EINTR)
            return complain(disk, "write", sector, strerror(errno));
    }
    return true;
}

bool ata_disk_flush(struct ata_disk *disk)
{
    while (fdatasync(disk->fd) != 0) {
        if (errno == EINVAL || errno == EROFS)
            return true; /* a file that can't be synced has nothing to sync */
        if (errno != EINTR)
            return complain(disk, "flush", 0, strerror(errno));
    }
    return true;
}

struct ata_geometry ata_default_geometry(uint64_t sectors)
{
    struct ata_geometry geometry = {.heads = 16, .sectors = 63};
    uint64_t cylinders = sectors / (geometry.heads * geometry.sectors);
    geometry.cylinders = cylinders > 16383 ? 16383 : cylinders < 1 ? 1 : (uint32_t)cylinders;
    return geometry;
}

static void put_word(uint8_t *sector, unsigned word, unsigned value)
{
    sector[2 * word] = value & 0xff;
    sector[2 * word + 1] = (uint8_t)(value >> 8);
}

static void put_words(uint8_t *sector, unsigned word, unsigned words, uint64_t value)
{
    for (unsigned i = 0; i < words; i++)
        put_word(sector, word + i, (value >> (16 * i)) & 0xffff);
}

/* ATA strings are padded with blanks and have the bytes of each word swapped. */
static void put_string(uint8_t *sector, unsigned word, unsigned words, const char *text)
{
    size_t length = strlen(text);
    for (unsigned i = 0; i < 2 * words; i++)
        sector[2 * word + (i ^ 1)] = i < length ? (uint8_t)text[i] : ' ';
}

/* ATA/ATAPI-6, table 27, word by word. */
void ata_identify(uint8_t *sector, const struct ata_disk *disk, const struct ata_geometry *translation,
                  unsigned multiple_max, unsigned multiple)
{
    struct ata_geometry geometry = ata_default_geometry(disk->sectors);
    memset(sector, 0, SECTOR_BYTES);
    put_word(sector, 0, 0x0040); /* an ATA device, not removable */
    put_word(sector, 1, geometry.cylinders);
    put_word(sector, 3, geometry.heads);
    put_word(sector, 6, geometry.sectors);
    put_string(sector, 10, 10, "VL00000001");
    put_string(sector, 23, 4, "1.0");
    put_string(sector, 27, 20, "VIRTLAB DISK");
    put_word(sector, 47, 0x8000 | multiple_max);
    put_word(sector, 49, 0x0a00); /* LBA, IORDY; no DMA */
    put_word(sector, 50, 0x4000);
    put_word(sector, 53, 0x0003); /* words 54-58 and 64-70 are valid */
    put_word(sector, 54, translation->cylinders);
    put_word(sector, 55, translation->heads);
    put_word(sector, 56, translation->sectors);
    put_words(sector, 57, 2, (uint64_t)translation->cylinders * translation->heads * translation->sectors);
    if (multiple > 0)
        put_word(sector, 59, 0x0100 | multiple);
    put_words(sector, 60, 2, disk->sectors > LBA28_SECTORS ? LBA28_SECTORS : disk->sectors);
    put_word(sector, 64, 0x0003); /* PIO modes 3 and 4 */
    put_word(sector, 67, 120);    /* ns of a PIO cycle, without and with IORDY */
    put_word(sector, 68, 120);
    put_word(sector, 80, 0x0070); /* ATA-4, -5 and -6 */
    put_word(sector, 82, 0x4000); /* NOP */
    put_word(sector, 83, 0x7400); /* FLUSH CACHE and FLUSH CACHE EXT, 48-bit addresses */
    put_word(sector, 84, 0x4000);
    put_word(sector, 85, 0x4000); /* 85-87: what of this is switched on */
    put_word(sector, 86, 0x3400);
    put_word(sector, 87, 0x4000);
    put_words(sector, 100, 4, disk->sectors);
}

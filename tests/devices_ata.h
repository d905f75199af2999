/* SPDX-License-Identifier: GPL-2.0-or-later */
/* devices_ata.h - statements about the ATA disk (core/io/ata.c and its parts). Part of test_devices.c. */
#ifndef VIRTLAB_DEVICES_ATA_H
#define VIRTLAB_DEVICES_ATA_H

#include "devices_rig.h"
#include "io/ata.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DISK_SECTORS = 3000, SECTOR = 512 };
enum { STATUS_OK = 0x50, STATUS_DATA = 0x58, STATUS_FAILED = 0x51 };

static struct ata *ata;
static char disk_path[] = P_tmpdir "/virtlab-test-disk-XXXXXX";

/* Byte i of sector s of the test disk. */
static uint8_t pattern(uint64_t s, unsigned i)
{
    return (uint8_t)(s * 31 + i * 7 + (s >> 8));
}

static void disk_make(void)
{
    static uint8_t bytes[DISK_SECTORS * SECTOR];
    strcpy(disk_path + strlen(disk_path) - 6, "XXXXXX");
    int fd = mkstemp(disk_path);
    CHECK_FATAL(fd >= 0);
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = pattern(i / SECTOR, i % SECTOR);
    CHECK(write(fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes);
    close(fd);
}

static void ata_start(bool read_only)
{
    rig_start();
    disk_make();
    ata = ata_create(&rig.ports, rig_line(14), disk_path, read_only, &rig.why);
    CHECK_FATAL(ata != NULL);
}

static void ata_stop(void)
{
    ata_ops.destroy(ata);
    unlink(disk_path);
}

static void put_lba28(uint32_t lba, uint8_t count)
{
    out(0x1f2, count);
    out(0x1f3, lba & 0xff);
    out(0x1f4, (lba >> 8) & 0xff);
    out(0x1f5, (lba >> 16) & 0xff);
    out(0x1f6, (uint8_t)(0xe0 | lba >> 24));
}

static void put_lba48(uint64_t lba, uint16_t count)
{
    out(0x1f6, 0x40);
    out(0x1f2, (uint8_t)(count >> 8));
    out(0x1f3, (lba >> 24) & 0xff);
    out(0x1f4, (lba >> 32) & 0xff);
    out(0x1f5, (lba >> 40) & 0xff);
    out(0x1f2, count & 0xff);
    out(0x1f3, lba & 0xff);
    out(0x1f4, (lba >> 8) & 0xff);
    out(0x1f5, (lba >> 16) & 0xff);
}

static void put_chs(unsigned cylinder, unsigned head, unsigned sector, uint8_t count)
{
    out(0x1f2, count);
    out(0x1f3, (uint8_t)sector);
    out(0x1f4, cylinder & 0xff);
    out(0x1f5, (uint8_t)(cylinder >> 8));
    out(0x1f6, (uint8_t)(0xa0 | head));
}

static void command(uint8_t code)
{
    out(0x1f7, code);
}

/* Reads one sector by words of `size` bytes and says whether it is sector `s` of the test disk. */
static bool sector_is(uint64_t s, unsigned size)
{
    bool same = true;
    for (unsigned i = 0; i < SECTOR; i += size) {
        uint64_t word = bus_read(&rig.ports, 0x1f0, size);
        for (unsigned j = 0; j < size; j++)
            same = same && ((word >> (8 * j)) & 0xff) == pattern(s, i + j);
    }
    return same;
}

static bool file_sector_is(uint64_t s, const uint8_t *expected)
{
    uint8_t bytes[SECTOR];
    int fd = open(disk_path, O_RDONLY);
    bool same = pread(fd, bytes, SECTOR, (off_t)(s * SECTOR)) == SECTOR && memcmp(bytes, expected, SECTOR) == 0;
    close(fd);
    return same;
}

static void ata_bad_files(void)
{
    static const struct {
        const char *text;
        off_t size; /* -1: a folder, -2: nothing there, -3: a pipe with nobody at the other end */
        int read_only;
    } rows[] = {{"empty", 0, 0},   {"half a sector", 256, 0}, {"one byte over", 1025, 1},
                {"folder", -1, 1}, {"missing", -2, 0},        {"pipe", -3, 1}};
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s", rows[i].text);
        rig_start();
        disk_make();
        unlink(disk_path);
        int fd = rows[i].size >= 0 ? open(disk_path, O_CREAT | O_RDWR, 0600) : -1;
        if (fd >= 0) {
            CHECK(ftruncate(fd, rows[i].size) == 0);
            close(fd);
        } else if (rows[i].size == -3) {
            CHECK(mkfifo(disk_path, 0600) == 0);
        }
        CHECK(ata_create(&rig.ports, rig_line(14), rows[i].size == -1 ? "/" : disk_path, rows[i].read_only, &rig.why) ==
              NULL);
        CHECK(strstr(rig.why.text, rows[i].size == -1 ? "/" : disk_path) != NULL);
        CHECK_EQ_U64(rig.ports.count, 0);
        CHECK_EQ_U64(in(0x1f7), 0xff); /* what a probe sees of an empty channel */
        unlink(disk_path);
    }
}

static void ata_identify_device(void)
{
    uint16_t word[256];
    char model[41] = "";
    ata_start(false);
    CHECK_EQ_U64(in(0x1f7), STATUS_OK);
    command(0xec);
    CHECK(rig.level[14]);
    CHECK_EQ_U64(in(0x3f6), STATUS_DATA);
    CHECK(rig.level[14]); /* the alternate status doesn't acknowledge */
    CHECK_EQ_U64(in(0x1f7), STATUS_DATA);
    CHECK(!rig.level[14]);
    for (unsigned i = 0; i < 256; i++)
        word[i] = (uint16_t)bus_read(&rig.ports, 0x1f0, 2);
    CHECK_EQ_U64(in(0x1f7), STATUS_OK);
    CHECK_EQ_U64(word[0] & 0x8000, 0);
    CHECK_EQ_U64(word[60] | word[61] << 16, DISK_SECTORS);
    CHECK_EQ_U64(word[100], DISK_SECTORS);
    CHECK_EQ_U64(word[3] * word[6], 16 * 63);
    CHECK_EQ_U64(word[1], DISK_SECTORS / (16 * 63));
    CHECK(word[49] & 0x0200);
    CHECK(word[83] & 0x0400);
    CHECK_EQ_U64(word[47], 0x8010);
    for (unsigned i = 0; i < 20; i++) {
        model[2 * i] = (char)(word[27 + i] >> 8);
        model[2 * i + 1] = (char)(word[27 + i] & 0xff);
    }
    CHECK(strncmp(model, "VIRTLAB DISK   ", 15) == 0);
    CHECK_EQ_U64(bus_read(&rig.ports, 0x1f0, 4), 0xffffffff); /* nothing more */
    ata_stop();
}

static void ata_slave(void)
{
    ata_start(false);
    out(0x1f6, 0xb0);
    CHECK_EQ_U64(in(0x1f7), 0);
    command(0xec);
    CHECK_EQ_U64(in(0x1f7), 0);
    CHECK(!rig.level[14]);
    CHECK_EQ_U64(bus_read(&rig.ports, 0x1f0, 2), 0xffff);
    out(0x1f6, 0xa0);
    CHECK_EQ_U64(in(0x1f7), STATUS_OK);
    ata_stop();
}

static void ata_read(void)
{
    static const struct {
        const char *text;
        uint8_t command;
        char way; /* of addressing: 'c'hs, '2'8 or '4'8 bits */
        uint32_t lba;
        unsigned count, size, interrupts;
    } rows[] = {
        {"one sector, LBA28", 0x20, '2', 0, 1, 2, 1},
        {"the last one, 32-bit data", 0x21, '2', DISK_SECTORS - 1, 1, 4, 1},
        {"256 sectors: count 0", 0x20, '2', 100, 256, 4, 256},
        {"CHS 1/0/1", 0x20, 'c', 1008, 2, 2, 2},
        {"CHS 2/3/4", 0x20, 'c', 2 * 1008 + 3 * 63 + 3, 1, 2, 1},
        {"LBA48", 0x24, '4', 0x0801, 300, 2, 300},
        {"multiple", 0xc4, '2', 17, 20, 2, 3},
        {"multiple, LBA48", 0x29, '4', 1000, 16, 4, 2},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s", rows[i].text);
        ata_start(true);
        out(0x1f2, 8);
        command(0xc6); /* SET MULTIPLE MODE: 8 sectors */
        CHECK_EQ_U64(in(0x1f7), STATUS_OK);
        unsigned before = rig.rises[14];
        if (rows[i].way == 'c')
            put_chs(rows[i].lba / 1008, rows[i].lba / 63 % 16, rows[i].lba % 63 + 1, (uint8_t)rows[i].count);
        else if (rows[i].way == '2')
            put_lba28(rows[i].lba, (uint8_t)rows[i].count);
        else
            put_lba48(rows[i].lba, (uint16_t)rows[i].count);
        command(rows[i].command);
        bool all = true;
        for (unsigned n = 0; n < rows[i].count; n++) {
            all = all && in(0x1f7) == STATUS_DATA;
            all = sector_is(rows[i].lba + n, rows[i].size) && all;
        }
        CHECK(all);
        CHECK_EQ_U64(in(0x1f7), STATUS_OK);
        CHECK_EQ_U64(rig.rises[14] - before, rows[i].interrupts);
        ata_stop();
    }
}

static void ata_write(void)
{
    static const struct {
        const char *text;
        uint8_t command;
        bool wide;
        uint32_t lba;
        unsigned count, interrupts;
    } rows[] = {
        {"one sector", 0x30, false, 7, 1, 1},      {"no retry", 0x31, false, DISK_SECTORS - 1, 1, 1},
        {"LBA48", 0x34, true, 500, 3, 3},          {"multiple", 0xc5, false, 33, 10, 3},
        {"multiple, LBA48", 0x39, true, 90, 4, 1},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        uint8_t data[SECTOR], old[SECTOR];
        vltest_row("%s", rows[i].text);
        ata_start(false);
        out(0x1f2, 4);
        command(0xc6);
        in(0x1f7);
        unsigned before = rig.rises[14];
        if (rows[i].wide)
            put_lba48(rows[i].lba, (uint16_t)rows[i].count);
        else
            put_lba28(rows[i].lba, (uint8_t)rows[i].count);
        command(rows[i].command);
        CHECK(!rig.level[14]); /* the first block is asked for without interrupt */
        for (unsigned n = 0; n < rows[i].count; n++) {
            CHECK_EQ_U64(in(0x1f7), STATUS_DATA);
            memset(data, (int)(0xa0 + n), sizeof data);
            for (unsigned j = 0; j < SECTOR; j += 2)
                bus_write(&rig.ports, 0x1f0, 2, (0xa0 + n) * 0x0101);
            for (unsigned j = 0; j < SECTOR; j++)
                old[j] = pattern(rows[i].lba + n, j);
        }
        CHECK(rig.level[14]);
        CHECK_EQ_U64(in(0x1f7), STATUS_OK);
        CHECK_EQ_U64(rig.rises[14] - before, rows[i].interrupts);
        CHECK(file_sector_is(rows[i].lba + rows[i].count - 1, data));
        for (unsigned j = 0; j < SECTOR; j++)
            old[j] = pattern(rows[i].lba - 1, j);
        CHECK(file_sector_is(rows[i].lba - 1, old)); /* its neighbour is as it was */
        command(0xe7);
        CHECK_EQ_U64(in(0x1f7), STATUS_OK);
        ata_stop();
    }
}

static void ata_burst(void)
{
    static uint8_t bytes[20 * SECTOR], back[20 * SECTOR + 10];
    ata_start(false);
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 13 >> 3);
    put_lba28(40, 20);
    command(0x30);
    ata_data_burst_write(ata, bytes, 700); /* pieces of any size, across sectors */
    CHECK_EQ_U64(in(0x1f7), STATUS_DATA);
    bus_write(&rig.ports, 0x1f0, 4, bytes[700] | bytes[701] << 8 | bytes[702] << 16 | (uint32_t)bytes[703] << 24);
    ata_data_burst_write(ata, bytes + 704, sizeof bytes - 704);
    CHECK_EQ_U64(in(0x1f7), STATUS_OK);
    CHECK(file_sector_is(41, bytes + SECTOR));
    ata_data_burst_write(ata, bytes, 100); /* nobody wants it */
    put_lba28(40, 20);
    command(0x20);
    memset(back, 0, sizeof back);
    ata_data_burst_read(ata, back, 3);
    ata_data_burst_read(ata, back + 3, sizeof back - 3);
    CHECK(memcmp(back, bytes, sizeof bytes) == 0);
    for (unsigned i = 0; i < 10; i++)
        CHECK_EQ_U64(back[sizeof bytes + i], 0xff);
    CHECK_EQ_U64(in(0x1f7), STATUS_OK);
    ata_stop();
}

/* Commands that fail: error bits, and that nothing is transferred. */
static void ata_errors(void)
{
    static const struct {
        const char *text;
        uint8_t command;
        char way;
        uint64_t lba;
        uint16_t count;
        uint8_t error;
        bool read_only;
    } rows[] = {
        {"behind the end", 0x20, '2', DISK_SECTORS, 1, 0x10, false},
        {"over the end", 0x20, '2', DISK_SECTORS - 1, 2, 0x10, false},
        {"far behind the end", 0x24, '4', UINT64_C(0xffffffffffff), 0xffff, 0x10, false},
        {"write behind the end", 0x30, '2', 0x0fffffff, 1, 0x10, false},
        {"CHS sector 0", 0x20, 'c', 0, 1, 0x10, false},
        {"verify over the end", 0x40, '2', DISK_SECTORS - 1, 2, 0x10, false},
        {"write to a read-only disk", 0x30, '2', 0, 1, 0x04, true},
        {"read multiple, not set", 0xc4, '2', 0, 1, 0x04, false},
        {"write multiple, not set", 0x39, '4', 0, 1, 0x04, false},
        {"set multiple 3", 0xc6, '2', 0, 3, 0x04, false},
        {"set multiple 32", 0xc6, '2', 0, 32, 0x04, false},
        {"no sectors to a track", 0x91, '2', 0, 0, 0x04, false},
        {"identify packet device", 0xa1, '2', 0, 1, 0x04, false},
        {"packet", 0xa0, '2', 0, 1, 0x04, false},
        {"device reset", 0x08, '2', 0, 1, 0x04, false},
        {"NOP", 0x00, '2', 0, 0, 0x04, false},
        {"read DMA", 0xc8, '2', 0, 1, 0x04, false},
        {"security erase", 0xf4, '2', 0, 1, 0x04, false},
        {"features: unknown", 0xef, '2', 0, 1, 0x04, false},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s", rows[i].text);
        ata_start(rows[i].read_only);
        if (rows[i].way == 'c')
            put_chs(0, 0, 0, (uint8_t)rows[i].count);
        else if (rows[i].way == '2')
            put_lba28((uint32_t)rows[i].lba, (uint8_t)rows[i].count);
        else
            put_lba48(rows[i].lba, rows[i].count);
        command(rows[i].command);
        CHECK(rig.level[14]);
        CHECK_EQ_U64(in(0x1f7), STATUS_FAILED);
        CHECK_EQ_U64(in(0x1f1), rows[i].error);
        CHECK_EQ_U64(bus_read(&rig.ports, 0x1f0, 2), 0xffff);
        command(0x10); /* recalibrate: the next command clears it */
        CHECK_EQ_U64(in(0x1f7), STATUS_OK);
        CHECK_EQ_U64(in(0x1f1), 0);
        ata_stop();
    }
}

static void ata_reset_and_signature(void)
{
    ata_start(false);
    put_lba28(5, 2);
    command(0x20);
    out(0x3f6, 0x04);
    CHECK_EQ_U64(in(0x1f7), 0x80); /* busy while the bit is set */
    CHECK(!rig.level[14]);
    command(0x20); /* not heard */
    out(0x3f6, 0x00);
    CHECK_EQ_U64(in(0x1f7), STATUS_OK);
    static const uint8_t signature[] = {1, 1, 1, 0, 0};
    for (unsigned i = 0; i < 5; i++)
        CHECK_EQ_U64(in((uint16_t)(0x1f1 + i)), signature[i]);
    put_lba28(5, 2);
    command(0x90);
    CHECK(rig.level[14]);
    CHECK_EQ_U64(in(0x1f7), STATUS_OK);
    for (unsigned i = 0; i < 5; i++)
        CHECK_EQ_U64(in((uint16_t)(0x1f1 + i)), signature[i]);
    ata_stop();
}

static void ata_nien(void)
{
    ata_start(false);
    out(0x3f6, 0x02);
    put_lba28(0, 1);
    command(0x20);
    CHECK(!rig.level[14]);
    out(0x3f6, 0x00); /* the interrupt was only hidden */
    CHECK(rig.level[14]);
    in(0x1f7);
    CHECK(!rig.level[14]);
    ata_stop();
}

static void ata_registers(void)
{
    ata_start(false);
    put_lba48(UINT64_C(0x665544332211), 0x8877);
    CHECK_EQ_U64(in(0x1f2), 0x77);
    CHECK_EQ_U64(in(0x1f5), 0x33);
    out(0x3f6, 0x80); /* the previous values */
    CHECK_EQ_U64(in(0x1f2), 0x88);
    CHECK_EQ_U64(in(0x1f3), 0x44);
    CHECK_EQ_U64(in(0x1f4), 0x55);
    CHECK_EQ_U64(in(0x1f5), 0x66);
    out(0x1f1, 0); /* a write ends it */
    CHECK_EQ_U64(in(0x1f2), 0x77);
    put_chs(0, 7, 0, 17); /* translation: 8 heads, 17 sectors */
    command(0x91);
    CHECK_EQ_U64(in(0x1f7), STATUS_OK);
    put_chs(3, 2, 5, 1);
    command(0x20);
    CHECK(sector_is(3 * 8 * 17 + 2 * 17 + 4, 2));
    put_lba28(0, 0);
    out(0x1f1, 0x03);
    out(0x1f2, 0x0c); /* PIO mode 4 */
    command(0xef);
    CHECK_EQ_U64(in(0x1f7), STATUS_OK);
    out(0x1f2, 0x45); /* an Ultra DMA mode */
    command(0xef);
    CHECK_EQ_U64(in(0x1f7), STATUS_FAILED);
    command(0xe5);
    CHECK_EQ_U64(in(0x1f2), 0xff); /* power: active */
    put_lba28(0, 200);
    command(0x40);
    CHECK_EQ_U64(in(0x1f7), STATUS_OK);
    ata_stop();
}

/* The file loses its second half while the machine runs; and the host refuses writes. */
static void ata_host_errors(void)
{
    ata_start(false);
    int err = dup(2), null = open("/dev/null", O_WRONLY);
    dup2(null, 2); /* the one line that is due there */
    CHECK(truncate(disk_path, 100 * SECTOR) == 0);
    put_lba28(98, 4);
    command(0x20);
    CHECK(sector_is(98, 2));
    CHECK(sector_is(99, 2));
    CHECK_EQ_U64(in(0x1f7), STATUS_FAILED);
    CHECK_EQ_U64(in(0x1f1), 0x40);
    CHECK_EQ_U64(in(0x1f3), 100); /* which one it was */
    put_chs(0, 1, 37 + 1, 1);     /* sector 100 again */
    command(0x40);
    CHECK_EQ_U64(in(0x1f7), STATUS_FAILED);
    CHECK_EQ_U64(in(0x1f1), 0x40);
    CHECK_EQ_U64(in(0x1f3), 38);
    CHECK_EQ_U64(in(0x1f6) & 0x0f, 1);
    struct rlimit limit, small;
    CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    small = limit;
    small.rlim_cur = 100 * SECTOR;
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
    put_lba28(100, 1);
    command(0x30);
    for (unsigned i = 0; i < SECTOR / 4; i++)
        bus_write(&rig.ports, 0x1f0, 4, 0);
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    signal(SIGXFSZ, before);
    dup2(err, 2);
    close(err);
    close(null);
    CHECK(rig.level[14]);
    CHECK_EQ_U64(in(0x1f7), STATUS_FAILED);
    CHECK_EQ_U64(in(0x1f1), 0x40);
    ata_stop();
}

#define ATA_TESTS                                                                                                    \
    {"ATA: a file that can't be a disk is refused by name", ata_bad_files},                                          \
        {"ATA: IDENTIFY DEVICE", ata_identify_device},                                                               \
        {"ATA: the absent slave answers 0 and takes no commands", ata_slave},                                        \
        {"ATA: reads by CHS, LBA28 and LBA48, single and multiple", ata_read},                                       \
        {"ATA: writes reach the file, and nothing beside", ata_write},                                               \
        {"ATA: bursts are the same as single words", ata_burst},                                                     \
        {"ATA: bad addresses and unknown commands fail as they should", ata_errors},                                 \
        {"ATA: software reset and diagnostic leave the signature", ata_reset_and_signature},                         \
        {"ATA: nIEN hides the interrupt", ata_nien}, {"ATA: previous values, translation, features", ata_registers}, \
    {                                                                                                                \
        "ATA: errors of the host become errors of the medium", ata_host_errors                                       \
    }

#endif

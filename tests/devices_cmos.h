/* SPDX-License-Identifier: GPL-2.0-or-later */
/* devices_cmos.h - statements about the real-time clock (core/io/cmos.c, cmos_time.c). Part of test_devices.c. */
#ifndef VIRTLAB_DEVICES_CMOS_H
#define VIRTLAB_DEVICES_CMOS_H

#include "devices_rig.h"
#include "io/cmos.h"
#include <time.h>

#define SECOND UINT64_C(1000000000)

static struct cmos *cmos;

static uint8_t cmos_get(uint8_t reg)
{
    out(0x70, reg);
    return in(0x71);
}

static void cmos_put(uint8_t reg, uint8_t value)
{
    out(0x70, reg);
    out(0x71, value);
}

static void cmos_start(uint64_t mem, int64_t epoch)
{
    rig_start();
    cmos = cmos_create(&rig.ports, rig_line(8), &rig.clock, mem, epoch, &rig.why);
    CHECK_FATAL(cmos != NULL);
}

static void cmos_stop(void)
{
    cmos_ops.destroy(cmos);
}

/* Century, year, month, day, weekday, hour, minute, second. */
static const uint8_t time_regs[8] = {0x32, 9, 8, 7, 6, 4, 2, 0};

static void cmos_check_time(const uint8_t *expected)
{
    for (unsigned i = 0; i < 8; i++)
        CHECK_EQ_U64(cmos_get(time_regs[i]), expected[i]);
}

static void cmos_time_of_day(void)
{
    static const struct {
        const char *text;
        int64_t epoch;
        uint64_t run; /* seconds */
        uint8_t reg_b, expected[8];
    } rows[] = {
        {"2000-01-01, Saturday, BCD", 946684800, 0, 2, {0x20, 0x00, 1, 1, 7, 0, 0, 0}},
        {"2024-02-29 23:59:59", 1709251199, 0, 2, {0x20, 0x24, 2, 0x29, 5, 0x23, 0x59, 0x59}},
        {"a second later", 1709251199, 1, 2, {0x20, 0x24, 3, 1, 6, 0, 0, 0}},
        {"the same in binary", 1709251199, 0, 6, {20, 24, 2, 29, 5, 23, 59, 59}},
        {"noon in 12 hours", 1709208000, 0, 0, {0x20, 0x24, 2, 0x29, 5, 0x92, 0, 0}},
        {"midnight in 12 hours", 1709164800, 0, 0, {0x20, 0x24, 2, 0x29, 5, 0x12, 0, 0}},
        {"11 pm in 12 hours, binary", 1709247600, 0, 4, {20, 24, 2, 29, 5, 0x8b, 0, 0}},
        {"before 1970", -1, 0, 2, {0x19, 0x69, 0x12, 0x31, 4, 0x23, 0x59, 0x59}},
        {"three years on", 1709251199, 94608000, 2, {0x20, 0x27, 2, 0x28, 1, 0x23, 0x59, 0x59}},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s", rows[i].text);
        cmos_start(64 << 20, rows[i].epoch);
        cmos_put(0x0b, rows[i].reg_b);
        rig.now = rows[i].run * SECOND;
        cmos_check_time(rows[i].expected);
        cmos_stop();
    }
}

static void cmos_host_time(void)
{
    cmos_start(64 << 20, CMOS_HOST_TIME);
    cmos_put(0x0b, 6);
    time_t host = time(NULL);
    int64_t of_day = cmos_get(4) * 3600 + cmos_get(2) * 60 + cmos_get(0);
    int64_t apart = (host - of_day) % 86400;
    CHECK(apart <= 5 || apart >= 86395);
    cmos_stop();
}

static void cmos_set(void)
{
    static const uint8_t wanted[8] = {0x20, 0x31, 0x01, 0x31, 6, 0x12, 0x34, 0x56};
    static const uint8_t later[8] = {0x20, 0x31, 0x01, 0x31, 6, 0x12, 0x34, 0x57};
    cmos_start(64 << 20, 1709164800); /* in February: the 31st must survive until January is written */
    cmos_put(0x0b, 0x82);
    cmos_put(7, wanted[3]);
    rig.now = 7 * SECOND; /* the clock stands meanwhile */
    for (unsigned i = 0; i < 8; i++)
        cmos_put(time_regs[i], wanted[i]);
    cmos_check_time(wanted);
    cmos_put(0x0b, 0x02);
    cmos_check_time(wanted);
    rig.now += SECOND;
    cmos_check_time(later);
    cmos_put(0x00, 0x30); /* and directly, without stopping it */
    CHECK_EQ_U64(cmos_get(0), 0x30);
    CHECK_EQ_U64(cmos_get(2), 0x34);
    cmos_stop();
}

static void cmos_divider_reset(void)
{
    cmos_start(64 << 20, 0);
    rig.now = SECOND / 4;
    cmos_put(0x0a, 0x76); /* the way Linux sets the clock */
    rig.now = 10 * SECOND;
    CHECK_EQ_U64(cmos_get(0), 0);
    cmos_put(0x0a, 0x26);
    rig.now += SECOND / 2 - 1;
    CHECK_EQ_U64(cmos_get(0), 0);
    rig.now += 1;
    CHECK_EQ_U64(cmos_get(0), 1);
    cmos_stop();
}

static void cmos_uip(void)
{
    cmos_start(64 << 20, 0);
    CHECK_EQ_U64(cmos_get(0x0a), 0x26);
    CHECK_EQ_U64(cmos_get(0x0d), 0x80);
    rig.now = 5 * SECOND - 2228001;
    CHECK_EQ_U64(cmos_get(0x0a), 0x26);
    rig.now = 5 * SECOND - 1;
    CHECK_EQ_U64(cmos_get(0x0a), 0xa6);
    CHECK_EQ_U64(cmos_get(0), 4);
    rig.now = 5 * SECOND;
    CHECK_EQ_U64(cmos_get(0x0a), 0x26);
    CHECK_EQ_U64(cmos_get(0), 5);
    rig.now = 6 * SECOND - 1;
    cmos_put(0x0b, 0x82);
    CHECK_EQ_U64(cmos_get(0x0a), 0x26); /* no update comes while SET */
    cmos_stop();
}

static void cmos_update_interrupt(void)
{
    cmos_start(64 << 20, 0);
    cmos_put(0x0a, 0x20); /* no periodic flag */
    CHECK_EQ_U64(cmos_ops.deadline(cmos), NEVER);
    rig_run_until(&cmos_ops, cmos, 3 * SECOND + 5);
    CHECK_EQ_U64(cmos_get(0x0c), 0x10); /* the flag, but no interrupt */
    CHECK_EQ_U64(rig.rises[8], 0);
    cmos_put(0x0b, 0x12);
    CHECK_EQ_U64(cmos_ops.deadline(cmos), 4 * SECOND);
    rig_run_until(&cmos_ops, cmos, 4 * SECOND);
    CHECK(rig.level[8]);
    CHECK_EQ_U64(cmos_ops.deadline(cmos), NEVER); /* until it has been acknowledged */
    CHECK_EQ_U64(cmos_get(0x0c), 0x90);
    CHECK(!rig.level[8]);
    CHECK_EQ_U64(cmos_get(0x0c), 0x00);
    CHECK_EQ_U64(cmos_ops.deadline(cmos), 5 * SECOND);
    cmos_stop();
}

static void cmos_alarm(void)
{
    static const struct {
        const char *text;
        uint8_t reg_b, hour, minute, second;
        int64_t after; /* seconds from 12:34:56 to the alarm; 0: never */
    } rows[] = {
        {"in four seconds", 0x22, 0x12, 0x35, 0x00, 4},
        {"this very second is over", 0x22, 0x12, 0x34, 0x56, 86400},
        {"tomorrow", 0x22, 0x12, 0x34, 0x55, 86399},
        {"every second", 0x22, 0xff, 0xff, 0xff, 1},
        {"every minute at :30", 0x22, 0xff, 0xc0, 0x30, 34},
        {"every hour at :10:00", 0x22, 0xff, 0x10, 0x00, 35 * 60 + 4},
        {"each second of 13:00", 0x22, 0x13, 0x00, 0xff, 25 * 60 + 4},
        {"1 pm in 12 hours", 0x20, 0x81, 0x00, 0x00, 25 * 60 + 4},
        {"binary", 0x26, 13, 0, 0, 25 * 60 + 4},
        {"no such time", 0x22, 0x25, 0x00, 0x00, 0},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s", rows[i].text);
        cmos_start(64 << 20, 45296);
        cmos_put(5, rows[i].hour);
        cmos_put(3, rows[i].minute);
        cmos_put(1, rows[i].second);
        cmos_put(0x0b, rows[i].reg_b);
        uint64_t when = rows[i].after ? (uint64_t)rows[i].after * SECOND : NEVER;
        CHECK_EQ_U64(cmos_ops.deadline(cmos), when);
        rig_run_until(&cmos_ops, cmos, rows[i].after ? when - 1 : 100000 * SECOND);
        CHECK_EQ_U64(rig.rises[8], 0);
        if (rows[i].after) {
            rig_run_until(&cmos_ops, cmos, when);
            CHECK_EQ_U64(rig.rises[8], 1);
            CHECK_EQ_U64(cmos_get(0x0c) & 0xa0, 0xa0);
        }
        cmos_stop();
    }
}

static void cmos_periodic(void)
{
    static const struct {
        uint8_t rate;
        unsigned a_second;
    } rows[] = {{0, 0}, {1, 256}, {2, 128}, {3, 8192}, {6, 1024}, {15, 2}};
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("rate %u", rows[i].rate);
        cmos_start(64 << 20, 0);
        cmos_put(0x0a, 0x20 | rows[i].rate);
        cmos_put(0x0b, 0x42);
        unsigned interrupts = 0;
        uint64_t deadline;
        while ((deadline = cmos_ops.deadline(cmos)) <= 3 * SECOND) {
            rig_run_until(&cmos_ops, cmos, deadline);
            CHECK_EQ_U64(cmos_get(0x0c) & 0xc0, 0xc0);
            interrupts++;
        }
        CHECK_EQ_U64(interrupts, 3 * rows[i].a_second);
        cmos_stop();
    }
}

static void cmos_memory(void)
{
    static const struct {
        uint64_t mem;
        uint16_t above_1m, above_16m; /* KiB; 64 KiB */
    } rows[] = {{2 << 20, 1024, 0}, {16 << 20, 15360, 0}, {128 << 20, 65535, 1792}, {UINT64_C(3) << 30, 65535, 48896}};
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("0x%" PRIx64 " bytes", rows[i].mem);
        cmos_start(rows[i].mem, 0);
        CHECK_EQ_U64(cmos_get(0x15) | cmos_get(0x16) << 8, 640);
        CHECK_EQ_U64(cmos_get(0x17) | cmos_get(0x18) << 8, rows[i].above_1m);
        CHECK_EQ_U64(cmos_get(0x30) | cmos_get(0x31) << 8, rows[i].above_1m);
        CHECK_EQ_U64(cmos_get(0x34) | cmos_get(0x35) << 8, rows[i].above_16m);
        unsigned sum = 0;
        for (uint8_t at = 0x10; at < 0x2e; at++)
            sum += cmos_get(at);
        CHECK_EQ_U64(cmos_get(0x2e) << 8 | cmos_get(0x2f), sum);
        cmos_stop();
    }
}

static void cmos_ram(void)
{
    cmos_start(64 << 20, 0);
    cmos_put(0x0f, 0x0a); /* the shutdown byte */
    cmos_put(0x8f, 0x05); /* bit 7 of the index masks NMIs, and is no address */
    CHECK_EQ_U64(cmos_get(0x0f), 0x05);
    cmos_put(0x7f, 0xa5);
    cmos_put(0x0b, 0x72);
    cmos_ops.reset(cmos);
    CHECK_EQ_U64(cmos_get(0x7f), 0xa5); /* the battery keeps it */
    CHECK_EQ_U64(cmos_get(0x0b), 0x02); /* but interrupts are off */
    cmos_stop();
}

#define CMOS_TESTS                                                                                                     \
    {"CMOS: the time of day in BCD, binary, 24 and 12 hours", cmos_time_of_day},                                       \
        {"CMOS: starts with the host's time", cmos_host_time},                                                         \
        {"CMOS: the guest sets the clock, register by register", cmos_set},                                            \
        {"CMOS: the divider's reset stops the clock; it goes on half a second later", cmos_divider_reset},             \
        {"CMOS: UIP announces each update", cmos_uip},                                                                 \
        {"CMOS: the update-ended interrupt, acknowledged by reading C", cmos_update_interrupt},                        \
        {"CMOS: the alarm, with wildcards", cmos_alarm}, {"CMOS: the periodic interrupt at each rate", cmos_periodic}, \
        {"CMOS: memory sizes and their checksum", cmos_memory},                                                        \
    {                                                                                                                  \
        "CMOS: the RAM survives a reset", cmos_ram                                                                     \
    }

#endif

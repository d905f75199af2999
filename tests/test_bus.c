/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_bus.c - the bus (include/virtlab/bus.h): claims, finding, splitting, unclaimed accesses, tracing.
 */
#include "vltest.h"
#include <errno.h>
#include <virtlab/bus.h>

static struct bus bus;
static struct reason why;

/* A device that remembers its last accesses, and reads as 0x10 + offset, one byte above the other. */
struct probe {
    unsigned reads, writes, size;
    uint64_t offset, value;
    uint8_t written[16];
};

static uint64_t probe_read(void *device, uint64_t offset, unsigned size)
{
    struct probe *probe = device;
    uint64_t value = 0;
    probe->reads++;
    probe->offset = offset;
    probe->size = size;
    for (unsigned i = 0; i < 8; i++) /* more than was asked for: the bus cuts it off */
        value |= (uint64_t)(0x10 + offset + i) << (8 * i);
    return value;
}

static void probe_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct probe *probe = device;
    probe->writes++;
    probe->offset = offset;
    probe->size = size;
    probe->value = value;
    for (unsigned i = 0; i < size && offset + i < sizeof probe->written; i++)
        probe->written[offset + i] = (uint8_t)(value >> (8 * i));
}

static const struct bus_ops wide = {probe_read, probe_write, .byte_wide = false};
static const struct bus_ops bytes = {probe_read, probe_write, .byte_wide = true};

static void start(void)
{
    bus_init(&bus, "port");
    why.text[0] = '\0';
}

static void test_claims(void)
{
    static const struct {
        uint64_t first, length;
        int status;
    } rows[] = {
        {0x100, 0x10, 0},
        {0x110, 1, 0}, /* right behind */
        {0xff, 1, 0},  /* right before */
        {0x100, 1, -EEXIST},
        {0x10f, 1, -EEXIST},
        {0xf0, 0x11, -EEXIST},   /* touches 0xff and 0x100 */
        {0x90, 0x1000, -EEXIST}, /* holds them all */
        {0x111, 0, -EINVAL},     /* nothing */
        {UINT64_MAX, 1, 0},      /* the very last address */
        {UINT64_MAX - 4, 8, -EINVAL} /* beyond it */,
        {0, 1, 0},
        {1, 0xfe, 0},
        {0x111, UINT64_MAX - 0x111, 0}, /* all that is left */
        {0x8000, 1, -EEXIST},
    };
    start();
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct reason text = {""};
        vltest_row("%u: 0x%" PRIx64 " + 0x%" PRIx64, i, rows[i].first, rows[i].length);
        CHECK(bus_claim(&bus, "probe", rows[i].first, rows[i].length, &bytes, NULL, &text) == rows[i].status);
        CHECK((text.text[0] != '\0') == (rows[i].status != 0));
    }
    for (unsigned i = 1; i < bus.count; i++)
        CHECK(bus.range[i - 1].first < bus.range[i].first);
}

static void test_full(void)
{
    start();
    for (unsigned i = 0; i < BUS_RANGES_MAX; i++)
        CHECK(bus_claim(&bus, "probe", 1000 - 2 * i, 1, &bytes, NULL, &why) == 0);
    CHECK(bus_claim(&bus, "probe", 5, 1, &bytes, NULL, &why) == -ENOSPC);
    CHECK(strstr(why.text, "port") != NULL);
}

static void test_find_every_range(void)
{
    static struct probe probes[BUS_RANGES_MAX];
    start();
    memset(probes, 0, sizeof probes);
    for (unsigned i = 0; i < BUS_RANGES_MAX; i++) /* in a mixed order */
        CHECK(bus_claim(&bus, "probe", (i * 29 % BUS_RANGES_MAX) * 0x10, 8, &wide, &probes[i * 29 % BUS_RANGES_MAX],
                        &why) == 0);
    for (unsigned step = 1; step < 7; step++) {
        for (unsigned i = 0; i < BUS_RANGES_MAX; i++) {
            unsigned n = i * step % BUS_RANGES_MAX;
            unsigned before = probes[n].reads;
            CHECK_EQ_U64(bus_read(&bus, n * 0x10 + 3, 1), 0x13);
            CHECK_EQ_U64(probes[n].reads, before + 1);
            CHECK_EQ_U64(probes[n].offset, 3);
        }
    }
    CHECK_EQ_U64(bus.unclaimed, 0);
}

static void test_sizes(void)
{
    struct probe narrow_probe = {0}, wide_probe = {0};
    start();
    CHECK_FATAL(bus_claim(&bus, "narrow", 0x20, 8, &bytes, &narrow_probe, &why) == 0);
    CHECK_FATAL(bus_claim(&bus, "wide", 0x40, 16, &wide, &wide_probe, &why) == 0);
    static const struct {
        unsigned size;
        uint64_t value;
    } rows[] = {{1, 0x10}, {2, 0x1110}, {4, 0x13121110}, {8, 0x1716151413121110}};
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("size %u", rows[i].size);
        narrow_probe = wide_probe = (struct probe){0};
        CHECK_EQ_U64(bus_read(&bus, 0x20, rows[i].size), rows[i].value);
        CHECK_EQ_U64(bus_read(&bus, 0x40, rows[i].size), rows[i].value);
        CHECK_EQ_U64(narrow_probe.reads, rows[i].size); /* byte by byte */
        CHECK_EQ_U64(narrow_probe.size, 1);
        CHECK_EQ_U64(wide_probe.reads, 1);
        CHECK_EQ_U64(wide_probe.size, rows[i].size);
        bus_write(&bus, 0x20, rows[i].size, 0xf8f7f6f5f4f3f2f1);
        bus_write(&bus, 0x40, rows[i].size, 0xf8f7f6f5f4f3f2f1);
        CHECK_EQ_U64(narrow_probe.writes, rows[i].size);
        CHECK_EQ_U64(narrow_probe.value, 0xf0 + rows[i].size);
        CHECK_EQ_U64(wide_probe.writes, 1);
        CHECK(memcmp(narrow_probe.written, wide_probe.written, sizeof narrow_probe.written) == 0);
        CHECK(rows[i].size == 8 || wide_probe.value >> (8 * rows[i].size) == 0); /* cut to size */
    }
}

static void test_unclaimed(void)
{
    start();
    CHECK_EQ_U64(bus_read(&bus, 0x1234, 1), 0xff);
    CHECK_EQ_U64(bus_read(&bus, 0x99, 2), 0xffff);
    CHECK_EQ_U64(bus_read(&bus, 0x99, 4), 0xffffffff);
    CHECK_EQ_U64(bus_read(&bus, UINT64_MAX, 8), UINT64_MAX);
    bus_write(&bus, 0x80, 1, 7);
    CHECK_EQ_U64(bus.unclaimed, 5);
    CHECK_EQ_U64(bus.unclaimed_first, 0x1234);
}

static void test_straddling(void)
{
    struct probe first = {0}, second = {0};
    start();
    CHECK_FATAL(bus_claim(&bus, "first", 0x20, 2, &wide, &first, &why) == 0);
    CHECK_FATAL(bus_claim(&bus, "second", 0x22, 2, &bytes, &second, &why) == 0);
    CHECK_EQ_U64(bus_read(&bus, 0x21, 2), 0x1011);     /* one byte of each */
    CHECK_EQ_U64(bus_read(&bus, 0x23, 2), 0xff11);     /* runs out of the second into nothing */
    CHECK_EQ_U64(bus_read(&bus, 0x1f, 4), 0x101110ff); /* begins in nothing */
    bus_write(&bus, 0x21, 2, 0xbbaa);
    CHECK_EQ_U64(first.written[1], 0xaa);
    CHECK_EQ_U64(second.written[0], 0xbb);
    CHECK_EQ_U64(bus.unclaimed, 2);
}

struct traced {
    unsigned calls, size;
    const char *name;
    uint64_t address, value;
    bool write;
};

static void record(void *context, const struct bus *from, const struct bus_range *range, uint64_t address,
                   unsigned size, bool write, uint64_t value)
{
    struct traced *traced = context;
    CHECK(from == &bus);
    *traced = (struct traced){traced->calls + 1, size, range ? range->name : NULL, address, value, write};
}

static void test_trace(void)
{
    struct probe probe = {0};
    struct traced traced = {0};
    start();
    CHECK_FATAL(bus_claim(&bus, "probe", 0x20, 8, &bytes, &probe, &why) == 0);
    bus.trace = record;
    bus.trace_context = &traced;
    bus_read(&bus, 0x21, 2);
    CHECK(traced.calls == 1 && traced.size == 2 && !traced.write && traced.address == 0x21 && traced.value == 0x1211);
    CHECK_EQ_STR(traced.name, "probe");
    bus_write(&bus, 0x99, 1, 0x1ff);
    CHECK(traced.calls == 2 && traced.write && traced.name == NULL && traced.value == 0xff);
    CHECK_EQ_U64(bus.range[0].reads, 1);
    CHECK_EQ_U64(bus.range[0].writes, 0);
}

static const struct vltest tests[] = {
    {"ranges that overlap, are empty or leave the address space are refused", test_claims},
    {"a full table refuses one range more", test_full},
    {"every range is found, in any order of access", test_find_every_range},
    {"values are cut to size; a byte-wide device sees bytes, low first", test_sizes},
    {"what nobody claims reads as ones, and is counted", test_unclaimed},
    {"an access over the end of a range falls apart into bytes", test_straddling},
    {"the trace hook sees each access once", test_trace},
};

int main(void)
{
    return vltest_run("bus", tests, ARRAY_SIZE(tests));
}

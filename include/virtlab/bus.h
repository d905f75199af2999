/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bus.h - where a port or MMIO access finds its device.
 *
 * A device claims ranges; the bus finds the range and calls back with the offset in it. The same structure serves the
 * port space (64 Ki ports) and the MMIO space. An access that nobody claims reads as all ones and writes to nowhere, as
 * on a PC; it is counted, and seen by the trace hook.
 */
#ifndef VIRTLAB_BUS_H
#define VIRTLAB_BUS_H

#include <virtlab/types.h>

/*
 * What a device offers for one range. `offset` counts from the range's start, `size` is 1, 2, 4 or 8. A device that
 * only knows bytes sets byte_wide, and the bus splits wider accesses, low byte first, as an 8-bit ISA card saw them.
 */
struct bus_ops {
    uint64_t (*read)(void *device, uint64_t offset, unsigned size);
    void (*write)(void *device, uint64_t offset, unsigned size, uint64_t value);
    bool byte_wide;
};

struct bus_range {
    const char *name; /* of the device, for traces and errors */
    uint64_t first, length;
    const struct bus_ops *ops;
    void *device;
    uint64_t reads, writes; /* accesses so far */
};

#define BUS_RANGES_MAX 48

struct bus {
    const char *name; /* "port" or "mmio" */
    struct bus_range range[BUS_RANGES_MAX];
    unsigned count;
    unsigned last;            /* the range found last: accesses come in runs */
    uint64_t unclaimed;       /* accesses that no device claimed */
    uint64_t unclaimed_first; /* the first such address, when unclaimed > 0 */
    /* Called after every access when set; device is NULL for an unclaimed one. */
    void (*trace)(void *context, const struct bus *bus, const struct bus_range *range, uint64_t address, unsigned size,
                  bool write, uint64_t value);
    void *trace_context;
};

void bus_init(struct bus *bus, const char *name);

/* Claims [first, first+length) for a device. -EEXIST when it overlaps another range, -ENOSPC when the table is full. */
int bus_claim(struct bus *bus, const char *name, uint64_t first, uint64_t length, const struct bus_ops *ops,
              void *device, struct reason *why) MUST_CHECK;

/* One access of 1, 2, 4 or 8 bytes. Never fails: see the header comment for unclaimed addresses. */
uint64_t bus_read(struct bus *bus, uint64_t address, unsigned size);
void bus_write(struct bus *bus, uint64_t address, unsigned size, uint64_t value);

#endif

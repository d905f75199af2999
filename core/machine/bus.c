/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bus.c - finds the device behind a port or MMIO address, and calls it.
 *
 * The ranges are kept sorted. Guests access the same device in runs, so the range found last is tried first. An access
 * that runs over the end of its range falls apart into bytes, each of which finds its own device: a 16-bit OUT to the
 * last port of one chip writes the first port of the next one too, as on an ISA bus.
 *
 * Contract: include/virtlab/bus.h. Read next: core/io/device.h.
 */
#include <errno.h>
#include <string.h>
#include <virtlab/bus.h>

#define ACCESS_MAX 8 /* bytes in the widest access */

static uint64_t size_mask(unsigned size)
{
    return size >= ACCESS_MAX ? UINT64_MAX : (UINT64_C(1) << (8 * size)) - 1;
}

void bus_init(struct bus *bus, const char *name)
{
    memset(bus, 0, sizeof *bus);
    bus->name = name;
}

/* Index of the first range that starts above `address`: where a new one goes, and one behind the one that may hold it.
 */
static unsigned ranges_up_to(const struct bus *bus, uint64_t address)
{
    unsigned low = 0, high = bus->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (bus->range[middle].first <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int bus_claim(struct bus *bus, const char *name, uint64_t first, uint64_t length, const struct bus_ops *ops,
              void *device, struct reason *why)
{
    if (length == 0 || length - 1 > UINT64_MAX - first)
        return fail(why, EINVAL, "%s: 0x%llx bytes from 0x%llx are no range", name, (unsigned long long)length,
                    (unsigned long long)first);
    if (bus->count == BUS_RANGES_MAX)
        return fail(why, ENOSPC, "%s: the %s bus has no room for more than %d ranges", name, bus->name, BUS_RANGES_MAX);

    unsigned at = ranges_up_to(bus, first);
    const struct bus_range *below = at > 0 ? &bus->range[at - 1] : NULL;
    const struct bus_range *above = at < bus->count ? &bus->range[at] : NULL;
    const struct bus_range *taken = NULL;
    if (below && first - below->first < below->length)
        taken = below;
    else if (above && above->first - first < length)
        taken = above;
    if (taken)
        return fail(why, EEXIST, "%s: %s address 0x%llx belongs to %s already", name, bus->name,
                    (unsigned long long)(taken == below ? first : above->first), taken->name);

    memmove(&bus->range[at + 1], &bus->range[at], (bus->count - at) * sizeof bus->range[0]);
    bus->range[at] = (struct bus_range){.name = name, .first = first, .length = length, .ops = ops, .device = device};
    bus->count++;
    bus->last = 0;
    return 0;
}

static bool holds(const struct bus_range *range, uint64_t address)
{
    return address - range->first < range->length; /* an address below wraps around to a large number */
}

/* The range that holds `address`, or NULL. */
static struct bus_range *find(struct bus *bus, uint64_t address)
{
    if (likely(bus->last < bus->count && holds(&bus->range[bus->last], address)))
        return &bus->range[bus->last];
    unsigned at = ranges_up_to(bus, address);
    if (at == 0 || !holds(&bus->range[at - 1], address))
        return NULL;
    bus->last = at - 1;
    return &bus->range[at - 1];
}

static void trace(const struct bus *bus, const struct bus_range *range, uint64_t address, unsigned size, bool write,
                  uint64_t value)
{
    if (unlikely(bus->trace != NULL))
        bus->trace(bus->trace_context, bus, range, address, size, write, value);
}

static void count_unclaimed(struct bus *bus, uint64_t address)
{
    if (bus->unclaimed++ == 0)
        bus->unclaimed_first = address;
}

/* Must the access be done byte by byte, since not all of it lies in `range`, or some of it in another one? */
static bool straddles(struct bus *bus, const struct bus_range *range, uint64_t address, unsigned size)
{
    if (likely(range && size <= range->length - (address - range->first)))
        return false;
    if (range)
        return true;
    for (unsigned i = 1; i < size; i++) {
        if (find(bus, address + i))
            return true;
    }
    return false;
}

uint64_t bus_read(struct bus *bus, uint64_t address, unsigned size)
{
    uint64_t value = 0;
    if (unlikely(size > ACCESS_MAX))
        size = ACCESS_MAX;
    struct bus_range *range = find(bus, address);
    if (unlikely(straddles(bus, range, address, size))) {
        for (unsigned i = 0; i < size; i++)
            value |= bus_read(bus, address + i, 1) << (8 * i);
        return value;
    }
    if (unlikely(!range)) {
        value = size_mask(size);
        count_unclaimed(bus, address);
    } else {
        uint64_t offset = address - range->first;
        range->reads++;
        if (range->ops->byte_wide) {
            for (unsigned i = 0; i < size; i++)
                value |= (range->ops->read(range->device, offset + i, 1) & 0xff) << (8 * i);
        } else {
            value = range->ops->read(range->device, offset, size) & size_mask(size);
        }
    }
    trace(bus, range, address, size, false, value);
    return value;
}

void bus_write(struct bus *bus, uint64_t address, unsigned size, uint64_t value)
{
    if (unlikely(size > ACCESS_MAX))
        size = ACCESS_MAX;
    value &= size_mask(size);
    struct bus_range *range = find(bus, address);
    if (unlikely(straddles(bus, range, address, size))) {
        for (unsigned i = 0; i < size; i++)
            bus_write(bus, address + i, 1, value >> (8 * i));
        return;
    }
    if (unlikely(!range)) {
        count_unclaimed(bus, address);
    } else {
        uint64_t offset = address - range->first;
        range->writes++;
        if (range->ops->byte_wide) {
            for (unsigned i = 0; i < size; i++)
                range->ops->write(range->device, offset + i, 1, (value >> (8 * i)) & 0xff);
        } else {
            range->ops->write(range->device, offset, size, value);
        }
    }
    trace(bus, range, address, size, true, value);
}

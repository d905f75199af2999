/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device.h - what a device is to the machine, and what it may use of it.
 *
 * A device knows no engine: it claims ranges on a bus (bus.h), raises interrupt lines, reads the guest's time, and says
 * when it next wants to be called. The machine (core/machine) stands between devices and engines.
 */
#ifndef VIRTLAB_IO_DEVICE_H
#define VIRTLAB_IO_DEVICE_H

#include <virtlab/bus.h>

#define NEVER UINT64_MAX /* a deadline that does not come */

/* One interrupt line of a chip: the device drives its level, the chip knows edge from level. */
struct irq_line {
    void (*set)(void *chip, unsigned pin, bool level);
    void *chip;
    unsigned pin;
};

static inline void irq_set(const struct irq_line *line, bool level)
{
    if (line->set)
        line->set(line->chip, line->pin, level);
}

/* Guest time, in nanoseconds since the machine was made: real or virtual, the device can't tell. */
struct guest_clock {
    uint64_t (*now_ns)(void *context);
    void *context;
};

static inline uint64_t guest_now(const struct guest_clock *clock)
{
    return clock->now_ns(clock->context);
}

/*
 * The life of a device beyond its bus ranges; any member may be NULL. `deadline` is the guest time (ns) at which the
 * device wants advance() to be called, or NEVER; advance() is called at or after it, and harmlessly at other times too.
 */
struct device_ops {
    const char *name;
    void (*reset)(void *device);
    uint64_t (*deadline)(void *device);
    void (*advance)(void *device, uint64_t now_ns);
    void (*destroy)(void *device);
};

#endif

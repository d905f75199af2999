/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * devices_rig.h - what the device tests stand on: two buses, a clock that the test moves, and sixteen lines that are
 * watched. Devices are made fresh in each test and destroyed at its end.
 */
#ifndef VIRTLAB_DEVICES_RIG_H
#define VIRTLAB_DEVICES_RIG_H

#include "io/device.h"
#include "vltest.h"

static struct {
    struct bus ports, mmio;
    struct guest_clock clock;
    uint64_t now;
    bool level[16];
    unsigned rises[16];
    struct reason why;
} rig;

static uint64_t rig_now(void *context)
{
    (void)context;
    return rig.now;
}

static void rig_set_line(void *chip, unsigned pin, bool level)
{
    (void)chip;
    rig.rises[pin] += level && !rig.level[pin];
    rig.level[pin] = level;
}

/* A line that only records. */
static struct irq_line rig_line(unsigned pin)
{
    return (struct irq_line){rig_set_line, NULL, pin};
}

static void rig_start(void)
{
    memset(&rig, 0, sizeof rig);
    bus_init(&rig.ports, "port");
    bus_init(&rig.mmio, "mmio");
    rig.clock = (struct guest_clock){rig_now, NULL};
}

static uint8_t in(uint16_t port)
{
    return (uint8_t)bus_read(&rig.ports, port, 1);
}

static void out(uint16_t port, uint8_t value)
{
    bus_write(&rig.ports, port, 1, value);
}

/* Lets time pass as the machine does: stops at each deadline on the way and calls advance() there. */
static void rig_run_until(const struct device_ops *ops, void *device, uint64_t when)
{
    for (;;) {
        uint64_t deadline = ops->deadline(device);
        if (deadline > when)
            break;
        if (deadline > rig.now)
            rig.now = deadline;
        ops->advance(device, rig.now);
    }
    rig.now = when;
    ops->advance(device, when);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reset.c - the keyboard controller's ports without a keyboard: they reset the machine, and otherwise keep quiet.
 *
 * A driver that looks for a controller empties its output buffer first. Linux does so for at most 16 bytes and takes
 * more for an absent controller, a small kernel may do it until the buffer is empty. Both are served by a bus that
 * seems to hold FLOATING bytes: Linux gives up at once, instead of after half a second of waiting for an answer, and
 * the loop ends.
 */
#include "io/reset.h"
#include <errno.h>
#include <stdlib.h>

enum { FLOATING = 32 };

#define STATUS_OUTPUT_FULL 0x01
#define COMMAND_WRITE_PORT 0xd1 /* the next data byte goes to the output port, whose bit 0 is the CPU's reset line */
#define COMMAND_PULSE      0xf0 /* pulses the output port's bits that are 0 in bits 3:0; 0xfe is the reset */
#define PORT_NOT_RESET     0x01
#define FAST_RESET         0x01 /* port 0x92 */
#define FAST_A20           0x02

struct reset {
    void (*requested)(void *context);
    void *context;
    unsigned floating;
    bool write_port_next;
    uint8_t fast;
};

static uint64_t data_read(void *device, uint64_t offset, unsigned size)
{
    struct reset *reset = device;
    (void)offset, (void)size;
    if (reset->floating > 0)
        reset->floating--;
    return 0xff;
}

static void data_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct reset *reset = device;
    (void)offset, (void)size;
    if (reset->write_port_next && !(value & PORT_NOT_RESET))
        reset->requested(reset->context);
    reset->write_port_next = false;
}

static uint64_t status_read(void *device, uint64_t offset, unsigned size)
{
    const struct reset *reset = device;
    (void)offset, (void)size;
    return reset->floating > 0 ? STATUS_OUTPUT_FULL : 0;
}

static void command_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct reset *reset = device;
    (void)offset, (void)size;
    reset->write_port_next = value == COMMAND_WRITE_PORT;
    if ((value & COMMAND_PULSE) == COMMAND_PULSE && !(value & PORT_NOT_RESET))
        reset->requested(reset->context);
}

/* System control port A. The A20 line is always open; the bit is kept for those who read it back. */
static uint64_t fast_read(void *device, uint64_t offset, unsigned size)
{
    const struct reset *reset = device;
    (void)offset, (void)size;
    return reset->fast;
}

static void fast_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct reset *reset = device;
    (void)offset, (void)size;
    reset->fast = value & FAST_A20;
    if (value & FAST_RESET)
        reset->requested(reset->context);
}

static void reset_reset(void *device)
{
    struct reset *reset = device;
    reset->floating = FLOATING;
    reset->write_port_next = false;
    reset->fast = FAST_A20;
}

static const struct bus_ops data_port = {data_read, data_write, .byte_wide = true};
static const struct bus_ops command_port = {status_read, command_write, .byte_wide = true};
static const struct bus_ops fast_port = {fast_read, fast_write, .byte_wide = true};

struct reset *reset_create(struct bus *ports, void (*requested)(void *context), void *context, struct reason *why)
{
    struct reset *reset = calloc(1, sizeof *reset);
    if (!reset) {
        fail(why, ENOMEM, "reset: out of memory");
        return NULL;
    }
    reset->requested = requested;
    reset->context = context;
    reset_reset(reset);
    if (bus_claim(ports, "ps2 data", 0x60, 1, &data_port, reset, why) ||
        bus_claim(ports, "ps2 command", 0x64, 1, &command_port, reset, why) ||
        bus_claim(ports, "port 92", 0x92, 1, &fast_port, reset, why)) {
        free(reset);
        return NULL;
    }
    return reset;
}

const struct device_ops reset_ops = {.name = "reset", .reset = reset_reset, .destroy = free};

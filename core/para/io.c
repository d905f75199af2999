/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io.c - calls that the machine answers: ports of the platform's devices, console, shutdown.
 *
 * To the machine they are port I/O, as from any engine (exit.h): so the devices needn't know what a hypercall is. A
 * console's buffer is one burst to the debug console's port instead of a call a byte.
 */
#include "para/direct.h"

#include <string.h>
#include <virtlab/machine.h>

#define DEBUG_CONSOLE 0xe9

static void fill(struct engine *e, struct vm_exit *exit, uint64_t port, unsigned size, bool in, uint32_t count)
{
    if (e->disk)
        block_poll(e); /* so that what the machine reads from the counters now is complete */
    *exit = (struct vm_exit){.kind = VM_EXIT_IO};
    exit->io.port = (uint16_t)port;
    exit->io.size = (uint8_t)size;
    exit->io.in = in;
    exit->io.count = count;
    exit->io.data = e->io_data;
    COUNT_TAKEN(e->host->stats, IO);
}

static bool good_port(uint64_t port, uint64_t size, uint64_t direction)
{
    return port <= 0xffff && (size == 1 || size == 2 || size == 4) && direction <= PARA_IO_IN;
}

/* (port, size, direction, value) */
int64_t io_port(struct engine *e, const uint64_t *args, struct vm_exit *exit)
{
    bool in = args[2] == PARA_IO_IN;

    if (!good_port(args[0], args[1], args[2]))
        return -PARA_EINVAL;
    memcpy(e->io_data, &args[3], sizeof(uint64_t));
    fill(e, exit, args[0], (unsigned)args[1], in, 1);
    e->asked = in ? ASKED_IN : ASKED_OUT;
    return 0;
}

/* (port, size, direction, buffer, elements) */
int64_t io_string(struct engine *e, const uint64_t *args, struct vm_exit *exit)
{
    bool in = args[2] == PARA_IO_IN;
    void *buffer;

    if (!good_port(args[0], args[1], args[2]) || !args[4] || args[4] > VM_IO_MAX / args[1])
        return -PARA_EINVAL;
    e->io_buffer = args[3];
    e->io_size = args[4] * args[1];
    buffer = guest_at(e, e->io_buffer, e->io_size, in);
    if (!buffer)
        return -PARA_EFAULT;
    if (!in)
        memcpy(e->io_data, buffer, e->io_size);
    fill(e, exit, args[0], (unsigned)args[1], in, (uint32_t)args[4]);
    e->asked = in ? ASKED_STRING_IN : ASKED_OUT;
    return 0;
}

/* (operation, buffer, size) */
int64_t io_console(struct engine *e, const uint64_t *args, struct vm_exit *exit)
{
    const uint64_t string[] = {DEBUG_CONSOLE, 1, PARA_IO_OUT, args[1], args[2]};

    if (args[0] != PARA_CONSOLE_WRITE)
        return -PARA_EINVAL;
    return io_string(e, string, exit);
}

int64_t io_shutdown(struct engine *e, const uint64_t *args, struct vm_exit *exit)
{
    const uint64_t port[] = {SERVICE_PORT, 4, PARA_IO_OUT, (uint64_t)SERVICE_POWEROFF << 16 | (args[0] & 0xff)};

    return io_port(e, port, exit);
}

void io_answered(struct engine *e, const struct vm_exit *exit)
{
    enum question asked = e->asked;
    uint64_t value = 0;
    void *buffer;

    e->asked = ASKED_NOTHING;
    if (asked == ASKED_IN) {
        memcpy(&value, exit->io.data, exit->io.size);
        e->kernel.gpr[RAX] = value;
    } else if (asked == ASKED_STRING_IN) {
        buffer = guest_at(e, e->io_buffer, e->io_size, true);
        if (buffer)
            memcpy(buffer, e->io_data, e->io_size);
    }
}

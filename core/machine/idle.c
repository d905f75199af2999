/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * idle.c - time passes while the CPU is halted.
 *
 * Real time: sleep until the next deadline, input on the console, or machine_stop(). Virtual time: leap to the next
 * deadline; only a guest that waits for nothing but input sleeps, at the pace of real time. A CPU that nothing can wake
 * any more ends the machine.
 */
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "machine/parts.h"

#define NS_PER_S UINT64_C(1000000000)

/* Sleeps for `ns` at most (NEVER: no limit), until a signal, or machine_stop(). True when it was console input. */
static bool sleep_until_input(struct machine *m, int input, uint64_t ns)
{
    struct pollfd wait[2] = {{.fd = m->wake_fd, .events = POLLIN}, {.fd = input, .events = POLLIN}};
    struct timespec limit = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
    uint64_t drained;

    if (ppoll(wait, 2, ns == NEVER ? NULL : &limit, NULL) <= 0)
        return false;
    if (wait[0].revents && read(m->wake_fd, &drained, sizeof(drained)) < 0)
        return false;
    return wait[1].revents != 0; /* input, or its end */
}

/* Is the UART, which looks for input now and then, the only one that has a deadline? */
static bool only_uart_is_due(const struct machine *m)
{
    for (unsigned i = 0; i < m->device_count; i++) {
        const struct machine_device *d = &m->device[i];

        if (d->device != m->uart && d->ops->deadline && d->ops->deadline(d->device) != NEVER)
            return false;
    }
    return true;
}

void machine_wait(struct machine *m)
{
    uint64_t deadline = machine_deadline(m), now = clock_now(&m->clock);
    uint64_t left = deadline == NEVER ? NEVER : deadline > now ? deadline - now : 0;
    int input = uart_input_fd(m->uart);

    if (deadline == NEVER && input < 0) {
        machine_end(m, MACHINE_HALTED, 0, "HLT with no timer running and no input to come: nothing can wake the CPU");
        return;
    }
    if (m->config.clock == CLOCK_REAL) {
        if (left > 0 && sleep_until_input(m, input, left))
            uart_ops.advance(m->uart, clock_now(&m->clock));
        return;
    }
    if (input >= 0 && only_uart_is_due(m))
        sleep_until_input(m, input, left);
    if (deadline != NEVER && !atomic_load(&m->stop))
        clock_leap(&m->clock, deadline); /* input, too, comes in when the UART looks next */
}

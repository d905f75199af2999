/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * poll.c [40]: waiting for several files.
 *
 * Whatever may make a file ready also wakes poll_event, and then all are asked again: simple, and
 * for a handful of files as quick as registering with each.
 *
 * Next: ata.c.
 */
#include <linux/poll.h>

#include "clock.h"
#include "file.h"
#include "pv_ops.h"
#include "syscall.h"
#include "task.h"
#include "usercopy.h"

#define MAX_POLL 64

static short ask(const struct pollfd *p)
{
    struct file *f;
    u32 events;

    if (p->fd < 0)
        return 0;
    f = fd_get(p->fd);
    if (!f)
        return POLLNVAL;
    events = f->ops->poll ? f->ops->poll(f) : POLLIN | POLLOUT;
    return (short)(events & ((u32)(u16)p->events | POLLERR | POLLHUP));
}

static long ask_all(struct pollfd *fds, u64 n)
{
    long ready = 0;

    for (u64 i = 0; i < n; i++) {
        fds[i].revents = ask(&fds[i]);
        ready += fds[i].revents != 0;
    }
    return ready;
}

/* Interrupts stay off between asking and sleeping, or the console's wake-up could get lost. */
static long poll_until(struct pollfd *fds, u64 n, bool forever, u64 deadline)
{
    u64 flags = pv_irq_save();
    long ready;
    int r = 0;

    while (!(ready = ask_all(fds, n)) && !r)
        r = wait_on(&poll_event, forever ? NO_TIMEOUT : deadline);
    pv_irq_restore(flags);
    return ready || r == -ETIMEDOUT ? ready : -EINTR;
}

static long do_poll(uaddr_t ufds, u64 n, bool forever, u64 ns)
{
    struct pollfd fds[MAX_POLL];
    long r;

    if (n > MAX_POLL)
        return -EINVAL;
    if (copy_from_user(fds, ufds, n * sizeof(fds[0])))
        return -EFAULT;
    r = poll_until(fds, n, forever, clock_ns() + ns);
    if (r >= 0 && copy_to_user(ufds, fds, n * sizeof(fds[0])))
        return -EFAULT;
    return r;
}

/* poll(fds, n, milliseconds) */
long sys_poll(const u64 *a)
{
    int ms = (int)a[2];

    return do_poll(a[0], a[1], ms < 0, (u64)ms * 1000000);
}

/* ppoll(fds, n, timeout, signal mask, size); the mask is not applied */
long sys_ppoll(const u64 *a)
{
    u64 ns = 0;
    int r = a[2] ? get_timespec(a[2], &ns) : 0;

    return r ? r : do_poll(a[0], a[1], !a[2], ns);
}

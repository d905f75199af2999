/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sink.h - bytes on their way out of the machine, to a file descriptor.
 *
 * The UART and the debug console share one sink, so that their bytes come out in the order in which the guest wrote
 * them. Bytes are kept together until a newline, a full buffer, or FLUSH_NS of guest time (deadline), and at destroy;
 * none is lost to EINTR, EAGAIN or a short write. A descriptor that fails for good (EPIPE, ENOSPC ...) is reported once
 * on stderr, and what follows is dropped. The program that uses this ignores SIGPIPE.
 */
#ifndef VIRTLAB_IO_SINK_H
#define VIRTLAB_IO_SINK_H

#include "io/device.h"

struct sink;

/* `fd` stays the caller's to close, after destroy; -1 drops everything. NULL with why. */
struct sink *sink_create(int fd, const struct guest_clock *clock, struct reason *why);

void sink_put(struct sink *sink, uint8_t byte);
void sink_flush(struct sink *sink);

extern const struct device_ops sink_ops; /* its deadline and advance do the flush when idle; destroy flushes */

#endif

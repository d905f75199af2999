/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sink.c - bytes on their way out of the machine; interface and promises in sink.h.
 */
#include "io/sink.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLUSH_NS 10000000 /* a prompt without a newline shows after this much guest time */

struct sink {
    int fd;
    const struct guest_clock *clock;
    uint64_t flush_at; /* when the bytes are to go, NEVER without any */
    size_t used;
    uint8_t bytes[16384];
};

/* Waits until a non-blocking descriptor takes bytes again. */
static void wait_writable(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    (void)poll(&ready, 1, -1); /* whatever it says, the next write tells more */
}

void sink_flush(struct sink *sink)
{
    size_t done = 0;
    while (done < sink->used && sink->fd >= 0) {
        ssize_t written = write(sink->fd, sink->bytes + done, sink->used - done);
        if (written >= 0) {
            done += (size_t)written;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            wait_writable(sink->fd);
        } else if (errno != EINTR) {
            fprintf(stderr, "virtlab: guest output is lost from here on: %s\n", strerror(errno));
            sink->fd = -1;
        }
    }
    sink->used = 0;
    sink->flush_at = NEVER;
}

void sink_put(struct sink *sink, uint8_t byte)
{
    if (sink->used == 0)
        sink->flush_at = guest_now(sink->clock) + FLUSH_NS;
    sink->bytes[sink->used++] = byte;
    if (byte == '\n' || sink->used == sizeof sink->bytes)
        sink_flush(sink);
}

struct sink *sink_create(int fd, const struct guest_clock *clock, struct reason *why)
{
    struct sink *sink = calloc(1, sizeof *sink);
    if (!sink) {
        fail(why, ENOMEM, "console: out of memory");
        return NULL;
    }
    sink->fd = fd;
    sink->clock = clock;
    sink->flush_at = NEVER;
    return sink;
}

static uint64_t sink_deadline(void *device)
{
    const struct sink *sink = device;
    return sink->flush_at;
}

static void sink_advance(void *device, uint64_t now_ns)
{
    struct sink *sink = device;
    if (now_ns >= sink->flush_at)
        sink_flush(sink);
}

static void sink_destroy(void *device)
{
    struct sink *sink = device;
    if (sink)
        sink_flush(sink);
    free(sink);
}

const struct device_ops sink_ops = {
    .name = "sink", .deadline = sink_deadline, .advance = sink_advance, .destroy = sink_destroy};

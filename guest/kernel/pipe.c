/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pipe.c [39]: pipes: a ring of 64 KiB whose pages come when they are first needed.
 *
 * Next: poll.c.
 */
#include <linux/fcntl.h>
#include <linux/poll.h>

#include <asm/signal.h>

#include "file.h"
#include "mm.h"
#include "syscall.h"
#include "task.h"
#include "usercopy.h"

#define PIPE_PAGES 16
#define PIPE_SIZE  (PIPE_PAGES * PAGE_SIZE)
#define PIPE_BUF   4096 /* writes up to this size are never torn apart */

struct pipe {
    u8 *page[PIPE_PAGES];
    u64 head, tail; /* bytes ever written and read: they only grow */
    u32 readers, writers;
    struct waitq readable, writable;
};

/* The file's direction is its access mode. */
static bool is_writer(const struct file *f)
{
    return (f->flags & O_ACCMODE) == O_WRONLY;
}

static void pipe_event(struct waitq *q)
{
    wake_all(q);
    wake_all(&poll_event);
}

/* The longest contiguous piece at ring position `at`. */
static size_t piece(u64 at, size_t n)
{
    return MIN(n, PAGE_SIZE - (at & PAGE_MASK));
}

static u8 **page_at(struct pipe *p, u64 at)
{
    return &p->page[at / PAGE_SIZE % PIPE_PAGES];
}

static long take(struct pipe *p, uaddr_t buf, size_t n)
{
    size_t done = 0;

    n = MIN(n, p->head - p->tail);
    while (done < n) {
        size_t part = piece(p->tail, n - done);

        if (copy_to_user(buf + done, *page_at(p, p->tail) + (p->tail & PAGE_MASK), part))
            return done ? (long)done : -EFAULT;
        p->tail += part;
        done += part;
    }
    if (p->tail == p->head)
        p->tail = p->head = 0; /* stay on the first page while little is in flight */
    return (long)done;
}

static long pipe_read(struct file *f, uaddr_t buf, size_t n, u64 *pos)
{
    struct pipe *p = f->private;
    long r;

    (void)pos;
    while (n && p->head == p->tail) {
        if (!p->writers)
            return 0;
        if (f->flags & O_NONBLOCK)
            return -EAGAIN;
        r = wait_on(&p->readable, NO_TIMEOUT);
        if (r)
            return r;
    }
    r = take(p, buf, n);
    if (r > 0)
        pipe_event(&p->writable);
    return r;
}

/* Puts in what fits; at most up to the ring's next page border at a time. */
static long put(struct pipe *p, uaddr_t buf, size_t n)
{
    size_t done = 0;

    n = MIN(n, PIPE_SIZE - (p->head - p->tail));
    while (done < n) {
        size_t part = piece(p->head, n - done);
        u8 **page = page_at(p, p->head);

        if (!*page && !(*page = page_alloc()))
            return done ? (long)done : -ENOMEM;
        if (copy_from_user(*page + (p->head & PAGE_MASK), buf + done, part))
            return done ? (long)done : -EFAULT;
        p->head += part;
        done += part;
    }
    return (long)done;
}

/* Waits until something may be written; 0 or why not. */
static long wait_for_room(struct file *f, struct pipe *p, size_t n)
{
    size_t need = n <= PIPE_BUF ? n : 1;
    long r = 0;

    while (!r && p->readers && PIPE_SIZE - (p->head - p->tail) < need)
        r = f->flags & O_NONBLOCK ? -EAGAIN : wait_on(&p->writable, NO_TIMEOUT);
    if (!r && !p->readers) {
        signal_send(current, SIGPIPE, (struct sigdetail){0});
        r = -EPIPE;
    }
    return r;
}

static long pipe_write(struct file *f, uaddr_t buf, size_t n, u64 *pos)
{
    struct pipe *p = f->private;
    size_t done = 0;
    long r = 0;

    (void)pos;
    while (done < n) {
        r = wait_for_room(f, p, n - done);
        if (!r)
            r = put(p, buf + done, n - done);
        if (r < 0)
            break;
        done += (size_t)r;
        pipe_event(&p->readable);
    }
    return done ? (long)done : r;
}

static u32 pipe_poll(struct file *f)
{
    struct pipe *p = f->private;

    if (is_writer(f))
        return (p->head - p->tail < PIPE_SIZE ? POLLOUT : 0) | (p->readers ? 0 : POLLERR);
    return (p->head != p->tail ? POLLIN : 0) | (p->writers ? 0 : POLLHUP);
}

static void pipe_free(struct pipe *p)
{
    for (int i = 0; i < PIPE_PAGES; i++)
        if (p->page[i])
            page_unref(p->page[i]);
    kfree(p, sizeof(*p));
}

static void pipe_release(struct file *f)
{
    struct pipe *p = f->private;

    if (is_writer(f))
        p->writers--;
    else
        p->readers--;
    pipe_event(&p->readable);
    pipe_event(&p->writable);
    if (!p->readers && !p->writers)
        pipe_free(p);
}

static const struct file_ops pipe_ops = {
    .read = pipe_read,
    .write = pipe_write,
    .poll = pipe_poll,
    .release = pipe_release,
};

static struct file *pipe_end(struct pipe *p, u32 flags)
{
    struct file *f = file_new(&pipe_ops, NULL, flags);

    if (!f)
        return NULL;
    f->private = p;
    if (is_writer(f))
        p->writers++;
    else
        p->readers++;
    return f;
}

static long make_pipe(uaddr_t fds, u32 flags)
{
    struct pipe *p = kalloc(sizeof(*p));
    struct file *r, *w;
    int fd[2];

    if (!p)
        return -ENOMEM;
    r = pipe_end(p, O_RDONLY | (flags & O_NONBLOCK));
    if (!r) {
        kfree(p, sizeof(*p));
        return -ENOMEM;
    }
    w = pipe_end(p, O_WRONLY | (flags & O_NONBLOCK));
    if (!w) {
        file_put(r);
        return -ENOMEM;
    }
    fd[0] = fd_install(r, 0, flags & O_CLOEXEC);
    if (fd[0] < 0) {
        file_put(w);
        return fd[0];
    }
    fd[1] = fd_install(w, 0, flags & O_CLOEXEC);
    if (fd[1] < 0 || copy_to_user(fds, fd, sizeof(fd))) {
        sys_close((u64[]){(u64)fd[0]});
        if (fd[1] < 0)
            return fd[1];
        sys_close((u64[]){(u64)fd[1]});
        return -EFAULT;
    }
    return 0;
}

/* pipe(fds) */
long sys_pipe(const u64 *a)
{
    return make_pipe(a[0], 0);
}

/* pipe2(fds, flags) */
long sys_pipe2(const u64 *a)
{
    return a[1] & ~(u64)(O_CLOEXEC | O_NONBLOCK) ? -EINVAL : make_pipe(a[0], (u32)a[1]);
}

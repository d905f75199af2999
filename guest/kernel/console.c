/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * console.c [13]: the serial line as a terminal: echo, line editing, ^C and ^D, as far as a shell
 * expects them.  Output is passed through unchanged.
 *
 * Next: mm.h, then page.c.
 */
#include "console.h"

#include <asm/ioctls.h>
#include <asm/signal.h>
#include <asm/termbits.h>
#include <linux/fcntl.h>
#include <linux/poll.h>

#include "file.h"
#include "pic.h"
#include "pv_ops.h"
#include "task.h"
#include "usercopy.h"

#define RING      1024 /* a power of two */
#define CHUNK     256
#define CTRL(c)   ((c)&0x1f)
#define BACKSPACE 0x7f

/* Guarded by switching interrupts off: the interrupt puts in, a reading task takes out. */
static struct {
    u8 buf[RING];
    u32 head, ready, tail; /* a line becomes ready as a whole */
    bool eof;              /* ^D on an empty line */
    int foreground;        /* process group, 0: none */
    struct waitq readers;
    struct termios termios;
} tty = {
    .termios =
        {
            .c_iflag = ICRNL,
            .c_cflag = CS8 | CREAD | B115200,
            .c_lflag = ICANON | ECHO | ECHOE | ISIG,
            .c_cc = {[VINTR] = CTRL('C'), [VERASE] = BACKSPACE, [VEOF] = CTRL('D'), [VMIN] = 1},
        },
};

static void make_ready(void)
{
    tty.ready = tty.head;
    wake_all(&tty.readers);
    wake_all(&poll_event);
}

static void echo(u8 c)
{
    if (tty.termios.c_lflag & ECHO)
        uart_write((const char *)&c, 1);
}

/* Line editing; true when it dealt with the character. */
static bool edit(u8 c)
{
    if (c == BACKSPACE || c == '\b') {
        if (tty.head != tty.ready) {
            tty.head--;
            if (tty.termios.c_lflag & ECHO)
                uart_write("\b \b", 3);
        }
        return true;
    }
    if (c == tty.termios.c_cc[VEOF]) {
        tty.eof = tty.head == tty.ready;
        make_ready();
        return true;
    }
    return false;
}

static void receive(u8 c)
{
    bool line_mode = tty.termios.c_lflag & ICANON;

    if (c == '\r' && (tty.termios.c_iflag & ICRNL))
        c = '\n';
    if ((tty.termios.c_lflag & ISIG) && c == tty.termios.c_cc[VINTR]) {
        signal_group(tty.foreground, SIGINT, (struct sigdetail){0});
        return;
    }
    if ((line_mode && edit(c)) || tty.head - tty.tail == RING)
        return;
    tty.buf[tty.head++ % RING] = c;
    echo(c);
    if (!line_mode || c == '\n')
        make_ready();
}

void console_irq(void)
{
    u8 c;

    while (uart_read(&c))
        receive(c);
}

void console_init(void)
{
    pic_enable(IRQ_UART);
    console_irq(); /* of bytes that came before the PIC was set up it has forgotten the edge */
}

/* Waits for input, with interrupts off so that none is missed. */
static int wait_for_input(struct file *f)
{
    int r = 0;

    while (!r && tty.ready == tty.tail && !tty.eof)
        r = f->flags & O_NONBLOCK ? -EAGAIN : wait_on(&tty.readers, NO_TIMEOUT);
    return r;
}

/* Takes one line at most, in line mode. */
static size_t take(u8 *to, size_t n)
{
    size_t done = 0;
    u8 c;

    while (done < n && tty.tail != tty.ready) {
        c = tty.buf[tty.tail++ % RING];
        to[done++] = c;
        if (c == '\n' && (tty.termios.c_lflag & ICANON))
            break;
    }
    if (!done)
        tty.eof = false;
    return done;
}

static long console_read(struct file *f, uaddr_t buf, size_t n, u64 *pos)
{
    u8 chunk[CHUNK];
    u64 flags;
    int r;

    (void)pos;
    flags = pv_irq_save();
    r = wait_for_input(f);
    n = r ? 0 : take(chunk, MIN(n, sizeof(chunk)));
    pv_irq_restore(flags);
    if (r)
        return r;
    return copy_to_user(buf, chunk, n) ? -EFAULT : (long)n;
}

static long console_write(struct file *f, uaddr_t buf, size_t n, u64 *pos)
{
    char chunk[CHUNK];
    size_t done = 0;

    (void)f;
    (void)pos;
    while (done < n) {
        size_t part = MIN(n - done, sizeof(chunk));

        if (copy_from_user(chunk, buf + done, part))
            return done ? (long)done : -EFAULT;
        uart_write(chunk, part);
        done += part;
    }
    return (long)done;
}

static u32 console_poll(struct file *f)
{
    (void)f;
    return POLLOUT | (tty.ready != tty.tail || tty.eof ? POLLIN : 0);
}

struct winsize {
    u16 rows, columns, x_pixels, y_pixels;
};

static int set_termios(uaddr_t arg)
{
    struct termios t;
    u64 flags;

    if (copy_from_user(&t, arg, sizeof(t)))
        return -EFAULT;
    flags = pv_irq_save();
    tty.termios = t;
    if (!(t.c_lflag & ICANON))
        make_ready();
    pv_irq_restore(flags);
    return 0;
}

static long console_ioctl(struct file *f, u32 request, uaddr_t arg)
{
    static const struct winsize size = {24, 80, 0, 0};

    (void)f;
    switch (request) {
    case TCGETS: return copy_to_user(arg, &tty.termios, sizeof(tty.termios));
    case TCSETS:
    case TCSETSW:
    case TCSETSF: return set_termios(arg);
    case TIOCGWINSZ: return copy_to_user(arg, &size, sizeof(size));
    case TIOCGPGRP: return put_user32(arg, (u32)(tty.foreground ? tty.foreground : current->pgid));
    case TIOCSPGRP: return get_user32(arg, (u32 *)&tty.foreground);
    case TIOCSCTTY:
    case TIOCNOTTY: return 0;
    default: return -ENOTTY;
    }
}

const struct file_ops console_ops = {
    .read = console_read,
    .write = console_write,
    .poll = console_poll,
    .ioctl = console_ioctl,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* devices_uart.h - statements about the 16550A (core/io/uart.c) and its output (sink.c). Part of test_devices.c. */
#ifndef VIRTLAB_DEVICES_UART_H
#define VIRTLAB_DEVICES_UART_H

#include "devices_rig.h"
#include "io/debugcon.h"
#include "io/uart.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

enum { THR = 0x3f8, IER_PORT, IIR_PORT, LCR_PORT, MCR_PORT, LSR_PORT, MSR_PORT, SCR_PORT };

static struct uart *uart;
static struct sink *sink;
static int out_pipe[2], in_pipe[2];

static void uart_start(void)
{
    rig_start();
    CHECK_FATAL(pipe(out_pipe) == 0 && pipe(in_pipe) == 0);
    sink = sink_create(out_pipe[1], &rig.clock, &rig.why);
    CHECK_FATAL(sink != NULL);
    uart = uart_create(&rig.ports, UART_COM1, rig_line(4), &rig.clock, sink, in_pipe[0], &rig.why);
    CHECK_FATAL(uart != NULL);
}

static void uart_stop(void)
{
    uart_ops.destroy(uart);
    sink_ops.destroy(sink);
    close(out_pipe[0]);
    close(out_pipe[1]);
    close(in_pipe[0]);
    if (in_pipe[1] >= 0)
        close(in_pipe[1]);
}

/* What has come out of the pipe so far. */
static const char *output(void)
{
    static char text[256];
    struct timeval none = {0, 0};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(out_pipe[0], &set);
    text[0] = '\0';
    if (select(out_pipe[0] + 1, &set, NULL, NULL, &none) == 1) {
        ssize_t got = read(out_pipe[0], text, sizeof text - 1);
        text[got > 0 ? got : 0] = '\0';
    }
    return text;
}

static void uart_receive_text(const char *text)
{
    CHECK_EQ_U64(uart_receive(uart, (const uint8_t *)text, strlen(text)), strlen(text));
}

static void uart_registers(void)
{
    uart_start();
    CHECK_EQ_U64(in(LSR_PORT), 0x60);
    CHECK_EQ_U64(in(MSR_PORT), 0xb0);
    CHECK_EQ_U64(in(IIR_PORT), 0x01);
    out(SCR_PORT, 0x5a);
    CHECK_EQ_U64(in(SCR_PORT), 0x5a);
    out(IER_PORT, 0xff);
    CHECK_EQ_U64(in(IER_PORT), 0x0f);
    out(IER_PORT, 0x00);
    out(LCR_PORT, 0x83);
    out(THR, 0x01);
    out(IER_PORT, 0x02);
    CHECK_EQ_U64(in(THR), 0x01);
    CHECK_EQ_U64(in(IER_PORT), 0x02);
    out(LCR_PORT, 0x03);
    CHECK_EQ_U64(in(IER_PORT), 0x00); /* the divisor's high byte isn't there any more */
    CHECK_EQ_U64(in(LCR_PORT), 0x03);
    CHECK_EQ_STR(output(), "");
    uart_stop();
}

/* What Linux's 8250 driver does to find out that this is a 16550A (autoconfig). */
static void uart_linux_autoconfig(void)
{
    uart_start();
    out(IER_PORT, 0x00);
    CHECK_EQ_U64(in(IER_PORT)&0x0f, 0x00);
    out(IER_PORT, 0x0f);
    CHECK_EQ_U64(in(IER_PORT)&0x0f, 0x0f);
    out(IER_PORT, 0x00);
    out(MCR_PORT, 0x1a);                   /* loopback with OUT2 and RTS ... */
    CHECK_EQ_U64(in(MSR_PORT)&0xf0, 0x90); /* ... gives DCD and CTS */
    out(MCR_PORT, 0x00);
    out(LCR_PORT, 0xbf); /* no enhanced features behind this value */
    out(LCR_PORT, 0x00);
    out(IIR_PORT, 0x01);
    CHECK_EQ_U64(in(IIR_PORT) >> 6, 3);
    out(IIR_PORT, 0x21);
    CHECK_EQ_U64(in(IIR_PORT)&0x20, 0); /* no 64-byte FIFO */
    out(IIR_PORT, 0x00);
    CHECK_EQ_U64(in(IIR_PORT) >> 6, 0);
    uart_stop();
}

static void uart_thre(void)
{
    uart_start();
    CHECK(!rig.level[4]);
    out(IER_PORT, 0x02); /* enabling it while THR is empty: interrupt */
    CHECK(rig.level[4]);
    CHECK_EQ_U64(in(IIR_PORT), 0x02); /* reading it as the cause ends it */
    CHECK(!rig.level[4]);
    CHECK_EQ_U64(in(IIR_PORT), 0x01);
    out(THR, 'a'); /* sent at once: empty again */
    CHECK(rig.level[4]);
    CHECK_EQ_U64(rig.rises[4], 2);
    out(THR, 'b'); /* without reading IIR: falls and rises, an edge for the PIC */
    CHECK_EQ_U64(rig.rises[4], 3);
    CHECK_EQ_U64(in(IIR_PORT), 0x02);
    out(IER_PORT, 0x02); /* enabled already: nothing new */
    CHECK(!rig.level[4]);
    out(IER_PORT, 0x00);
    out(IER_PORT, 0x02); /* off and on: signalled again, as Linux's test for the bug wants */
    CHECK(rig.level[4]);
    out(IER_PORT, 0x00);
    CHECK(!rig.level[4]);
    CHECK_EQ_U64(in(LSR_PORT), 0x60);
    sink_flush(sink);
    CHECK_EQ_STR(output(), "ab");
    uart_stop();
}

static void uart_priorities(void)
{
    uart_start();
    out(IIR_PORT, 0x01);
    out(IER_PORT, 0x0f);
    out(MCR_PORT, 0x10); /* loopback: the modem lines fall */
    CHECK_EQ_U64(in(MCR_PORT), 0x10);
    out(MCR_PORT, 0x00);
    uart_receive_text("x");
    uart_receive_break(uart);
    CHECK_EQ_U64(in(IIR_PORT), 0xc4); /* the break isn't first in the FIFO yet */
    CHECK_EQ_U64(in(THR), 'x');
    CHECK_EQ_U64(in(IIR_PORT), 0xc6); /* line status */
    CHECK_EQ_U64(in(LSR_PORT), 0xf1); /* break, data ready, an error in the FIFO */
    CHECK_EQ_U64(in(IIR_PORT), 0xc4); /* data */
    CHECK_EQ_U64(in(THR), 0);
    CHECK_EQ_U64(in(LSR_PORT), 0x60);
    CHECK_EQ_U64(in(IIR_PORT), 0xc2); /* THR empty */
    CHECK_EQ_U64(in(IIR_PORT), 0xc0); /* modem status */
    CHECK_EQ_U64(in(MSR_PORT), 0xbb); /* all three lines have changed */
    CHECK_EQ_U64(in(IIR_PORT), 0xc1);
    CHECK(!rig.level[4]);
    uart_stop();
}

static void uart_fifo(void)
{
    static const unsigned levels[4] = {1, 4, 8, 14};
    for (unsigned i = 0; i < 4; i++) {
        vltest_row("trigger level %u", levels[i]);
        uart_start();
        out(LCR_PORT, 0x80);
        out(THR, 1); /* 115200 baud */
        out(IER_PORT, 0);
        out(LCR_PORT, 0x03);
        out(IIR_PORT, (uint8_t)(i << 6 | 0x07));
        out(IER_PORT, 0x01);
        for (unsigned n = 1; n < levels[i]; n++) {
            uart_receive_text("-");
            CHECK_EQ_U64(in(IIR_PORT), 0xc1);
        }
        uart_receive_text("-");
        CHECK_EQ_U64(in(IIR_PORT), 0xc4);
        CHECK_EQ_U64(in(THR), '-');
        CHECK_EQ_U64(in(IIR_PORT), 0xc1); /* below the level again */
        uint64_t timeout = rig.now + 4 * 10 * 1000000000ull / 115200;
        rig_run_until(&uart_ops, uart, timeout - 100);
        CHECK(!rig.level[4]);
        rig_run_until(&uart_ops, uart, timeout + 100);
        CHECK_EQ_U64(in(IIR_PORT), levels[i] > 1 ? 0xcc : 0xc1); /* four characters' time: what is there is signalled */
        if (levels[i] > 1) {
            in(THR);
            CHECK_EQ_U64(in(IIR_PORT), 0xc1); /* a read starts the time anew */
        }
        out(IIR_PORT, 0x03); /* clears it */
        CHECK_EQ_U64(in(LSR_PORT), 0x60);
        uart_stop();
    }
}

static void uart_room(void)
{
    uart_start();
    CHECK_EQ_U64(uart_receive(uart, (const uint8_t *)"abc", 3), 1); /* without FIFOs there is room for one */
    out(IIR_PORT, 0x01);
    CHECK_EQ_U64(in(LSR_PORT)&1, 0); /* switching the FIFOs empties them */
    CHECK_EQ_U64(uart_receive(uart, (const uint8_t *)"0123456789abcdefXYZ", 19), 16);
    for (unsigned i = 0; i < 16; i++)
        CHECK_EQ_U64(in(THR), "0123456789abcdef"[i]);
    CHECK_EQ_U64(in(THR), 'f'); /* empty: the last one again */
    uart_stop();
}

static void uart_loopback(void)
{
    uart_start();
    out(MCR_PORT, 0x10);
    out(THR, 'l');
    CHECK_EQ_U64(in(LSR_PORT), 0x61);
    out(THR, 'm'); /* nobody has read the first */
    CHECK_EQ_U64(in(LSR_PORT), 0x63);
    CHECK_EQ_U64(in(THR), 'm');
    CHECK_EQ_U64(uart_receive(uart, (const uint8_t *)"x", 1), 0);
    out(MCR_PORT, 0x14); /* OUT1 stands for the ring */
    CHECK_EQ_U64(in(MSR_PORT)&0x40, 0x40);
    in(MSR_PORT);
    out(MCR_PORT, 0x10);
    CHECK_EQ_U64(in(MSR_PORT)&0x44, 0x04); /* its end */
    sink_flush(sink);
    CHECK_EQ_STR(output(), "");
    uart_stop();
}

static void uart_input(void)
{
    uart_start();
    CHECK(write(in_pipe[1], "hello, world, this is long", 26) == 26);
    CHECK_EQ_U64(uart_ops.deadline(uart), NEVER);
    rig_run_until(&uart_ops, uart, 100000000);
    CHECK_EQ_U64(in(LSR_PORT)&1, 0); /* nobody is ready to read: it waits in the pipe */
    CHECK(uart_input_fd(uart) == -1);
    out(IIR_PORT, 0x07);
    out(MCR_PORT, 0x0b);
    CHECK(uart_input_fd(uart) == in_pipe[0]);
    char text[32] = "";
    for (unsigned n = 0; n < 26;) {
        if (n == 0) /* at any time, when the machine says so; else every 10 ms */
            uart_ops.advance(uart, rig.now);
        else
            rig_run_until(&uart_ops, uart, rig.now + 10000000);
        unsigned before = n;
        while (n < 26 && (in(LSR_PORT)&1))
            text[n++] = (char)in(THR);
        CHECK_FATAL(n > before);
    }
    CHECK_EQ_STR(text, "hello, world, this is long");
    CHECK(uart_ops.deadline(uart) != NEVER);
    close(in_pipe[1]);
    in_pipe[1] = -1;
    rig_run_until(&uart_ops, uart, rig.now + 20000000);
    CHECK_EQ_U64(uart_ops.deadline(uart), NEVER); /* end of file: nothing will come */
    uart_stop();
}

static void sink_order(void)
{
    uart_start();
    struct debugcon *debugcon = debugcon_create(&rig.ports, sink, &rig.why);
    CHECK_FATAL(debugcon != NULL);
    CHECK_EQ_U64(in(0xe9), 0xe9);
    out(THR, '1');
    out(0xe9, '2');
    bus_write(&rig.ports, 0xe9, 1, '3');
    CHECK_EQ_STR(output(), "");
    CHECK_EQ_U64(sink_ops.deadline(sink), 10000000);
    rig_run_until(&sink_ops, sink, 10000000);
    CHECK_EQ_STR(output(), "123"); /* a prompt, after a while */
    CHECK_EQ_U64(sink_ops.deadline(sink), NEVER);
    out(THR, 'x');
    out(0xe9, '\n');
    CHECK_EQ_STR(output(), "x\n"); /* a line, at once */
    out(THR, 'y');
    sink_ops.destroy(sink); /* and the rest at the end */
    CHECK_EQ_STR(output(), "y");
    sink = sink_create(out_pipe[1], &rig.clock, &rig.why);
    debugcon_ops.destroy(debugcon);
    uart_stop();
}

enum { FLOOD = 300000 };

/* Byte i of the flood: no newlines, so that the sink's buffer runs full, and writes come out short. */
static uint8_t flood(size_t i)
{
    return (uint8_t)(0x80 | i * 7 % 113);
}

static void *slow_reader(void *result)
{
    unsigned *wrong = result;
    uint8_t bytes[1777];
    size_t total = 0;
    ssize_t got;
    usleep(20000); /* until the pipe is full */
    while (total < FLOOD && (got = read(out_pipe[0], bytes, sizeof bytes)) != 0) {
        for (ssize_t i = 0; i < got; i++)
            *wrong += bytes[i] != flood(total + (size_t)i);
        total += got > 0 ? (size_t)got : 0;
        if (total % 16 == 0)
            usleep(50);
    }
    *wrong += total != FLOOD;
    return NULL;
}

static void on_alarm(int number)
{
    (void)number;
}

/* Through a full pipe, blocking or not, under a rain of signals. */
static void sink_flood(int flags)
{
    pthread_t reader;
    unsigned wrong = 0;
    sigset_t alarms;
    uart_start();
    CHECK_FATAL(fcntl(out_pipe[1], F_SETFL, flags) == 0);
    CHECK(fcntl(out_pipe[1], F_SETPIPE_SZ, 4096) >= 4096); /* less than the sink's buffer: short writes */
    struct sigaction action = {.sa_handler = on_alarm}, before;
    struct itimerval often = {{0, 500}, {0, 500}}, off = {{0, 0}, {0, 0}};
    sigaction(SIGALRM, &action, &before);
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarms, NULL); /* in the reader, so that they all hit the writer */
    CHECK_FATAL(pthread_create(&reader, NULL, slow_reader, &wrong) == 0);
    pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (size_t i = 0; i < FLOOD; i++)
        out(THR, flood(i));
    sink_flush(sink);
    close(out_pipe[1]); /* or a reader that misses bytes would wait for ever */
    pthread_join(reader, NULL);
    out_pipe[1] = dup(0);
    setitimer(ITIMER_REAL, &off, NULL);
    sigaction(SIGALRM, &before, NULL);
    CHECK_EQ_U64(wrong, 0);
    uart_stop();
}

static void sink_loses_nothing(void)
{
    vltest_row("non-blocking");
    sink_flood(O_NONBLOCK);
    vltest_row("blocking");
    sink_flood(0);
}

static void sink_broken(void)
{
    uart_start();
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    int err = dup(2), null = open("/dev/null", O_WRONLY);
    dup2(null, 2); /* the one line that is due there */
    close(out_pipe[0]);
    for (unsigned i = 0; i < 1000; i++)
        out(THR, '\n'); /* nobody reads any more: dropped */
    CHECK_EQ_U64(in(LSR_PORT), 0x60);
    CHECK_EQ_U64(sink_ops.deadline(sink), NEVER);
    dup2(err, 2);
    close(err);
    close(null);
    signal(SIGPIPE, before);
    out_pipe[0] = dup(0);
    uart_stop();
}

#define UART_TESTS                                                                                  \
    {"UART: registers and divisor latch", uart_registers},                                          \
        {"UART: passes for a 16550A under Linux's autoconfiguration", uart_linux_autoconfig},       \
        {"UART: THRE is signalled after each byte and when enabled, and ends with IIR", uart_thre}, \
        {"UART: interrupt causes in their order of priority; a break", uart_priorities},            \
        {"UART: trigger levels and the timeout of the receive FIFO", uart_fifo},                    \
        {"UART: takes only what there is room for", uart_room},                                     \
        {"UART: loopback, overrun, and the ring's trailing edge", uart_loopback},                   \
        {"UART: input waits in its file until the guest is ready", uart_input},                     \
        {"sink: a descriptor that fails for good costs its output only", sink_broken},              \
        {"sink: one order for UART and debug console; flushed by line, time and end", sink_order},  \
    {                                                                                               \
        "sink: loses nothing in a full pipe under signals", sink_loses_nothing                      \
    }

#endif

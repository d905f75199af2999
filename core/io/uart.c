/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uart.c - a 16550A: registers, receive FIFO, and the interrupt causes with their priorities.
 *
 * Transmission takes no guest time, so THR and the transmit FIFO are always empty, and what remains of transmitting is
 * the THRE interrupt: its cause arises when a byte has been sent or when the guest enables it, and ends when the guest
 * reads it from IIR or writes another byte. Names are those of National's PC16550D data sheet.
 *
 * OUT2 gates the interrupt line on a PC's adapter; here it doesn't, as on QEMU, for the sake of kernels that forget it.
 *
 * Read next: sink.c, where the bytes go.
 */
#include "io/uart.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum { RBR_THR = 0, IER = 1, IIR_FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7, REGISTERS = 8 };
enum { FIFO_BYTES = 16 };

#define IER_RDA     0x01 /* received data available */
#define IER_THRE    0x02 /* transmitter holding register empty */
#define IER_RLS     0x04 /* receiver line status */
#define IER_MS      0x08 /* modem status */
#define IIR_NONE    0x01
#define IIR_MS      0x00
#define IIR_THRE    0x02
#define IIR_RDA     0x04
#define IIR_RLS     0x06
#define IIR_TIMEOUT 0x0c
#define IIR_FIFOS   0xc0
#define FCR_ENABLE  0x01
#define FCR_CLEAR   0x02 /* the receive FIFO */
#define LCR_DLAB    0x80
#define MCR_DTR     0x01
#define MCR_RTS     0x02
#define MCR_OUT1    0x04
#define MCR_OUT2    0x08
#define MCR_LOOP    0x10
#define MCR_BITS    0x1f
#define LSR_DR      0x01
#define LSR_OE      0x02
#define LSR_BI      0x10
#define LSR_ERRORS  0x1e
#define LSR_THRE    0x20
#define LSR_TEMT    0x40
#define LSR_FIFO    0x80 /* an erroneous character is in the FIFO */
#define MSR_TERI    0x04
#define MSR_CTS     0x10
#define MSR_DSR     0x20
#define MSR_RI      0x40
#define MSR_DCD     0x80
#define MSR_LINES   0xf0

#define POLL_NS    10000000                       /* how often advance() looks for input */
#define CRYSTAL_NS (16 * 1000000000ull / 1843200) /* one bit at divisor 1 */
#define CHAR_BITS  10
#define IDLE_CHARS 4 /* the FIFO's timeout: this many characters' time without a new one */

struct received {
    uint8_t byte, errors; /* of LSR */
};

struct uart {
    uint8_t ier, lcr, mcr, msr, scr, lsr_errors;
    uint16_t divisor;
    bool fifos;
    unsigned trigger;    /* bytes at which RDA is signalled */
    bool thre_interrupt; /* THRE is to be signalled */
    struct received fifo[FIFO_BYTES];
    unsigned head, count;
    uint64_t timeout_at; /* when what lies below the trigger level is signalled, NEVER if nothing does */
    bool timed_out;
    struct irq_line irq;
    const struct guest_clock *clock;
    struct sink *sink;
    int fd_in;
    uint64_t poll_at;
};

/* What IIR shows: of all enabled causes the one with the highest priority. */
static uint8_t cause(const struct uart *uart)
{
    if ((uart->ier & IER_RLS) && uart->lsr_errors)
        return IIR_RLS;
    if ((uart->ier & IER_RDA) && uart->count >= uart->trigger)
        return IIR_RDA;
    if ((uart->ier & IER_RDA) && uart->timed_out)
        return IIR_TIMEOUT;
    if ((uart->ier & IER_THRE) && uart->thre_interrupt)
        return IIR_THRE;
    if ((uart->ier & IER_MS) && (uart->msr & ~MSR_LINES))
        return IIR_MS;
    return IIR_NONE;
}

static void update_irq(struct uart *uart)
{
    irq_set(&uart->irq, cause(uart) != IIR_NONE);
}

/* The modem lines: a terminal that is there and ready, or in loopback mode our own outputs. */
static void update_modem(struct uart *uart)
{
    uint8_t lines = MSR_CTS | MSR_DSR | MSR_DCD;
    if (uart->mcr & MCR_LOOP) {
        lines = uart->mcr & MCR_RTS ? MSR_CTS : 0;
        lines |= uart->mcr & MCR_DTR ? MSR_DSR : 0;
        lines |= uart->mcr & MCR_OUT1 ? MSR_RI : 0;
        lines |= uart->mcr & MCR_OUT2 ? MSR_DCD : 0;
    }
    uint8_t changed = (lines ^ uart->msr) & MSR_LINES;
    uint8_t deltas = changed >> 4;
    if (lines & MSR_RI)
        deltas &= ~MSR_TERI; /* only the end of a ring is reported */
    uart->msr = lines | (uart->msr & ~MSR_LINES) | deltas;
}

static unsigned capacity(const struct uart *uart)
{
    return uart->fifos ? FIFO_BYTES : 1;
}

/* Something has gone into or out of the receiver: its timeout begins anew, and the errors of its first byte show. */
static void receiver_changed(struct uart *uart, bool new_first)
{
    uint64_t divisor = uart->divisor ? uart->divisor : 65536;
    uart->timed_out = false;
    uart->timeout_at = NEVER;
    if (uart->fifos && uart->count > 0)
        uart->timeout_at = guest_now(uart->clock) + IDLE_CHARS * CHAR_BITS * CRYSTAL_NS * divisor;
    if (new_first && uart->count > 0)
        uart->lsr_errors |= uart->fifo[uart->head].errors;
}

static void push(struct uart *uart, uint8_t byte, uint8_t errors)
{
    if (uart->count == capacity(uart)) {
        uart->lsr_errors |= LSR_OE;
        if (uart->fifos)
            return; /* the character in the shift register is lost */
        uart->count = 0;
    }
    uart->fifo[(uart->head + uart->count) % FIFO_BYTES] = (struct received){byte, errors};
    uart->count++;
    receiver_changed(uart, uart->count == 1);
}

static uint8_t pop(struct uart *uart)
{
    uint8_t byte = uart->fifo[uart->head].byte; /* when empty: the last one again */
    if (uart->count > 0) {
        uart->fifo[uart->head].errors = 0;
        if (uart->count > 1)
            uart->head = (uart->head + 1) % FIFO_BYTES;
        uart->count--;
        receiver_changed(uart, true);
    }
    return byte;
}

static void clear_receiver(struct uart *uart)
{
    uart->count = 0;
    uart->fifo[uart->head] = (struct received){0, 0};
    receiver_changed(uart, false);
}

size_t uart_receive(struct uart *uart, const uint8_t *bytes, size_t count)
{
    size_t taken = 0;
    if (uart->mcr & MCR_LOOP)
        return 0; /* the receiver is disconnected from the line */
    while (taken < count && uart->count < capacity(uart))
        push(uart, bytes[taken++], 0);
    update_irq(uart);
    return taken;
}

void uart_receive_break(struct uart *uart)
{
    if (uart->mcr & MCR_LOOP)
        return;
    push(uart, 0, LSR_BI);
    update_irq(uart);
}

/*
 * The sender waits until the guest is ready (hardware flow control), so that what was typed or piped in early isn't
 * lost to a driver that clears the FIFOs when it starts.
 */
static bool wants_input(const struct uart *uart)
{
    bool ready = (uart->mcr & MCR_RTS) || (uart->ier & IER_RDA);
    return uart->fd_in >= 0 && ready && !(uart->mcr & MCR_LOOP) && uart->count < capacity(uart);
}

int uart_input_fd(const struct uart *uart)
{
    return wants_input(uart) ? uart->fd_in : -1;
}

static void read_input(struct uart *uart)
{
    uint8_t bytes[FIFO_BYTES];
    struct pollfd ready = {.fd = uart->fd_in, .events = POLLIN};
    if (!wants_input(uart) || poll(&ready, 1, 0) != 1)
        return;
    ssize_t got = ready.revents & POLLNVAL ? 0 : read(uart->fd_in, bytes, capacity(uart) - uart->count);
    if (got > 0)
        uart_receive(uart, bytes, (size_t)got);
    else if (got == 0 || (errno != EINTR && errno != EAGAIN))
        uart->fd_in = -1; /* end of input */
}

static void transmit(struct uart *uart, uint8_t byte)
{
    if (uart->mcr & MCR_LOOP)
        push(uart, byte, 0);
    else
        sink_put(uart->sink, byte);
    uart->thre_interrupt = false; /* THR is full: the line falls ... */
    update_irq(uart);
    uart->thre_interrupt = true; /* ... and empty again: an edge, even for a guest that hasn't read IIR */
}

static void write_ier(struct uart *uart, uint8_t value)
{
    if ((value & IER_THRE) && !(uart->ier & IER_THRE))
        uart->thre_interrupt = true; /* enabling it while THR is empty signals it: drivers start sending so */
    uart->ier = value & (IER_RDA | IER_THRE | IER_RLS | IER_MS);
}

static void write_fcr(struct uart *uart, uint8_t value)
{
    static const uint8_t triggers[4] = {1, 4, 8, 14};
    bool enable = value & FCR_ENABLE;
    if (enable != uart->fifos || (enable && (value & FCR_CLEAR))) {
        uart->fifos = enable;
        clear_receiver(uart);
    }
    uart->trigger = enable ? triggers[value >> 6] : 1;
}

static uint8_t read_iir(struct uart *uart)
{
    uint8_t iir = cause(uart);
    if (iir == IIR_THRE)
        uart->thre_interrupt = false;
    return uart->fifos ? iir | IIR_FIFOS : iir;
}

static uint8_t read_lsr(struct uart *uart)
{
    uint8_t lsr = LSR_THRE | LSR_TEMT | uart->lsr_errors;
    if (uart->count > 0)
        lsr |= LSR_DR;
    for (unsigned i = 0; uart->fifos && i < uart->count; i++) {
        if (uart->fifo[(uart->head + i) % FIFO_BYTES].errors)
            lsr |= LSR_FIFO;
    }
    uart->lsr_errors = 0;
    return lsr;
}

static uint8_t read_msr(struct uart *uart)
{
    uint8_t msr = uart->msr;
    uart->msr &= MSR_LINES;
    return msr;
}

static uint64_t uart_read(void *device, uint64_t offset, unsigned size)
{
    struct uart *uart = device;
    bool dlab = uart->lcr & LCR_DLAB;
    uint8_t value = 0xff;
    (void)size;
    switch (offset) {
    case RBR_THR: value = dlab ? uart->divisor & 0xff : pop(uart); break;
    case IER: value = dlab ? uart->divisor >> 8 : uart->ier; break;
    case IIR_FCR: value = read_iir(uart); break;
    case LCR: value = uart->lcr; break;
    case MCR: value = uart->mcr; break;
    case LSR: value = read_lsr(uart); break;
    case MSR: value = read_msr(uart); break;
    case SCR: value = uart->scr; break;
    }
    update_irq(uart);
    return value;
}

static void uart_write(void *device, uint64_t offset, unsigned size, uint64_t data)
{
    struct uart *uart = device;
    bool dlab = uart->lcr & LCR_DLAB;
    uint8_t value = (uint8_t)data;
    (void)size;
    switch (offset) {
    case RBR_THR:
        if (dlab)
            uart->divisor = (uart->divisor & 0xff00) | value;
        else
            transmit(uart, value);
        break;
    case IER:
        if (dlab)
            uart->divisor = (uint16_t)((uart->divisor & 0xff) | value << 8);
        else
            write_ier(uart, value);
        break;
    case IIR_FCR: write_fcr(uart, value); break;
    case LCR: uart->lcr = value; break;
    case MCR:
        uart->mcr = value & MCR_BITS;
        update_modem(uart);
        break;
    case LSR: /* for factory tests only */
    case MSR: break;
    case SCR: uart->scr = value; break;
    }
    update_irq(uart);
}

static uint64_t uart_deadline(void *device)
{
    const struct uart *uart = device;
    uint64_t timeout = uart->timed_out || !(uart->ier & IER_RDA) ? NEVER : uart->timeout_at;
    uint64_t look = wants_input(uart) ? uart->poll_at : NEVER;
    return timeout < look ? timeout : look;
}

static void uart_advance(void *device, uint64_t now_ns)
{
    struct uart *uart = device;
    if (now_ns >= uart->timeout_at && !uart->timed_out) {
        uart->timed_out = true;
        update_irq(uart);
    }
    if (now_ns >= uart->poll_at)
        uart->poll_at = now_ns + POLL_NS;
    read_input(uart); /* at any time: the machine calls when it knows that there is some */
}

static void uart_reset(void *device)
{
    struct uart *uart = device;
    uart->ier = uart->lcr = uart->mcr = uart->scr = uart->lsr_errors = 0;
    uart->msr = MSR_CTS | MSR_DSR | MSR_DCD;
    uart->divisor = 12; /* 9600 baud, as firmware sets it */
    uart->fifos = false;
    uart->trigger = 1;
    uart->thre_interrupt = false;
    clear_receiver(uart);
    update_irq(uart);
}

static const struct bus_ops uart_ports = {uart_read, uart_write, .byte_wide = true};

struct uart *uart_create(struct bus *ports, uint16_t base, struct irq_line irq, const struct guest_clock *clock,
                         struct sink *sink, int fd_in, struct reason *why)
{
    struct uart *uart = calloc(1, sizeof *uart);
    if (!uart) {
        fail(why, ENOMEM, "uart: out of memory");
        return NULL;
    }
    uart->irq = irq;
    uart->clock = clock;
    uart->sink = sink;
    uart->fd_in = fd_in;
    uart_reset(uart);
    if (bus_claim(ports, "uart", base, REGISTERS, &uart_ports, uart, why)) {
        free(uart);
        return NULL;
    }
    return uart;
}

const struct device_ops uart_ops = {
    .name = "uart", .reset = uart_reset, .deadline = uart_deadline, .advance = uart_advance, .destroy = free};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmos.c - how software sees the real-time clock: an index port, a data port, and 128 bytes behind them.
 *
 * The time of day is not kept, but computed: second number `second_base` began at guest time `base_ns`. Setting the
 * clock moves the base. Interrupt flags are brought up to date from the time that has passed whenever somebody looks
 * (advance). Alarm arithmetic and the calendar are in cmos_time.c. Facts: Motorola's MC146818A data sheet.
 */
#include "io/cmos.h"
#include "io/cmos_time.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum { REG_A = 0x0a, REG_B = 0x0b, REG_C = 0x0c, REG_D = 0x0d, CMOS_BYTES = 128 };

#define A_UIP        0x80 /* an update is near or under way: don't read the time */
#define A_DIVIDER    0x70
#define A_RATE       0x0f
#define A_RESET      0x26 /* 32768 Hz, 1024 interrupts a second */
#define DIVIDER_STOP 0x60 /* both of these bits: the divider chain is held */
#define B_SET        0x80
#define B_PIE        0x40
#define B_AIE        0x20
#define B_UIE        0x10
#define B_SQWE       0x08
#define C_IRQF       0x80
#define C_PF         0x40 /* C's flags stand where B's enables stand */
#define C_AF         0x20
#define C_UF         0x10
#define D_VALID      0x80

#define NS_PER_SECOND INT64_C(1000000000)
#define UPDATE_NS     (244000 + 1984000) /* UIP rises 244 us before an update, which takes 1984 us */

struct cmos {
    uint8_t ram[CMOS_BYTES]; /* alarm, A, B and C live here; time and UIP are computed */
    uint8_t index;
    struct irq_line irq;
    const struct guest_clock *clock;
    int64_t second_base, base_ns;
    bool stopped, held;      /* by B.SET or the divider; by the divider */
    struct cmos_time frozen; /* the time registers meanwhile, as they were written */
    int64_t last_ns;         /* up to where the flags are right */
    int64_t alarm_at;        /* the second of the next alarm after last_ns, CMOS_NO_ALARM if never */
};

static int64_t second_at(const struct cmos *cmos, int64_t ns)
{
    int64_t passed = ns - cmos->base_ns;
    int64_t seconds = passed / NS_PER_SECOND - (passed % NS_PER_SECOND < 0);
    return cmos->second_base + seconds;
}

static int64_t start_of(const struct cmos *cmos, int64_t second)
{
    return cmos->base_ns + (second - cmos->second_base) * NS_PER_SECOND;
}

static struct cmos_format format(const struct cmos *cmos)
{
    return (struct cmos_format){.binary = cmos->ram[REG_B] & 4, .hours24 = cmos->ram[REG_B] & 2};
}

/* Nanoseconds between periodic interrupts come in 32768 Hz ticks: 64 ticks are 1953125 ns. */
static unsigned periodic_ticks(const struct cmos *cmos)
{
    unsigned rate = cmos->ram[REG_A] & A_RATE;
    if (rate == 0)
        return 0;
    return rate <= 2 ? 64u << rate : 1u << (rate - 1);
}

static uint64_t crystal_ticks(int64_t ns)
{
    return (uint64_t)((unsigned __int128)ns * 64 / 1953125);
}

static void find_alarm(struct cmos *cmos)
{
    cmos->alarm_at = cmos_next_alarm(second_at(cmos, cmos->last_ns), &cmos->ram[CMOS_SECOND_ALARM], format(cmos));
}

static void update_irq(struct cmos *cmos)
{
    uint8_t *c = &cmos->ram[REG_C];
    bool asserted = *c & cmos->ram[REG_B] & (C_PF | C_AF | C_UF);
    *c = asserted ? *c | C_IRQF : *c & ~C_IRQF;
    irq_set(&cmos->irq, asserted);
}

/* Sets the flags of what happened since the last time. */
static void catch_up(struct cmos *cmos, int64_t ns)
{
    uint8_t *c = &cmos->ram[REG_C];
    unsigned ticks = periodic_ticks(cmos);
    if (ns <= cmos->last_ns)
        return;
    int64_t last = cmos->last_ns;
    cmos->last_ns = ns;
    if (ticks && crystal_ticks(ns) / ticks != crystal_ticks(last) / ticks)
        *c |= C_PF;
    if (!cmos->stopped) {
        if (second_at(cmos, ns) > second_at(cmos, last))
            *c |= C_UF;
        if (cmos->alarm_at <= second_at(cmos, ns)) {
            *c |= C_AF;
            find_alarm(cmos);
        }
    }
    update_irq(cmos);
}

static int64_t present(struct cmos *cmos)
{
    int64_t ns = (int64_t)guest_now(cmos->clock);
    catch_up(cmos, ns);
    return ns;
}

static struct cmos_time time_now(const struct cmos *cmos, int64_t ns)
{
    return cmos->stopped ? cmos->frozen : cmos_time_of(second_at(cmos, ns), format(cmos));
}

/* Moves the base so that it is now `time`; where in the second we are stays. */
static void set_time(struct cmos *cmos, const struct cmos_time *time, int64_t ns)
{
    cmos->second_base += cmos_seconds_of(time, format(cmos)) - second_at(cmos, ns);
    find_alarm(cmos);
}

/*
 * B.SET freezes the time registers, so that software can write them one after the other without seeing a 31st of
 * February put right in between; the divider's reset stops the clock itself, and its first second after that is half a
 * second long.
 */
static void stop_or_go(struct cmos *cmos, int64_t ns)
{
    bool held = (cmos->ram[REG_A] & DIVIDER_STOP) == DIVIDER_STOP;
    bool stop = held || (cmos->ram[REG_B] & B_SET);
    if (stop && !cmos->stopped)
        cmos->frozen = time_now(cmos, ns);
    if (!held && cmos->held)
        cmos->base_ns = ns - NS_PER_SECOND / 2;
    if (!stop && cmos->stopped)
        set_time(cmos, &cmos->frozen, ns);
    cmos->stopped = stop;
    cmos->held = held;
}

static uint8_t read_register(struct cmos *cmos, unsigned reg)
{
    int64_t ns = present(cmos);
    struct cmos_time time = time_now(cmos, ns);
    const uint8_t *field = cmos_time_field(&time, reg);
    if (field)
        return *field;
    uint8_t value = cmos->ram[reg];
    switch (reg) {
    case REG_A: {
        int64_t to_update = start_of(cmos, second_at(cmos, ns) + 1) - ns;
        return !cmos->stopped && to_update <= UPDATE_NS ? value | A_UIP : value;
    }
    case REG_C: /* reading acknowledges */
        cmos->ram[REG_C] = 0;
        update_irq(cmos);
        return value;
    case REG_D: return D_VALID;
    default: return value;
    }
}

static void write_register(struct cmos *cmos, unsigned reg, uint8_t value)
{
    int64_t ns = present(cmos);
    struct cmos_time time = time_now(cmos, ns);
    uint8_t *field = cmos_time_field(cmos->stopped ? &cmos->frozen : &time, reg);
    if (field) {
        *field = value;
        if (!cmos->stopped)
            set_time(cmos, &time, ns);
        return;
    }
    switch (reg) {
    case REG_A:
        cmos->ram[REG_A] = value & (A_DIVIDER | A_RATE);
        stop_or_go(cmos, ns);
        break;
    case REG_B:
        cmos->ram[REG_B] = value & B_SET ? value & ~B_UIE : value; /* SET clears UIE */
        stop_or_go(cmos, ns);
        find_alarm(cmos); /* its format may have changed */
        update_irq(cmos);
        break;
    case REG_C:
    case REG_D: break; /* read-only */
    default: cmos->ram[reg] = value; find_alarm(cmos);
    }
}

static uint64_t cmos_read(void *device, uint64_t offset, unsigned size)
{
    struct cmos *cmos = device;
    (void)size;
    return offset == 0 ? 0xff : read_register(cmos, cmos->index);
}

static void cmos_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct cmos *cmos = device;
    (void)size;
    if (offset == 0)
        cmos->index = value & (CMOS_BYTES - 1); /* bit 7 would mask NMIs; nothing here sends one that it could stop */
    else
        write_register(cmos, cmos->index, (uint8_t)value);
}

/* An event matters only when its interrupt is enabled and its flag isn't standing already. */
static uint64_t cmos_deadline(void *device)
{
    const struct cmos *cmos = device;
    uint8_t awaited = cmos->ram[REG_B] & ~cmos->ram[REG_C];
    unsigned ticks = periodic_ticks(cmos);
    uint64_t deadline = NEVER;
    if ((awaited & B_PIE) && ticks) {
        uint64_t tick = (crystal_ticks(cmos->last_ns) / ticks + 1) * ticks;
        deadline = (uint64_t)(((unsigned __int128)tick * 1953125 + 63) / 64);
    }
    if (cmos->stopped)
        return deadline;
    int64_t second = INT64_MAX;
    if (awaited & B_UIE)
        second = second_at(cmos, cmos->last_ns) + 1;
    if ((awaited & B_AIE) && cmos->alarm_at < second)
        second = cmos->alarm_at;
    if (second != INT64_MAX && (uint64_t)start_of(cmos, second) < deadline)
        deadline = (uint64_t)start_of(cmos, second);
    return deadline;
}

static void cmos_advance(void *device, uint64_t now_ns)
{
    catch_up(device, (int64_t)now_ns);
}

/* RESET# clears the interrupts; time, alarm and RAM are on the battery. */
static void cmos_reset(void *device)
{
    struct cmos *cmos = device;
    present(cmos);
    cmos->ram[REG_B] &= ~(B_PIE | B_AIE | B_UIE | B_SQWE);
    cmos->ram[REG_C] = 0;
    cmos->index = 0;
    update_irq(cmos);
}

static void put16(struct cmos *cmos, unsigned at, uint64_t value)
{
    if (value > 0xffff)
        value = 0xffff;
    cmos->ram[at] = value & 0xff;
    cmos->ram[at + 1] = (uint8_t)(value >> 8);
}

/* What firmware leaves in the RAM: memory sizes, and the checksum over 0x10-0x2d. */
static void fill_ram(struct cmos *cmos, uint64_t mem)
{
    uint64_t above_1m = mem > 1u << 20 ? mem - (1u << 20) : 0;
    uint64_t above_16m = mem > 16u << 20 ? mem - (16u << 20) : 0;
    put16(cmos, 0x15, 640);
    put16(cmos, 0x17, above_1m >> 10);
    put16(cmos, 0x30, above_1m >> 10);
    put16(cmos, 0x34, above_16m >> 16);
    unsigned sum = 0;
    for (unsigned i = 0x10; i < 0x2e; i++)
        sum += cmos->ram[i];
    cmos->ram[0x2e] = (uint8_t)(sum >> 8); /* high byte first, unlike the others */
    cmos->ram[0x2f] = sum & 0xff;
}

static const struct bus_ops cmos_ports = {cmos_read, cmos_write, .byte_wide = true};

struct cmos *cmos_create(struct bus *ports, struct irq_line irq, const struct guest_clock *clock, uint64_t mem,
                         int64_t epoch, struct reason *why)
{
    struct cmos *cmos = calloc(1, sizeof *cmos);
    if (!cmos) {
        fail(why, ENOMEM, "cmos: out of memory");
        return NULL;
    }
    if (epoch != CMOS_HOST_TIME && (epoch < CMOS_EPOCH_MIN || epoch > CMOS_EPOCH_MAX)) {
        fail(why, EINVAL, "cmos: the clock knows no year before 0 or after 9999");
        free(cmos);
        return NULL;
    }
    cmos->irq = irq;
    cmos->clock = clock;
    cmos->ram[REG_A] = A_RESET;
    cmos->ram[REG_B] = 2; /* BCD, 24 hours */
    fill_ram(cmos, mem);
    cmos->last_ns = (int64_t)guest_now(clock);
    cmos->second_base = epoch;
    if (epoch == CMOS_HOST_TIME) {
        struct timespec host;
        clock_gettime(CLOCK_REALTIME, &host);
        cmos->second_base = host.tv_sec;
        cmos->base_ns = cmos->last_ns - host.tv_nsec;
    }
    find_alarm(cmos);
    if (bus_claim(ports, "cmos", 0x70, 2, &cmos_ports, cmos, why)) {
        free(cmos);
        return NULL;
    }
    return cmos;
}

const struct device_ops cmos_ops = {
    .name = "cmos", .reset = cmos_reset, .deadline = cmos_deadline, .advance = cmos_advance, .destroy = free};

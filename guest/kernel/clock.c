/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock.c [11]: what time it is: the TSC since boot, and the CMOS clock's date at boot.
 *
 * Next: uart.c.
 */
#include "clock.h"

#include "pv_ops.h"

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71
#define CMOS_REG_B 0x0b
#define CMOS_REG_A 0x0a
#define UPDATING   0x80
#define REG_B_24H  0x02
#define REG_B_BIN  0x04
#define HOUR_PM    0x80

#define FALLBACK_HZ 1000000000ull

static u64 tsc_at_boot;
static u64 ns_per_tick_fixed; /* 32.32 fixed point */
static u64 boot_seconds;

static u8 cmos(u8 reg)
{
    pv_outb(CMOS_INDEX, reg);
    return pv_inb(CMOS_DATA);
}

struct date {
    u8 sec, min, hour, day, month, year;
};

static struct date read_date(void)
{
    return (struct date){cmos(0), cmos(2), cmos(4), cmos(7), cmos(8), cmos(9)};
}

static u8 from_bcd(u8 v)
{
    return (u8)((v >> 4) * 10 + (v & 15));
}

/* The MC146818's formats: BCD or binary, 12 or 24 hours. */
static void decode(struct date *d)
{
    u8 format = cmos(CMOS_REG_B), pm = d->hour & HOUR_PM;

    d->hour &= (u8)~HOUR_PM;
    if (!(format & REG_B_BIN))
        *d = (struct date){from_bcd(d->sec), from_bcd(d->min),   from_bcd(d->hour),
                           from_bcd(d->day), from_bcd(d->month), from_bcd(d->year)};
    if (!(format & REG_B_24H))
        d->hour = (u8)(d->hour % 12 + (pm ? 12 : 0));
}

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar, years starting in March. */
static u64 days(u64 year, u64 month, u64 day)
{
    u64 y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;

    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

/* Reads until two readings agree: the clock may tick in between. */
static u64 read_cmos_seconds(void)
{
    struct date d = read_date(), again;

    for (int i = 0; i < 8; i++) {
        again = read_date();
        if (!(cmos(CMOS_REG_A) & UPDATING) && !memcmp(&d, &again, sizeof(d)))
            break;
        d = again;
    }
    decode(&d);
    if (d.month < 1 || d.month > 12)
        return 0; /* no such clock */
    return days(2000u + d.year, d.month, d.day) * 86400 + d.hour * 3600u + d.min * 60u + d.sec;
}

void clock_init(void)
{
    u64 hz = pv_tsc_hz();

    if (!hz)
        hz = pit_measure_tsc_hz();

    if (!hz)
        hz = FALLBACK_HZ;
    ns_per_tick_fixed = (NSEC_PER_SEC << 32) / hz;
    tsc_at_boot = pv_rdtsc();
    boot_seconds = pv_boot_seconds();
    if (!boot_seconds)
        boot_seconds = read_cmos_seconds();
    kinfo("virtlab: TSC %lu.%02lu MHz\n", hz / 1000000, hz / 10000 % 100);
}

u64 clock_ns(void)
{
    unsigned __int128 ticks = pv_rdtsc() - tsc_at_boot;

    return (u64)(ticks * ns_per_tick_fixed >> 32);
}

u64 clock_boot_seconds(void)
{
    return boot_seconds;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmos_time.c - the calendar of the real-time clock; interface in cmos_time.h.
 */
#include "io/cmos_time.h"
#include <stddef.h>
#include <time.h>

enum { SECONDS_PER_DAY = 86400 };

#define AFTERNOON 0x80
#define ALARM_ANY 0xc0
#define YEAR_ZERO 1900 /* of struct tm */

static uint8_t encode(unsigned value, struct cmos_format format)
{
    return (uint8_t)(format.binary ? value : (value / 10) << 4 | value % 10);
}

static unsigned decode(uint8_t value, struct cmos_format format)
{
    return format.binary ? value : (value >> 4) * 10u + (value & 15);
}

static uint8_t encode_hour(unsigned hour, struct cmos_format format)
{
    if (format.hours24)
        return encode(hour, format);
    uint8_t half_day = hour >= 12 ? AFTERNOON : 0;
    return encode(hour % 12 ? hour % 12 : 12, format) | half_day;
}

static unsigned decode_hour(uint8_t value, struct cmos_format format)
{
    if (format.hours24)
        return decode(value, format);
    unsigned hour = decode(value & (uint8_t)~AFTERNOON, format) % 12;
    return value & AFTERNOON ? hour + 12 : hour;
}

uint8_t *cmos_time_field(struct cmos_time *time, unsigned reg)
{
    switch (reg) {
    case CMOS_SECOND: return &time->second;
    case CMOS_MINUTE: return &time->minute;
    case CMOS_HOUR: return &time->hour;
    case CMOS_WEEKDAY: return &time->weekday;
    case CMOS_DAY: return &time->day;
    case CMOS_MONTH: return &time->month;
    case CMOS_YEAR: return &time->year;
    case CMOS_CENTURY: return &time->century;
    default: return NULL;
    }
}

struct cmos_time cmos_time_of(int64_t seconds, struct cmos_format format)
{
    time_t when = seconds;
    struct tm tm = {0};
    gmtime_r(&when, &tm);
    unsigned year = (unsigned)(tm.tm_year + YEAR_ZERO);
    return (struct cmos_time){
        .second = encode((unsigned)tm.tm_sec, format),
        .minute = encode((unsigned)tm.tm_min, format),
        .hour = encode_hour((unsigned)tm.tm_hour, format),
        .weekday = encode((unsigned)tm.tm_wday + 1, format), /* Sunday is 1 */
        .day = encode((unsigned)tm.tm_mday, format),
        .month = encode((unsigned)tm.tm_mon + 1, format),
        .year = encode(year % 100, format),
        .century = encode(year / 100 % 100, format),
    };
}

int64_t cmos_seconds_of(const struct cmos_time *time, struct cmos_format format)
{
    struct tm tm = {
        .tm_sec = (int)decode(time->second, format),
        .tm_min = (int)decode(time->minute, format),
        .tm_hour = (int)decode_hour(time->hour, format),
        .tm_mday = (int)decode(time->day, format),
        .tm_mon = (int)decode(time->month, format) - 1,
        .tm_year = (int)(decode(time->century, format) % 100 * 100 + decode(time->year, format)) - YEAR_ZERO,
    };
    return timegm(&tm);
}

/* Goes through the next day in the largest steps that can't miss: hours, then minutes, then seconds. */
int64_t cmos_next_alarm(int64_t after, const uint8_t *alarm, struct cmos_format format)
{
    bool any_second = alarm[0] >= ALARM_ANY, any_minute = alarm[2] >= ALARM_ANY, any_hour = alarm[4] >= ALARM_ANY;
    unsigned second = decode(alarm[0], format), minute = decode(alarm[2], format), hour = decode_hour(alarm[4], format);
    int64_t midnight = after - after % SECONDS_PER_DAY - (after % SECONDS_PER_DAY < 0 ? SECONDS_PER_DAY : 0);
    int64_t first = after + 1 - midnight;
    for (int64_t t = first; t < first + SECONDS_PER_DAY;) {
        if (!any_hour && t / 3600 % 24 != hour)
            t += 3600 - t % 3600;
        else if (!any_minute && t / 60 % 60 != minute)
            t += 60 - t % 60;
        else if (!any_second && t % 60 != second)
            t++;
        else
            return midnight + t;
    }
    return CMOS_NO_ALARM;
}

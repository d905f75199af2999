/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmos_time.h - the calendar of the real-time clock: seconds since 1970 to its registers and back, and its alarm.
 * Only cmos.c uses this.
 */
#ifndef VIRTLAB_IO_CMOS_TIME_H
#define VIRTLAB_IO_CMOS_TIME_H

#include <stdbool.h>
#include <stdint.h>

/* Register numbers. */
enum {
    CMOS_SECOND = 0x00,
    CMOS_SECOND_ALARM = 0x01,
    CMOS_MINUTE = 0x02,
    CMOS_HOUR = 0x04,
    CMOS_HOUR_ALARM = 0x05,
    CMOS_WEEKDAY = 0x06,
    CMOS_DAY = 0x07,
    CMOS_MONTH = 0x08,
    CMOS_YEAR = 0x09,
    CMOS_CENTURY = 0x32,
};

#define CMOS_NO_ALARM  INT64_MAX
#define CMOS_EPOCH_MIN INT64_C(-62167219200) /* the year 0 */
#define CMOS_EPOCH_MAX INT64_C(253402300799) /* the end of 9999 */

/* How register B wants values written. */
struct cmos_format {
    bool binary;  /* DM: else BCD */
    bool hours24; /* else 1-12 with bit 7 for afternoon */
};

/* The time registers as software reads and writes them. */
struct cmos_time {
    uint8_t second, minute, hour, weekday, day, month, year, century;
};

/* The field that register `reg` shows, or NULL when it is no time register. */
uint8_t *cmos_time_field(struct cmos_time *time, unsigned reg);

struct cmos_time cmos_time_of(int64_t seconds, struct cmos_format format);

/* Any register contents give a time: what is out of range runs over, a 32nd of January is the 1st of February. */
int64_t cmos_seconds_of(const struct cmos_time *time, struct cmos_format format);

/*
 * The first second after `after` that the alarm matches. `alarm` points at register 1: the second's, minute's and
 * hour's alarm values are alarm[0], [2] and [4]; 0xc0 and above match anything. CMOS_NO_ALARM when no time of day does.
 */
int64_t cmos_next_alarm(int64_t after, const uint8_t *alarm, struct cmos_format format);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * print.c - formatted output: what workloads and checks use of printf, and no more.
 */
#include <string.h>

#include "runtime.h"

/* One conversion: what stood between % and its letter. */
struct format {
    char pad;
    unsigned width;
    bool is_long;
};

static void put_number(uint64_t value, bool negative, unsigned base, const struct format *format)
{
    char digits[32]; /* 20 decimal digits and a sign, or the padding */
    unsigned at = sizeof(digits), width = format->width < sizeof(digits) ? format->width : sizeof(digits);

    do
        digits[--at] = "0123456789abcdef"[value % base];
    while (value /= base);
    if (negative)
        digits[--at] = '-';
    while (sizeof(digits) - at < width)
        digits[--at] = format->pad;
    console_write(digits + at, sizeof(digits) - at);
}

static void put_signed(int64_t value, const struct format *format)
{
    put_number(value < 0 ? -(uint64_t)value : (uint64_t)value, value < 0, 10, format);
}

/* As %f does, for the numbers that occur: six decimals, and no more than 63 bits before the point. */
static void put_double(double value)
{
    const struct format plain = {' ', 0, true}, decimals = {'0', 6, true};
    double absolute = value < 0 ? -value : value;
    uint64_t whole, millionths;

    if (!(absolute < 9e18)) { /* not a number, too */
        console_write("(huge)", 6);
        return;
    }
    whole = (uint64_t)absolute;
    millionths = (uint64_t)((absolute - (double)whole) * 1e6 + 0.5);
    if (millionths == 1000000) {
        whole++;
        millionths = 0;
    }
    put_number(whole, value < 0, 10, &plain);
    console_write(".", 1);
    put_number(millionths, false, 10, &decimals);
}

void vprint(const char *text, va_list arguments)
{
    for (; *text; text++) {
        struct format format = {.pad = ' '};
        const char *string;
        size_t plain = 0;
        char c;

        while (text[plain] && text[plain] != '%')
            plain++;
        console_write(text, plain);
        text += plain;
        if (!*text)
            return;
        if (*++text == '0')
            format.pad = *text++;
        for (; *text >= '0' && *text <= '9'; text++)
            format.width = format.width * 10 + (unsigned)(*text - '0');
        for (; *text == 'l' || *text == 'z'; text++)
            format.is_long = true;
        switch (*text) {
        case 'd': put_signed(format.is_long ? va_arg(arguments, long) : va_arg(arguments, int), &format); break;
        case 'u':
        case 'x':
            put_number(format.is_long ? va_arg(arguments, unsigned long) : va_arg(arguments, unsigned), false,
                       *text == 'x' ? 16 : 10, &format);
            break;
        case 'f': put_double(va_arg(arguments, double)); break;
        case 's':
            string = va_arg(arguments, const char *);
            console_write(string, strlen(string));
            break;
        case 'c':
            c = (char)va_arg(arguments, int);
            console_write(&c, 1);
            break;
        case '\0': return;
        default: console_write(text, 1); break; /* %%, and whatever is not known */
        }
    }
}

void print(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vprint(format, arguments);
    va_end(arguments);
}

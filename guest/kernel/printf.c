/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * printf.c: formatted messages on the console: %d %u %x %c %s %%, with l, width and 0.
 */
#include "console.h"
#include "kernel.h"

struct number {
    u64 value;
    unsigned base, width;
    bool negative;
    char pad;
};

static void put_number(const struct number *num)
{
    char buf[72];
    unsigned i = sizeof(buf);
    u64 v = num->value;

    do {
        buf[--i] = "0123456789abcdef"[v % num->base];
        v /= num->base;
    } while (v);
    if (num->negative)
        buf[--i] = '-';
    while (sizeof(buf) - i < num->width && i)
        buf[--i] = num->pad;
    uart_write(buf + i, sizeof(buf) - i);
}

static void put_string(const char *s)
{
    uart_write(s, strlen(s));
}

static u64 next_unsigned(bool is_long, va_list *ap)
{
    return is_long ? va_arg(*ap, u64) : va_arg(*ap, u32);
}

/* Formats one conversion (after its %) and returns where it ends. */
static const char *convert(const char *f, va_list *ap)
{
    struct number num = {.base = 10, .pad = ' '};
    bool is_long = false;
    char c;

    if (*f == '0')
        num.pad = *f++;
    while (*f >= '0' && *f <= '9')
        num.width = num.width * 10 + (unsigned)(*f++ - '0');
    for (; *f == 'l'; f++)
        is_long = true;
    switch (*f) {
    case 'd': {
        int64_t v = is_long ? va_arg(*ap, int64_t) : va_arg(*ap, int);

        num.negative = v < 0;
        num.value = v < 0 ? -(u64)v : (u64)v;
        put_number(&num);
        break;
    }
    case 'x': num.base = 16; /* fall through */
    case 'u':
        num.value = next_unsigned(is_long, ap);
        put_number(&num);
        break;
    case 's': put_string(va_arg(*ap, const char *)); break;
    case 'c':
        c = (char)va_arg(*ap, int);
        uart_write(&c, 1);
        break;
    case '\0': return f;
    default: uart_write(f, 1); break;
    }
    return f + 1;
}

void vprintk(const char *fmt, va_list args)
{
    va_list ap;

    va_copy(ap, args);
    while (*fmt) {
        const char *end = fmt;

        while (*end && *end != '%')
            end++;
        uart_write(fmt, (size_t)(end - fmt));
        fmt = *end ? convert(end + 1, &ap) : end;
    }
    va_end(ap);
}

void printk(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vprintk(fmt, ap);
    va_end(ap);
}

void kinfo(const char *fmt, ...)
{
    va_list ap;

    if (options.quiet)
        return;
    va_start(ap, fmt);
    vprintk(fmt, ap);
    va_end(ap);
}

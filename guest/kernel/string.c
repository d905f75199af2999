/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * string.c: the few string functions a freestanding kernel must bring along.
 *
 * Bulk copies are REP MOVSQ/STOSQ: one instruction that an interpreter can carry out at a stroke,
 * and that hardware runs at full width.
 */
#include "kernel.h"

void *memcpy(void *dst, const void *src, size_t n)
{
    void *d = dst;
    size_t words = n / 8;

    asm volatile("rep movsq; mov %3, %%rcx; rep movsb" : "+D"(d), "+S"(src), "+c"(words) : "r"(n % 8) : "memory");
    return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
    u8 *d = dst;
    const u8 *s = src;

    if (d <= s || d >= s + n)
        return memcpy(dst, src, n);
    while (n--)
        d[n] = s[n];
    return dst;
}

void *memset(void *dst, int c, size_t n)
{
    void *d = dst;
    size_t words = n / 8;

    asm volatile("rep stosq; mov %2, %%rcx; rep stosb"
                 : "+D"(d), "+c"(words)
                 : "r"(n % 8), "a"((u8)c * 0x0101010101010101ull)
                 : "memory");
    return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const u8 *x = a, *y = b;

    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n])
        n++;
    return n;
}

size_t strnlen(const char *s, size_t max)
{
    size_t n = 0;

    while (n < max && s[n])
        n++;
    return n;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n; n--, a++, b++)
        if (*a != *b || !*a)
            return (u8)*a - (u8)*b;
    return 0;
}

void strcopy(char *dst, const char *src, size_t size)
{
    size_t n = strnlen(src, size - 1);

    memcpy(dst, src, n);
    dst[n] = '\0';
}

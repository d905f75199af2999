/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * execute.c - what the flat personality itself stands on: plain instructions, code that changes, the counter; and
 * 32-bit code.
 */
#include <string.h>

#include "check.h"

uint32_t probe_mode(uint64_t selector);

/* REP MOVSB and STOSQ over several pages, upwards; and downwards with DF set, onto itself. */
void check_string(void)
{
    enum { LENGTH = 10000, SHIFT = 3 };
    static uint8_t bytes[LENGTH + SHIFT], copy[LENGTH];
    const void *from = bytes;
    void *to = copy;
    uint64_t count = LENGTH, sum = 0;

    for (unsigned i = 0; i < LENGTH; i++)
        bytes[i] = (uint8_t)(i * 7 + (i >> 8));
    __asm__ volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(count) : : "memory");
    want("rcx", count, 0);
    want("rdi", ADDRESS(to), ADDRESS(copy + LENGTH));
    want("difference of the copy", memcmp(bytes, copy, LENGTH) != 0, 0);

    from = bytes + LENGTH - 1;
    to = bytes + LENGTH - 1 + SHIFT;
    count = LENGTH;
    __asm__ volatile("std; rep movsb; cld" : "+S"(from), "+D"(to), "+c"(count) : : "memory");
    want("difference of the shifted copy", memcmp(bytes + SHIFT, copy, LENGTH) != 0, 0);

    to = copy;
    count = LENGTH / 8;
    __asm__ volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(UINT64_C(0x0101010101010101)) : "memory");
    for (unsigned i = 0; i < LENGTH; i++)
        sum += copy[i];
    want("sum of the stored bytes", sum, LENGTH);
}

void check_sse(void)
{
    static const _Alignas(16) double a[2] = {1.5, -3}, b[2] = {4, 0.25};
    static const _Alignas(16) uint32_t c[4] = {1, 2, 0xffffffff, 7};
    _Alignas(16) double product[2];
    _Alignas(16) uint32_t sum[4];

    __asm__ volatile("movapd %1, %%xmm0; mulpd %2, %%xmm0; movapd %%xmm0, %0"
                     : "=m"(product)
                     : "m"(a), "m"(b)
                     : "xmm0");
    want("product is right", product[0] == 6 && product[1] == -0.75, true);
    __asm__ volatile("movdqa %1, %%xmm15; paddd %1, %%xmm15; movdqa %%xmm15, %0" : "=m"(sum) : "m"(c) : "xmm15");
    want("sum 0", sum[0], 2);
    want("sum 2", sum[2], 0xfffffffe);
    want("sum 3", sum[3], 14);
}

void check_rdtsc(void)
{
    enum { READINGS = 1000 };
    uint64_t first = rdtsc(), last = first;

    for (unsigned i = 0; i < READINGS; i++) {
        uint64_t now = rdtsc();

        if (now < last)
            verdict_wrong("got 0x%lx after 0x%lx, want a counter that never falls", now, last);
        last = now;
    }
    if (last == first)
        verdict_wrong("got 0x%lx all the time, want a counter that rises", last);
}

/* The new code must run although the old was executed many times: at another place first, then at its own. */
void check_self_modify(void)
{
    static uint8_t code[] = {0xb8, 1, 0, 0, 0, 0xc3}; /* mov $1, %eax; ret */
    uint32_t (*volatile function)(void) = (uint32_t(*)(void))(uintptr_t)code;

    for (unsigned i = 1; i < 200; i++) {
        *(volatile uint8_t *)&code[1] = (uint8_t)i;
        for (unsigned again = 0; again < 3; again++)
            want("eax", function(), i);
    }
}

void check_compat32(void)
{
    use_descriptors();
    want("eax under a 64-bit descriptor", probe_mode(KERNEL_CODE), 5);
    want("eax under a 32-bit descriptor", probe_mode(CODE32), 4);
}

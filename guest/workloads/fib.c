/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fibonacci numbers by the naive recursion: nothing but calls, returns and the stack, so what an
 * engine makes of indirect control flow (each RET) shows here. Contract: workload.h.
 */
#include "workload.h"

enum { INDEX = 26, VALUE = 121393 };

/*
 * A compiler would inline the recursion some levels deep and turn the second call into a loop.
 * noinline forbids the first; a value that passes through opaque() after the call, the second.
 */
__attribute__((noinline)) static uint64_t fib(uint64_t i)
{
    if (i < 2)
        return i;
    uint64_t one_before = opaque(fib(i - 1));
    uint64_t two_before = opaque(fib(i - 2));
    return one_before + two_before;
}

static uint64_t work(unsigned n)
{
    uint64_t check = 0;
    while (n-- > 0) {
        uint64_t value = fib(opaque(INDEX));
        if (value != VALUE)
            fail("fib(%d) is %llu", INDEX, (unsigned long long)value);
        check = mix(check, value);
    }
    return check;
}

const struct workload workload = {
    .name = "fib",
    .args = "",
    .unit = "fib(26), which is 392835 calls",
    .default_n = 20,
    .work = work,
};

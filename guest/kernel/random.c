/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * random.c: numbers for hash seeds and stack canaries, not for secrets: xorshift64*, fed with time.
 */
#include "random.h"

#include "pv_ops.h"
#include "syscall.h"
#include "usercopy.h"

static u64 state;

u64 random_next(void)
{
    state ^= pv_rdtsc() | 1;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1dull;
}

long random_to_user(uaddr_t buf, size_t n)
{
    for (size_t done = 0; done < n; done += sizeof(u64)) {
        u64 v = random_next();

        if (copy_to_user(buf + done, &v, MIN(n - done, sizeof(v))))
            return done ? (long)done : -EFAULT;
    }
    return (long)n;
}

/* getrandom(buf, n, flags) */
long sys_getrandom(const u64 *a)
{
    return random_to_user(a[0], MIN(a[1], 0x1000000));
}

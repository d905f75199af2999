/* SPDX-License-Identifier: GPL-2.0-or-later */
/* oracle_random.c - repeatable random numbers, and values where instructions tend to go wrong. */
#include "oracle.h"
#include <stdlib.h>

/* splitmix64 (Steele, Lea, Flood, OOPSLA 2014): small, and every seed is a good one. */
uint64_t oracle_random(struct oracle_random *r)
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t oracle_value(struct oracle_random *r, unsigned size)
{
    unsigned bits = size >= 8 ? 64 : size * 8;
    uint64_t ones = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1, sign = UINT64_C(1) << (bits - 1), value;
    switch (oracle_below(r, 16)) {
    case 0: value = 0; break;
    case 1: value = 1; break;
    case 2: value = ones; break;
    case 3: value = sign; break;
    case 4: value = sign - 1; break;
    case 5: value = UINT64_C(1) << oracle_below(r, bits); break;
    case 6: value = ~(UINT64_C(1) << oracle_below(r, bits)); break;
    case 7: value = oracle_below(r, 70); break; /* a count */
    case 8: value = -(uint64_t)oracle_below(r, 70); break;
    case 9: value = (sign | 1) + oracle_below(r, 3); break;
    case 10: value = (uint64_t)(int64_t)(int8_t)oracle_random(r); break; /* sign boundaries of narrower sizes */
    case 11: value = (uint64_t)(int64_t)(int32_t)oracle_random(r); break;
    default: value = oracle_random(r); break;
    }
    return value & ones;
}

uint64_t oracle_setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

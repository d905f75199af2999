/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sieve of Eratosthenes over the odd numbers below a million: byte stores with a growing stride.
 * Right if it finds as many primes as there are, and their sum. Contract: workload.h.
 */
#include "workload.h"

enum { LIMIT = 1000000, ODDS = LIMIT / 2, PRIMES_BELOW_LIMIT = 78498 };
static const uint64_t sum_of_primes = 37550402023; /* of those below LIMIT */

static unsigned char composite[ODDS]; /* composite[i] tells about the number 2i + 1 */

static void cross_out(void)
{
    memset(composite, 0, sizeof composite);
    for (unsigned i = 1; (2 * i + 1) * (2 * i + 1) < LIMIT; i++) {
        if (composite[i])
            continue;
        for (unsigned multiple = 2 * i * (i + 1); multiple < ODDS; multiple += 2 * i + 1)
            composite[multiple] = 1;
    }
}

static uint64_t work(unsigned n)
{
    uint64_t check = 0;
    while (n-- > 0) {
        unsigned count = 1; /* the one even prime */
        uint64_t sum = 2;
        cross_out();
        for (unsigned i = 1; i < ODDS; i++) {
            if (!composite[i]) {
                count++;
                sum += 2 * i + 1;
            }
        }
        if (count != PRIMES_BELOW_LIMIT || sum != sum_of_primes)
            fail("%u primes with sum %llu", count, (unsigned long long)sum);
        check = mix(check, sum);
    }
    return check;
}

static void setup(void)
{
    memset(composite, 1, sizeof composite); /* has the pages mapped before the clock runs */
}

const struct workload workload = {
    .name = "sieve",
    .args = "",
    .unit = "one sieve of the numbers below 1000000",
    .default_n = 20,
    .setup = setup,
    .work = work,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Product of two square matrices of doubles: SSE2 multiplies and adds. Contract: workload.h.
 * The elements are small integers, so every sum is exact and has a closed form to compare with.
 */
#include "workload.h"

enum { SIZE = 128 };

static double a[SIZE][SIZE], b[SIZE][SIZE], c[SIZE][SIZE];

/* a[i][k] = i + k + shift, b[k][j] = k - j */
static void fill(int shift)
{
    for (int i = 0; i < SIZE; i++) {
        for (int k = 0; k < SIZE; k++) {
            a[i][k] = i + k + shift;
            b[i][k] = i - k;
        }
    }
}

/* Row by row: the inner loop runs along rows of b and c, as the caches like it. */
static void multiply(void)
{
    memset(c, 0, sizeof c);
    for (int i = 0; i < SIZE; i++) {
        for (int k = 0; k < SIZE; k++) {
            double factor = a[i][k];
            for (int j = 0; j < SIZE; j++)
                c[i][j] += factor * b[k][j];
        }
    }
}

/* sum over k of (i + k + shift)(k - j) = sum k^2 + (i + shift - j) sum k - SIZE (i + shift) j */
static double element(int i, int j, int shift)
{
    const long sum_k = SIZE * (SIZE - 1) / 2;
    const long sum_k2 = SIZE * (SIZE - 1) * (2 * SIZE - 1) / 6;
    return (double)(sum_k2 + (i + shift - j) * sum_k - (long)SIZE * (i + shift) * j);
}

static uint64_t work(unsigned n)
{
    uint64_t check = 0;
    for (unsigned iteration = 0; iteration < n; iteration++) {
        int shift = (int)(iteration % 64);
        fill(shift);
        multiply();
        for (int i = 0; i < SIZE; i++) {
            for (int j = 0; j < SIZE; j++) {
                if (c[i][j] != element(i, j, shift))
                    fail("c[%d][%d] is %f, not %f", i, j, c[i][j], element(i, j, shift));
            }
        }
        check = mix(check, (uint64_t)(int64_t)c[shift][1]);
    }
    return check;
}

static void setup(void)
{
    fill(0);
    memset(c, 0, sizeof c);
}

const struct workload workload = {
    .name = "matmul",
    .args = "",
    .unit = "one product of two 128 x 128 matrices",
    .default_n = 20,
    .setup = setup,
    .work = work,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Quicksort of random integers: compares, swaps and branches that no predictor gets right.
 * Right if the result is in order and has the same sum and xor as the input. Contract: workload.h.
 */
#include "workload.h"

enum { COUNT = 16384, SMALL = 12 };

static int32_t numbers[COUNT];

static void swap(int32_t *x, int32_t *y)
{
    int32_t t = *x;
    *x = *y;
    *y = t;
}

static void insertion_sort(int32_t *v, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        int32_t x = v[i];
        size_t j = i;
        for (; j > 0 && v[j - 1] > x; j--)
            v[j] = v[j - 1];
        v[j] = x;
    }
}

/* Hoare's partition round the median of three; returns the length of the lower part. */
static size_t partition(int32_t *v, size_t count)
{
    size_t low = 0, high = count - 1, middle = count / 2;
    if (v[middle] < v[low])
        swap(&v[middle], &v[low]);
    if (v[high] < v[low])
        swap(&v[high], &v[low]);
    if (v[high] < v[middle])
        swap(&v[high], &v[middle]);

    int32_t pivot = v[middle];
    for (;;) {
        while (v[low] < pivot)
            low++;
        while (v[high] > pivot)
            high--;
        if (low >= high)
            return low;
        swap(&v[low++], &v[high--]);
    }
}

/* The smaller part by recursion, the larger in the loop: the stack stays logarithmic. */
static void quicksort(int32_t *v, size_t count)
{
    while (count > SMALL) {
        size_t lower = partition(v, count);
        if (lower < count - lower) {
            quicksort(v, lower);
            v += lower;
            count -= lower;
        } else {
            quicksort(v + lower, count - lower);
            count = lower;
        }
    }
    insertion_sort(v, count);
}

static uint64_t work(unsigned n)
{
    uint64_t check = 0, random = 1;
    while (n-- > 0) {
        uint32_t sum = 0, parity = 0;
        for (size_t i = 0; i < COUNT; i++) {
            numbers[i] = (int32_t)(next_random(&random) >> 32);
            sum += (uint32_t)numbers[i];
            parity ^= (uint32_t)numbers[i];
        }
        quicksort(numbers, COUNT);
        for (size_t i = 0; i < COUNT; i++) {
            if (i > 0 && numbers[i - 1] > numbers[i])
                fail("%d stands before %d", numbers[i - 1], numbers[i]);
            sum -= (uint32_t)numbers[i];
            parity ^= (uint32_t)numbers[i];
        }
        if (sum || parity)
            fail("the sorted numbers aren't those of the input");
        check = mix(check, (uint32_t)numbers[COUNT / 2]);
    }
    return check;
}

static void setup(void)
{
    memset(numbers, 0, sizeof numbers);
}

const struct workload workload = {
    .name = "qsort",
    .args = "",
    .unit = "16384 random 32-bit integers made and sorted",
    .default_n = 20,
    .setup = setup,
    .work = work,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sample.c - the median, and not the mean: one disturbed run must not move the result. Used by pairs.c. */
#include "sample.h"

#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void sample_add(struct sample *sample, double value)
{
    if (sample->n < SAMPLE_MAX)
        sample->value[sample->n++] = value;
}

/* The value at a rank, 0 for the smallest. */
static double ranked(const struct sample *sample, unsigned rank)
{
    double sorted[SAMPLE_MAX];
    if (sample->n == 0)
        return 0;
    memcpy(sorted, sample->value, sample->n * sizeof sorted[0]);
    qsort(sorted, sample->n, sizeof sorted[0], by_value);
    return sorted[rank];
}

double sample_median(const struct sample *sample)
{
    return (ranked(sample, sample->n / 2) + ranked(sample, sample->n ? (sample->n - 1) / 2 : 0)) / 2;
}

double sample_min(const struct sample *sample)
{
    return ranked(sample, 0);
}

double sample_max(const struct sample *sample)
{
    return ranked(sample, sample->n ? sample->n - 1 : 0);
}

json_t *sample_json(const struct sample *sample)
{
    if (sample->n == 0)
        return json_null();
    return json_pack("{sfsfsfsi}", "median", sample_median(sample), "min", sample_min(sample), "max",
                     sample_max(sample), "n", (int)sample->n);
}

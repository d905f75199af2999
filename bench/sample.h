/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sample.h - repeated measurements of one thing, summed up by median, minimum and maximum. */
#ifndef BENCH_SAMPLE_H
#define BENCH_SAMPLE_H

#include <jansson.h>

#include <virtlab/types.h>

#define SAMPLE_MAX 1024

struct sample {
    unsigned n;
    double value[SAMPLE_MAX]; /* in the order of measuring */
};

/* Beyond SAMPLE_MAX values, further ones are dropped. */
void sample_add(struct sample *sample, double value);

double sample_median(const struct sample *sample); /* 0 when empty */
double sample_min(const struct sample *sample);
double sample_max(const struct sample *sample);

/* {"median", "min", "max", "n"}, or null when empty. A new reference. */
json_t *sample_json(const struct sample *sample);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ok_line.h - the one line by which a workload says that its result is right (guest/workloads/hosted.h prints it). */
#ifndef BENCH_OK_LINE_H
#define BENCH_OK_LINE_H

#include <virtlab/types.h>

struct ok_line {
    uint64_t iterations;
    uint64_t roi_ns; /* the region of interest, by the clock that the workload sees */
    char check[20];  /* hexadecimal: the same wherever the same work was done */
};

/* Reads "NAME: ok iterations=N roi_ns=T check=HEX"; false when the line is another. */
bool ok_line_parse(const char *line, const char *name, struct ok_line *ok);

/* The reason in "NAME: n/a: REASON", by which a workload says that it can't run here; NULL when the line is another. */
const char *na_line_parse(const char *line, const char *name);

/* Finds either in a program's output. */
bool ok_line_find(const char *output, const char *name, struct ok_line *ok);
const char *na_line_find(const char *output, const char *name);

#endif

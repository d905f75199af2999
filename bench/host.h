/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host.h - what this host is: the facts that a figure depends on. */
#ifndef BENCH_HOST_H
#define BENCH_HOST_H

#include <jansson.h>

#include <virtlab/types.h>

struct host {
    char cpu[128];    /* model name */
    char kernel[192]; /* system and release */
    char commit[64];  /* of this source tree, or empty */
    unsigned cores;   /* that we may use */
    unsigned memory_mb;
    double tsc_mhz;      /* of the time-stamp counter: the cycles in which reports count */
    json_t *flags;       /* array: those of host_flags[] that the CPU has */
    json_t *mitigations; /* object: vulnerability -> the kernel's text */
    struct reason kvm;   /* empty: /dev/kvm opens and answers */
    int kvm_version;
};

/* CPU flags that matter to virtualization, as /proc/cpuinfo names them, with what they are. */
struct host_flag {
    const char *name, *text;
};
extern const struct host_flag host_flags[];
extern const unsigned host_flag_count;

void host_describe(struct host *host);
void host_free(struct host *host);

/* First line of a file without its newline; false when it can't be read. */
bool read_line_of(const char *path, char *line, size_t size);

#endif

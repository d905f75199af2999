/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ram_image.h - a loaded guest as a file: what RAM holds, and the registers, at the kernel's first instruction.
 *
 * For a machine that has no loader of its own for our kernel (Bochs), ours does the work once.
 */
#ifndef BENCH_RAM_IMAGE_H
#define BENCH_RAM_IMAGE_H

#include <virtlab/machine.h>

#define RAM_IMAGE_MEM       (UINT64_C(128) << 20)
#define RAM_IMAGE_PARTS_MAX 64

/* A PC has video memory and ROMs here. */
#define RAM_HOLE_FIRST UINT64_C(0x0a0000)
#define RAM_HOLE_END   UINT64_C(0x100000)

struct ram_image {
    struct cpu_state start;
    unsigned count;
    struct ram_part {
        uint64_t first, length; /* whole pages; RAM outside all parts is zero */
    } part[RAM_IMAGE_PARTS_MAX];
};

/* Loads the kernel as `virtlab run` would and writes the parts, one after the other, into `file`. */
int ram_image_make(const char *kernel, const char *initrd, const char *line, const char *file, struct ram_image *image,
                   struct reason *why) MUST_CHECK;

#endif

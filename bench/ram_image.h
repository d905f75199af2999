/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ram_image.h - a loaded guest as files: what RAM holds, and the registers, at the kernel's first instruction.
 *
 * For a machine that has no loader of its own for our kernel (Bochs), ours does the work once.
 */
#ifndef BENCH_RAM_IMAGE_H
#define BENCH_RAM_IMAGE_H

#include <virtlab/machine.h>

/*
 * A PC has video memory and ROMs from 640 KiB to 1 MiB, so its RAM comes in two parts. They are whole: a loader owes
 * its kernel zeros too (.bss), and another machine's RAM need not start as zeros.
 */
#define RAM_HOLE_FIRST    UINT64_C(0x0a0000)
#define RAM_HOLE_END      UINT64_C(0x100000)
#define RAM_IMAGE_LOW     "ram-low.img"  /* from 0 */
#define RAM_IMAGE_HIGH    "ram-high.img" /* from RAM_HOLE_END */

/* Loads the kernel as `virtlab run` would, with 128 MiB of RAM; writes both parts into `folder`. */
int ram_image_make(const char *kernel, const char *initrd, const char *line, const char *folder,
                   struct cpu_state *start, struct reason *why) MUST_CHECK;

#endif

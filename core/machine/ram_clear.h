/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ram_clear.h - zeroes guest memory without touching it.
 */
#ifndef VIRTLAB_MACHINE_RAM_CLEAR_H
#define VIRTLAB_MACHINE_RAM_CLEAR_H

#include <virtlab/ram.h>

/*
 * Zeroes `len` bytes at `at`. Whole pages are given back to the host instead of written, so that an image with a huge
 * .bss costs nothing. -EFAULT when outside RAM.
 */
int ram_clear(const struct ram *ram, gpa_t at, uint64_t len, struct reason *why) MUST_CHECK;

#endif

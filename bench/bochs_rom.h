/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bochs_rom.h - a BIOS of our own for Bochs: it fills RAM from a disk and jumps to the kernel. */
#ifndef BENCH_BOCHS_ROM_H
#define BENCH_BOCHS_ROM_H

#include "ram_image.h"

#define BOCHS_ROM_SIZE 0x10000u /* seen at 0xf0000 and below 4 GiB */

/* Makes a ROM that starts `image`, whose parts lie one after the other on the secondary ATA channel's first disk. */
int bochs_rom_build(uint8_t rom[BOCHS_ROM_SIZE], const struct ram_image *image, struct reason *why) MUST_CHECK;

#endif

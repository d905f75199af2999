/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ram.h - the guest's memory, and the one checked accessor to it.
 *
 * RAM is one memfd, so that other processes (the world, a driver domain) can map the same pages. Guest-physical RAM
 * starts at 0 and has no hole below its size, which is at most RAM_MAX: above it lie the devices.
 *
 * In the memfd, and in memory behind `base`, RAM_SPARE more bytes follow it. They have no guest-physical address, so no
 * guest and no device knows of them. The engine may use them for what other processes are to map too: full/trap keeps
 * copies of code there. They cost nothing until they are touched.
 */
#ifndef VIRTLAB_RAM_H
#define VIRTLAB_RAM_H

#include <virtlab/types.h>

#define RAM_MIN   UINT64_C(0x00200000) /* 2 MiB */
#define RAM_MAX   UINT64_C(0xc0000000) /* 3 GiB: MMIO lies between here and 4 GiB */
#define RAM_SPARE (UINT64_C(16) << 20)

struct ram {
    int fd;
    uint8_t *base;
    uint64_t size; /* bytes, a multiple of the page size */
};

/* Makes `size` bytes of zeroed RAM (RAM_MIN..RAM_MAX, whole pages). 0 or -errno with why. Release with ram_destroy. */
int ram_create(struct ram *ram, uint64_t size, struct reason *why) MUST_CHECK;
void ram_destroy(struct ram *ram);

/*
 * The one place that turns a guest-physical address into a pointer: `len` bytes at `at`, or NULL when any of them lies
 * outside RAM. The pointer is valid while the RAM is.
 */
static inline hva_t ram_at(const struct ram *ram, gpa_t at, uint64_t len)
{
    if (unlikely(at.v >= ram->size || len > ram->size - at.v))
        return NULL;
    return ram->base + at.v;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sha256.h - the Secure Hash Algorithm with 256 bits (FIPS 180-4): names an image, and tells a damaged file. */
#ifndef VIRTLAB_STATIC_SHA256_H
#define VIRTLAB_STATIC_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32

struct sha256 {
    uint32_t h[8];
    uint8_t block[64]; /* what doesn't fill a block yet */
    uint64_t length;   /* bytes so far */
    void (*compress)(uint32_t h[8], const uint8_t *block);
};

/* One block of 64 bytes, without the processor's instructions for it. */
void sha256_compress(uint32_t h[8], const uint8_t *block);

void sha256_begin(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *bytes, size_t count);
void sha256_end(struct sha256 *s, uint8_t digest[SHA256_SIZE]);

#endif

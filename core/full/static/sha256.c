/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sha256.c - FIPS 180-4, sections 4.1.2, 5 and 6.2, in its own names; and with the processor's instructions for it.
 *
 * A guest waits for megabytes of digests before it starts, so a processor that can do this itself (SDM 2, SHA256RNDS2)
 * is let do it.
 */
#include "full/static/sha256.h"
#include <cpuid.h>
#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t K[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotr(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}
static uint32_t load_be(const uint8_t *p)
{
    uint32_t x;
    memcpy(&x, p, 4);
    return __builtin_bswap32(x); /* the host is little-endian */
}
static void store_be(uint8_t *p, uint32_t x)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(x >> (24 - 8 * i));
}

/* 6.2.2: one block of 64 bytes. */
void sha256_compress(uint32_t h[8], const uint8_t *block)
{
    uint32_t W[64];
    for (unsigned t = 0; t < 16; t++)
        W[t] = load_be(block + 4 * t);
    for (unsigned t = 16; t < 64; t++) {
        uint32_t x = W[t - 15], y = W[t - 2];
        W[t] = (rotr(y, 17) ^ rotr(y, 19) ^ y >> 10) + W[t - 7] + (rotr(x, 7) ^ rotr(x, 18) ^ x >> 3) + W[t - 16];
    }
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], hh = h[7];
#pragma GCC unroll 8 /* the variables' exchange then costs nothing */
    for (unsigned t = 0; t < 64; t++) {
        uint32_t t1 = hh + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & f) ^ (~e & g)) + K[t] + W[t];
        uint32_t t2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        hh = g, g = f, f = e, e = d + t1;
        d = c, c = b, b = a, a = t1 + t2;
    }
    const uint32_t v[8] = {a, b, c, d, e, f, g, hh};
    for (unsigned i = 0; i < 8; i++)
        h[i] += v[i];
}

/* The same; W is kept four words a register, the variables as the instructions want them: A B E F and C D G H. */
__attribute__((target("sha,sse4.1"))) static void compress_by_cpu(uint32_t h[8], const uint8_t *block)
{
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i abef = _mm_set_epi32((int)h[0], (int)h[1], (int)h[4], (int)h[5]), W[4];
    __m128i cdgh = _mm_set_epi32((int)h[2], (int)h[3], (int)h[6], (int)h[7]), abef0 = abef, cdgh0 = cdgh;
    for (unsigned i = 0; i < 4; i++)
        W[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(block + 16 * i)), big_endian);
#pragma GCC unroll 16
    for (unsigned i = 0; i < 16; i++) {
        __m128i sum = _mm_add_epi32(W[i % 4], _mm_load_si128((const __m128i *)(K + 4 * i)));
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
        __m128i minus7 = _mm_alignr_epi8(W[(i + 3) % 4], W[(i + 2) % 4], 4);
        __m128i next = _mm_add_epi32(_mm_sha256msg1_epu32(W[i % 4], W[(i + 1) % 4]), minus7);
        W[i % 4] = _mm_sha256msg2_epu32(next, W[(i + 3) % 4]);
    }
    abef = _mm_add_epi32(abef, abef0);
    cdgh = _mm_add_epi32(cdgh, cdgh0);
    h[0] = (uint32_t)_mm_extract_epi32(abef, 3), h[1] = (uint32_t)_mm_extract_epi32(abef, 2);
    h[2] = (uint32_t)_mm_extract_epi32(cdgh, 3), h[3] = (uint32_t)_mm_extract_epi32(cdgh, 2);
    h[4] = (uint32_t)_mm_extract_epi32(abef, 1), h[5] = (uint32_t)_mm_extract_epi32(abef, 0);
    h[6] = (uint32_t)_mm_extract_epi32(cdgh, 1), h[7] = (uint32_t)_mm_extract_epi32(cdgh, 0);
}

static bool cpu_has_sha(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA) && __builtin_cpu_supports("sse4.1");
}

void sha256_begin(struct sha256 *s)
{
    *s = (struct sha256){
        .compress = cpu_has_sha() ? compress_by_cpu : sha256_compress,
        .h = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void sha256_add(struct sha256 *s, const void *bytes, size_t count)
{
    const uint8_t *from = bytes;
    while (count > 0) {
        size_t at = s->length % 64, n = 64 - at < count ? 64 - at : count;
        if (n == 64) {
            s->compress(s->h, from);
        } else {
            memcpy(s->block + at, from, n);
            if (at + n == 64)
                s->compress(s->h, s->block);
        }
        s->length += n;
        from += n;
        count -= n;
    }
}

/* 5.1.1: a bit 1, zeros, and the length in bits. */
void sha256_end(struct sha256 *s, uint8_t digest[SHA256_SIZE])
{
    static const uint8_t padding[64] = {0x80};
    uint64_t bits = s->length * 8;
    uint8_t length[8];
    store_be(length, (uint32_t)(bits >> 32));
    store_be(length + 4, (uint32_t)bits);
    sha256_add(s, padding, 1 + (119 - s->length % 64) % 64);
    sha256_add(s, length, sizeof(length));
    for (unsigned i = 0; i < 8; i++)
        store_be(digest + 4 * i, s->h[i]);
}

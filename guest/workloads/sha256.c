/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SHA-256 (FIPS 180-4): rotates, adds and logic in 32-bit registers. Contract: workload.h.
 * Every iteration hashes the same buffer with the digest of the last one put at its start, so each
 * depends on all before. Right if the standard's examples come out, and the first link of the chain.
 */
#include "workload.h"

enum { BLOCK = 64, DIGEST = 32, BUFFER = 256 * 1024 };

static unsigned char buffer[BUFFER];

/* FIPS 180-4, 4.2.2 */
static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t rotr(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static inline uint32_t load_be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* FIPS 180-4, 6.2.2 */
static void compress(uint32_t h[8], const unsigned char block[BLOCK])
{
    uint32_t w[64];
    for (int t = 0; t < 16; t++)
        w[t] = load_be32(block + 4 * t);
    for (int t = 16; t < 64; t++) {
        uint32_t s0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ w[t - 15] >> 3;
        uint32_t s1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = s1 + w[t - 7] + s0 + w[t - 16];
    }

    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], hh = h[7];
    for (int t = 0; t < 64; t++) {
        uint32_t sum1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25);
        uint32_t sum0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22);
        uint32_t t1 = hh + sum1 + ((e & f) ^ (~e & g)) + K[t] + w[t];
        uint32_t t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
        hh = g, g = f, f = e, e = d + t1;
        d = c, c = b, b = a, a = t1 + t2;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d;
    h[4] += e, h[5] += f, h[6] += g, h[7] += hh;
}

static void sha256(const unsigned char *data, size_t length, unsigned char digest[DIGEST])
{
    uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    unsigned char tail[2 * BLOCK] = {0};
    size_t rest = length % BLOCK, whole = length - rest;

    for (size_t i = 0; i < whole; i += BLOCK)
        compress(h, data + i);

    /* 5.1.1: a one bit, zeros, and the length in bits as the last 64 bits of a block. */
    size_t end = rest < BLOCK - 8 ? BLOCK : 2 * BLOCK;
    memcpy(tail, data + whole, rest);
    tail[rest] = 0x80;
    for (int i = 0; i < 8; i++)
        tail[end - 1 - i] = (unsigned char)((uint64_t)length * 8 >> 8 * i);
    for (size_t i = 0; i < end; i += BLOCK)
        compress(h, tail + i);

    for (int i = 0; i < DIGEST; i++)
        digest[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}

/* Compares the first 64 bits: enough to know a wrong digest. */
static uint64_t head_of(const unsigned char digest[DIGEST])
{
    return (uint64_t)load_be32(digest) << 32 | load_be32(digest + 4);
}

static void expect(const char *what, const unsigned char digest[DIGEST], uint64_t head)
{
    if (head_of(digest) != head)
        fail("digest of %s starts with %016llx", what, (unsigned long long)head_of(digest));
}

static void setup(void)
{
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    unsigned char digest[DIGEST];

    sha256((const unsigned char *)"", 0, digest);
    expect("the empty message", digest, UINT64_C(0xe3b0c44298fc1c14));
    sha256((const unsigned char *)"abc", 3, digest);
    expect("abc", digest, UINT64_C(0xba7816bf8f01cfea));
    sha256((const unsigned char *)two_blocks, sizeof two_blocks - 1, digest);
    expect("the two-block message", digest, UINT64_C(0x248d6a61d20638b8));

    for (size_t i = 0; i < BUFFER; i++)
        buffer[i] = (unsigned char)(i * 7 + (i >> 8));
}

static uint64_t work(unsigned n)
{
    unsigned char digest[DIGEST];
    uint64_t check = 0;
    for (unsigned i = 0; i < n; i++) {
        sha256(buffer, BUFFER, digest);
        if (i == 0)
            expect("the first buffer", digest, UINT64_C(0x23295ac6e56186bd));
        memcpy(buffer, digest, DIGEST);
        check = mix(check, head_of(digest));
    }
    return check;
}

const struct workload workload = {
    .name = "sha256",
    .args = "",
    .unit = "the hash of 256 KiB",
    .default_n = 20,
    .setup = setup,
    .work = work,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A compressor of the LZ77 family on text: byte loads, a hash table, short copies, branches that
 * depend on data. Right if what comes out of the decompressor is the text. Contract: workload.h.
 *
 * The packed form is a row of tokens:
 *   0LLLLLLL                   L + 1 literal bytes follow
 *   1LLLLLLL DDDDDDDD DDDDDDDD copy L + 4 bytes from D bytes back (D little-endian, 1 to 65535)
 */
#include "text.h"

enum {
    WINDOW = 64 * 1024, /* how much text an iteration packs, if there is as much */
    SHIFTS = 4096,      /* where it starts moves by some bytes, so iterations differ */
    SHORTEST_MATCH = 4,
    LONGEST_MATCH = SHORTEST_MATCH + 127,
    LONGEST_LITERAL = 128,
    FARTHEST = 65535,
    HASH_BITS = 13,
    SMALLEST_TEXT = 1024,
};

static char text[WINDOW + SHIFTS];
static size_t text_length;
static unsigned char packed[WINDOW + WINDOW / LONGEST_LITERAL + 1]; /* literals only, at worst */
static unsigned char unpacked[WINDOW];
static uint32_t last_seen[1 << HASH_BITS]; /* hash of four bytes -> where they were, plus 1 */

static inline uint32_t load32(const unsigned char *p)
{
    uint32_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

static unsigned char *put_literals(unsigned char *out, const unsigned char *from, size_t count)
{
    while (count > 0) {
        size_t run = count < LONGEST_LITERAL ? count : LONGEST_LITERAL;
        *out++ = (unsigned char)(run - 1);
        for (size_t i = 0; i < run; i++)
            *out++ = *from++;
        count -= run;
    }
    return out;
}

static unsigned char *put_match(unsigned char *out, size_t length, size_t distance)
{
    *out++ = (unsigned char)(0x80 | (length - SHORTEST_MATCH));
    *out++ = (unsigned char)distance;
    *out++ = (unsigned char)(distance >> 8);
    return out;
}

static size_t match_length(const unsigned char *here, const unsigned char *there, size_t room)
{
    size_t most = room < LONGEST_MATCH ? room : LONGEST_MATCH, length = 0;
    while (length < most && here[length] == there[length])
        length++;
    return length;
}

/* Greedy: takes the last place where the next four bytes' hash was seen, or a literal. */
static size_t pack(const unsigned char *in, size_t length, unsigned char *out)
{
    unsigned char *const start = out;
    size_t at = 0, literals = 0;

    memset(last_seen, 0, sizeof last_seen);
    while (at + SHORTEST_MATCH <= length) {
        uint32_t *slot = &last_seen[load32(in + at) * 2654435761u >> (32 - HASH_BITS)];
        size_t candidate = *slot, matched = 0;
        *slot = (uint32_t)at + 1;
        if (candidate && at - (candidate - 1) <= FARTHEST)
            matched = match_length(in + at, in + candidate - 1, length - at);
        if (matched < SHORTEST_MATCH) {
            at++;
            literals++;
            continue;
        }
        out = put_literals(out, in + at - literals, literals);
        out = put_match(out, matched, at - (candidate - 1));
        at += matched;
        literals = 0;
    }
    literals += length - at;
    return (size_t)(put_literals(out, in + length - literals, literals) - start);
}

/* The length of what was packed, or -1 if `in` isn't a right packing of at most `room` bytes. */
static long unpack(const unsigned char *in, size_t length, unsigned char *out, size_t room)
{
    size_t at = 0, made = 0;
    while (at < length) {
        size_t count = in[at] & 0x7f;
        if (in[at++] < 0x80) {
            if (++count > length - at || count > room - made)
                return -1;
            while (count-- > 0)
                out[made++] = in[at++];
            continue;
        }
        if (length - at < 2)
            return -1;
        size_t distance = in[at] | (size_t)in[at + 1] << 8;
        at += 2;
        count += SHORTEST_MATCH;
        if (distance == 0 || distance > made || count > room - made)
            return -1;
        for (; count > 0; count--, made++)
            out[made] = out[made - distance];
    }
    return (long)made;
}

static uint64_t work(unsigned n)
{
    uint64_t check = 0;
    size_t window = text_length < WINDOW ? text_length - SMALLEST_TEXT / 2 : WINDOW;

    for (unsigned i = 0; i < n; i++) {
        const unsigned char *in = (const unsigned char *)text;
        in += i * 911u % (text_length - window + 1);
        size_t size = pack(in, window, packed);
        long length = unpack(packed, size, unpacked, sizeof unpacked);
        if (length != (long)window || memcmp(in, unpacked, window) != 0)
            fail("iteration %u doesn't unpack to the text", i);
        if (size > window - window / 4)
            fail("%zu bytes of text pack to %zu", window, size);
        check = mix(mix(check, size), load32(packed + size / 2));
    }
    return check;
}

#ifndef WORKLOAD_FLAT
static int configure(int argc, char **argv)
{
    if (argc != 1)
        return -1;
    text_length = load_file(argv[0], text, sizeof text);
    if (text_length < SMALLEST_TEXT)
        fail("%s has less than %d bytes", argv[0], SMALLEST_TEXT);
    return 0;
}
#endif

static void setup(void)
{
    if (text_length == 0) {
        text_length = sizeof text;
        text_generate(text, text_length, 1, NULL);
    }
    memset(packed, 0, sizeof packed);
    memset(unpacked, 0, sizeof unpacked);
    memset(last_seen, 0, sizeof last_seen);
}

const struct workload workload = {
    .name = "lz",
    .args = " [FILE]",
    .unit = "64 KiB of text packed, unpacked and compared; the text\n"
            "is the start of FILE (all that is there, if less), or if none is given, generated",
    .default_n = 20,
#ifndef WORKLOAD_FLAT
    .configure = configure,
#endif
    .setup = setup,
    .work = work,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pattern on a test disk, by which disk.c knows that a block is the one asked for, whole, and of
 * the right generation.
 *
 * A disk is a row of blocks of 4096 bytes, eight sectors each; a sector is 64 little-endian words:
 *
 *   word 0       stamp(block, sector, generation)
 *   word 1       the generation: a number that whoever writes the block chooses
 *   words 2..63  body(sector, word), the same in every block
 *
 * A block's generation changes as it is written; then 16 words change and 496 stay, so a program
 * can write blocks without spending more on making them than on writing them. Block 0 is the
 * header: the pattern with generation HEADER_MAGIC, and in words 2 and 3 of its first sector how
 * many blocks the disk has, and the complement of that. Only `disk prepare` writes it, last of all
 * blocks; so a disk with a header holds the pattern in all of them.
 */
#ifndef VIRTLAB_DISK_IMAGE_H
#define VIRTLAB_DISK_IMAGE_H

#include "workload.h"

enum { SECTORS = 8, SECTOR_WORDS = 64 };

struct block {
    uint64_t word[SECTORS][SECTOR_WORDS];
};
_Static_assert(sizeof(struct block) == PAGE, "a block is 4096 bytes");

static const uint64_t HEADER_MAGIC = 0x4b5349444c524956; /* "VIRLDISK" */

static inline uint64_t stamp(uint64_t block, unsigned sector, uint64_t generation)
{
    return mix(mix(block * SECTORS + sector, generation), ~block);
}

static inline uint64_t body(unsigned sector, unsigned word)
{
    return mix(sector, word);
}

static inline void fill_body(struct block *b)
{
    for (unsigned s = 0; s < SECTORS; s++) {
        for (unsigned w = 2; w < SECTOR_WORDS; w++)
            b->word[s][w] = body(s, w);
    }
}

static inline void stamp_block(struct block *b, uint64_t number, uint64_t generation)
{
    for (unsigned s = 0; s < SECTORS; s++) {
        b->word[s][0] = stamp(number, s, generation);
        b->word[s][1] = generation;
    }
}

/* Whether all eight sectors are this block's, and of one generation. Quick: looks at 16 words. */
static inline int stamps_right(const struct block *b, uint64_t number)
{
    uint64_t generation = b->word[0][1], wrong = 0;
    for (unsigned s = 0; s < SECTORS; s++)
        wrong |= (b->word[s][1] ^ generation) | (b->word[s][0] ^ stamp(number, s, generation));
    return wrong == 0;
}

static inline int body_right(const struct block *b)
{
    for (unsigned s = 0; s < SECTORS; s++) {
        for (unsigned w = 2; w < SECTOR_WORDS; w++) {
            if (b->word[s][w] != body(s, w))
                return 0;
        }
    }
    return 1;
}

static inline void make_header(struct block *b, uint64_t blocks)
{
    fill_body(b);
    stamp_block(b, 0, HEADER_MAGIC);
    b->word[0][2] = blocks;
    b->word[0][3] = ~blocks;
}

/* How many blocks the disk with this block 0 has; 0 if it isn't a header. */
static inline uint64_t header_blocks(const struct block *b)
{
    uint64_t blocks = b->word[0][2];
    if (!stamps_right(b, 0) || b->word[0][1] != HEADER_MAGIC || b->word[0][3] != ~blocks)
        return 0;
    return blocks;
}

#endif

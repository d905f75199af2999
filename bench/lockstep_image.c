/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lockstep_image.c - recognises stored RFLAGS images (lockstep_image.h). */
#include "lockstep_image.h"

#include <string.h>

#include "lockstep_ram.h"

/* SDM 1, 3.4.3: bit 1 is always 1; bits 3, 5, 15 and all from 22 on are 0. */
#define IMAGE_ONE  UINT64_C(0x2)
#define IMAGE_ZERO (~UINT64_C(0x3fffff) | 0x8028)

uint64_t image_may_differ(uint64_t a, uint64_t b)
{
    bool image = (a & IMAGE_ONE) && !(a & IMAGE_ZERO);

    return image && (a ^ b) == FLAG_AF ? FLAG_AF : 0;
}

struct search {
    const struct ram *a, *b;
    uint64_t images;
    bool differ;
};

static bool compare_page(struct search *search, uint64_t at)
{
    for (uint64_t word = at; word < at + PAGE_SIZE; word += 8) {
        uint64_t a, b;
        memcpy(&a, search->a->base + word, 8);
        memcpy(&b, search->b->base + word, 8);
        if (a == b)
            continue;
        if (!image_may_differ(a, b))
            return false;
        search->images++;
    }
    return true;
}

static bool compare_piece(void *context, uint64_t at, uint64_t len)
{
    struct search *search = context;

    for (uint64_t page = at; page < at + len && !search->differ; page += PAGE_SIZE) {
        if (memcmp(search->a->base + page, search->b->base + page, PAGE_SIZE) != 0)
            search->differ = !compare_page(search, page);
    }
    return !search->differ;
}

bool rams_differ_beyond_images(const struct ram *a, const struct ram *b, uint64_t *images)
{
    struct search search = {a, b, 0, false};

    ram_pieces(a, b, gpa(0), a->size, compare_piece, &search);
    *images = search.images;
    return search.differ;
}

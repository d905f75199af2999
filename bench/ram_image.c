/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ram_image.c - lets core/machine's loader load, then writes down the result. Used by peer_bochs.c. */
#include "ram_image.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Fewer zeros than this don't end a part. */
enum { GAP = 64 * 1024 };

static bool page_is_zero(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, PAGE_SIZE - 1) == 0;
}

static int find_parts(const struct ram *ram, struct ram_image *image, struct reason *why)
{
    struct ram_part *last = NULL;
    image->count = 0;
    for (uint64_t at = 0; at < ram->size; at += PAGE_SIZE) {
        if (page_is_zero(ram->base + at))
            continue;
        if (at >= RAM_HOLE_FIRST && at < RAM_HOLE_END)
            return fail(why, EINVAL, "the loaded guest uses RAM at %#llx, where a PC has none", (unsigned long long)at);
        if (last && at - (last->first + last->length) <= GAP) {
            last->length = at + PAGE_SIZE - last->first;
            continue;
        }
        if (image->count == RAM_IMAGE_PARTS_MAX)
            return fail(why, E2BIG, "the loaded guest lies in more than %d places", RAM_IMAGE_PARTS_MAX);
        last = &image->part[image->count++];
        *last = (struct ram_part){.first = at, .length = PAGE_SIZE};
    }
    return 0;
}

static int write_parts(const struct ram *ram, const struct ram_image *image, const char *path, struct reason *why)
{
    FILE *file = fopen(path, "wbe");
    if (!file)
        return fail(why, errno, "%s: %s", path, strerror(errno));
    bool bad = false;
    for (unsigned i = 0; i < image->count; i++) {
        size_t length = image->part[i].length;
        bad |= fwrite(ram->base + image->part[i].first, 1, length, file) != length;
    }
    bad |= fclose(file) != 0;
    return bad ? fail(why, EIO, "%s: can't be written", path) : 0;
}

static const struct engine_ops *any_engine(struct reason *why)
{
    for (unsigned i = 0; engines[i]; i++) {
        struct reason ignored = {""};
        if ((engines[i]->capabilities & ENGINE_OS) && engines[i]->probe(&ignored) == 0)
            return engines[i];
    }
    fail(why, ENOENT, "no engine is there to load the guest with");
    return NULL;
}

int ram_image_make(const char *kernel, const char *initrd, const char *line, const char *file, struct ram_image *image,
                   struct reason *why)
{
    struct machine_config config = {.mem = RAM_IMAGE_MEM, .console_in = -1, .console_out = -1};
    const struct engine_ops *engine = any_engine(why);
    struct machine *machine = engine ? machine_create(&config, engine, why) : NULL;
    if (!machine)
        return fail(why, EINVAL, "no machine to load the guest with");
    int err = machine_load(machine, kernel, initrd, line, why);
    if (!err)
        err = find_parts(machine_ram(machine), image, why);
    if (!err)
        err = write_parts(machine_ram(machine), image, file, why);
    machine_get_state(machine, &image->start);
    machine_destroy(machine);
    return err;
}

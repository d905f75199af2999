/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * code_map.c - what of an ELF image is code, where the linker meant it to be, and where the loader puts it.
 *
 * With section headers code is what lies in sections marked executable: constants that share a segment with it are then
 * known to be data. An image that was stripped of them has executable segments only.
 *
 * Read static.h first; next: discover.c.
 */
#include "full/static/static.h"
#include <elf.h>
#include <errno.h>
#include <stdlib.h>

/* The segment that holds [va, va + len) in the file, or NULL. */
static const struct elf_segment *segment_of(const struct code_map *map, uint64_t va, uint64_t len)
{
    for (unsigned i = 0; i < map->elf.count; i++) {
        const struct elf_segment *s = &map->elf.segment[i];
        if (s->type == PT_LOAD && va - s->vaddr < s->filesz && len <= s->filesz - (va - s->vaddr))
            return s;
    }
    return NULL;
}

const uint8_t *image_at(const struct code_map *map, uint64_t va, uint64_t len)
{
    const struct elf_segment *s = segment_of(map, va, len);
    return s ? map->image->bytes + s->offset + (va - s->vaddr) : NULL;
}

bool code_gpa(const struct code_map *map, uint64_t va, gpa_t *at)
{
    const struct elf_segment *s = segment_of(map, va, 1);
    if (s)
        *at = gpa(s->paddr + (va - s->vaddr));
    return s != NULL;
}

uint64_t code_map_entry(const struct code_map *map)
{
    uint64_t at = elf_entry_paddr(&map->elf);
    for (unsigned i = 0; at && i < map->elf.count; i++) {
        const struct elf_segment *s = &map->elf.segment[i];
        if (s->type == PT_LOAD && at - s->paddr < s->filesz)
            return at - s->paddr + s->vaddr;
    }
    return 0;
}

struct code_range *code_at(struct code_map *map, uint64_t va)
{
    for (unsigned i = 0; i < map->count; i++)
        if (va - map->range[i].va < map->range[i].size)
            return &map->range[i];
    return NULL;
}

static int add_range(struct code_map *map, uint64_t va, uint64_t size, struct reason *why)
{
    const uint8_t *bytes = image_at(map, va, size);
    if (!size || !bytes || map->count == CODE_RANGES)
        return 0; /* nothing of it is loaded from the file; or more ranges than any kernel has */
    for (unsigned i = 0; i < map->count; i++)
        if (va < map->range[i].va + map->range[i].size && map->range[i].va < va + size)
            return 0; /* overlaps: one of the two will do */
    uint8_t *mark = calloc(size, 1);
    if (!mark)
        return fail(why, ENOMEM, "no memory for a map of %llu bytes of code", (unsigned long long)size);
    map->range[map->count++] = (struct code_range){.va = va, .size = size, .bytes = bytes, .mark = mark};
    return 0;
}

static int add_sections(struct code_map *map, struct reason *why)
{
    Elf64_Ehdr header;
    Elf64_Shdr section;
    int err = 0;
    if (!image_get(map->image, 0, &header, sizeof(header)) || header.e_shentsize != sizeof(section))
        return 0;
    for (unsigned i = 0; i < header.e_shnum && !err; i++) {
        if (header.e_shoff > map->image->size ||
            !image_get(map->image, header.e_shoff + i * sizeof(section), &section, sizeof(section)))
            return 0;
        if (section.sh_type == SHT_PROGBITS && (section.sh_flags & SHF_ALLOC) && (section.sh_flags & SHF_EXECINSTR))
            err = add_range(map, section.sh_addr, section.sh_size, why);
    }
    return err;
}

/* The segments' flags aren't among what elf_read() keeps, because a loader for a machine without them has no use for
 * them: they are read again. */
static int add_segments(struct code_map *map, struct reason *why)
{
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    int err = 0;
    if (!image_get(map->image, 0, &header, sizeof(header)))
        return 0;
    for (unsigned i = 0; i < map->elf.count && !err; i++)
        if (image_get(map->image, header.e_phoff + i * sizeof(segment), &segment, sizeof(segment)) &&
            segment.p_type == PT_LOAD && (segment.p_flags & PF_X))
            err = add_range(map, segment.p_vaddr, segment.p_filesz, why);
    return err;
}

int code_map_open(struct code_map *map, const struct image *image, struct reason *why)
{
    *map = (struct code_map){.image = image};
    int err = elf_read(&map->elf, image, why);
    if (!err && !map->elf.is64)
        err = image_bad(image, why, "a 32-bit kernel: only 64-bit code is translated");
    if (!err)
        err = add_sections(map, why);
    if (!err && !map->count)
        err = add_segments(map, why);
    if (!err && !map->count)
        err = image_bad(image, why, "has no code to translate: neither executable sections nor segments");
    if (err)
        code_map_close(map);
    return err;
}

uint64_t code_map_size(const struct code_map *map)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < map->count; i++)
        bytes += map->range[i].size;
    return bytes;
}

void code_map_close(struct code_map *map)
{
    while (map->count > 0)
        free(map->range[--map->count].mark);
}

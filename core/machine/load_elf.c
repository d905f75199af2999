/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load_elf.c - ELF executables: headers checked, segments put into RAM. Serves load_pvh.c and load_multiboot.c.
 */
#include <elf.h>

#include "machine/load_elf.h"
#include "machine/ram_clear.h"

typedef unsigned long long ull;

/* The two classes have the same fields in different widths and another order; from here on there is one struct. */
#define COPY_SEGMENT(to, header)                                                                                    \
    (to) = (struct elf_segment)                                                                                     \
    {                                                                                                               \
        .type = (header).p_type, .offset = (header).p_offset, .vaddr = (header).p_vaddr, .paddr = (header).p_paddr, \
        .filesz = (header).p_filesz, .memsz = (header).p_memsz, .align = (header).p_align                           \
    }

static bool get_segment(const struct elf *elf, const struct image *image, uint64_t at, struct elf_segment *segment)
{
    Elf64_Phdr h64;
    Elf32_Phdr h32;

    if (elf->is64) {
        if (!image_get(image, at, &h64, sizeof(h64)))
            return false;
        COPY_SEGMENT(*segment, h64);
    } else {
        if (!image_get(image, at, &h32, sizeof(h32)))
            return false;
        COPY_SEGMENT(*segment, h32);
    }
    return true;
}

/* Where the program headers are, by the file header of either class. */
struct headers {
    uint64_t at;
    unsigned count, size, type, machine;
};

#define COPY_HEADERS(to, elf, header)                           \
    do {                                                        \
        (elf)->entry = (header).e_entry;                        \
        (to) = (struct headers){.at = (header).e_phoff,         \
                                .count = (header).e_phnum,      \
                                .size = (header).e_phentsize,   \
                                .type = (header).e_type,        \
                                .machine = (header).e_machine}; \
    } while (0)

static bool get_headers(struct elf *elf, const struct image *image, struct headers *headers)
{
    Elf64_Ehdr h64;
    Elf32_Ehdr h32;

    if (elf->is64) {
        if (!image_get(image, 0, &h64, sizeof(h64)))
            return false;
        COPY_HEADERS(*headers, elf, h64);
    } else {
        if (!image_get(image, 0, &h32, sizeof(h32)))
            return false;
        COPY_HEADERS(*headers, elf, h32);
    }
    return true;
}

static int check_segment(const struct elf_segment *segment, unsigned i, const struct image *image, struct reason *why)
{
    if (segment->type != PT_LOAD && segment->type != PT_NOTE)
        return 0;
    if (!image_has(image, segment->offset, segment->filesz))
        return image_bad(image, why, "truncated: segment %u has %#llx bytes at %#llx, the file only %#llx", i,
                         (ull)segment->filesz, (ull)segment->offset, (ull)image->size);
    if (segment->type == PT_LOAD && segment->filesz > segment->memsz)
        return image_bad(image, why, "segment %u is larger in the file (%#llx) than in memory (%#llx)", i,
                         (ull)segment->filesz, (ull)segment->memsz);
    return 0;
}

int elf_read(struct elf *elf, const struct image *image, struct reason *why)
{
    unsigned char ident[EI_NIDENT];
    struct headers headers;

    *elf = (struct elf){0};
    if (!image_get(image, 0, ident, sizeof(ident)) || memcmp(ident, ELFMAG, SELFMAG))
        return image_bad(image, why, "not an ELF file");
    if ((ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64) || ident[EI_DATA] != ELFDATA2LSB)
        return image_bad(image, why, "not a little-endian ELF file of 32 or 64 bits");
    elf->is64 = ident[EI_CLASS] == ELFCLASS64;
    if (!get_headers(elf, image, &headers))
        return image_bad(image, why, "truncated: the ELF header is incomplete");
    if (headers.machine != EM_X86_64 && headers.machine != EM_386)
        return image_bad(image, why, "is for another CPU (ELF machine %u)", headers.machine);
    if (headers.type != ET_EXEC && headers.type != ET_DYN)
        return image_bad(image, why, "is not linked: ELF type %u, not an executable", headers.type);
    if (headers.size != (elf->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
        return image_bad(image, why, "has program headers of %u bytes", headers.size);
    if (headers.count == 0 || headers.count > ELF_SEGMENTS)
        return image_bad(image, why, "has %u program headers, must be 1 to %u", headers.count, ELF_SEGMENTS);
    if (!image_has(image, headers.at, headers.count * (uint64_t)headers.size))
        return image_bad(image, why, "truncated: the program headers lie beyond its end");

    elf->count = headers.count;
    for (unsigned i = 0; i < elf->count; i++) {
        int err;

        if (!get_segment(elf, image, headers.at + i * (uint64_t)headers.size, &elf->segment[i]))
            return image_bad(image, why, "truncated: program header %u", i);
        err = check_segment(&elf->segment[i], i, image, why);
        if (err)
            return err;
    }
    return 0;
}

int elf_load(const struct elf *elf, struct load *load)
{
    unsigned loaded = 0;

    for (unsigned i = 0; i < elf->count; i++) {
        const struct elf_segment *s = &elf->segment[i];
        int err;

        if (s->type != PT_LOAD || s->memsz == 0)
            continue;
        err = layout_claim(&load->layout, "a kernel segment", s->paddr, s->memsz, load->why);
        if (!err)
            err = load_put(load, s->paddr, load->kernel->bytes + s->offset, s->filesz);
        if (!err)
            err = ram_clear(load->ram, gpa(s->paddr + s->filesz), s->memsz - s->filesz, load->why);
        if (err)
            return err;
        loaded++;
    }
    if (!loaded)
        return image_bad(load->kernel, load->why, "has no segment to load");
    return 0;
}

static bool loads(const struct elf_segment *segment)
{
    return segment->type == PT_LOAD && segment->memsz > 0;
}

bool elf_holds(const struct elf *elf, uint64_t paddr)
{
    for (unsigned i = 0; i < elf->count; i++)
        if (loads(&elf->segment[i]) && paddr - elf->segment[i].paddr < elf->segment[i].memsz)
            return true;
    return false;
}

bool elf_find_note(const struct elf *elf, const struct image *image, const char *name, size_t size, uint32_t type,
                   struct elf_note *note)
{
    *note = (struct elf_note){0};
    while (elf_next_note(elf, image, note))
        if (note->type == type && elf_note_is(image, note, name, size))
            return true;
    return false;
}

bool elf_file_has_note(const struct image *image, const char *name, size_t size, uint32_t type)
{
    struct reason unused = {""};
    struct elf_note note;
    struct elf elf;

    return elf_read(&elf, image, &unused) == 0 && elf_find_note(&elf, image, name, size, type, &note);
}

uint64_t elf_entry_paddr(const struct elf *elf)
{
    for (unsigned i = 0; i < elf->count; i++) {
        const struct elf_segment *s = &elf->segment[i];

        if (loads(s) && elf->entry - s->vaddr < s->memsz)
            return elf->entry - s->vaddr + s->paddr;
    }
    return elf_holds(elf, elf->entry) ? elf->entry : 0; /* kernels that give the physical address at once */
}

static uint64_t align_up(uint64_t value, uint64_t align)
{
    return (value + align - 1) & ~(align - 1);
}

/* Within one segment. The numbers are 32-bit and the segment is in the file: no sum can overflow. */
static bool next_in_segment(const struct image *image, const struct elf_segment *s, struct elf_note *note)
{
    uint64_t align = s->align == 8 ? 8 : 4, name = note->next + sizeof(Elf64_Nhdr), desc;
    Elf64_Nhdr header; /* the same in both classes */

    if (name > s->filesz || !image_get(image, s->offset + note->next, &header, sizeof(header)))
        return false;
    desc = align_up(name + header.n_namesz, align);
    if (desc > s->filesz)
        return false;
    note->type = header.n_type;
    note->name = s->offset + name;
    note->namesz = header.n_namesz;
    note->desc = s->offset + desc;
    note->descsz = header.n_descsz;
    note->whole = desc + header.n_descsz <= s->filesz;
    note->next = align_up(desc + header.n_descsz, align);
    return true;
}

bool elf_next_note(const struct elf *elf, const struct image *image, struct elf_note *note)
{
    for (; note->segment < elf->count; note->segment++, note->next = 0)
        if (elf->segment[note->segment].type == PT_NOTE && next_in_segment(image, &elf->segment[note->segment], note))
            return true;
    return false;
}

bool elf_note_is(const struct image *image, const struct elf_note *note, const char *name, size_t size)
{
    char found[16];

    return note->namesz == size && size <= sizeof(found) && image_get(image, note->name, found, size) &&
           !memcmp(found, name, size);
}

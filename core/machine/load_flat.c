/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load_flat.c - ELF programs that say by a note of ours where their 64-bit code starts (include/virtlab/flat.h).
 *
 * PVH starts a kernel in 32-bit mode, and the kernel switches to 64-bit mode by itself: CR0, CR4, EFER, a far jump. An
 * engine that can execute but can't do that is started here behind the switch. A flat program has both notes, so that
 * loaders which don't know ours (QEMU's) take load_pvh.c's way into it.
 */
#include <elf.h>
#include <virtlab/flat.h>

#include "machine/load_elf.h"

typedef unsigned long long ull;

/* A note's descriptor, in the file. */
struct note {
    uint64_t at, size;
};

static uint64_t align_up(uint64_t value, uint64_t align)
{
    return (value + align - 1) & ~(align - 1);
}

/*
 * Looks for our note in one note segment. Sizes are 32-bit and the segment lies in the file: no sum can overflow. The
 * descriptor may reach beyond the segment: load_flat() then refuses the file, instead of taking it for another kind.
 */
static bool find_in_segment(const struct image *image, const struct elf_segment *segment, struct note *note)
{
    uint64_t align = segment->align == 8 ? 8 : 4, at = 0;
    char name[sizeof(FLAT_NOTE_NAME)];
    Elf64_Nhdr header; /* the same in both classes */

    while (at + sizeof(header) <= segment->filesz && image_get(image, segment->offset + at, &header, sizeof(header))) {
        uint64_t name_at = at + sizeof(header), desc_at = align_up(name_at + header.n_namesz, align);

        if (desc_at > segment->filesz)
            return false;
        if (header.n_type == FLAT_NOTE_ENTRY && header.n_namesz == sizeof(name) &&
            image_get(image, segment->offset + name_at, name, sizeof(name)) &&
            !memcmp(name, FLAT_NOTE_NAME, sizeof(name))) {
            *note = (struct note){.at = segment->offset + desc_at, .size = header.n_descsz};
            return true;
        }
        at = align_up(desc_at + header.n_descsz, align);
    }
    return false;
}

static bool find_note(const struct elf *elf, const struct image *image, struct note *note)
{
    for (unsigned i = 0; i < elf->count; i++)
        if (elf->segment[i].type == PT_NOTE && find_in_segment(image, &elf->segment[i], note))
            return true;
    return false;
}

bool is_flat(const struct image *kernel)
{
    struct reason unused = {""}; /* a file that can't be read as ELF is reported by whoever takes it */
    struct note note;
    struct elf elf;

    return elf_read(&elf, kernel, &unused) == 0 && find_note(&elf, kernel, &note);
}

static int get_entry(const struct elf *elf, struct load *load, uint64_t *entry)
{
    struct note note;

    if (!find_note(elf, load->kernel, &note))
        return image_bad(load->kernel, load->why, "not a flat program: the note '%s' is missing", FLAT_NOTE_NAME);
    if (!elf->is64)
        return image_bad(load->kernel, load->why, "has the note of a flat program, but is a 32-bit ELF file");
    if (note.size != sizeof(*entry))
        return image_bad(load->kernel, load->why, "its note '%s' holds %llu bytes, must be a 64-bit address",
                         FLAT_NOTE_NAME, (ull)note.size);
    if (!image_get(load->kernel, note.at, entry, sizeof(*entry)))
        return image_bad(load->kernel, load->why, "truncated: its note '%s' lies beyond its end", FLAT_NOTE_NAME);
    if (!elf_holds(elf, *entry))
        return image_bad(load->kernel, load->why, "its flat entry %#llx is in no segment that is loaded", (ull)*entry);
    return 0;
}

/* Places something in low memory, whose upper end is free: page tables and GDT are at the lower one. */
static int place(struct load *load, const char *what, uint64_t size, uint64_t *at)
{
    return layout_place_high(&load->layout, what, LOW_END, size, 16, at, load->why);
}

static int put_start(struct load *load)
{
    struct flat_start record = {.magic = FLAT_MAGIC, .size = sizeof(record), .memory_size = load->ram->size};
    uint64_t line_size = strlen(load->append) + 1, stack, at;
    int err = place(load, "the stack", FLAT_STACK, &stack);

    if (!err)
        err = place(load, "the start record", sizeof(record), &at);
    if (!err)
        err = place(load, "the command line", line_size, &record.command_line);
    if (!err)
        err = load_put(load, record.command_line, load->append, line_size);
    if (!err)
        err = load_put(load, at, &record, sizeof(record));
    if (err)
        return err;
    load->start->gpr[RDI] = at;
    load->start->gpr[RSP] = stack + FLAT_STACK;
    return 0;
}

int load_flat(struct load *load)
{
    struct cpu_state *start = load->start;
    uint64_t entry = 0;
    struct elf elf;
    int err = elf_read(&elf, load->kernel, load->why);

    if (!err)
        err = get_entry(&elf, load, &entry);
    if (err)
        return err;
    if (load->initrd)
        return image_bad(load->kernel, load->why, "a flat program has no use for an initrd");
    err = elf_load(&elf, load);
    if (!err)
        err = start_long(load, entry, 0);
    if (!err)
        err = put_start(load);
    if (err)
        return err;
    start->cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT;
    start->efer |= EFER_SCE;
    return 0;
}

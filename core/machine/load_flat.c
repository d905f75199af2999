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

/* A descriptor that reaches beyond its segment is refused later, instead of the file being taken for another kind. */
bool is_flat(const struct image *kernel)
{
    return elf_file_has_note(kernel, FLAT_NOTE_NAME, sizeof(FLAT_NOTE_NAME), FLAT_NOTE_ENTRY);
}

static int get_entry(const struct elf *elf, struct load *load, uint64_t *entry)
{
    struct elf_note note;

    if (!elf_find_note(elf, load->kernel, FLAT_NOTE_NAME, sizeof(FLAT_NOTE_NAME), FLAT_NOTE_ENTRY, &note))
        return image_bad(load->kernel, load->why, "not a flat program: the note '%s' is missing", FLAT_NOTE_NAME);
    if (!elf->is64)
        return image_bad(load->kernel, load->why, "has the note of a flat program, but is a 32-bit ELF file");
    if (note.descsz != sizeof(*entry))
        return image_bad(load->kernel, load->why, "its note '%s' holds %llu bytes, must be a 64-bit address",
                         FLAT_NOTE_NAME, (ull)note.descsz);
    if (!image_get(load->kernel, note.desc, entry, sizeof(*entry)))
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
        err = start_long(load, entry, 0, LOAD_ANY_RING); /* an engine that has no other ring runs it in ring 3 */
    if (!err)
        err = put_start(load);
    if (err)
        return err;
    start->cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT;
    start->efer |= EFER_SCE;
    return 0;
}

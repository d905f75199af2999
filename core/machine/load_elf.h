/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load_elf.h - what the loaders need to know of an ELF file, 32-bit or 64-bit alike.
 */
#ifndef VIRTLAB_MACHINE_LOAD_ELF_H
#define VIRTLAB_MACHINE_LOAD_ELF_H

#include "machine/load.h"

#define ELF_SEGMENTS 64 /* program headers at most; kernels have under ten */

struct elf_segment {
    uint32_t type; /* PT_LOAD, PT_NOTE, ... */
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct elf {
    bool is64;
    uint64_t entry;
    unsigned count;
    struct elf_segment segment[ELF_SEGMENTS];
};

/* Reads and checks headers: everything that a segment claims to have in the file is there. */
int elf_read(struct elf *elf, const struct image *image, struct reason *why) MUST_CHECK;

/* Puts the PT_LOAD segments at their physical addresses. */
int elf_load(const struct elf *elf, struct load *load) MUST_CHECK;

/* Does a loaded segment hold this physical address? */
bool elf_holds(const struct elf *elf, uint64_t paddr);

/* One note, and the place to look for the next one. Start with all zero. */
struct elf_note {
    unsigned segment; /* the walk's own */
    uint64_t next;    /* likewise */
    uint32_t type;
    uint64_t name, namesz; /* in the file */
    uint64_t desc, descsz; /* in the file, if it is not truncated */
    bool whole;            /* the descriptor ends within its segment */
};

/* Goes on to the next note of the PT_NOTE segments; false when there is none. */
bool elf_next_note(const struct elf *elf, const struct image *image, struct elf_note *note);

/* Has it this name (`size` bytes, with the final NUL)? */
bool elf_note_is(const struct image *image, const struct elf_note *note, const char *name, size_t size);

/* The first note of this name (with the final NUL, `size` bytes) and type; false when there is none. */
bool elf_find_note(const struct elf *elf, const struct image *image, const char *name, size_t size, uint32_t type,
                   struct elf_note *note);

/* Is the file an ELF file with such a note? One that can't be read as ELF is reported by whoever takes it. */
bool elf_file_has_note(const struct image *image, const char *name, size_t size, uint32_t type);

/* e_entry is a virtual address (gABI); this is the physical one, or 0 when it is in no loaded segment. */
uint64_t elf_entry_paddr(const struct elf *elf);

#endif

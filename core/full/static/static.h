/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * static.h - the translator of core/full/bt, ahead of time: a kernel's image is translated before it runs, and the
 * result is kept in a file.
 *
 *   ahead of time   code_map.c (the image's code) -> discover.c (where blocks begin) -> make.c (translate them all)
 *                   -> file.c (one file) -> store.c (where it is kept)
 *   at run time     engine.c -> store.c -> file.c (check everything) -> install.c (a block's native code, at its first
 *                   entry, if the guest's bytes are those that were translated)
 *
 * What discovery missed, and every other code, is translated when it gets hot, as under full/bt. So discovery may
 * guess: a wrong guess costs room in the file, and a miss costs time. docs/static.md has the whole picture.
 */
#ifndef VIRTLAB_STATIC_STATIC_H
#define VIRTLAB_STATIC_STATIC_H

#include "full/static/sha256.h"
#include "machine/load_elf.h"
#include "x86/block.h"

/* ---- the image's code ---- */

struct code_range {
    uint64_t va, size;
    const uint8_t *bytes; /* in the image */
    uint8_t *mark;        /* one for each byte: enum mark */
};
enum mark {
    MARK_ENTRY = 1,   /* a block begins here */
    MARK_DECODED = 2, /* an instruction begins here */
    MARK_INSIDE = 4,  /* the byte belongs to a decoded instruction */
    MARK_NATIVE = 8,  /* the byte belongs to a block that got native code */
};
#define CODE_RANGES 64

/* A 64-bit ELF image: what of it is code, by its section headers, or, without, by executable segments. */
struct code_map {
    const struct image *image;
    struct elf elf;
    unsigned count;
    struct code_range range[CODE_RANGES];
};

/* -ENOEXEC with why if it isn't a 64-bit ELF image with code in it. The image must outlive the map. */
int code_map_open(struct code_map *map, const struct image *image, struct reason *why) MUST_CHECK;
void code_map_close(struct code_map *map);
uint64_t code_map_size(const struct code_map *map); /* bytes of code */

/* The range that holds an address, or NULL; and its mark (of an address in a range). */
struct code_range *code_at(struct code_map *map, uint64_t va);
static inline uint8_t *mark_at(struct code_range *range, uint64_t va)
{
    return &range->mark[va - range->va];
}
/* `len` bytes of the loaded image, code or data, as they are in the file; NULL when it doesn't have them. */
const uint8_t *image_at(const struct code_map *map, uint64_t va, uint64_t len);
/* Where the loader puts it. False: in no segment. */
bool code_gpa(const struct code_map *map, uint64_t va, gpa_t *at);

/* The virtual address of the entry point, also where the file gives its physical address; 0: it is in no segment. */
uint64_t code_map_entry(const struct code_map *map);

/* ---- where blocks begin ---- */

/* By what an entry was found first; the order is that of the search. */
#define SOURCES(X)                                             \
    X(ENTRY, "the image's entry point")                        \
    X(SYMBOL, "symbols of functions and labels")               \
    X(BRANCH, "branches, calls and what follows them")         \
    X(CONSTANT, "addresses of code in instructions")           \
    X(TABLE, "jump tables of 32-bit distances")                \
    X(POINTER, "pointers to code in data (tables of 64 bits)") \
    X(SWEEP, "the rest: what follows code that nothing reaches")
enum source {
#define X(symbol, text) SOURCE_##symbol,
    SOURCES(X)
#undef X
        SOURCE_COUNT
};
const char *source_text(enum source source);

struct discovery {
    uint64_t entries[SOURCE_COUNT];
    uint64_t instructions;
    uint64_t filler; /* bytes between functions that nothing reaches: INT3, NOP, zeros */
};
/* Marks MARK_ENTRY, MARK_DECODED and MARK_INSIDE. -ENOMEM with why. */
int discover(struct code_map *map, struct discovery *found, struct reason *why) MUST_CHECK;

/* ---- the file, in memory as on disk: little-endian, one section behind the other ---- */

#define STATIC_MAGIC   "VLSTATIC"
#define STATIC_VERSION 1

struct static_header {
    char magic[8];
    uint32_t version, header_size;
    uint64_t file_size;
    uint8_t program[SHA256_SIZE]; /* build identification of the program whose translator this was, zero-padded */
    uint8_t image[SHA256_SIZE];   /* SHA-256 of the kernel's file */
    uint8_t digest[SHA256_SIZE];  /* SHA-256 of this file, this field zero */
    uint32_t blocks, relocations, links;
    uint32_t code_size;  /* bytes of host code */
    uint32_t guest_size; /* bytes of guest code */
    uint32_t routines;   /* bytes of fixed routines at the code cache's start */
};

/* One block, sorted by gpa. */
struct static_block {
    uint64_t gpa;                /* guest-physical address of its first byte */
    uint32_t guest_at;           /* the bytes that it was made from, in the section of guest code */
    uint16_t guest_size, count;  /* bytes and instructions */
    uint32_t code_at, code_size; /* its host code; no bytes: the interpreter has to execute the first instruction */
    uint32_t native_flags;       /* entries (x86/block.h), relative to code_at; native_flags is the first */
    uint32_t native;
    uint32_t relocation, relocations;
    uint32_t link, links;
    uint64_t left; /* bit i: the instruction at place i is marked INSN_LEFT (x86/insn.h) */
};

/* What is to be written at `at` of the block's code when its place is known. */
enum relocation_kind {
    RELOC_RECORD,  /* 64-bit address of the block's record `value` */
    RELOC_LINK,    /* 64-bit address of the block's link `value` */
    RELOC_ROUTINE, /* 32-bit distance to offset `value` in the code cache, whose start holds the fixed routines */
    RELOC_KINDS
};
struct static_relocation {
    uint16_t at;
    uint16_t kind; /* enum relocation_kind */
    uint32_t value;
};

/* A struct link of bt.h. */
struct static_link {
    uint32_t jump;   /* place in the block's code */
    uint16_t record; /* number in the block */
    uint8_t flags, shadowed;
};

struct static_translation {
    const struct static_header *header;
    const struct static_block *block;
    const struct static_relocation *relocation;
    const struct static_link *link;
    const uint8_t *code, *guest;
    void *bytes; /* all of it: the file */
};

/* What made it and how it went, for people. */
struct make_report {
    struct discovery found;
    uint64_t code;        /* bytes of the image that are code */
    uint64_t native;      /* of these, in blocks that got native code */
    uint64_t blocks;      /* translated */
    uint64_t interpreted; /* begin with an instruction that is left to the interpreter, or cross a page */
    uint64_t unrelocated; /* hold a pointer that no relocation describes: a gap in the translator */
    uint64_t host_code;   /* bytes */
    double seconds;
};

/* Translates a kernel's image. 0, or -errno with why. Release with translation_close(). */
int translation_make(struct static_translation *t, const struct image *kernel, struct make_report *report,
                     struct reason *why) MUST_CHECK;
void translation_close(struct static_translation *t);

/* Takes the whole contents of a file and checks all of it: -errno with why. `bytes` (malloc) belongs to it then. */
int translation_check(struct static_translation *t, const char *name, void *bytes, uint64_t size,
                      struct reason *why) MUST_CHECK;
/*
 * Reads and checks a file: it must belong to the user, be writable by nobody else, be whole, and come from this very
 * build. -ENOENT if there is none; else -errno with why naming file, reason and remedy.
 */
int translation_open(struct static_translation *t, const char *file, struct reason *why) MUST_CHECK;
/* Writes it beside `file` and puts it in its place, readable by the user alone. */
int translation_write(const struct static_translation *t, const char *file, struct reason *why) MUST_CHECK;
/* Is it of the kernel with this digest? */
bool translation_is_of(const struct static_translation *t, const uint8_t kernel[SHA256_SIZE]);

/* The digest for the header: of `size` bytes, header.digest taken as zero. */
void translation_digest(const void *bytes, uint64_t size, uint8_t digest[SHA256_SIZE]);
void image_digest(const struct image *image, uint8_t digest[SHA256_SIZE]);
/* Identifies the program's build: the linker's build ID. -ENOTSUP with why if it has none. */
int program_id(uint8_t id[SHA256_SIZE], struct reason *why) MUST_CHECK;

/* ---- where it is kept ---- */

#define STATIC_ENVIRONMENT "VIRTLAB_STATIC" /* names the file to use, instead of the cache's */

/* The place in the user's cache for the kernel with this digest and this build; false: there is none ($HOME isn't set).
 */
bool store_path(const uint8_t kernel[SHA256_SIZE], char path[4096]);
/*
 * The translation of a kernel: from the file that $VIRTLAB_STATIC names, else from the cache, else made now and put
 * there, with a line on stderr. A kernel that can't be translated ahead of time leaves t->header NULL.
 */
int store_get(struct static_translation *t, const char *kernel, struct reason *why) MUST_CHECK;
/* The same made now, whatever there is, and not kept. */
int store_make(struct static_translation *t, const char *kernel, struct reason *why) MUST_CHECK;

/* ---- at run time ---- */

/* struct translator's block_made. */
void static_block_made(struct cpu *cpu, struct block *block);

#endif

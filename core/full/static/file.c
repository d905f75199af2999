/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * file.c - a translation on disk: written, read, and checked before any byte of it may run.
 *
 * Host code out of a file is as powerful as the program itself. So a file is taken only from its owner and no other
 * writer, only whole (a digest over all of it), and only from this very build of the program; and every number in it is
 * held against the sizes of what it refers to, so that even a file with a right digest can't make install.c write or
 * read outside of a block. What its code does when it runs, no check can tell.
 *
 * Read next: store.c.
 */
#include "full/bt/bt.h"
#include "full/static/static.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define REMEDY "; remove it and make it again with `virtlab translate`"

/* ---- digests and identities ---- */

void translation_digest(const void *bytes, uint64_t size, uint8_t digest[SHA256_SIZE])
{
    static const uint8_t zero[SHA256_SIZE];
    const uint8_t *from = bytes;
    size_t at = offsetof(struct static_header, digest), behind = at + SHA256_SIZE;
    struct sha256 s;
    sha256_begin(&s);
    sha256_add(&s, from, at);
    sha256_add(&s, zero, sizeof(zero));
    sha256_add(&s, from + behind, size - behind);
    sha256_end(&s, digest);
}

void image_digest(const struct image *image, uint8_t digest[SHA256_SIZE])
{
    struct sha256 s;
    sha256_begin(&s);
    sha256_add(&s, image->bytes, image->size);
    sha256_end(&s, digest);
}

/* The first object is the program itself. */
static int find_build_id(struct dl_phdr_info *info, size_t size, void *id)
{
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        const uint8_t *at = (const uint8_t *)info->dlpi_addr + p->p_vaddr, *end = at + p->p_memsz;
        while (p->p_type == PT_NOTE && (size_t)(end - at) > sizeof(ElfW(Nhdr))) {
            const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)at;
            const uint8_t *name = at + sizeof(*note), *desc = name + ((note->n_namesz + 3) & ~3u);
            if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && !memcmp(name, "GNU", 4)) {
                memcpy(id, desc, note->n_descsz < SHA256_SIZE ? note->n_descsz : SHA256_SIZE);
                return 1;
            }
            at = desc + ((note->n_descsz + 3) & ~3u);
        }
    }
    return -1;
}

int program_id(uint8_t id[SHA256_SIZE], struct reason *why)
{
    memset(id, 0, SHA256_SIZE);
    if (dl_iterate_phdr(find_build_id, id) == 1)
        return 0;
    return fail(why, ENOTSUP,
                "this program has no build ID, by which its translations are known: link it with "
                "-Wl,--build-id");
}

bool translation_is_of(const struct static_translation *t, const uint8_t kernel[SHA256_SIZE])
{
    return !memcmp(kernel, t->header->image, SHA256_SIZE);
}

/* ---- checking ---- */

static bool within(uint64_t at, uint64_t count, uint64_t size)
{
    return at <= size && count <= size - at;
}

static bool relocation_ok(const struct static_translation *t, const struct static_block *b,
                          const struct static_relocation *r)
{
    if (!within(r->at, r->kind == RELOC_ROUTINE ? 4 : 8, b->code_size))
        return false;
    switch (r->kind) {
    case RELOC_RECORD: return r->value < b->count + 2u;
    case RELOC_LINK: return r->value < b->links;
    case RELOC_ROUTINE: return r->value < t->header->routines;
    default: return false;
    }
}

static bool link_ok(const struct static_block *b, const struct static_link *link)
{
    return within(link->jump, 4, b->code_size) && link->record > 0 && link->record < b->count + 2u &&
           link->flags <= 1 && link->shadowed <= 1;
}

static bool entry_ok(const struct static_block *b, uint32_t entry)
{
    return b->code_size ? entry < b->code_size : entry == 0;
}

static bool block_ok(const struct static_translation *t, const struct static_block *b)
{
    const struct static_header *h = t->header;
    if (!b->count || b->count > BLOCK_MAX || !b->guest_size || b->code_size > CODE_RESERVE ||
        !within(b->gpa & ~PAGE_MASK, b->guest_size, PAGE_SIZE) || !within(b->guest_at, b->guest_size, h->guest_size) ||
        !within(b->code_at, b->code_size, h->code_size) || !entry_ok(b, b->native) || !entry_ok(b, b->native_flags) ||
        !within(b->relocation, b->relocations, h->relocations) || !within(b->link, b->links, h->links) ||
        b->links > LINKS_RESERVE || b->left >> b->count || (b->left & 1))
        return false;
    for (unsigned i = 0; i < b->relocations; i++)
        if (!relocation_ok(t, b, &t->relocation[b->relocation + i]))
            return false;
    for (unsigned i = 0; i < b->links; i++)
        if (!link_ok(b, &t->link[b->link + i]))
            return false;
    return b == t->block || b[-1].gpa < b->gpa;
}

static const char *header_fault(const struct static_header *h, uint64_t size, const uint8_t program[SHA256_SIZE])
{
    uint64_t sum = sizeof(*h) + h->blocks * sizeof(struct static_block) +
                   h->relocations * sizeof(struct static_relocation) + h->links * sizeof(struct static_link) +
                   (uint64_t)h->code_size + h->guest_size;
    if (h->version != STATIC_VERSION || h->header_size != sizeof(*h))
        return "has another version of the format" REMEDY;
    if (memcmp(h->program, program, SHA256_SIZE))
        return "was made by another build of this program" REMEDY;
    if (h->file_size != size || sum != size)
        return "is truncated or damaged: its size isn't what its header says" REMEDY;
    return NULL;
}

static void find_sections(struct static_translation *t)
{
    const struct static_header *h = t->header;
    t->block = (const struct static_block *)(h + 1);
    t->relocation = (const struct static_relocation *)(t->block + h->blocks);
    t->link = (const struct static_link *)(t->relocation + h->relocations);
    t->code = (const uint8_t *)(t->link + h->links);
    t->guest = t->code + h->code_size;
}

int translation_check(struct static_translation *t, const char *name, void *bytes, uint64_t size, struct reason *why)
{
    const struct image file = {.name = name, .bytes = bytes, .size = size};
    uint8_t program[SHA256_SIZE], digest[SHA256_SIZE];
    *t = (struct static_translation){.bytes = bytes, .header = bytes};
    int err = program_id(program, why);
    if (err)
        goto bad;
    err = -ENOEXEC;
    if (size < sizeof(struct static_header) || memcmp(t->header->magic, STATIC_MAGIC, sizeof(t->header->magic))) {
        err = image_bad(&file, why, "is not a translation made by `virtlab translate`");
        goto bad;
    }
    const char *fault = header_fault(t->header, size, program);
    if (fault) {
        err = image_bad(&file, why, "%s", fault);
        goto bad;
    }
    translation_digest(bytes, size, digest);
    if (memcmp(digest, t->header->digest, sizeof(digest))) {
        err = image_bad(&file, why, "is damaged: its contents don't have the digest in its header" REMEDY);
        goto bad;
    }
    find_sections(t);
    for (unsigned i = 0; i < t->header->blocks; i++)
        if (!block_ok(t, &t->block[i])) {
            err = image_bad(&file, why, "is damaged: block %u refers to something outside itself" REMEDY, i);
            goto bad;
        }
    return 0;

bad:
    translation_close(t);
    return err;
}

void translation_close(struct static_translation *t)
{
    free(t->bytes);
    *t = (struct static_translation){0};
}

/* ---- the file ---- */

static int check_owner(const struct image *file, int fd, struct reason *why)
{
    struct stat st;
    if (fstat(fd, &st))
        return image_bad(file, why, "%s", strerror(errno));
    if (st.st_uid != geteuid())
        return image_bad(file, why,
                         "belongs to another user, and what it holds would run with your rights; make your own with "
                         "`virtlab translate`");
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return image_bad(file, why,
                         "others may write to it, and what it holds would run with your rights; "
                         "remove it and make it again, or chmod go-w if you know that it is yours");
    return 0;
}

int translation_open(struct static_translation *t, const char *name, struct reason *why)
{
    struct image file = {.name = name};
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    *t = (struct static_translation){0};
    if (fd < 0) {
        int err = errno;
        (void)image_bad(&file, why, "%s; make it with `virtlab translate --out`", strerror(err));
        return -err;
    }
    int err = check_owner(&file, fd, why);
    if (!err)
        err = image_read(&file, fd, why);
    close(fd);
    if (err) {
        image_close(&file);
        return err;
    }
    return translation_check(t, name, file.bytes, file.size, why);
}

static bool write_all(int fd, const uint8_t *bytes, uint64_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        size -= (uint64_t)n;
    }
    return true;
}

/* Whoever opens `name` sees the old file or the new one, never half of it. */
int translation_write(const struct static_translation *t, const char *name, struct reason *why)
{
    char part[4096];
    if (snprintf(part, sizeof(part), "%s.XXXXXX", name) >= (int)sizeof(part))
        return fail(why, ENAMETOOLONG, "%s: the name is too long", name);
    int fd = mkostemp(part, O_CLOEXEC); /* mode 0600 */
    if (fd < 0)
        return fail(why, errno, "%s: %s", name, strerror(errno));
    bool fine = write_all(fd, t->bytes, t->header->file_size);
    if (close(fd))
        fine = false;
    if (fine && rename(part, name) == 0)
        return 0;
    int err = fail(why, errno, "%s: %s", name, strerror(errno));
    (void)unlink(part);
    return err;
}

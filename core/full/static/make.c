/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * make.c - translates all the blocks of an image, one after the other, into a file's contents.
 *
 * It is the run-time translator that does it: a software CPU with the image in its RAM, never run. Each block is
 * decoded where the loader will put it, translated, and its host code copied out together with the relocations: what
 * in it depends on the block's address (its records, its links) and on its own (distances to the fixed routines).
 *
 * Read next: file.c.
 */
#include "full/bt/bt.h"
#include "full/static/static.h"
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* One growing section of the file. */
struct section {
    uint8_t *bytes;
    size_t size, room;
    bool failed; /* out of memory, once */
};

struct maker {
    struct code_map map;
    struct ram ram;
    struct stats stats;
    struct engine_host host;
    struct bt *bt;
    struct cpu *cpu;
    struct relocations relocations;
    struct static_relocation kept[RELOCATIONS_MAX]; /* of the block being kept */
    struct section block, relocation, link, code, guest;
    struct make_report *report;
};

static void append(struct section *s, const void *bytes, size_t size)
{
    if (s->room - s->size < size && !s->failed) {
        size_t room = (s->size + size) * 2;
        uint8_t *more = room <= UINT32_MAX ? realloc(s->bytes, room) : NULL;
        s->failed = !more;
        if (more) {
            s->bytes = more;
            s->room = room;
        }
    }
    if (s->failed || !size)
        return;
    memcpy(s->bytes + s->size, bytes, size);
    s->size += size;
}

/* ---- one block ---- */

_Static_assert(CODE_RESERVE <= UINT16_MAX + 1, "static_relocation.at");

/* Says what a recorded place refers to. 1: a relocation; 0: none is needed; -1: nothing that can be found again. */
static int describe(const struct maker *m, const struct block *block, const uint8_t *start,
                    const struct relocation *from, struct static_relocation *to)
{
    const struct bt *bt = m->bt;
    const uint8_t *target = from->target, *records = (const uint8_t *)block->insn, *links = (const uint8_t *)bt->link;
    to->at = (uint16_t)(from->at - start);
    if (from->distance && target >= start && target < bt->code.at)
        return 0;
    if (from->distance && target >= bt->memory && target < bt->first) {
        to->kind = RELOC_ROUTINE;
        to->value = (uint32_t)(target - bt->memory);
    } else if (!from->distance && target >= records && target < records + (block->count + 2) * sizeof(struct insn)) {
        to->kind = RELOC_RECORD;
        to->value = (uint32_t)((const struct insn *)from->target - block->insn);
    } else if (!from->distance && target >= links && target < links + bt->link_count * sizeof(struct link)) {
        to->kind = RELOC_LINK;
        to->value = (uint32_t)((const struct link *)from->target - bt->link);
    } else {
        return -1;
    }
    return 1;
}

/* The relocations of the code from `start` on; its relocated bytes become 0. False: there is one without description.
 */
static bool keep_relocations(struct maker *m, const struct block *block, uint8_t *start, struct static_block *out)
{
    if (m->relocations.count > RELOCATIONS_MAX)
        return false;
    for (unsigned i = 0; i < m->relocations.count; i++) {
        struct static_relocation *r = &m->kept[out->relocations];
        *r = (struct static_relocation){0};
        int found = describe(m, block, start, &m->relocations.entry[i], r);
        if (found < 0)
            return false;
        if (found)
            memset(start + r->at, 0, r->kind == RELOC_ROUTINE ? 4 : 8);
        out->relocations += (unsigned)found;
    }
    out->relocation = (uint32_t)(m->relocation.size / sizeof(m->kept[0]));
    append(&m->relocation, m->kept, out->relocations * sizeof(m->kept[0]));
    return true;
}

static void keep_links(struct maker *m, const struct block *block, const uint8_t *start, struct static_block *out)
{
    out->link = (uint32_t)(m->link.size / sizeof(struct static_link));
    out->links = m->bt->link_count;
    for (unsigned i = 0; i < m->bt->link_count; i++) {
        const struct link *link = &m->bt->link[i];
        struct static_link kept = {.jump = (uint32_t)(link->jump - start),
                                   .record = (uint16_t)(link->record - block->insn),
                                   .flags = link->flags,
                                   .shadowed = link->shadowed};
        append(&m->link, &kept, sizeof(kept));
    }
}

static uint64_t left_mask(const struct block *block)
{
    uint64_t mask = 0;
    for (unsigned i = 0; i < block->count; i++)
        mask |= (uint64_t) !!(block->insn[i + 1].flags & INSN_LEFT) << i;
    return mask;
}

/* `start`: of its host code; NULL: it has none, because its first instruction is the interpreter's. */
static bool keep_block(struct maker *m, const struct block *block, uint8_t *start, unsigned guest_size)
{
    struct static_block out = {.gpa = block->gpa.v,
                               .guest_at = (uint32_t)m->guest.size,
                               .guest_size = (uint16_t)guest_size,
                               .count = block->count,
                               .code_at = (uint32_t)m->code.size};
    if (start) {
        out.code_size = (uint32_t)(m->bt->code.at - start);
        out.native = (uint32_t)((const uint8_t *)block->native - start);
        out.native_flags = (uint32_t)((const uint8_t *)block->native_flags - start);
        out.left = left_mask(block);
        if (!keep_relocations(m, block, start, &out))
            return false;
        keep_links(m, block, start, &out);
        append(&m->code, start, out.code_size);
    }
    append(&m->guest, ram_at(&m->ram, block->gpa, guest_size), guest_size);
    append(&m->block, &out, sizeof(out));
    return true;
}

/* Bytes of guest code: up to the record that goes on behind the last. */
static unsigned block_bytes(const struct block *block)
{
    const struct insn *last = &block->insn[block->count];
    return last->off + last->len - (block->gpa.v & ~PAGE_MASK);
}

/* A block ends because it is full, or its page is: the next one begins behind it. */
static void mark_next(struct maker *m, struct code_range *range, const struct insn *last, uint64_t next)
{
    if (!(last->flags & INSN_LAST) && code_at(&m->map, next) == range)
        *mark_at(range, next) |= MARK_ENTRY;
}

/* An instruction that reaches over the page's end is a block of its own, and the interpreter's. */
static void step_over_crossing(struct maker *m, struct code_range *range, uint64_t va)
{
    struct insn crossing;
    uint64_t avail = range->size - (va - range->va);
    int len = decode_insn(range->bytes + (va - range->va), (unsigned)(avail < 16 ? avail : 16), CODE64, 0, &crossing);
    m->report->interpreted++;
    if (len > 0)
        mark_next(m, range, &crossing, va + (unsigned)len);
}

static void translate_at(struct maker *m, struct code_range *range, uint64_t va)
{
    struct insn first;
    gpa_t at;
    if (!code_gpa(&m->map, va, &at))
        return;
    unsigned avail = PAGE_SIZE - (at.v & ~PAGE_MASK);
    int len = decode_insn(ram_at(&m->ram, at, avail), avail, CODE64, at.v & ~PAGE_MASK, &first);
    if (len < 0) {
        step_over_crossing(m, range, va);
        return;
    }
    struct block *block = block_at(m->cpu, at);
    uint8_t *start = m->bt->code.at = m->bt->first;
    m->bt->link_count = 0;
    m->relocations.count = 0;
    unsigned size = block_bytes(block);
    mark_next(m, range, &block->insn[block->count], va + size);
    if (!bt_translate(m->cpu, block)) {
        m->report->interpreted += keep_block(m, block, NULL, size);
    } else if (!keep_block(m, block, start, size)) {
        m->report->unrelocated++;
    } else {
        m->report->blocks++;
        for (uint64_t i = va; i < va + size && i - range->va < range->size; i++)
            *mark_at(range, i) |= MARK_NATIVE;
    }
}

/* In rising order; blocks that follow a full one are marked on the way. */
static void translate_all(struct maker *m)
{
    for (unsigned i = 0; i < m->map.count; i++) {
        struct code_range *range = &m->map.range[i];
        for (uint64_t at = 0; at < range->size; at++)
            if (range->mark[at] & MARK_ENTRY)
                translate_at(m, range, range->va + at);
        for (uint64_t at = 0; at < range->size; at++)
            m->report->native += !!(range->mark[at] & MARK_NATIVE);
    }
    m->report->code = code_map_size(&m->map);
    m->report->host_code = m->code.size;
}

/* ---- before and after ---- */

/* The image in RAM, as a loader leaves it. */
static int load(struct maker *m, struct reason *why)
{
    const struct elf *elf = &m->map.elf;
    uint64_t size = RAM_MIN;
    for (unsigned i = 0; i < elf->count; i++) {
        const struct elf_segment *s = &elf->segment[i];
        if (s->type != PT_LOAD || !s->filesz)
            continue;
        if (s->paddr > RAM_MAX || s->filesz > RAM_MAX - s->paddr)
            return image_bad(m->map.image, why, "segment %u lies at %#llx, beyond any RAM", i,
                             (unsigned long long)s->paddr);
        uint64_t end = (s->paddr + s->filesz + PAGE_SIZE - 1) & PAGE_MASK;
        size = end > size ? end : size;
    }
    int err = ram_create(&m->ram, size, why);
    for (unsigned i = 0; i < elf->count && !err; i++) {
        const struct elf_segment *s = &elf->segment[i];
        if (s->type == PT_LOAD && s->filesz)
            memcpy(ram_at(&m->ram, gpa(s->paddr), s->filesz), m->map.image->bytes + s->offset, s->filesz);
    }
    return err;
}

/* The CPU never runs: its time stands still. */
static uint64_t no_ticks(void *context, uint64_t retired)
{
    (void)context;
    (void)retired;
    return 0;
}

static int open_cpu(struct maker *m, struct reason *why)
{
    m->bt = bt_create(why);
    m->host = (struct engine_host){.ram = &m->ram, .stats = &m->stats, .tsc = no_ticks, .tsc_hz = 1};
    m->cpu = m->bt ? cpu_create(&m->host, why) : NULL;
    if (!m->cpu)
        return -ENOMEM;
    m->bt->code.relocations = &m->relocations;
    m->cpu->translator = &m->bt->translator;
    m->cpu->code_size = CODE64;
    return 0;
}

static int by_gpa(const void *a, const void *b)
{
    const struct static_block *x = a, *y = b;
    return x->gpa < y->gpa ? -1 : x->gpa > y->gpa;
}

/* The sections, one behind the other, as a file. */
static int seal(struct maker *m, struct static_translation *t, struct reason *why)
{
    struct section *const sections[] = {&m->block, &m->relocation, &m->link, &m->code, &m->guest}, file = {0};
    struct static_header header = {.magic = STATIC_MAGIC,
                                   .version = STATIC_VERSION,
                                   .header_size = sizeof(header),
                                   .file_size = sizeof(header),
                                   .blocks = (uint32_t)(m->block.size / sizeof(struct static_block)),
                                   .relocations = (uint32_t)(m->relocation.size / sizeof(struct static_relocation)),
                                   .links = (uint32_t)(m->link.size / sizeof(struct static_link)),
                                   .code_size = (uint32_t)m->code.size,
                                   .guest_size = (uint32_t)m->guest.size,
                                   .routines = (uint32_t)(m->bt->first - m->bt->memory)};
    int err = program_id(header.program, why);
    if (err)
        return err;
    image_digest(m->map.image, header.image);
    if (header.blocks > 1)
        qsort(m->block.bytes, header.blocks, sizeof(struct static_block), by_gpa);
    for (unsigned i = 0; i < ARRAY_SIZE(sections); i++)
        header.file_size += sections[i]->size;

    struct section whole = file;
    append(&whole, &header, sizeof(header));
    for (unsigned i = 0; i < ARRAY_SIZE(sections); i++) {
        append(&whole, sections[i]->bytes, sections[i]->size);
        whole.failed |= sections[i]->failed;
    }
    if (whole.failed) {
        free(whole.bytes);
        return fail(why, ENOMEM, "%s: no memory for its translation", m->map.image->name);
    }
    struct static_header *sealed = (struct static_header *)whole.bytes;
    translation_digest(whole.bytes, whole.size, sealed->digest);
    return translation_check(t, m->map.image->name, whole.bytes, whole.size, why);
}

static void close_maker(struct maker *m)
{
    struct section *const sections[] = {&m->block, &m->relocation, &m->link, &m->code, &m->guest};
    for (unsigned i = 0; i < ARRAY_SIZE(sections); i++)
        free(sections[i]->bytes);
    cpu_destroy(m->cpu);
    bt_destroy(m->bt);
    ram_destroy(&m->ram);
    code_map_close(&m->map);
    free(m);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int translation_make(struct static_translation *t, const struct image *kernel, struct make_report *report,
                     struct reason *why)
{
    double begin = now();
    struct maker *m = calloc(1, sizeof(*m));
    if (!m)
        return fail(why, ENOMEM, "no memory to translate %s", kernel->name);
    *report = (struct make_report){0};
    m->report = report;
    m->ram.fd = -1;
    int err = code_map_open(&m->map, kernel, why);
    if (!err)
        err = load(m, why);
    if (!err)
        err = open_cpu(m, why);
    if (!err)
        err = discover(&m->map, &report->found, why);
    if (!err) {
        translate_all(m);
        err = seal(m, t, why);
    }
    close_maker(m);
    report->seconds = now() - begin;
    return err;
}

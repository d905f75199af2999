/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * discover.c - recursive descent: where do blocks begin in this image?
 *
 * From every known entry instructions are decoded one after the other, until one that doesn't go on to the next; what
 * they branch to, call and return to are entries too. Roots are the image's entry point and its symbols. What a descent
 * can't see are indirect branches. Their targets stand somewhere as a number, so numbers are looked at:
 *
 *   - RIP-relative LEA and constants in instructions that are addresses of code (a handler is being registered);
 *   - tables of 32-bit distances from the table itself, as compilers make them for `switch` in position-independent
 *     code: wherever a LEA takes the address of data, entries are read as long as each one leads to code;
 *   - aligned 64-bit words of data that are addresses of code: tables of functions, exception tables, `switch` tables
 * of code that isn't position-independent.
 *
 * At last code that nothing has reached is swept, from one gap to the next: entries that are computed (the stubs of an
 * interrupt table, each 16 bytes from the last). A wrong guess does no harm (static.h).
 *
 * Read next: make.c.
 */
#include "full/bt/bt.h"
#include "full/static/static.h"
#include <elf.h>
#include <errno.h>
#include <stdlib.h>

struct search {
    struct code_map *map;
    struct discovery *found;
    ZydisDecoder decoder;
    uint64_t *stack; /* entries to be descended from: never more than there are bytes of code */
    uint64_t depth;
};

const char *source_text(enum source source)
{
    static const char *const text[] = {
#define X(symbol, words) words,
        SOURCES(X)
#undef X
    };
    return text[source];
}

static bool is_code(const struct search *s, uint64_t va)
{
    return code_at(s->map, va) != NULL;
}

/* Each address gets onto the stack once. */
static void add_entry(struct search *s, uint64_t va, enum source source)
{
    struct code_range *range = code_at(s->map, va);
    if (!range || *mark_at(range, va) & MARK_ENTRY)
        return;
    *mark_at(range, va) |= MARK_ENTRY;
    s->found->entries[source]++;
    s->stack[s->depth++] = va;
}

/* ---- numbers that are addresses ---- */

#define TABLE_MAX 4096 /* entries */

/* A `switch` in position-independent code: 32-bit distances from the table's start. */
static void try_table(struct search *s, uint64_t table)
{
    if ((table & 3) || is_code(s, table))
        return;
    for (unsigned i = 0; i < TABLE_MAX; i++) {
        const uint8_t *at = image_at(s->map, table + 4 * i, 4);
        int32_t distance;
        if (!at)
            return;
        memcpy(&distance, at, sizeof(distance));
        if (!is_code(s, table + (uint64_t)(int64_t)distance))
            return;
        add_entry(s, table + (uint64_t)(int64_t)distance, SOURCE_TABLE);
    }
}

static void look_at_operands(struct search *s, const struct decoded *d, uint64_t va)
{
    for (unsigned i = 0; i < d->z.operand_count_visible; i++) {
        const ZydisDecodedOperand *o = &d->operand[i];
        if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && !o->imm.is_relative) {
            add_entry(s, o->imm.is_signed ? (uint64_t)o->imm.value.s : o->imm.value.u, SOURCE_CONSTANT);
        } else if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && o->mem.type == ZYDIS_MEMOP_TYPE_AGEN &&
                   o->mem.base == ZYDIS_REGISTER_RIP) {
            uint64_t target = va + d->z.length + (uint64_t)o->mem.disp.value;
            add_entry(s, target, SOURCE_CONSTANT);
            try_table(s, target);
        }
    }
}

static void look_at_words(struct search *s, uint64_t va, uint64_t size)
{
    for (uint64_t at = (va + 7) & ~UINT64_C(7); at + 8 <= va + size; at += 8) {
        const uint8_t *word = image_at(s->map, at, 8);
        uint64_t value;
        if (!word || is_code(s, at))
            continue;
        memcpy(&value, word, sizeof(value));
        add_entry(s, value, SOURCE_POINTER);
    }
}

/* ---- descent ---- */

/* Does the CPU go on behind it, as far as one can tell from the instruction? Calls are expected to return. */
static bool goes_on(const struct decoded *d)
{
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_JMP:
    case ZYDIS_MNEMONIC_RET:
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
    case ZYDIS_MNEMONIC_SYSRET:
    case ZYDIS_MNEMONIC_SYSEXIT:
    case ZYDIS_MNEMONIC_INT3: /* filler, behind a call that doesn't return */
    case ZYDIS_MNEMONIC_UD2: return false;
    default: return true;
    }
}

/* Behind these a block of its own begins: the instruction itself is run alone once its device has answered. */
static bool is_io(const struct decoded *d)
{
    return d->z.meta.category == ZYDIS_CATEGORY_IO || d->z.meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
}

/* One instruction. Returns its length when the descent goes on behind it in the same block, else 0. */
static unsigned step(struct search *s, struct code_range *range, uint64_t va)
{
    uint64_t avail = range->size - (va - range->va);
    const uint8_t *bytes = range->bytes + (va - range->va);
    struct decoded d = {.code_size = CODE64};
    struct insn in;
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&s->decoder, bytes, avail, &d.z, d.operand)))
        return 0;
    s->found->instructions++;
    *mark_at(range, va) |= MARK_DECODED;
    for (unsigned i = 0; i < d.z.length; i++)
        *mark_at(range, va + i) |= MARK_INSIDE;
    look_at_operands(s, &d, va);
    uint64_t next = va + d.z.length;
    if (d.z.operand_count && d.operand[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && d.operand[0].imm.is_relative)
        add_entry(s, next + (uint64_t)d.operand[0].imm.value.s, SOURCE_BRANCH);
    if (!goes_on(&d))
        return 0;
    bool ends = decode_insn(bytes, (unsigned)(avail < 16 ? avail : 16), CODE64, va & ~PAGE_MASK, &in) <= 0 ||
                (in.flags & INSN_LAST);
    if (!ends && !is_io(&d))
        return d.z.length;
    add_entry(s, next, SOURCE_BRANCH);
    return 0;
}

static void descend(struct search *s)
{
    while (s->depth > 0) {
        uint64_t va = s->stack[--s->depth];
        for (;;) {
            struct code_range *range = code_at(s->map, va);
            unsigned len = range && !(*mark_at(range, va) & MARK_DECODED) ? step(s, range, va) : 0;
            if (!len)
                break;
            va += len;
        }
    }
}

/* ---- roots ---- */

/* Functions, and labels of assembly code, which have no type. */
static void add_symbols(struct search *s)
{
    const struct image *image = s->map->image;
    Elf64_Ehdr header;
    Elf64_Shdr table;
    Elf64_Sym symbol;
    if (!image_get(image, 0, &header, sizeof(header)) || header.e_shentsize != sizeof(table) ||
        header.e_shoff > image->size)
        return;
    for (unsigned i = 0; i < header.e_shnum; i++) {
        if (!image_get(image, header.e_shoff + i * sizeof(table), &table, sizeof(table)) ||
            table.sh_type != SHT_SYMTAB || !image_has(image, table.sh_offset, table.sh_size))
            continue;
        for (uint64_t at = 0; at + sizeof(symbol) <= table.sh_size; at += sizeof(symbol)) {
            memcpy(&symbol, image->bytes + table.sh_offset + at, sizeof(symbol));
            unsigned type = ELF64_ST_TYPE(symbol.st_info);
            if (symbol.st_shndx != SHN_UNDEF && (type == STT_FUNC || type == STT_NOTYPE))
                add_entry(s, symbol.st_value, SOURCE_SYMBOL);
        }
    }
}

static void add_pointers(struct search *s)
{
    for (unsigned i = 0; i < s->map->elf.count; i++) {
        const struct elf_segment *segment = &s->map->elf.segment[i];
        if (segment->type == PT_LOAD)
            look_at_words(s, segment->vaddr, segment->filesz);
    }
}

/* Fillers between functions: INT3, zeros and the many forms of NOP. Returns their length, 0 for other code. */
static unsigned filler(struct search *s, const uint8_t *bytes, uint64_t avail)
{
    struct decoded d;
    if (bytes[0] == 0xcc || bytes[0] == 0)
        return 1;
    bool nop = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&s->decoder, bytes, avail, &d.z, d.operand)) &&
               d.z.mnemonic == ZYDIS_MNEMONIC_NOP;
    return nop ? d.z.length : 0;
}

static void sweep(struct search *s, struct code_range *range)
{
    for (uint64_t at = 0; at < range->size;) {
        if (range->mark[at] & MARK_INSIDE) {
            at++;
            continue;
        }
        unsigned skip = filler(s, range->bytes + at, range->size - at);
        s->found->filler += skip;
        if (!skip) {
            add_entry(s, range->va + at, SOURCE_SWEEP);
            descend(s);
            skip = 1; /* whatever has become of it */
        }
        at += skip;
    }
}

int discover(struct code_map *map, struct discovery *found, struct reason *why)
{
    uint64_t bytes = code_map_size(map);
    *found = (struct discovery){.instructions = 0};
    struct search s = {.map = map, .found = found, .stack = malloc(bytes * sizeof(*s.stack))};
    if (!s.stack)
        return fail(why, ENOMEM, "no memory to look for code in %llu bytes", (unsigned long long)bytes);
    bt_decoder_init(&s.decoder);

    add_entry(&s, code_map_entry(map), SOURCE_ENTRY);
    add_symbols(&s);
    descend(&s);
    add_pointers(&s);
    descend(&s);
    for (unsigned i = 0; i < map->count; i++)
        sweep(&s, &map->range[i]);
    free(s.stack);
    return 0;
}

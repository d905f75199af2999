/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block.c - finding, decoding and killing blocks.
 *
 * Read block.h first. Next: run.c, the loop that asks for them.
 */
#include "x86/block.h"
#include "x86/decode.h"
#include "x86/fetch.h"
#include "x86/mem.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define ARENA_SIZE (UINT64_C(64) << 20)
/* The largest a block gets: its entry, its instructions, and the record behind them. */
#define BLOCK_BYTES (sizeof(struct block) + (BLOCK_MAX + 2) * sizeof(struct insn))

struct block_cache *block_cache_create(uint64_t ram_size, struct reason *why)
{
    struct block_cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        goto no_memory;
    cache->pages = ram_size >> PAGE_SHIFT;
    cache->page = calloc(cache->pages, sizeof(*cache->page));
    cache->arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (!cache->page || cache->arena == MAP_FAILED)
        goto no_memory;
    cache->regime = 1; /* an empty jump entry has 0 */
    return cache;

no_memory:
    if (cache) {
        free(cache->page);
        free(cache);
    }
    fail(why, ENOMEM, "not enough memory for the cache of decoded blocks");
    return NULL;
}

void block_cache_destroy(struct block_cache *cache)
{
    if (!cache)
        return;
    munmap(cache->arena, ARENA_SIZE);
    free(cache->page);
    free(cache);
}

void block_cache_flush(struct cpu *cpu)
{
    struct block_cache *cache = cpu->blocks;
    memset(cache->jump, 0, sizeof(cache->jump));
    memset(cache->hash, 0, sizeof(cache->hash));
    memset(cache->page, 0, cache->pages * sizeof(*cache->page));
    cache->used = 0;
    cache->link_from = NULL;
    cpu->block = NULL;
    if (cpu->watch)
        watch_remove_all(cpu->watch, WATCH_CODE);
    if (cpu->translator)
        cpu->translator->blocks_flushed(cpu);
    COUNT(cpu->stats, CACHE_FLUSHES);
}

/* ---- regimes ---- */

static bool may_be_known(const struct known_code *known, uint64_t page)
{
    return known->pages[page % CODE_FILTER / 64] >> page % 64 & 1;
}

static void forget_known(struct known_code *known)
{
    uint64_t flushes = known->flushes + 1;
    *known = (struct known_code){.flushes = flushes};
}

void block_new_regime(struct cpu *cpu, enum regime_change what, gva_t at)
{
    for (unsigned user = 0; user < 2; user++) {
        struct known_code *known = &cpu->blocks->known[user];
        if (what == REGIME_ALL || (what == REGIME_LOCAL && known->local) ||
            (what == REGIME_PAGE && may_be_known(known, at.v >> PAGE_SHIFT)))
            forget_known(known);
    }
    /* Outside 64-bit mode CS has a base, which the jump table's keys don't hold. */
    const unsigned user = cpu->cpl == 3;
    if (what == REGIME_MODE && cpu->code_size != CODE64)
        forget_known(&cpu->blocks->known[user]);
    cpu->blocks->regime = regime_of(cpu->blocks->known[user].flushes, user, cpu->code_size);
}

/* The jump table learns of code at cpu->rip. */
static void remember_jump(struct cpu *cpu, struct block *block, gva_t at)
{
    struct block_cache *cache = cpu->blocks;
    struct known_code *known = &cache->known[cpu->cpl == 3];
    uint64_t page = at.v >> PAGE_SHIFT;
    known->pages[page % CODE_FILTER / 64] |= UINT64_C(1) << page % 64;
    known->local |= !fetch_is_global(cpu, at);
    cache->jump[jump_index(cpu->rip)] =
        (struct jump_entry){.rip = cpu->rip, .regime = cache->regime, .page_base = cpu->gpr[GPR_PAGE], .block = block};
}

/*
 * A block that reaches into the page `next` is remembered only when it was found to be of both pages; what is known of
 * it goes when either of them is mapped anew. So who finds it in the jump table need not look.
 */
static void remember_crossing(struct cpu *cpu, struct block *block, gva_t next)
{
    struct known_code *known = &cpu->blocks->known[cpu->cpl == 3];
    uint64_t page = next.v >> PAGE_SHIFT;
    known->pages[page % CODE_FILTER / 64] |= UINT64_C(1) << page % 64;
    known->local |= !fetch_is_global(cpu, next);
    remember_jump(cpu, block, gva(cpu->rip));
}

/* ---- entering and leaving a block: the records around the instructions ---- */

static const struct insn *op_enter(struct cpu *cpu, const struct insn *in)
{
    struct block *block = in->link;
    if (unlikely(block_must_stop(cpu, block)))
        return end_block(cpu, cpu_rip(cpu, in));
    block_account(cpu, block);
    NEXT(cpu, in);
}

/* op_enter while a translator waits for the block to get hot. */
static const struct insn *op_enter_warm(struct cpu *cpu, const struct insn *in)
{
    struct block *block = in->link;
    if (unlikely(++block->heat == cpu->translator->heat))
        TAIL return cpu->translator->block_hot(cpu, in);
    if (unlikely(block_must_stop(cpu, block)))
        return end_block(cpu, cpu_rip(cpu, in));
    block_account(cpu, block);
    NEXT(cpu, in);
}

static const struct insn *op_enter_alone(struct cpu *cpu, const struct insn *in)
{
    block_account(cpu, in->link);
    NEXT(cpu, in);
}

static void kill_block(struct cpu *cpu, struct block *block);

/*
 * A block whose instruction reaches into the next page: is that still the page it was decoded from? (Apart from the
 * handler, because one with a local in memory can't go on by a jump.)
 */
static __attribute__((noinline)) bool still_both(struct cpu *cpu, struct block *block)
{
    struct insn fetch = {0};
    uint64_t next = cpu->gpr[GPR_PAGE] + PAGE_SIZE + (cpu->code_size == CODE64 ? 0 : cpu->seg[SEG_CS].base);
    if (fetch_translate(cpu, &fetch, gva(next)).v != block->second.v) {
        kill_block(cpu, block);
        return false;
    }
    if (block->code_size == CODE64 && !block->alone)
        remember_crossing(cpu, block, gva(next));
    return true;
}

/* Does a translator wait for the block, and is it hot now? */
static bool crossing_is_hot(const struct cpu *cpu, struct block *block)
{
    return cpu->translator && block->code_size == CODE64 && !block->alone && block->native == cpu->translator->cold &&
           ++block->heat == cpu->translator->heat;
}

static const struct insn *op_enter_crossing(struct cpu *cpu, const struct insn *in)
{
    struct block *block = in->link;
    cpu->rip = cpu_rip(cpu, in);
    if ((!block->alone && block_must_stop(cpu, block)) || !still_both(cpu, block))
        return NULL;
    if (unlikely(crossing_is_hot(cpu, block)))
        TAIL return cpu->translator->block_hot(cpu, in);
    block_account(cpu, block);
    NEXT(cpu, in);
}

static const struct insn *op_end_alone(struct cpu *cpu, const struct insn *in)
{
    return end_block(cpu, cpu_rip(cpu, in));
}

/* In a dead block's first record: look up what is there now. */
static const struct insn *op_resync(struct cpu *cpu, const struct insn *in)
{
    return end_block(cpu, cpu_rip(cpu, in));
}

/* ---- the hash ---- */

static struct block **hash_slot(struct block_cache *cache, gpa_t at)
{
    return &cache->hash[(at.v ^ (at.v >> HASH_BITS)) & ((1 << HASH_BITS) - 1)];
}

static struct block *hash_find(struct block_cache *cache, gpa_t at, unsigned code_size, bool alone)
{
    struct block *block = *hash_slot(cache, at);
    while (block && (block->gpa.v != at.v || block->code_size != code_size || block->alone != alone))
        block = block->hash_next;
    return block;
}

static void kill_block(struct cpu *cpu, struct block *block)
{
    if (block->dead)
        return;
    struct block **slot = hash_slot(cpu->blocks, block->gpa);
    while (*slot && *slot != block)
        slot = &(*slot)->hash_next;
    if (*slot)
        *slot = block->hash_next;
    block->dead = true;
    block->insn[0].fn = op_resync;
    if (cpu->translator)
        block->native = block->native_flags = cpu->translator->cold;
    COUNT(cpu->stats, BLOCKS_INVALIDATED);
}

/* ---- which bytes are code ---- */

static uint64_t pieces_of(uint64_t first, uint64_t last)
{
    unsigned from = (first & ~PAGE_MASK) / 64, to = (last & ~PAGE_MASK) / 64;
    return (~UINT64_C(0) << from) & (~UINT64_C(0) >> (63 - to));
}

bool block_hit_by(const struct block_cache *cache, gpa_t at, uint64_t len)
{
    return block_holds_code(cache, at) && (cache->page[at.v >> PAGE_SHIFT].pieces & pieces_of(at.v, at.v + len - 1));
}

void block_written(struct cpu *cpu, gpa_t at, uint64_t len)
{
    if (!block_hit_by(cpu->blocks, at, len))
        return;
    struct code_page *page = &cpu->blocks->page[at.v >> PAGE_SHIFT];
    for (struct block *b = page->blocks; b; b = b->page_next)
        kill_block(cpu, b);
    for (struct block *b = page->crossing; b; b = b->crossing_next)
        kill_block(cpu, b);
    *page = (struct code_page){0};
    if (cpu->watch)
        watch_remove(cpu->watch, at, WATCH_CODE);
    cpu->blocks->link_from = NULL;
    COUNT_TAKEN(cpu->stats, CODE_WRITE);
}

static void mark_code(struct cpu *cpu, gpa_t at, uint64_t len)
{
    struct code_page *page = &cpu->blocks->page[at.v >> PAGE_SHIFT];
    if (cpu->watch)
        watch_add(cpu->watch, at, WATCH_CODE);
    else if (!page->pieces)
        tlb_protect_frame(&cpu->tlb, gpa(at.v & PAGE_MASK));
    page->pieces |= pieces_of(at.v, at.v + len - 1);
}

/* ---- decoding ---- */

/*
 * Decodes the instruction at `off` of the page, whose bytes start at `code`. One that reaches into the next page is put
 * together from both; *second is then that page. Returns its length (0: #UD record, length 1).
 */
static int decode_at(struct cpu *cpu, const uint8_t *code, unsigned off, gva_t page_va, struct insn *in, gpa_t *second)
{
    unsigned avail = PAGE_SIZE - off;
    int len = decode_insn(code + off, avail, cpu->code_size, off, in);
    if (len >= 0)
        return len;
    uint8_t bytes[16];
    unsigned rest = sizeof(bytes) - 1 - avail;
    struct insn at = {.off = (uint16_t)off};
    memcpy(bytes, code + off, avail);
    *second = fetch_translate(cpu, &at, gva(page_va.v + PAGE_SIZE));
    const uint8_t *next = ram_at(cpu->host->ram, *second, rest);
    if (next)
        memcpy(bytes + avail, next, rest);
    else
        memset(bytes + avail, 0xff, rest); /* nothing answers there */
    return decode_insn(bytes, sizeof(bytes) - 1, cpu->code_size, off, in);
}

static void finish_block(struct cpu *cpu, struct block *block, unsigned off)
{
    insn_fn *enter = block->crossing ? op_enter_crossing : block->alone ? op_enter_alone : op_enter;
    if (cpu->translator) {
        block->native = block->native_flags = cpu->translator->cold;
        if (enter == op_enter && block->code_size == CODE64)
            enter = op_enter_warm;
    }
    block->insn[0] = (struct insn){.fn = enter, .link = block, .off = block->gpa.v & ~PAGE_MASK};
    struct insn *end = &block->insn[block->count + 1];
    *end = (struct insn){.fn = block->alone ? op_end_alone : op_branch, .imm = off, .off = (uint16_t)off};
    struct block_cache *cache = cpu->blocks;
    cache->used += sizeof(*block) + (block->count + 2) * sizeof(struct insn);
    struct block **slot = hash_slot(cache, block->gpa);
    block->hash_next = *slot;
    *slot = block;
    COUNT(cpu->stats, BLOCKS_DECODED);
}

/* Decodes from `at` on: up to a jump, the page's end, an instruction that reaches over it, or BLOCK_MAX. */
static struct block *build(struct cpu *cpu, gpa_t at, gva_t page_va, bool alone)
{
    struct block_cache *cache = cpu->blocks;
    if (cache->used + BLOCK_BYTES > ARENA_SIZE)
        block_cache_flush(cpu);
    struct block *block = (struct block *)(cache->arena + cache->used);
    *block = (struct block){.gpa = at, .code_size = cpu->code_size, .alone = alone};

    unsigned off = at.v & ~PAGE_MASK, start = off;
    const uint8_t *code = ram_at(cpu->host->ram, gpa(at.v & PAGE_MASK), PAGE_SIZE);
    while (off < PAGE_SIZE && block->count < (alone ? 1 : BLOCK_MAX)) {
        struct insn *in = &block->insn[block->count + 1];
        gpa_t second = gpa(0);
        if (block->count && PAGE_SIZE - off < 15 &&
            decode_insn(code + off, PAGE_SIZE - off, cpu->code_size, off, in) < 0)
            break; /* it reaches over the page's end: a block of its own */
        decode_at(cpu, code, off, page_va, in, &second);
        in->pos = (uint8_t)block->count++;
        block->refs += in->refs;
        off += in->len;
        if (off > PAGE_SIZE) {
            block->crossing = true;
            block->second = second;
        }
        if (in->flags & INSN_LAST)
            break;
    }

    finish_block(cpu, block, off);
    struct code_page *page = &cache->page[at.v >> PAGE_SHIFT];
    mark_code(cpu, at, (off < PAGE_SIZE ? off : PAGE_SIZE) - start);
    block->page_next = page->blocks;
    page->blocks = block;
    if (block->crossing && block_holds_code(cache, at) && ram_at(cpu->host->ram, block->second, PAGE_SIZE)) {
        struct code_page *next = &cache->page[block->second.v >> PAGE_SHIFT];
        mark_code(cpu, block->second, off - PAGE_SIZE);
        block->crossing_next = next->crossing;
        next->crossing = block;
    }
    if (block->insn[0].fn == op_enter_warm && cpu->translator->block_made)
        cpu->translator->block_made(cpu, block);
    return block;
}

struct block *block_at(struct cpu *cpu, gpa_t at)
{
    struct block *block = hash_find(cpu->blocks, at, cpu->code_size, false);
    return block ? block : build(cpu, at, gva(0), false);
}

/* Outside 64-bit mode the instruction pointer is held against the segment's limit (SDM 3, 5.3). */
static uint64_t linear_rip(struct cpu *cpu, const struct insn *at)
{
    if (cpu->code_size == CODE64) {
        if (!canonical(cpu->rip))
            cpu_raise_error(cpu, at, VEC_GP, 0);
        return cpu->rip;
    }
    if (cpu->rip > cpu->seg[SEG_CS].limit)
        cpu_raise_error(cpu, at, VEC_GP, 0);
    return (uint32_t)(cpu->rip + cpu->seg[SEG_CS].base);
}

/*
 * Is `block` what the branch `from`, which left cpu->block last, will find again? Not if the cache was emptied in
 * between, the page's code written, or if an interrupt came first and `block` is its handler.
 */
static bool may_link(const struct cpu *cpu, const struct insn *from, const struct block *block)
{
    const struct block *source = cpu->block;
    return source && !source->dead && !source->alone && source->code_size == block->code_size &&
           (source->gpa.v & PAGE_MASK) + from->imm == block->gpa.v;
}

struct block *block_find(struct cpu *cpu, bool alone)
{
    struct block_cache *cache = cpu->blocks;
    const struct insn *from = cache->link_from;
    cache->link_from = NULL;

    /* Until the page base is set for the new place, a record at `rip` stands for the fetch, if that faults. */
    struct insn at = {0};
    cpu->gpr[GPR_PAGE] = cpu->rip;
    uint64_t va = linear_rip(cpu, &at);
    gpa_t where = fetch_translate(cpu, &at, gva(va));
    if (!ram_at(cpu->host->ram, where, 1))
        cpu_raise(cpu, &at, VEC_UD); /* no memory there: all ones, which is no instruction */
    cpu->gpr[GPR_PAGE] = cpu->rip - (va & ~PAGE_MASK);

    struct block *block = hash_find(cache, where, cpu->code_size, alone);
    if (!block)
        block = build(cpu, where, gva(va & PAGE_MASK), alone);
    if (alone)
        return block;
    if (!block->crossing || block->code_size != CODE64) /* op_enter_crossing() does */
        remember_jump(cpu, block, gva(va));
    if (from && may_link(cpu, from, block)) {
        ((struct insn *)from)->link = block;
        COUNT(cpu->stats, BLOCKS_CHAINED);
    }
    return block;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block.h - the cache of decoded blocks.
 *
 * A block is a run of records that is entered at its top only and stays within one page (a last instruction may reach
 * into the next one). It is keyed by guest-physical address, so that it outlives changes of address space. In front of
 * the cache stands a small table by instruction pointer (the jump table), valid for one translation regime.
 *
 * A block whose code is written dies: its entry record is replaced by one that goes back to the run loop, so that links
 * to it need not be found. Its memory is reclaimed when the whole cache is emptied.
 */
#ifndef VIRTLAB_X86_BLOCK_H
#define VIRTLAB_X86_BLOCK_H

#include "x86/insn.h"

#define BLOCK_MAX 48 /* instructions */

struct block {
    gpa_t gpa;    /* of its first byte */
    gpa_t second; /* page of the bytes that reach over, when `crossing` */
    uint8_t code_size;
    bool alone; /* one instruction, run alone */
    bool crossing;
    bool dead;
    bool loops;                        /* its native code is a trace that goes back to its top */
    uint16_t count;                    /* instructions */
    uint16_t refs;                     /* data accesses */
    uint16_t heat;                     /* how often it was entered, while a translator waits for it to get hot */
    uint16_t paused;                   /* how often its native code's budget was used up at its top */
    const void *native, *native_flags; /* a translator's entries: status flags saved, or in the host's RFLAGS */
    struct block *hash_next, *page_next, *crossing_next;
    struct insn insn[]; /* [0] enters the block; then `count` records; then one that goes on behind them */
};

struct jump_entry {
    uint64_t rip, regime; /* see block_cache.regime */
    uint64_t page_base;   /* for gpr[GPR_PAGE] */
    struct block *block;
};

#define JUMP_BITS   12
#define HASH_BITS   14
#define CODE_FILTER 4096

/* What is known of a page that holds code: its blocks, and which 64-byte pieces they were decoded from. */
struct code_page {
    struct block *blocks, *crossing;
    uint64_t pieces;
};

struct block_cache {
    struct jump_entry jump[1 << JUMP_BITS];
    struct block *hash[1 << HASH_BITS];
    struct code_page *page; /* one for each page of RAM */
    uint64_t pages;
    uint64_t regime; /* changes with every change of translation, privilege or code size: old jump entries miss */
    struct known_code {
        uint64_t flushes; /* part of the regime: how often jump entries of this privilege were dropped */
        bool local;       /* some are of pages that aren't global */
        uint64_t pages[CODE_FILTER / 64]; /* which pages they may be of, by low bits of the page's number */
    } known[2];                           /* supervisor, user */
    uint8_t *arena;
    size_t used;
    const struct insn *link_from; /* the branch that left its block unlinked, or NULL */
};

struct block_cache *block_cache_create(uint64_t ram_size, struct reason *why);
void block_cache_destroy(struct block_cache *cache);
void block_cache_flush(struct cpu *cpu);

/*
 * The block at cpu->rip, decoded if need be; sets gpr[GPR_PAGE]. `alone`: one instruction that ends in the run loop.
 * May leave by cpu_unwind() with a fetch fault.
 */
struct block *block_find(struct cpu *cpu, bool alone);

static inline bool block_holds_code(const struct block_cache *cache, gpa_t at)
{
    uint64_t page = at.v >> PAGE_SHIFT;
    return page < cache->pages && cache->page[page].pieces;
}

/*
 * The block at a physical address, for a CPU that isn't running: decoded by the present code size. Its first
 * instruction must lie within the page.
 */
struct block *block_at(struct cpu *cpu, gpa_t at);

/* Would a write to these bytes (within one page) hit decoded code? */
bool block_hit_by(const struct block_cache *cache, gpa_t at, uint64_t len);
/* Kills the blocks of the page, if the bytes (within one page) were decoded. */
void block_written(struct cpu *cpu, gpa_t at, uint64_t len);

/*
 * A new regime. Privilege or code size may have changed; translations too, of all pages, of those that aren't global,
 * or of one (`at`). Jump entries of another privilege, and those that a change doesn't concern, stay good.
 */
enum regime_change { REGIME_MODE, REGIME_ALL, REGIME_LOCAL, REGIME_PAGE };
void block_new_regime(struct cpu *cpu, enum regime_change what, gva_t at);

/* Low bits: what may come back to an old value without a flush. */
#define REGIME_BITS 8
static inline uint64_t regime_of(uint64_t flushes, bool user, unsigned code_size)
{
    return flushes << REGIME_BITS | 0x80 | (unsigned)user << 2 | code_size;
}

static inline unsigned jump_index(uint64_t rip)
{
    return (rip ^ (rip >> JUMP_BITS)) & ((1 << JUMP_BITS) - 1);
}

/* Where to go on for rip (an offset in CS): its block's first record when the jump table knows it, else the run loop.
 */
static inline const struct insn *jump_to(struct cpu *cpu, uint64_t rip)
{
    const struct jump_entry *entry = &cpu->blocks->jump[jump_index(rip)];
    if (likely(entry->rip == rip && entry->regime == cpu->blocks->regime)) {
        cpu->gpr[GPR_PAGE] = entry->page_base;
        return entry->block->insn;
    }
    return end_block(cpu, rip);
}

/*
 * The same for a direct branch. Within the page the record remembers the block: it dies with the page's code.
 */
static inline const struct insn *branch_to(struct cpu *cpu, const struct insn *in)
{
    if (likely(in->link != NULL))
        return in->link->insn;
    uint64_t rip = cpu_wrap_rip(cpu, cpu->gpr[GPR_PAGE] + in->imm);
    if (in->imm < PAGE_SIZE) {
        cpu->blocks->link_from = in;
        return end_block(cpu, rip);
    }
    return jump_to(cpu, rip);
}

/* Must the CPU stop in front of the block? Something is to be done first, or the budget would be overrun. */
static inline bool block_must_stop(const struct cpu *cpu, const struct block *block)
{
    return cpu->attention || block->count > cpu->icount_limit - cpu->icount;
}

/* Instructions and accesses are counted when a block is entered. */
static inline void block_account(struct cpu *cpu, struct block *block)
{
    cpu->icount += block->count;
    cpu->mem_accesses += block->refs;
    cpu->block = block;
}

/* The record that goes on behind a block: family_branch's unconditional branch. */
insn_fn op_branch;

#endif

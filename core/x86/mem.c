/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem.c - the slow paths of memory: TLB misses, page faults, devices, code pages, accesses that cross a page.
 *
 * mem.h's inline functions come here when the software TLB has no answer. Translation is mmu/walk.c's.
 */
#include "x86/mem.h"
#include "x86/block.h"
#include "x86/fetch.h"
#include "x86/nonroot.h"
#include <errno.h>

/* ---- translation ---- */

static struct access_rights rights_of(enum tlb_mode mode)
{
    return (struct access_rights){.user = mode == TLB_USER || mode == TLB_USER_ALIGNED,
                                  .smap_off = mode == TLB_SUPERVISOR_AC};
}

static enum tlb_mode data_mode(const struct cpu *cpu)
{
    return (enum tlb_mode)((cpu->tlb_data - cpu->tlb.entry[0]) / TLB_SIZE);
}

/* Must stores to the frame be seen, because blocks were decoded from it or something else is concluded from it? */
static bool holds_conclusions(const struct cpu *cpu, gpa_t frame)
{
    return block_holds_code(cpu->blocks, frame) || (cpu->watch && watch_of(cpu->watch, frame));
}

/* Walks the tables for one access and remembers the answer. False: a page fault. */
static bool fill(struct cpu *cpu, gva_t at, enum access access, enum tlb_mode mode, struct translation *out)
{
    COUNT(cpu->stats, TLB_MISSES);
    bool mapped = mmu_walk(&cpu->paging, cpu->host->ram, at, access, rights_of(mode), out);
    const struct translation t = *out;
    cpu->stats->counter[COUNTER_WALK_REFS] += t.refs;
    cpu->stats->counter[COUNTER_EPT_REFS] += t.ept_refs;
    if (!mapped || mode == TLB_USER_ALIGNED)
        return mapped;

    gpa_t frame = gpa(t.gpa.v & PAGE_MASK);
    uint64_t page = at.v & PAGE_MASK;
    uint8_t *host = ram_at(cpu->host->ram, frame, PAGE_SIZE);
    struct tlb_entry *e = tlb_evict(&cpu->tlb, mode, at, t.global);
    tlb_note_mapping(&cpu->tlb, at, t.page_shift);
    e->page = page;
    e->frame = frame.v;
    e->fetch = t.executable ? page : NO_TAG;
    bool plain = host && !tlb_ambiguous(page);
    e->read = plain && t.readable ? page : NO_TAG;
    e->write = plain && t.writable && !holds_conclusions(cpu, frame) ? page : NO_TAG;
    e->addend = (uintptr_t)host - page;
    if (e->write != NO_TAG)
        tlb_unprotect_frame(&cpu->tlb, frame);
    if (mode != TLB_USER && t.page_shift > PAGE_SHIFT && host) {
        cpu->stats->counter[COUNTER_WALK_REFS] += tlb_span_grow(&cpu->tlb, &cpu->paging, cpu->host->ram, at);
        tlb_use_span(&cpu->tlb, cpu->cpl != 3);
    }
    return true;
}

/* The same for an instruction: raises #PF, or exits for an EPT violation. Returns the guest-physical address. */
static gpa_t translate(struct cpu *cpu, const struct insn *in, gva_t at, enum access access, enum tlb_mode mode)
{
    struct translation t;
    if (likely(fill(cpu, at, access, mode, &t)))
        return t.gpa;
    if (t.ept != EPT_OK)
        cpu->nonroot->second_level(cpu, in, at, &t);
    cpu_raise_pf(cpu, in, at, t.error_code);
}

void mem_second_level(struct cpu *cpu, const struct insn *in, gpa_t at)
{
    struct ept_path path;
    struct translation t = {.guest = at, .ept_qualification = EPT_READ};
    t.ept = ept_walk(cpu->host->ram, cpu->paging.eptp, cpu->paging.maxphyaddr, at, EPT_READ, &path);
    if (t.ept != EPT_OK)
        cpu->nonroot->second_level(cpu, in, gva(0), &t);
}

bool mem_fill(struct cpu *cpu, gva_t page, enum access access)
{
    struct translation t;
    return canonical(page.v) && fill(cpu, page, access, data_mode(cpu), &t);
}

gpa_t fetch_translate(struct cpu *cpu, const struct insn *in, gva_t at)
{
    enum tlb_mode mode = cpu->cpl == 3 ? TLB_USER : TLB_SUPERVISOR;
    const struct tlb_entry *e = &cpu->tlb.entry[mode][tlb_index(at.v)];
    if (likely(e->fetch == (at.v & PAGE_MASK)))
        return gpa(e->frame | (at.v & ~PAGE_MASK));
    return translate(cpu, in, at, ACCESS_FETCH, mode);
}

bool fetch_is_global(const struct cpu *cpu, gva_t at)
{
    const struct tlb_entry *e = &cpu->tlb.entry[cpu->cpl == 3 ? TLB_USER : TLB_SUPERVISOR][tlb_index(at.v)];
    return e->global && e->fetch == (at.v & PAGE_MASK);
}

/* CR0.AM and RFLAGS.AC at CPL 3: #AC for what isn't naturally aligned (SDM 3, 6.15). */
static void check_alignment(struct cpu *cpu, const struct insn *in, uint64_t at, unsigned size, enum tlb_mode mode)
{
    if (mode == TLB_USER_ALIGNED && (at & (size - 1)))
        cpu_raise_error(cpu, in, VEC_AC, 0);
}

/* A linear address outside 64-bit mode has 32 bits; inside, it must be canonical. */
static uint64_t checked(struct cpu *cpu, const struct insn *in, uint64_t at, enum mem_purpose purpose)
{
    if (!cpu_long_mode(cpu))
        return (uint32_t)at;
    bool stack = purpose == MEM_STACK || (in && in->fn && in->seg == SEG_SS);
    if (!canonical(at))
        cpu_raise_error(cpu, in, stack ? VEC_SS : VEC_GP, 0);
    return at;
}

/* ---- devices ---- */

/* A load from where no RAM is: the machine is asked, and the instruction begun anew with its answer. */
static uint64_t device_load(struct cpu *cpu, const struct insn *in, gpa_t at, unsigned size)
{
    struct io_latch *latch = &cpu->latch;
    if (latch->used < latch->reads)
        return latch->value[latch->used++];
    COUNT_TAKEN(cpu->stats, MMIO);
    if (latch->reads == MMIO_LATCH_MAX)
        return UINT64_MAX; /* no instruction that devices are meant for loads that often */
    cpu->exit->kind = VM_EXIT_MMIO;
    cpu->exit->mmio.gpa = at;
    cpu->exit->mmio.size = (uint8_t)size;
    cpu->exit->mmio.write = false;
    cpu->exit->mmio.value = 0;
    cpu_unwind(cpu, in, UNWIND_EXIT);
}

/* A store to where no RAM is: posted, and delivered by run() when the instruction, running alone, is complete. */
static void device_store(struct cpu *cpu, const struct insn *in, gpa_t at, uint64_t value, unsigned size)
{
    if (!cpu->single)
        cpu_unwind(cpu, in, UNWIND_SINGLE);
    COUNT_TAKEN(cpu->stats, MMIO);
    if (cpu->posted_count < POSTED_MAX)
        cpu->posted[cpu->posted_count++] = (struct posted_write){at, (uint8_t)size, value};
}

/* ---- one access within a page ---- */

static void load_piece(struct cpu *cpu, const struct insn *in, gpa_t at, void *to, unsigned size)
{
    const void *host = ram_at(cpu->host->ram, at, size);
    if (likely(host != NULL)) {
        memcpy(to, host, size);
        return;
    }
    for (unsigned done = 0; done < size; done += 8) {
        unsigned piece = size - done < 8 ? size - done : 8;
        uint64_t value = device_load(cpu, in, gpa(at.v + done), piece);
        memcpy((uint8_t *)to + done, &value, piece);
    }
}

static void store_piece(struct cpu *cpu, const struct insn *in, gpa_t at, const void *from, unsigned size)
{
    void *host = ram_at(cpu->host->ram, at, size);
    if (likely(host != NULL)) {
        block_written(cpu, at, size);
        if (cpu->watch)
            watch_written(cpu->watch, at, size);
        memcpy(host, from, size);
        return;
    }
    for (unsigned done = 0; done < size; done += 8) {
        unsigned piece = size - done < 8 ? size - done : 8;
        uint64_t value = 0;
        memcpy(&value, (const uint8_t *)from + done, piece);
        device_store(cpu, in, gpa(at.v + done), value, piece);
    }
}

/*
 * The block being executed would be overwritten: what follows in it would be stale. So the instruction is begun anew,
 * alone, and the block is looked up afresh behind it (SDM 3, 11.6: self-modifying code is seen at once).
 */
static void check_own_code(struct cpu *cpu, const struct insn *in, gpa_t at, unsigned size)
{
    if (!cpu->single && in && in->fn && block_hit_by(cpu->blocks, at, size))
        cpu_unwind(cpu, in, UNWIND_SINGLE);
}

/* ---- any access ---- */

/* How many of the bytes lie in the first page. */
static unsigned first_part(uint64_t at, unsigned size)
{
    uint64_t left = PAGE_SIZE - (at & ~PAGE_MASK);
    return left < size ? (unsigned)left : size;
}

static void load_as(struct cpu *cpu, const struct insn *in, uint64_t at, void *to, unsigned size, enum tlb_mode mode,
                    enum mem_purpose purpose)
{
    enum access access = purpose == MEM_MODIFY ? ACCESS_WRITE : ACCESS_READ;
    at = checked(cpu, in, at, purpose);
    check_alignment(cpu, in, at, size, mode);
    unsigned first = first_part(at, size);
    gpa_t low = translate(cpu, in, gva(at), access, mode);
    if (likely(first == size)) {
        load_piece(cpu, in, low, to, size);
        return;
    }
    gpa_t high = translate(cpu, in, gva(checked(cpu, in, at + first, purpose)), access, mode);
    load_piece(cpu, in, low, to, first);
    load_piece(cpu, in, high, (uint8_t *)to + first, size - first);
}

/* Both pages are translated before the first byte is stored, so that a fault leaves no half of a value behind. */
static void store_as(struct cpu *cpu, const struct insn *in, uint64_t at, const void *from, unsigned size,
                     enum tlb_mode mode, enum mem_purpose purpose)
{
    at = checked(cpu, in, at, purpose);
    check_alignment(cpu, in, at, size, mode);
    unsigned first = first_part(at, size);
    gpa_t low = translate(cpu, in, gva(at), ACCESS_WRITE, mode);
    gpa_t high = gpa(0);
    if (unlikely(first < size)) {
        high = translate(cpu, in, gva(checked(cpu, in, at + first, purpose)), ACCESS_WRITE, mode);
        check_own_code(cpu, in, high, size - first);
    }
    check_own_code(cpu, in, low, first);
    store_piece(cpu, in, low, from, first);
    if (unlikely(first < size))
        store_piece(cpu, in, high, (const uint8_t *)from + first, size - first);
}

void mem_load_slow(struct cpu *cpu, const struct insn *in, uint64_t at, void *to, unsigned size,
                   enum mem_purpose purpose)
{
    load_as(cpu, in, at, to, size, data_mode(cpu), purpose);
}

void mem_store_slow(struct cpu *cpu, const struct insn *in, uint64_t at, const void *from, unsigned size,
                    enum mem_purpose purpose)
{
    store_as(cpu, in, at, from, size, data_mode(cpu), purpose);
}

static void probe_write(struct cpu *cpu, const struct insn *in, uint64_t at, unsigned size, enum mem_purpose purpose)
{
    enum tlb_mode mode = data_mode(cpu);
    at = checked(cpu, in, at, purpose);
    unsigned first = first_part(at, size);
    if (cpu->tlb_data[tlb_index(at)].write != (at & PAGE_MASK))
        translate(cpu, in, gva(at), ACCESS_WRITE, mode);
    if (first < size)
        translate(cpu, in, gva(checked(cpu, in, at + first, purpose)), ACCESS_WRITE, mode);
}

void mem_probe_write(struct cpu *cpu, const struct insn *in, uint64_t at, unsigned size)
{
    probe_write(cpu, in, at, size, MEM_PLAIN);
}

void mem_probe_push(struct cpu *cpu, const struct insn *in, unsigned size)
{
    uint64_t offset = stack_offset(cpu, -(int64_t)size);
    probe_write(cpu, in, linear(cpu, in, SEG_SS, offset, size, ACCESS_WRITE), size, MEM_STACK);
}

uint64_t sys_load(struct cpu *cpu, const struct insn *in, uint64_t at, unsigned size)
{
    uint64_t value = 0;
    const struct tlb_entry *e = &cpu->tlb.entry[TLB_SUPERVISOR][tlb_index(at)];
    if (likely(e->read == ((at + size - 1) & PAGE_MASK)))
        memcpy(&value, (const void *)(at + e->addend), size);
    else
        load_as(cpu, in, at, &value, size, TLB_SUPERVISOR, MEM_PLAIN);
    return value;
}

void sys_store(struct cpu *cpu, const struct insn *in, uint64_t at, unsigned size, uint64_t value)
{
    const struct tlb_entry *e = &cpu->tlb.entry[TLB_SUPERVISOR][tlb_index(at)];
    if (likely(e->write == ((at + size - 1) & PAGE_MASK)))
        memcpy((void *)(at + e->addend), &value, size);
    else
        store_as(cpu, in, at, &value, size, TLB_SUPERVISOR, MEM_PLAIN);
}

/* ---- segmentation outside 64-bit mode (SDM 3, 5.3 to 5.5) ---- */

static bool type_permits(uint32_t attr, enum access access)
{
    bool code = attr & 8;
    if (access == ACCESS_WRITE)
        return !code && (attr & 2);
    return !code || (attr & 2);
}

/* Expand-down segments (type 4 to 7) reach from limit + 1 to 64 KiB or 4 GiB. */
static bool limit_permits(const struct segment_reg *s, uint64_t offset, unsigned size)
{
    uint64_t last = offset + size - 1;
    if ((s->attr & 0xc) == 0x4)
        return offset > s->limit && last <= (s->attr & ATTR_DB ? 0xffffffffu : 0xffffu);
    return last <= s->limit;
}

uint64_t linear_legacy(struct cpu *cpu, const struct insn *in, unsigned seg, uint64_t offset, unsigned size,
                       enum access access)
{
    const struct segment_reg *s = &cpu->seg[seg];
    bool usable = !(s->attr & ATTR_UNUSABLE) && (cpu_real_segments(cpu) || type_permits(s->attr, access));
    if (!usable || !limit_permits(s, offset, size))
        cpu_raise_error(cpu, in, seg == SEG_SS ? VEC_SS : VEC_GP, 0);
    return (uint32_t)(s->base + offset);
}

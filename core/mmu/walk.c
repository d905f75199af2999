/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * walk.c - the page walker (walk.h says what for).
 *
 * A walk has three steps: follow() goes down the tables and collects what they say, permitted() decides whether this
 * accessor may do that access, mark() sets the accessed and dirty bits. Bits are set only by a walk that succeeds. The
 * manual lets a CPU set accessed bits on the way to a fault too (SDM 3, 4.8); real ones differ, and no guest may rely
 * on either.
 *
 * What the entries mean is in walk_entry.h. Read next: tlb.c, which keeps the answers; x86/mem.c, which asks.
 */
#include "mmu/walk_entry.h"

/* Where the walk begins: the root table's address. False: a PAE pointer that isn't present. */
static bool root_of(const struct paging *paging, enum format format, uint64_t at, uint64_t *root)
{
    switch (format) {
    case FORMAT_PAE: *root = paging->pdpte[at >> 30 & 3]; return *root & PDPTE_PRESENT;
    case FORMAT_32BIT: *root = paging->cr3 & bits(12, 31); return true;
    default: *root = paging->cr3; return true;
    }
}

/* ---- the second dimension ---- */

#define QUALIFICATION_LINEAR 0x080u /* the access was to a linear address */
#define QUALIFICATION_FINAL  0x100u /* to what it translates to, not to a table on the way */

static bool ends_in_ept(struct translation *out, enum ept_outcome how, gpa_t guest, unsigned access, unsigned permitted,
                        uint64_t where)
{
    out->ept = how;
    out->guest = guest;
    out->ept_qualification = access | permitted << 3 | QUALIFICATION_LINEAR | where;
    return false;
}

/* Guest-physical to host-physical. False: the walk ends here. Without EPT nothing changes. */
static bool through_ept(const struct paging *paging, const struct ram *ram, struct translation *out, gpa_t *at,
                        unsigned access, uint64_t where, unsigned *permitted)
{
    struct ept_path second;
    *permitted = EPT_RWX;
    if (likely(!paging->eptp))
        return true;
    enum ept_outcome how = ept_walk(ram, paging->eptp, paging->maxphyaddr, *at, access, &second);
    out->ept_refs += second.refs;
    if (how != EPT_OK)
        return ends_in_ept(out, how, *at, access, second.permitted, where);
    *permitted = second.clean ? second.permitted & ~(unsigned)EPT_WRITE : second.permitted;
    *at = second.host;
    return true;
}

/* ---- what is remembered of walks (walk_cache.h) ---- */

static bool table_remembered(const struct paging *paging, gpa_t *at, unsigned *permitted)
{
    if (likely(!paging->cache) || !paging->eptp)
        return false;
    const struct cached_nested *nested = walk_cache_nested(paging->cache, at->v >> PAGE_SHIFT);
    if (nested->page != at->v >> PAGE_SHIFT)
        return false;
    at->v = nested->host | (at->v & ~PAGE_MASK);
    *permitted = nested->permitted;
    return true;
}

static void remember_table(const struct paging *paging, gpa_t guest, gpa_t host, unsigned permitted)
{
    if (likely(!paging->cache) || !paging->eptp)
        return;
    uint64_t page = guest.v >> PAGE_SHIFT;
    *walk_cache_nested(paging->cache, page) = (struct cached_nested){page, host.v & PAGE_MASK, permitted};
    paging->cache->used = true;
}

/* The page table that maps `at`, and the rights on the way to it. */
static bool way_remembered(const struct paging *paging, uint64_t at, struct mmu_path *path, uint64_t *table)
{
    if (likely(!paging->cache) || format_of(paging) != FORMAT_4LEVEL)
        return false;
    const struct cached_directory *directory = walk_cache_directory(paging->cache, at >> 21);
    if (directory->region != at >> 21)
        return false;
    path->user = directory->user, path->writable = directory->writable, path->noexec = directory->noexec;
    *table = directory->entry;
    return true;
}

static void remember_way(const struct paging *paging, uint64_t at, const struct mmu_path *path)
{
    if (likely(!paging->cache) || format_of(paging) != FORMAT_4LEVEL || path->steps != 4)
        return;
    struct cached_directory directory = {.region = at >> 21, .entry = path->step[2].entry, true, true, false};
    for (unsigned i = 0; i < 3; i++) {
        directory.user = directory.user && (path->step[i].entry & ENTRY_US);
        directory.writable = directory.writable && (path->step[i].entry & ENTRY_RW);
        directory.noexec = directory.noexec || (path->step[i].entry & ENTRY_XD);
    }
    *walk_cache_directory(paging->cache, at >> 21) = directory;
    paging->cache->used = true;
}

/* With accessed and dirty flags in EPT, reading a guest's table counts as writing it (SDM 3, 30.3.3.2). */
static bool table_through_ept(const struct paging *paging, const struct ram *ram, struct mmu_path *path, gpa_t *place,
                              struct translation *out)
{
    unsigned permitted;
    unsigned access = paging->eptp & EPTP_AD ? EPT_READ | EPT_WRITE : EPT_READ;
    path->step[path->steps].guest = *place;
    if (!table_remembered(paging, place, &permitted)) {
        gpa_t guest = *place;
        if (!through_ept(paging, ram, out, place, access, 0, &permitted))
            return false;
        remember_table(paging, guest, *place, permitted);
    }
    path->step[path->steps].locked = !(permitted & EPT_WRITE);
    return true;
}

/* ---- the first ---- */

/* Takes in the entry at `place`, of this reach. False: the way ends here, with path->error. */
static inline bool step(const struct paging *paging, enum format format, unsigned shift, gpa_t place, uint64_t entry,
                        struct mmu_path *path)
{
    path->step[path->steps].at = place;
    path->step[path->steps++].entry = entry;
    if (!(entry & ENTRY_P))
        return false;
    bool leaf = is_leaf(paging, format, shift, entry);
    if (entry & reserved_bits(paging, format, shift, leaf)) {
        path->error = PF_PRESENT | PF_RSVD;
        return false;
    }
    path->user = path->user && (entry & ENTRY_US);
    path->writable = path->writable && (entry & ENTRY_RW);
    path->noexec = path->noexec || (format != FORMAT_32BIT && (entry & ENTRY_XD));
    if (leaf) {
        path->page_shift = shift;
        path->frame = frame_of(paging, format, shift, entry);
    }
    return true;
}

/* Goes down the tables, to a page or to the table whose entries reach less than 2^last. False: as for step(). */
static inline bool follow(const struct paging *paging, const struct ram *ram, uint64_t at, unsigned last,
                          struct mmu_path *path, struct translation *out)
{
    enum format format = format_of(paging);
    *path = (struct mmu_path){.user = true, .writable = true};
    if (format == FORMAT_NONE) {
        path->page_shift = PAGE_SHIFT;
        path->frame = at & PAGE_MASK;
        return true;
    }
    const unsigned size = format == FORMAT_32BIT ? 4 : 8, index_bits = format == FORMAT_32BIT ? 10 : 9;
    unsigned shift = format == FORMAT_4LEVEL ? 39 : format == FORMAT_PAE ? 21 : 22;
    uint64_t table;
    if (last == PAGE_SHIFT && way_remembered(paging, at, path, &table))
        shift = PAGE_SHIFT;
    else if (!root_of(paging, format, at, &table))
        return false;

    for (; shift >= last; shift -= index_bits) {
        uint64_t index = at >> shift & bits(0, index_bits - 1);
        gpa_t place = gpa((table & bits(12, 51)) + index * size);
        if (!table_through_ept(paging, ram, path, &place, out))
            return false;
        table = read_entry(ram, place, size);
        if (!step(paging, format, shift, place, table, path))
            return false;
        if (path->page_shift)
            return true;
    }
    return true;
}

/* Access rights (SDM 3, 4.6.1). Without paging everything is permitted. */
static bool permitted(const struct paging *paging, const struct mmu_path *path, enum access access,
                      struct access_rights who)
{
    if (!(paging->cr0 & CR0_PG))
        return true;
    if (who.user) {
        if (!path->user)
            return false;
        return access == ACCESS_FETCH ? !path->noexec : access == ACCESS_READ || path->writable;
    }
    if (access == ACCESS_FETCH)
        return !path->noexec && !(path->user && (paging->cr4 & CR4_SMEP));
    if (path->user && (paging->cr4 & CR4_SMAP) && !who.smap_off)
        return false;
    return access == ACCESS_READ || path->writable || !(paging->cr0 & CR0_WP);
}

/* Sets what the access leaves behind in the tables (SDM 3, 4.8). False: an entry changed, so the walk is void. */
static bool mark(const struct paging *paging, const struct ram *ram, struct mmu_path *path, enum access access,
                 struct translation *out)
{
    unsigned size = format_of(paging) == FORMAT_32BIT ? 4 : 8;
    for (unsigned i = 0; i < path->steps; i++) {
        uint64_t set = ENTRY_A;
        if (i == path->steps - 1 && access == ACCESS_WRITE)
            set |= ENTRY_D;
        uint64_t *entry = &path->step[i].entry;
        if ((*entry & set) == set)
            continue;
        if (path->step[i].locked) {
            ends_in_ept(out, EPT_VIOLATION, path->step[i].guest, EPT_WRITE, EPT_READ, 0);
            return true;
        }
        if (!update_entry(ram, path->step[i].at, size, *entry, set))
            return false;
        *entry |= set;
    }
    return true;
}

static uint32_t fault_code(const struct paging *paging, uint32_t found, enum access access, struct access_rights who)
{
    uint32_t code = found;
    if (access == ACCESS_WRITE)
        code |= PF_WRITE;
    if (who.user)
        code |= PF_USER;
    bool nx = (paging->cr4 & CR4_PAE) && (paging->efer & EFER_NXE);
    if (access == ACCESS_FETCH && (nx || (paging->cr4 & CR4_SMEP)))
        code |= PF_FETCH;
    return code;
}

static gpa_t address_in(const struct mmu_path *path, uint64_t at)
{
    return gpa(path->frame | (at & bits(0, path->page_shift - 1)));
}

static uint64_t leaf_of(const struct mmu_path *path)
{
    return path->steps ? path->step[path->steps - 1].entry : ENTRY_D; /* without paging nothing is ever clean */
}

static bool walk(const struct paging *paging, const struct ram *ram, uint64_t at, enum access access,
                 struct access_rights who, struct translation *out)
{
    struct mmu_path path;
    bool mapped, allowed;
    do {
        mapped = follow(paging, ram, at, PAGE_SHIFT, &path, out);
        out->refs += path.steps;
        if (out->ept != EPT_OK)
            return false;
        allowed = mapped && permitted(paging, &path, access, who);
        if (!allowed) {
            out->error_code = fault_code(paging, mapped ? PF_PRESENT : path.error, access, who);
            return false;
        }
    } while (!mark(paging, ram, &path, access, out));

    static const unsigned needs[] = {
        [ACCESS_READ] = EPT_READ, [ACCESS_WRITE] = EPT_WRITE, [ACCESS_FETCH] = EPT_EXECUTE};
    unsigned rwx;
    if (out->ept != EPT_OK)
        return false;
    remember_way(paging, at, &path);
    out->guest = out->gpa = address_in(&path, at);
    if (!through_ept(paging, ram, out, &out->gpa, needs[access], QUALIFICATION_FINAL, &rwx))
        return false;
    out->page_shift = path.page_shift;
    out->maps_user = path.user;
    out->maps_write = path.writable && (leaf_of(&path) & ENTRY_D);
    out->maps_fetch = !path.noexec;
    out->readable = (rwx & EPT_READ) && permitted(paging, &path, ACCESS_READ, who);
    out->writable = (rwx & EPT_WRITE) && (leaf_of(&path) & ENTRY_D) && permitted(paging, &path, ACCESS_WRITE, who);
    out->executable = (rwx & EPT_EXECUTE) && permitted(paging, &path, ACCESS_FETCH, who);
    out->global = path.steps && (leaf_of(&path) & ENTRY_G) && (paging->cr4 & CR4_PGE);
    return true;
}

bool mmu_walk(const struct paging *paging, const struct ram *ram, gva_t address, enum access access,
              struct access_rights who, struct translation *out)
{
    const uint64_t at = paging->efer & EFER_LMA ? address.v : (uint32_t)address.v;
    *out = (struct translation){0};
    if (walk(paging, ram, at, access, who, out))
        return true;
    if (likely(!paging->cache) || !paging->cache->used)
        return false;
    walk_cache_clear(paging->cache);
    *out = (struct translation){.refs = out->refs, .ept_refs = out->ept_refs};
    return walk(paging, ram, at, access, who, out);
}

bool mmu_peek(const struct paging *paging, const struct ram *ram, gva_t address, struct translation *out)
{
    const uint64_t at = paging->efer & EFER_LMA ? address.v : (uint32_t)address.v;
    struct mmu_path path;
    *out = (struct translation){0};
    bool mapped = follow(paging, ram, at, PAGE_SHIFT, &path, out);
    out->refs = path.steps;
    out->error_code = path.error;
    if (!mapped)
        return false;
    out->gpa = address_in(&path, at);
    out->page_shift = path.page_shift;
    out->readable = true;
    out->writable = path.writable;
    out->executable = !path.noexec;
    out->global = path.steps && (leaf_of(&path) & ENTRY_G) && (paging->cr4 & CR4_PGE);
    return true;
}

bool mmu_region(const struct paging *paging, const struct ram *ram, gva_t at, struct mmu_path *path)
{
    struct translation unused = {0}; /* there is no EPT here */
    if (format_of(paging) != FORMAT_4LEVEL || !follow(paging, ram, at.v, 21, path, &unused))
        return false;
    for (unsigned i = 0; i < path->steps; i++)
        if (!(path->step[i].entry & ENTRY_A))
            return false;
    return path->page_shift || ram_at(ram, gpa(path->step[path->steps - 1].entry & bits(12, 51)), PAGE_SIZE);
}

bool mmu_region_page(const struct paging *paging, const struct mmu_path *region, gva_t at, uint64_t leaf,
                     struct access_rights who, struct translation *out)
{
    struct mmu_path path = *region;
    if (!path.page_shift && (!step(paging, FORMAT_4LEVEL, PAGE_SHIFT, gpa(0), leaf, &path) || !(leaf & ENTRY_A)))
        return false;
    *out = (struct translation){
        .gpa = address_in(&path, at.v),
        .page_shift = path.page_shift,
        .readable = permitted(paging, &path, ACCESS_READ, who),
        .writable = (leaf_of(&path) & ENTRY_D) && permitted(paging, &path, ACCESS_WRITE, who),
        .executable = permitted(paging, &path, ACCESS_FETCH, who),
    };
    return out->readable;
}

bool mmu_load_pdptes(struct paging *paging, const struct ram *ram)
{
    const uint64_t reserved = bits(1, 2) | bits(5, 8) | bits(paging->maxphyaddr, 63); /* SDM 3, table 4-8 */
    uint64_t loaded[4];
    for (unsigned i = 0; i < 4; i++) {
        struct translation second = {0};
        unsigned permitted;
        gpa_t at = gpa((paging->cr3 & bits(5, 31)) + i * 8);
        if (!through_ept(paging, ram, &second, &at, EPT_READ, 0, &permitted))
            return false;
        loaded[i] = read_entry(ram, at, 8);
        if ((loaded[i] & PDPTE_PRESENT) && (loaded[i] & reserved))
            return false;
    }
    for (unsigned i = 0; i < 4; i++)
        paging->pdpte[i] = loaded[i];
    return true;
}

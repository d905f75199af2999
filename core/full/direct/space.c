/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * space.c - address spaces: the shadow's books on one side, a process of the world on the other.
 *
 * Both know a space by the same key. Whoever loses one tells the other: a space that the world gives up, or finds dead,
 * is forgotten by the shadows; a shadow that is recycled empties its space.
 *
 * Next: scan.c.
 */
#include "full/direct/direct.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define SPACES_MAX 32 /* processes of the world */

/* ---- what the shadows ask for ---- */

static struct world_space *space_of(const struct direct *d, uint64_t key)
{
    return d->pool ? world_space_find(d->pool, key) : NULL;
}

static int map(void *context, uint64_t key, gva_t at, gpa_t frame, uint64_t len, int prot, struct reason *why)
{
    struct direct *d = context;
    struct world_space *space = space_of(d, key);
    if (!space)
        return fail(why, EIO, "a page is to be mapped in an address space that is not there");
    if (!(prot & PROT_EXEC) || !d->hooks)
        return world_map(space, at, frame.v, len, prot, WORLD_POPULATE, why);
    int err = 0;
    for (uint64_t done = 0; !err && done < len; done += PAGE_SIZE)
        err = world_map(space, gva(at.v + done), d->hooks->code_at(d, gpa(frame.v + done)), PAGE_SIZE, prot,
                        WORLD_POPULATE, why);
    return err;
}

static int unmap(void *context, uint64_t key, gva_t at, uint64_t len, struct reason *why)
{
    struct world_space *space = space_of(context, key);
    return space ? world_unmap(space, at, len, why) : 0;
}

static int clear(void *context, uint64_t key, struct reason *why)
{
    struct world_space *space = space_of(context, key);
    return space ? world_unmap_all(space, why) : 0;
}

static bool mappable(void *context, gva_t at, uint64_t len)
{
    return world_mappable(((struct direct *)context)->pool, at, len);
}

/* The page behind `at` in the guest's present address space, or NULL. */
static const uint8_t *next_page(const struct direct *d, gva_t at)
{
    struct translation t;
    const struct cpu *cpu = d->cpu;
    if (!mmu_peek(&cpu->paging, cpu->host->ram, gva((at.v & PAGE_MASK) + PAGE_SIZE), &t))
        return NULL;
    return ram_at(cpu->host->ram, gpa(t.gpa.v & PAGE_MASK), PAGE_SIZE);
}

/* Is it a sensitive instruction that begins on the page before, the fetch of whose second half has failed? */
static bool crossing_is_sensitive(const struct direct *d, gpa_t frame, gva_t entry)
{
    const struct cpu *cpu = d->cpu;
    const uint64_t rip = d->regs.rip;
    uint8_t bytes[15];
    unsigned len, first = (unsigned)(entry.v - rip);
    struct translation t;
    if (entry.v - rip >= sizeof(bytes) || !first || !mmu_peek(&cpu->paging, cpu->host->ram, gva(rip), &t))
        return false;
    const uint8_t *head = ram_at(cpu->host->ram, t.gpa, first), *tail = ram_at(cpu->host->ram, frame, sizeof(bytes));
    if (!head || !tail)
        return false;
    memcpy(bytes, head, first);
    memcpy(bytes + first, tail, sizeof(bytes) - first);
    return scan_instruction(d->scan, bytes, sizeof(bytes), &len);
}

static bool may_execute(void *context, gpa_t frame, gva_t entry)
{
    struct direct *d = context;
    if (d->hooks) {
        d->hooks->code_found(d);
        return true;
    }
    return !scan_page(d->scan, frame, (unsigned)(entry.v & ~PAGE_MASK), next_page(d, entry)) &&
           !crossing_is_sensitive(d, frame, entry);
}

static void code_written(void *context, gpa_t frame)
{
    struct direct *d = context;
    if (d->hooks)
        d->hooks->code_written(d, frame);
    scan_forget(d->scan, frame);
    d->sensitive.page = UINT64_MAX;
}

int space_ops_create(struct direct *d, struct reason *why)
{
    struct cpu *cpu = d->cpu;
    const struct shadow_ops ops = {.map = map,
                                   .unmap = unmap,
                                   .clear = clear,
                                   .mappable = mappable,
                                   .may_execute = may_execute,
                                   .code_written = code_written,
                                   .context = d};
    d->shadows = shadow_create(cpu->host->ram, &cpu->paging, &cpu->tlb, cpu->stats, &ops, why);
    return d->shadows ? 0 : -ENOMEM;
}

/* ---- what the world tells ---- */

static void forget(void *context, uint64_t key)
{
    shadow_forget(((struct direct *)context)->shadows, key);
}

int space_pool(struct direct *d, struct reason *why)
{
    const struct ram *ram = d->cpu->host->ram;
    const struct world_options options = {.ram_fd = ram->fd,
                                          .ram_size = ram->size + RAM_SPARE,
                                          .max_spaces = SPACES_MAX,
                                          .trap_tsc = true,
                                          .trap_cpuid = true,
                                          .forget = forget,
                                          .context = d};
    if (d->pool)
        return 0;
    d->pool = world_create(&options, why);
    if (!d->pool)
        return -EIO;
    policy_costs_known(d);
    return 0;
}

int space_present(struct direct *d, struct direct_space *out, struct reason *why)
{
    const bool user = d->cpu->cpl == 3;
    bool fresh;
    out->shadow = shadow_get(d->shadows, user, why);
    if (!out->shadow)
        return -EIO;
    const uint64_t key = shadow_key(out->shadow);
    out->space = world_space_get(d->pool, key, &fresh, why);
    if (!out->space)
        return -EIO;
    if (fresh) { /* new, or lost and made again */
        shadow_forget(d->shadows, key);
        out->shadow = shadow_get(d->shadows, user, why);
        if (out->shadow && shadow_fill_ahead(out->shadow, gva(d->regs.rip), ACCESS_FETCH, why) < 0)
            return -EIO;
    }
    return out->shadow ? 0 : -EIO;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine.c - para/direct behind the contract of engine.h: a paravirtual kernel's own code on the CPU, untranslated.
 *
 * Read direct.h first, then run.c.
 */
#include "para/direct.h"
#include "para/gate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#define SPACES 64 /* processes' address spaces kept at a time */

static int probe(struct reason *why)
{
    return world_probe(why);
}

static void destroy(struct engine *e)
{
    if (!e)
        return;
    timer_destroy(e);
    block_destroy(e);
    world_destroy(e->pool);
    spaces_destroy(e);
    free(e->shadow);
    free(e->frame);
    free(e);
}

static struct engine *create(const struct engine_host *host, struct reason *why)
{
    struct world_options options = {.ram_fd = host->ram->fd,
                                    .ram_size = host->ram->size,
                                    .hole = PARA_HOLE,
                                    .max_spaces = SPACES,
                                    .calls = true,
                                    .yield = true,
                                    .together = true};
    struct engine *e = calloc(1, sizeof *e);

    if (!e) {
        fail(why, ENOMEM, "para/direct: out of memory");
        return NULL;
    }
    e->host = host;
    e->features = PARA_FEATURE_BATCH | PARA_FEATURE_ASYNC;
    e->pool = world_create(&options, why);
    if (!e->pool || frames_create(e, why)) {
        destroy(e);
        return NULL;
    }
    host->stats->counter[COUNTER_HANDOVER_NS] =
        world_costs(e->pool)->handover_spin; /* what a hypercall is held against */
    return e;
}

/* The stub of PARA_CALL_RELAX: no exit, but a call of the world's yield, which comes back by R15. */
static void write_relax(uint8_t *at, uint64_t yield)
{
    static const uint8_t save[] = {0x41, 0x57, 0x4c, 0x8d, 0x3d, 12, 0, 0, 0, 0x48, 0xb8}; /* push %r15; lea 1f, %r15 */
    static const uint8_t jump[] = {0xff, 0xe0, 0x41, 0x5f, 0xc3}; /* jmp *%rax; 1: pop %r15; ret */

    memcpy(at, save, sizeof save); /* and: movabs $yield, %rax */
    memcpy(at + sizeof save, &yield, sizeof yield);
    memcpy(at + sizeof save + sizeof yield, jump, sizeof jump);
}

static bool good_page(const struct engine *e, uint64_t at)
{
    return at && !(at & ~PAGE_MASK) && at < e->host->ram->size;
}

static int read_start_info(struct engine *e, uint64_t at, struct reason *why)
{
    const struct ram *ram = e->host->ram;
    const struct para_start_info *info = ram_at(ram, gpa(at), sizeof *info);

    if (!info || info->magic != PARA_MAGIC || info->version != PARA_VERSION)
        return fail(why, EINVAL, "para/direct: runs paravirtual kernels only (kernel-pv.elf), and this is none");
    e->info = *info;
    if (!good_page(e, info->shared) || !good_page(e, info->hypercall_page) || !good_page(e, info->table_map) ||
        !good_page(e, info->gate) || !ram_at(ram, gpa(info->gate), PARA_GATE_PAGES * PAGE_SIZE) ||
        info->table_map_size < e->frames / 8 || !ram_at(ram, gpa(info->table_map), info->table_map_size))
        return fail(why, EINVAL, "para/direct: the start info at 0x%llx names impossible pages",
                    (unsigned long long)at);
    e->shared = ram_at(ram, gpa(info->shared), PAGE_SIZE);
    e->table_map = ram_at(ram, gpa(info->table_map), info->table_map_size);
    return 0;
}

static void claim(struct engine *e, uint64_t at, uint64_t size)
{
    for (uint64_t frame = at >> PAGE_SHIFT; frame <= (at + size - 1) >> PAGE_SHIFT; frame++)
        e->frame[frame].type = FRAME_HYPERVISOR;
}

/* The host's TSC is the guest's, so one record, made at the start, is true for good. */
static void set_time(struct engine *e)
{
    struct para_time *record = &e->shared->time;
    unsigned __int128 ns = (unsigned __int128)1000000000 << 32;

    record->version = 1;
    record->shift = 32;
    record->mul = e->host->tsc_hz ? (uint64_t)(ns / e->host->tsc_hz) : 0;
    record->tsc = __rdtsc();
    record->seconds = (uint64_t)time(NULL);
    e->clock = *record;
    __atomic_store_n(&record->version, 2, __ATOMIC_RELEASE);
}

/* The start of day (core/machine/load_para.c has put it into RAM): the only state that can be loaded from outside. */
static int set_state(struct engine *e, const struct cpu_state *state, struct reason *why)
{
    int err = e->started ? fail(why, EINVAL, "para/direct: a running guest's state can't be replaced")
                         : read_start_info(e, state->gpr[RSI], why);
    const uint32_t mxcsr = 0x1f80, mxcsr_mask = 0xffff;
    const uint16_t fcw = 0x37f;

    if (err)
        return err;
    memset(e->shared, 0, sizeof *e->shared);
    memset(e->table_map, 0, e->info.table_map_size);
    claim(e, e->info.shared, PAGE_SIZE);
    claim(e, e->info.hypercall_page, PAGE_SIZE);
    claim(e, e->info.table_map, e->info.table_map_size);
    claim(e, e->info.gate, PARA_GATE_PAGES * PAGE_SIZE);
    peer_create(e);
    write_relax(ram_at(e->host->ram, gpa(e->info.hypercall_page + PARA_CALL_RELAX * PARA_STUB_SIZE), PARA_STUB_SIZE),
                world_yield_at(e->pool));
    memcpy(e->shared->fpu, &fcw, sizeof fcw);
    memcpy(e->shared->fpu + 24, &mxcsr, sizeof mxcsr);
    memcpy(e->shared->fpu + 28, &mxcsr_mask, sizeof mxcsr_mask);
    memcpy(e->user.xsave, e->shared->fpu, sizeof e->user.fxsave);
    memcpy(e->kernel.xsave, e->shared->fpu, sizeof e->kernel.fxsave);
    e->shared->masked = 1;
    set_time(e);
    memcpy(e->kernel.gpr, state->gpr, sizeof e->kernel.gpr);
    e->kernel.rip = state->rip;
    e->kernel.rflags = FLAG_ONE;
    e->started = true;
    return 0;
}

/* What of a CPU a paravirtual guest has; descriptor tables and control registers are the hypervisor's. */
static void get_state(struct engine *e, struct cpu_state *state)
{
    const struct world_regs *regs = e->in_user ? &e->user : &e->kernel;
    bool interrupts = e->started && (e->in_user || !e->shared->masked);

    cpu_state_reset(state);
    memcpy(state->gpr, regs->gpr, sizeof state->gpr);
    state->rip = regs->rip;
    state->rflags = regs->rflags | (interrupts ? FLAG_IF : 0);
    state->seg[SEG_CS].selector = e->in_user ? PARA_USER_CS : PARA_KERNEL_CS;
    state->seg[SEG_FS].base = regs->fs_base;
    state->seg[SEG_GS].base = regs->gs_base;
    state->cr2 = e->started ? e->shared->cr2 : 0;
    state->cr3 = e->cr3;
    state->event = e->event;
}

static bool can_inject(struct engine *e)
{
    return e->started && direct_can_inject(e);
}

static void inject(struct engine *e, uint8_t vector)
{
    e->event = (struct pending_event){.valid = true, .vector = vector, .type = EVENT_EXTERNAL};
}

static void request_window(struct engine *e, bool wanted)
{
    e->window_wanted = wanted;
    if (e->started)
        e->shared->pending = wanted;
}

static void kick(struct engine *e)
{
    atomic_store(&e->kicked, true);
    world_kick(e->pool);
}

/* Nothing of RAM is decoded or cached here. */
static void ram_written(struct engine *e, gpa_t at, uint64_t len)
{
    (void)e, (void)at, (void)len;
}

const struct engine_ops para_direct = {
    .abi = ENGINE_ABI,
    .name = "para/direct",
    .technique = "para",
    .text = "paravirtualization: the guest's kernel runs on the CPU as it is, and asks for the rest",
    .capabilities = ENGINE_PARAVIRTUAL | ENGINE_CORES,
    .counters = COUNTER_BIT(SHADOW_FILLS) | COUNTER_BIT(HIDDEN_FAULTS) | COUNTER_BIT(TRUE_FAULTS) |
                COUNTER_BIT(PT_WRITES) | COUNTER_BIT(HYPERCALLS) | COUNTER_BIT(HYPERCALL_ENTRIES) |
                COUNTER_BIT(DISK_REQUESTS) | COUNTER_BIT(DISK_NOTIFICATIONS) | COUNTER_BIT(HANDOVER_NS) |
                COUNTER_BIT(INTERRUPTS) | COUNTER_BIT(EXCEPTIONS),
    .probe = probe,
    .create = create,
    .destroy = destroy,
    .run = direct_run,
    .get_state = get_state,
    .set_state = set_state,
    .can_inject = can_inject,
    .inject = inject,
    .request_window = request_window,
    .kick = kick,
    .ram_written = ram_written,
};

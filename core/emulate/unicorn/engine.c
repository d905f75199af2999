/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine.c - emulate/unicorn behind the contract of engine.h; and how its CPU is made. Read parts.h first.
 *
 * It carries the flat personality only: the library doesn't use the IDT, so that no interrupt can be taken, and what
 * its MMU does is listed in findings.h. Several engines may live in one process; each one has a library CPU of its own.
 */
#include "emulate/unicorn/parts.h"
#include <errno.h>
#include <stdlib.h>

static void library_close(struct engine *e)
{
    if (e->replay.before)
        uc_context_free(e->replay.before);
    if (e->uc)
        uc_close(e->uc);
    e->replay.before = NULL;
    e->uc = NULL;
}

uc_err library_cpu(uc_engine **uc)
{
    uc_err err = uc_open(UC_ARCH_X86, UC_MODE_64, uc);

    return err ? err : uc_ctl_set_cpu_model(*uc, UC_CPU_X86_NEHALEM);
}

int library_open(struct engine *e, struct reason *why)
{
    uc_err err;

    library_close(e);
    err = library_cpu(&e->uc);
    if (!err)
        err = uc_context_alloc(e->uc, &e->replay.before);
    if (!err)
        err = uc_mem_map_ptr(e->uc, 0, e->host->ram->size, UC_PROT_ALL, e->host->ram->base);
    if (!err)
        err = uc_ctl_exits_enable(e->uc);
    if (err)
        return fail(why, EIO, "emulate/unicorn: the library refuses a CPU: %s", uc_strerror(err));
    memset(e->block, 0xff, sizeof(e->block)); /* no block has this address */
    e->entered = (struct entered){0};
    e->replay.active = e->replay.wants = e->spoiled = false;
    e->points_changed = true;
    return hooks_add(e, why);
}

static void destroy(struct engine *e)
{
    if (!e)
        return;
    library_close(e);
    free(e);
}

static struct engine *create(const struct engine_host *host, struct reason *why)
{
    struct engine *e;
    struct cpu_state reset;

    if (unicorn_probe(why))
        return NULL;
    e = calloc(1, sizeof(*e));
    if (!e) {
        fail(why, ENOMEM, "not enough memory for a CPU");
        return NULL;
    }
    e->host = host;
    ZydisDecoderInit(&e->decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    cpu_state_reset(&reset);
    if (library_open(e, why) || unicorn_set_state(e, &reset, why)) {
        destroy(e);
        return NULL;
    }
    return e;
}

/* No interrupt can be delivered: one that waits while RFLAGS.IF is set is a death, in run.c. */
static bool can_inject(struct engine *e)
{
    (void)e;
    return false;
}

static void inject(struct engine *e, uint8_t vector)
{
    (void)e, (void)vector; /* never called: can_inject() */
}

static void request_window(struct engine *e, bool wanted)
{
    e->window_wanted = wanted;
}

/* A flag that is looked at when a block is entered: nothing of the library, whose uc_emu_stop() isn't made for this. */
static void kick(struct engine *e)
{
    __atomic_store_n(&e->kicked, true, __ATOMIC_SEQ_CST);
}

static void ram_written(struct engine *e, gpa_t at, uint64_t len)
{
    if (len && ram_at(e->host->ram, at, len))
        translation_drop(e, at.v, at.v + len);
}

const struct engine_ops emulate_unicorn = {
    .abi = ENGINE_ABI,
    .name = "emulate/unicorn",
    .technique = "emulate",
    .text = "the Unicorn Engine library, QEMU's translator, as CPU; flat guests only",
    .capabilities = ENGINE_FLAT | ENGINE_VIRTUAL_TIME,
    .counters = COUNTER_BIT(INSTRUCTIONS) | COUNTER_BIT(BLOCKS_DECODED) | COUNTER_BIT(UNKNOWN_INSTRUCTIONS),
    .probe = unicorn_probe,
    .create = create,
    .destroy = destroy,
    .run = unicorn_run,
    .get_state = unicorn_get_state,
    .set_state = unicorn_set_state,
    .can_inject = can_inject,
    .inject = inject,
    .request_window = request_window,
    .kick = kick,
    .ram_written = ram_written,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bt_rig.h - one engine without a machine: a CPU in 64-bit mode, RAM, a program of a few bytes. For test_bt.c and
 * test_static.c, which hold a translator against the interpreter.
 */
#ifndef VIRTLAB_TESTS_BT_RIG_H
#define VIRTLAB_TESTS_BT_RIG_H

#include "full/bt/bt.h"
#include "machine/engines.h"
#include "vltest.h"

#define CODE   UINT64_C(0x200000)
#define DATA   UINT64_C(0x400000)
#define STACK  UINT64_C(0x600000)
#define ALIAS  UINT64_C(0x40000000) /* where physical memory is mapped a second time */
#define TABLES UINT64_C(0x1000)
#define RAM    (UINT64_C(8) << 20)

/* One engine with a CPU in 64-bit mode, ring 0, the first 8 MiB mapped at 0 and at ALIAS by pages of 2 MiB. */
struct rig {
    const struct engine_ops *ops;
    struct ram ram;
    struct stats stats;
    struct engine_host host;
    struct engine *engine;
    struct vm_exit exit;
    struct cpu_state s;
};

static uint64_t retired_ticks(void *context, uint64_t retired)
{
    (void)context;
    return retired;
}

static void put64(struct rig *r, uint64_t at, uint64_t value)
{
    memcpy(r->ram.base + at, &value, sizeof(value));
}

static bool rig_open(struct rig *r, const struct engine_ops *ops, const uint8_t *code, size_t size)
{
    struct reason why = {""};
    *r = (struct rig){.ops = ops, .exit = {.kind = VM_EXIT_INTERRUPTED}};
    if (ram_create(&r->ram, RAM, &why))
        return false;
    put64(r, TABLES, (TABLES + 0x1000) | 3);
    put64(r, TABLES + 0x1000, (TABLES + 0x2000) | 3);
    put64(r, TABLES + 0x1000 + 8 * (ALIAS >> 30), (TABLES + 0x2000) | 3);
    for (uint64_t i = 0; i < 4; i++)
        put64(r, TABLES + 0x2000 + 8 * i, i << 21 | 0x83);
    memcpy(r->ram.base + CODE, code, size);
    r->host = (struct engine_host){.ram = &r->ram, .stats = &r->stats, .tsc = retired_ticks, .tsc_hz = 1000000000};
    r->engine = ops->create(&r->host, &why);
    if (!r->engine)
        return false;
    if (!strcmp(ops->technique, "full")) { /* every block is translated before it runs, and soon part of a trace */
        struct bt *bt = bt_of((struct cpu *)r->engine);
        bt->translator.heat = 1;
        bt->slice = 150;
        bt->samples = 2;
    }
    cpu_state_reset(&r->s);
    r->s.cr0 = CR0_PE | CR0_PG | CR0_ET | CR0_WP;
    r->s.cr3 = TABLES;
    r->s.cr4 = CR4_PAE | CR4_OSFXSR;
    r->s.efer = EFER_LME | EFER_LMA;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        r->s.seg[i] = (struct segment_reg){.limit = 0xffffffff, .attr = 0xc093};
    r->s.seg[SEG_CS] = (struct segment_reg){.limit = 0xffffffff, .attr = 0xa09b, .selector = 8};
    r->s.rip = CODE;
    r->s.gpr[RSP] = STACK;
    r->s.gpr[RDI] = DATA;
    r->s.rflags = FLAG_ONE;
    return ops->set_state(r->engine, &r->s, &why) == 0;
}

static void rig_close(struct rig *r)
{
    if (r->engine)
        r->ops->destroy(r->engine);
    ram_destroy(&r->ram);
}

/* Runs until it halts, in pieces of `budget` instructions. False: it took more than 100 million. */
static inline bool rig_run(struct rig *r, uint64_t budget)
{
    do {
        r->ops->run(r->engine, &r->exit, budget);
        r->ops->get_state(r->engine, &r->s);
        if (r->stats.counter[COUNTER_INSTRUCTIONS] > 100000000)
            return false;
    } while (r->exit.kind == VM_EXIT_INTERRUPTED);
    return true;
}

/* Registers, flags but AF (often undefined), XMM and memory are the same. */
static void check_same(const struct rig *a, const struct rig *b)
{
    CHECK_EQ_U64(a->exit.kind, b->exit.kind);
    for (unsigned i = 0; i < GPR_COUNT; i++)
        CHECK_EQ_U64(b->s.gpr[i], a->s.gpr[i]);
    CHECK_EQ_U64(b->s.rip, a->s.rip);
    CHECK_EQ_U64(b->s.rflags & ~(uint64_t)FLAG_AF, a->s.rflags & ~(uint64_t)FLAG_AF);
    CHECK_EQ_U64(b->stats.counter[COUNTER_INSTRUCTIONS], a->stats.counter[COUNTER_INSTRUCTIONS]);
    CHECK(!memcmp(a->s.fpu.xmm, b->s.fpu.xmm, sizeof(a->s.fpu.xmm)));
    CHECK(!memcmp(a->ram.base + CODE, b->ram.base + CODE, RAM - CODE));
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bare_rig.h - a machine with a few instructions in it and no kernel: ring 0 of 64-bit mode, low memory mapped one to
 * one by page tables whose accessed and dirty flags are set, so that the processor has nothing of its own to write
 * there. The code ends with a write to port BARE_END. For tests that ask an engine about exactly these instructions.
 */
#ifndef VIRTLAB_TESTS_BARE_RIG_H
#define VIRTLAB_TESTS_BARE_RIG_H

#include "vltest.h"
#include <stdint.h>
#include <virtlab/machine.h>

#define BARE_RAM         (UINT64_C(16) << 20)
#define BARE_CODE        0x1000u
#define BARE_TABLES      0x4000u /* PML4, PDPT, PDs of the first GiB and of the fourth */
#define BARE_TABLE_PAGES 4
#define BARE_END         0x80 /* the port */

static struct {
    struct machine *machine;
    bool ended;
} bare;

static void bare_put(uint64_t at, uint64_t value)
{
    memcpy(machine_ram(bare.machine)->base + at, &value, sizeof(value));
}

static void bare_map(void)
{
    enum { FLAGS = 0x67, LARGE = 0x80 }; /* present, writable, user, accessed, dirty */
    bare_put(BARE_TABLES, (BARE_TABLES + 0x1000) | FLAGS);
    bare_put(BARE_TABLES + 0x1000, (BARE_TABLES + 0x2000) | FLAGS);
    bare_put(BARE_TABLES + 0x1000 + 3 * 8, (BARE_TABLES + 0x3000) | FLAGS);
    for (uint64_t i = 0; i < 8; i++)
        bare_put(BARE_TABLES + 0x2000 + 8 * i, i << 21 | FLAGS | LARGE);
    bare_put(BARE_TABLES + 0x3000 + 511 * 8, UINT64_C(0xffe00000) | FLAGS | LARGE); /* hwassist/kvm:ring3's TSS */
}

static void bare_end(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    (void)device, (void)offset, (void)size, (void)value;
    bare.ended = true;
    machine_stop(bare.machine);
}
static uint64_t bare_read(void *device, uint64_t offset, unsigned size)
{
    (void)device, (void)offset, (void)size;
    return 0;
}
static const struct bus_ops bare_port = {bare_read, bare_end, .byte_wide = true};

/* A machine with this code in it; false when the engine can't run here (the test is skipped) or there is none. */
static bool bare_start(const char *engine, bool kernel_exits, const uint8_t *code, size_t size)
{
    struct reason why = {""};
    struct machine_config config = {.mem = BARE_RAM, .console_in = -1, .console_out = 1, .kernel_exits = kernel_exits};
    const struct engine_ops *ops = engine_find(engine, &why);
    CHECK_FATAL(ops != NULL);
    if (ops->probe(&why)) {
        vltest_skip("%s", why.text);
        return false;
    }
    bare.machine = machine_create(&config, ops, &why);
    vltest_check(bare.machine != NULL, __FILE__, __LINE__, "no machine: %s", why.text);
    if (!bare.machine)
        return false;
    CHECK(bus_claim(machine_port_bus(bare.machine), "end", BARE_END, 1, &bare_port, NULL, &why) == 0);
    memcpy(machine_ram(bare.machine)->base + BARE_CODE, code, size);
    bare_map();
    return true;
}

/* Runs the code from its start until something ends it; `rsi` is for whatever it likes. */
static struct machine_result bare_go(uint64_t rsi)
{
    struct reason why = {""};
    struct cpu_state s;
    cpu_state_reset(&s);
    s.rip = BARE_CODE, s.gpr[RSI] = rsi, s.rflags = FLAG_ONE;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        s.seg[i] = (struct segment_reg){.selector = 0x10, .limit = UINT32_MAX, .attr = 0xc093};
    s.seg[SEG_CS] = (struct segment_reg){.selector = 0x8, .limit = UINT32_MAX, .attr = 0xa09b};
    s.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG, s.cr3 = BARE_TABLES, s.cr4 = CR4_PAE;
    s.efer = EFER_LME | EFER_LMA;
    bare.ended = false;
    int err = machine_set_state(bare.machine, &s, &why);
    vltest_check(err == 0, __FILE__, __LINE__, "state refused: %s", why.text);
    return machine_run(bare.machine);
}

/* The same; the end must be the write to BARE_END. */
static inline void bare_run(uint64_t rsi)
{
    struct machine_result result = bare_go(rsi);
    vltest_check(result.end == MACHINE_STOPPED && bare.ended, __FILE__, __LINE__, "it ended otherwise: %s",
                 result.why.text);
}

#endif

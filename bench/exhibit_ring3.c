/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exhibit_ring3.c - an instruction in ring 3 of this processor: where a guest kernel finds itself under
 * trap-and-emulate.
 *
 * Two pools of worlds, one of them with the time-stamp counter closed to ring 3. What comes back is what the processor
 * (or the host's kernel, where it answers in the processor's place) really did.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "exhibit_x86.h"
#include "world/world.h"

struct exhibit_ring3 {
    const struct ram *ram;
    struct world_pool *open, *trap_tsc;
};

static struct world_pool *open_pool(const struct ram *ram, bool trap_tsc, struct reason *why)
{
    return world_create(
        &(struct world_options){.ram_fd = ram->fd, .ram_size = ram->size, .max_spaces = 1, .trap_tsc = trap_tsc}, why);
}

struct exhibit_ring3 *exhibit_ring3_open(const struct ram *ram, struct reason *why)
{
    struct exhibit_ring3 *ring3 = calloc(1, sizeof *ring3);

    if (!ring3) {
        fail(why, ENOMEM, "exhibit: out of memory");
        return NULL;
    }
    ring3->ram = ram;
    ring3->open = open_pool(ram, false, why);
    ring3->trap_tsc = ring3->open ? open_pool(ram, true, why) : NULL;
    if (!ring3->trap_tsc) {
        exhibit_ring3_close(ring3);
        return NULL;
    }
    return ring3;
}

void exhibit_ring3_close(struct exhibit_ring3 *ring3)
{
    if (!ring3)
        return;
    world_destroy(ring3->open);
    world_destroy(ring3->trap_tsc);
    free(ring3);
}

/* The pool's one space, with code, data and stack in it. */
static struct world_space *enter_space(struct world_pool *pool, struct reason *why)
{
    bool fresh;
    struct world_space *space = world_space_get(pool, 1, &fresh, why);

    if (!space || !fresh)
        return space;
    int err = world_map(space, gva(EXHIBIT_CODE), EXHIBIT_CODE, PAGE_SIZE, PROT_READ | PROT_EXEC, 0, why);
    err = err ? err : world_map(space, gva(EXHIBIT_DATA), EXHIBIT_DATA, PAGE_SIZE, PROT_READ | PROT_WRITE, 0, why);
    err = err ? err
              : world_map(space, gva(EXHIBIT_STACK - 2 * PAGE_SIZE), EXHIBIT_STACK - 2 * PAGE_SIZE, 2 * PAGE_SIZE,
                          PROT_READ | PROT_WRITE, 0, why);
    return err ? NULL : space;
}

static void first_registers(const struct exhibit_ring3 *ring3, const struct exhibit_x86_row *row,
                            struct world_regs *regs)
{
    memset(regs, 0, sizeof *regs);
    exhibit_x86_arrange(row, ring3->ram, regs->gpr);
    regs->rip = EXHIBIT_CODE;
    regs->rflags = FLAG_ONE;
    regs->fs_base = 0x1000, regs->gs_base = 0x2000;   /* as exhibit_stage_state has them */
    regs->fxsave[0] = 0x7f, regs->fxsave[1] = 0x03;   /* FCW */
    regs->fxsave[24] = 0x80, regs->fxsave[25] = 0x1f; /* MXCSR */
}

static void tell_exit(const struct exhibit_x86_row *row, const struct world_regs *regs, const struct world_exit *exit,
                      struct exhibit_run *run)
{
    bool bp = exit->kind == WORLD_EXIT_EXCEPTION && exit->vector == VEC_BP;

    run->end = EXHIBIT_TRAP;
    if (bp && regs->rip == exhibit_x86_end(row)) {
        run->end = EXHIBIT_DONE;
    } else if (exit->kind == WORLD_EXIT_SYSCALL) {
        snprintf(run->how, sizeof run->how, "SIGSYS (%s gate)", exit->gate == WORLD_GATE_SYSCALL ? "64-bit" : "32-bit");
    } else if (exit->kind == WORLD_EXIT_EXCEPTION) {
        exhibit_x86_exception(run->how, sizeof run->how, exit->vector, exit->error);
    } else {
        run->end = EXHIBIT_UNRUN;
        snprintf(run->how, sizeof run->how, "unexpected exit %d of the world", (int)exit->kind);
    }
}

void exhibit_ring3_run(struct exhibit_ring3 *ring3, const struct exhibit_x86_row *row, struct exhibit_run *run)
{
    struct reason why = {""};
    struct world_regs regs;
    struct world_exit exit;
    struct world_space *space = enter_space(row->options & TRAP_TSC ? ring3->trap_tsc : ring3->open, &why);

    first_registers(ring3, row, &regs);
    if (!space || world_run(space, &regs, &exit, &why)) {
        run->end = EXHIBIT_UNRUN;
        snprintf(run->how, sizeof run->how, "%.90s", why.text);
        return;
    }
    tell_exit(row, &regs, &exit, run);
    exhibit_x86_look(run, ring3->ram, regs.gpr, regs.rflags);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.c - the loop: what happens between two runs of the library.
 *
 * Each turn begins at e->rip with all instructions before it complete. An instruction of ours is carried out (ours.c);
 * else the library runs until a hook stops it or it comes to such an instruction, and what stopped it is looked at.
 *
 * A budget ends exactly: whole blocks run as long as they fit in it, then the library is told to stop behind the last
 * instruction that does. That costs one translation of a partial block, some 10 us, at each budget's end and nothing
 * before. (The library's own way, the count of uc_emu_start(), calls a hook for each instruction.)
 *
 * Read next: exits.c, ours.c, device.c.
 */
#include "emulate/unicorn/parts.h"
#include <stdarg.h>
#include <stdio.h>

typedef unsigned long long ull;

/* ---- ways to leave ---- */

static bool leave(struct engine *e, enum vm_exit_kind kind)
{
    e->exit->kind = kind;
    e->exit->why = (struct reason){""};
    return true;
}

void leave_with_death(struct engine *e, const char *format, ...)
{
    char text[sizeof(e->exit->why.text)];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    leave(e, VM_EXIT_DEATH);
    fail(&e->exit->why, 0, "%s", text);
}

/*
 * An exception, or INT n, at e->rip. Without an IDT it is a triple fault on every CPU; with one, this library lets the
 * guest down.
 */
void leave_with_exception(struct engine *e, unsigned vector)
{
    char text[96];
    uc_x86_mmr idtr = {0};

    insn_text(e, e->rip, text, sizeof(text));
    uc_reg_read(e->uc, UC_X86_REG_IDTR, &idtr);
    if (idtr.limit >= 16 * vector + 15) { /* it holds the vector's gate (SDM 3, 6.14.1) */
        leave_with_death(e, "exception or interrupt %u at rip %#llx (%s): Unicorn doesn't use the IDT", vector,
                         (ull)e->rip, text);
        return;
    }
    COUNT_TAKEN(e->host->stats, TRIPLE_FAULT);
    leave(e, VM_EXIT_SHUTDOWN);
    fail(&e->exit->why, 0, "exception or interrupt %u at rip %#llx (%s), and no IDT", vector, (ull)e->rip, text);
}

static bool leave_interrupted(struct engine *e)
{
    COUNT_TAKEN(e->host->stats, INTERRUPTED);
    return leave(e, VM_EXIT_INTERRUPTED);
}

static bool leave_with_posted(struct engine *e)
{
    const struct access *write;

    if (e->posted_next == e->posted_count) {
        e->posted_next = e->posted_count = 0;
        return false;
    }
    write = &e->posted[e->posted_next++];
    e->exit->mmio.gpa = write->gpa;
    e->exit->mmio.size = (uint8_t)write->size;
    e->exit->mmio.write = true;
    e->exit->mmio.value = write->value;
    return leave(e, VM_EXIT_MMIO);
}

/* What can stop the CPU between two instructions. True: run() returns. */
static bool must_leave(struct engine *e)
{
    if (leave_with_posted(e))
        return true;
    if (!e->live) {
        leave_with_death(e, "Unicorn carries flat guests: 64-bit mode, ring 0, no pending event (rip %#llx is not)",
                         (ull)e->rip);
        return true;
    }
    if (__atomic_exchange_n(&e->kicked, false, __ATOMIC_SEQ_CST) || e->retired >= e->limit)
        return leave_interrupted(e);
    if (e->window_wanted && (reg_get(e, UC_X86_REG_RFLAGS) & FLAG_IF)) {
        leave_with_death(e, "an interrupt is pending at rip %#llx and enabled: Unicorn doesn't use the IDT",
                         (ull)e->rip);
        return true;
    }
    return false;
}

/* ---- the library runs ---- */

static uc_err start(struct engine *e, uint64_t without, uint64_t extra)
{
    uc_err err = points_tell(e, without, extra);

    e->stop = STOP_NONE;
    e->entered = (struct entered){0};
    if (!err)
        err = uc_emu_start(e->uc, e->rip, 0, 0, 0);
    e->rip = reg_get(e, UC_X86_REG_RIP);
    return err;
}

uc_err run_one(struct engine *e, unsigned length)
{
    uint64_t behind = e->rip + length;
    uc_err err;

    translation_drop(e, e->rip, behind);
    e->stepping = true;
    e->step_seen = 0;
    err = start(e, e->rip, behind);
    e->stepping = false;
    return err;
}

/* It stopped inside a block that was counted as a whole: give back what wasn't executed, from RIP on. */
static void give_back(struct engine *e)
{
    if (e->rip >= e->entered.address && e->rip < e->entered.end)
        e->retired -= count_between(e, e->rip, e->entered.end);
}

static bool invalid(struct engine *e)
{
    struct stats *stats = e->host->stats;
    ZydisDecodedInstruction insn;
    char text[96];

    if (!insn_at(e, e->rip, &insn) || insn.mnemonic == ZYDIS_MNEMONIC_UD0 || insn.mnemonic == ZYDIS_MNEMONIC_UD1 ||
        insn.mnemonic == ZYDIS_MNEMONIC_UD2) {
        leave_with_exception(e, VEC_UD);
        return true;
    }
    insn_text(e, e->rip, text, sizeof(text));
    COUNT(stats, UNKNOWN_INSTRUCTIONS);
    if (!stats->unknown[0])
        snprintf(stats->unknown, sizeof(stats->unknown), "%s", text);
    leave_with_death(e, "Unicorn lacks the instruction at rip %#llx: %s", (ull)e->rip, text);
    return true;
}

/*
 * No hook spoke. It came to an address where it was to stop; if no instruction of ours stands there any more, the
 * address is forgotten. Otherwise it has given up: it does so in silence when an exception comes while it believes that
 * another one is being delivered (a page fault of a fetch, for one).
 */
static bool stopped_silently(struct engine *e, uc_err err)
{
    ZydisDecodedInstruction insn;

    if (err) {
        leave(e, VM_EXIT_ERROR);
        fail(&e->exit->why, 0, "the Unicorn library failed at rip %#llx: %s", (ull)e->rip, uc_strerror(err));
        return true;
    }
    if (insn_at(e, e->rip, &insn) && is_ours(&insn))
        return false;
    if (point_has(e, e->rip)) {
        point_remove(e, e->rip);
        translation_drop(e, e->rip, e->rip + 1);
        return false;
    }
    e->spoiled = true;
    leave_with_exception(e, VEC_DF);
    return true;
}

/* Looks at what stopped the library. True: run() returns. */
static bool came_back(struct engine *e, uc_err err)
{
    switch (e->stop) {
    case STOP_OURS:
        point_add_all(e, e->address, e->size);
        translation_drop(e, e->address, e->address + e->size);
        return false;
    case STOP_KICK:
    case STOP_BUDGET:
    case STOP_STEPPED: return false;
    case STOP_EXCEPTION:
        give_back(e);
        leave_with_exception(e, e->vector);
        return true;
    case STOP_INVALID: give_back(e); return invalid(e);
    case STOP_DEVICE:
        device_locate(e);
        give_back(e);
        return device_access(e);
    case STOP_FETCH: leave_with_death(e, "jump to %#llx, where there is no RAM", (ull)e->address); return true;
    case STOP_NONE: break;
    }
    return stopped_silently(e, err);
}

/* The next block is longer than what is left of the budget: it is run in part. */
static bool run_rest_of_budget(struct engine *e)
{
    uint64_t behind = nth_insn(e, e->rip, e->limit - e->retired);
    uc_err err;

    translation_drop(e, e->rip, behind);
    err = start(e, 0, behind);
    if (!err && e->stop == STOP_NONE && e->rip == behind)
        return false;
    return came_back(e, err);
}

static bool turn(struct engine *e)
{
    ZydisDecodedInstruction insn;

    if (must_leave(e))
        return true;
    if (insn_at(e, e->rip, &insn) && is_ours(&insn))
        return carry_out(e, &insn);
    if (e->stop == STOP_BUDGET)
        return run_rest_of_budget(e);
    return came_back(e, start(e, 0, 0));
}

void unicorn_run(struct engine *e, struct vm_exit *exit, uint64_t budget)
{
    bool left = false;

    e->exit = exit;
    e->limit = budget ? e->retired + budget : UINT64_MAX;
    e->stop = STOP_NONE;
    if (e->port_read.active)
        port_read_complete(e);
    else if (e->replay.wants)
        left = device_answered(e);
    while (!left)
        left = turn(e);
    e->host->stats->counter[COUNTER_INSTRUCTIONS] = e->retired;
    e->exit = NULL;
}

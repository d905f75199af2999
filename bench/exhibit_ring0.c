/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exhibit_ring0.c - an instruction in ring 0 of the software CPU: what it means where it belongs, and what it changes.
 *
 * Nothing can happen unseen here: before and after, the whole register file is compared, and the CPU's own counts of
 * sensitive events (exit.h's taxonomy) and TLB flushes too, for what leaves no trace in a register.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <virtlab/engine.h>

#include "exhibit_x86.h"

#define BUDGET  1000 /* instructions: a row has a dozen */
#define IN_BYTE 0x5a /* what every port reads as */

struct exhibit_ring0 {
    struct ram *ram;
    const struct engine_ops *ops;
    struct engine *engine;
    struct engine_host host;
    struct stats stats;
};

/* A clock that counts instructions. */
static uint64_t tsc(void *context, uint64_t retired)
{
    (void)context;
    return retired;
}

struct exhibit_ring0 *exhibit_ring0_open(struct ram *ram, struct reason *why)
{
    struct exhibit_ring0 *ring0 = calloc(1, sizeof *ring0);

    if (!ring0) {
        fail(why, ENOMEM, "exhibit: out of memory");
        return NULL;
    }
    ring0->ram = ram;
    ring0->host = (struct engine_host){.ram = ram, .stats = &ring0->stats, .tsc = tsc, .tsc_hz = 1000000000};
    ring0->ops = engine_find("emulate/interp", why);
    ring0->engine = ring0->ops && !ring0->ops->probe(why) ? ring0->ops->create(&ring0->host, why) : NULL;
    if (!ring0->engine) {
        free(ring0);
        return NULL;
    }
    return ring0;
}

void exhibit_ring0_close(struct exhibit_ring0 *ring0)
{
    if (!ring0)
        return;
    ring0->ops->destroy(ring0->engine);
    free(ring0);
}

/* ---- what belongs to the supervisor, as a list of values ---- */

static void add_segments(struct exhibit_value *list, unsigned *count, const struct cpu_state *s)
{
    static const char *const names[SEGMENT_COUNT] = {"ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"};

    for (unsigned i = 0; i < SEGMENT_COUNT; i++)
        exhibit_add(list, count, EXHIBIT_SYSTEM, names[i], s->seg[i].selector);
}

static unsigned system_values(struct exhibit_value *list, const struct cpu_state *s, const struct stats *stats)
{
    const struct exhibit_value values[] = {
        {"IF", (s->rflags & FLAG_IF) != 0},
        {"IOPL", (s->rflags & FLAG_IOPL) / (FLAG_IOPL & -FLAG_IOPL)},
        {"AC", (s->rflags & FLAG_AC) != 0},
        {"GDTR base", s->gdtr.base},
        {"GDTR limit", s->gdtr.limit},
        {"IDTR base", s->idtr.base},
        {"IDTR limit", s->idtr.limit},
        {"CR0", s->cr0},
        {"CR2", s->cr2},
        {"CR3", s->cr3},
        {"CR4", s->cr4},
        {"CR8", s->cr8},
        {"DR0", s->dr[0]},
        {"DR7", s->dr7},
        {"EFER", s->efer},
        {"STAR", s->star},
        {"LSTAR", s->lstar},
        {"SFMASK", s->sfmask},
        {"KERNEL_GS_BASE", s->kernel_gs_base},
        {"SYSENTER_CS", s->sysenter_cs},
        {"PAT", s->pat},
        {"APIC_BASE", s->apic_base},
        {"TSC_AUX", s->tsc_aux},
        {"TLB flushes", stats->counter[COUNTER_TLB_FLUSHES]},
    };
    unsigned count = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(values); i++)
        exhibit_add(list, &count, EXHIBIT_SYSTEM, values[i].name, values[i].value);
    add_segments(list, &count, s);
    for (unsigned i = 0; i < EXIT_REASON_COUNT; i++) {
        bool wanted = i == EXIT_INDEX_WBINVD || i == EXIT_INDEX_INVD || i == EXIT_INDEX_INVLPG || i == EXIT_INDEX_MWAIT;
        if (wanted) /* the others leave their trace in a register or lead to the machine */
            exhibit_add(list, &count, EXHIBIT_SYSTEM, exit_name(i), stats->exits[i].taken + stats->exits[i].avoided);
    }
    return count;
}

/* ---- a run ---- */

static bool has_error_code(unsigned vector)
{
    return vector == VEC_DF || (vector >= VEC_TS && vector <= VEC_PF) || vector == VEC_AC;
}

/* The instruction has led to handler `number`: what it pushed says whether by its nature or by a fault. */
static void tell_handler(const struct exhibit_ring0 *ring0, const struct exhibit_x86_row *row, unsigned number,
                         struct cpu_state *s, struct exhibit_run *run)
{
    if (number >= EXHIBIT_SYSCALL_ENTRY) {
        run->end = EXHIBIT_ENTER;
        snprintf(run->how, sizeof run->how, "enters at %s", number == EXHIBIT_SYSCALL_ENTRY ? "LSTAR" : "SYSENTER_EIP");
        return;
    }
    uint64_t frame[6] = {0}, error = 0;
    const uint8_t *stack = ram_at(ring0->ram, gpa(s->gpr[RSP]), sizeof frame);
    if (stack)
        memcpy(frame, stack, sizeof frame);
    if (has_error_code(number)) {
        error = frame[0];
        memmove(frame, frame + 1, 5 * sizeof *frame);
    }
    s->rip = frame[0], s->seg[SEG_CS].selector = (uint16_t)frame[1], s->rflags = frame[2];
    s->gpr[RSP] = frame[3], s->seg[SEG_SS].selector = (uint16_t)frame[4];
    if (number == VEC_BP && frame[0] == exhibit_x86_end(row)) {
        run->end = EXHIBIT_DONE;
    } else if (frame[0] == exhibit_x86_insn(row)) {
        run->end = EXHIBIT_TRAP;
        exhibit_x86_exception(run->how, sizeof run->how, number, (uint32_t)error);
    } else {
        run->end = EXHIBIT_ENTER;
        snprintf(run->how, sizeof run->how, "enters by vector 0x%x", number);
    }
}

static void tell_exit(const struct exhibit_ring0 *ring0, const struct exhibit_x86_row *row, const struct vm_exit *exit,
                      struct cpu_state *s, struct exhibit_run *run)
{
    uint64_t handler = s->rip - 1 - EXHIBIT_HANDLERS;

    run->end = EXHIBIT_LEFT;
    if (exit->kind == VM_EXIT_HLT && handler < EXHIBIT_HANDLER_COUNT * EXHIBIT_HANDLER_SIZE) {
        tell_handler(ring0, row, (unsigned)(handler / EXHIBIT_HANDLER_SIZE), s, run);
    } else if (exit->kind == VM_EXIT_HLT) {
        snprintf(run->how, sizeof run->how, "waits for an interrupt");
    } else if (exit->kind == VM_EXIT_HYPERCALL) {
        snprintf(run->how, sizeof run->how, "leaves to the hypervisor");
    } else {
        run->end = EXHIBIT_UNRUN;
        snprintf(run->how, sizeof run->how, "unexpected exit %d %.60s", (int)exit->kind, exit->why.text);
    }
}

/* Runs to the end; a port is the one device there is. True if a port was used. */
static bool run_to_end(struct exhibit_ring0 *ring0, struct vm_exit *exit)
{
    bool io = false;

    for (unsigned turn = 0; turn < 4; turn++) {
        ring0->ops->run(ring0->engine, exit, BUDGET);
        if (exit->kind != VM_EXIT_IO)
            break;
        io = true;
        if (exit->io.in)
            memset(exit->io.data, IN_BYTE, (size_t)exit->io.size * exit->io.count);
    }
    return io;
}

void exhibit_ring0_run(struct exhibit_ring0 *ring0, const struct exhibit_x86_row *row, enum exhibit_state which,
                       struct exhibit_run *run)
{
    struct reason why = {""};
    struct vm_exit exit = {.kind = VM_EXIT_INTERRUPTED};
    struct cpu_state s;
    struct stats none = {0};

    exhibit_stage_build(ring0->ram);
    exhibit_stage_state(&s, which);
    exhibit_x86_arrange(row, ring0->ram, s.gpr);
    ring0->ops->ram_written(ring0->engine, gpa(0), ring0->ram->size);
    if (ring0->ops->set_state(ring0->engine, &s, &why)) {
        run->end = EXHIBIT_UNRUN;
        snprintf(run->how, sizeof run->how, "%.90s", why.text);
        return;
    }
    ring0->ops->get_state(ring0->engine, &s);
    run->system_count = system_values(run->before, &s, &none);
    ring0->stats = none;
    bool io = run_to_end(ring0, &exit);
    ring0->ops->get_state(ring0->engine, &s);
    tell_exit(ring0, row, &exit, &s, run);
    system_values(run->after, &s, &ring0->stats);
    exhibit_x86_look(run, ring0->ram, s.gpr, s.rflags);
    if (io && run->end == EXHIBIT_DONE) {
        run->end = EXHIBIT_LEFT;
        snprintf(run->how, sizeof run->how, "reaches a device");
    }
}

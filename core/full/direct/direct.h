/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * direct.h - direct execution: guest code on the host's own CPU, at its own speed, in the world's processes.
 *
 * This is the other half of full virtualization. Most instructions mean the same to a guest and to a process of the
 * host, so they need no translation: the guest's registers are loaded, and off it goes, under shadow page tables that
 * hold what the guest's own tables permit it (core/mmu/shadow.h), in a process that can do nothing else
 * (core/world/world.h). What means something else must come back, and nearly all of it does: as a signal.
 *
 *     the run loop of core/x86 -> run.c: may this go directly? registers in, world_run
 *                              <- exits.c: what came back, and who deals with it
 *     state.c: registers to and from the world     space.c: address spaces     scan.c: what would not come back
 *     policy.c: whether it pays
 *
 * There is one implementation of everything difficult, and it isn't here: an instruction that comes back is executed
 * again by the interpreter, which raises the exception, reaches the device, walks the tables, sets accessed bits. Only
 * SYSCALL is short-cut, for it is what user code leaves by most. The world delivers nothing to the guest.
 *
 * The executor knows nothing of translators and belongs to no engine. docs/direct.md has the whole picture with the
 * costs measured.
 */
#ifndef VIRTLAB_DIRECT_DIRECT_H
#define VIRTLAB_DIRECT_DIRECT_H

#include "full/direct/scan.h"
#include "mmu/shadow.h"
#include "world/world.h"
#include "x86/cpu.h"
#include <stdatomic.h>

/* When code that could run directly does. */
enum direct_policy {
    DIRECT_ALWAYS,
    DIRECT_ADAPTIVE, /* where it is measured to pay (policy.c) */
};

/* policy.c: one address space; times in TSC ticks. */
enum policy_mode {
    POLICY_WAIT,   /* translated, until it is time to look */
    POLICY_SAMPLE, /* translated, cycles are timed */
    POLICY_TRIAL,  /* direct, cycles are timed */
    POLICY_DIRECT, /* direct: it was faster, or cycles are so long that it must be */
};
#define POLICY_SAMPLES 16
struct space_policy {
    uint64_t root;
    enum policy_mode mode;
    bool direct;                     /* the last verdict */
    unsigned count, skipped;         /* cycles timed in this mode, and left out */
    uint64_t timed;                  /* ... together */
    unsigned very_long;              /* ... one after the other */
    uint64_t sample[POLICY_SAMPLES]; /* the last ones */
    uint64_t translated, best;       /* typical cycle when last sampled; and direct, when found better */
    uint64_t due, wait;              /* when to look again; how long to wait before that */
    uint64_t traps, traps_since;     /* instructions that trapped, but for system calls and page faults */
};
struct policy {
    bool adaptive;
    uint64_t root;                   /* CR3 when it was last looked at */
    struct space_policy *present;    /* of that one */
    uint64_t begin;                  /* of the present cycle; 0: it isn't one to be timed */
    uint64_t returns, halts;         /* how often the CPU had returned from the kernel, and halted, by then */
    bool hidden;                     /* a hidden fault was in it */
    uint64_t exit_ticks, long_ticks; /* what an exit costs; a cycle that long is better direct in any case */
    struct space_policy space[256];  /* by root; a collision forgets the other */
};

struct direct;
struct direct_space;

/*
 * What is different in a technique that runs kernel code directly too (full/trap). Without hooks it is user code under
 * a translator: code that could not run truthfully is left to software.
 */
struct direct_hooks {
    bool (*fits)(const struct cpu *cpu);
    /* The guest goes on in the world at cpu->rip. */
    void (*entering)(struct direct *d);
    /* A page of code is about to be mapped, for the instruction at d->regs.rip. */
    void (*code_found)(struct direct *d);
    /* What is executed in place of the frame: an offset in RAM's memfd, spare pages included. */
    uint64_t (*code_at)(struct direct *d, gpa_t frame);
    void (*code_written)(struct direct *d, gpa_t frame);
    /* #BP, d->regs.rip behind it: an enum next or -errno as direct_exit(), or NEXT_NONE: it is the guest's own. */
    int (*breakpoint)(struct direct *d, const struct direct_space *space, struct reason *why);
};

struct direct {
    struct executor executor; /* first: what core/x86 knows */
    struct cpu *cpu;
    const struct direct_hooks *hooks; /* or NULL */
    void *context;                    /* the hooks' own */
    struct shadow_set *shadows;
    struct scan *scan;
    _Atomic(struct world_pool *) pool; /* made by the thread that runs, when it first has something to run */
    struct world_regs regs;            /* the guest's, while it is in the world */
    struct {
        uint64_t page, cr3;
    } sensitive; /* the last page that must not run directly: software goes on there */
    struct {
        uint64_t rip, cr3;
        unsigned times;
    } stuck; /* where the last entry did not come about, and how often in a row */
    struct {
        uint64_t rip, cr3, address;
        enum access access;
    } faulted; /* the last true fault: when the guest's kernel comes back from it, the access is made again */
    struct policy policy;
};

static inline struct direct *direct_of(const struct cpu *cpu)
{
    return (struct direct *)cpu->executor;
}

/* ---- for engines ---- */

/* Can guest code run directly on this host? 0, or -errno with what is missing. */
int direct_probe(struct reason *why) MUST_CHECK;
/* Puts an executor over the CPU: cpu->executor and cpu->watch. 0 or -errno with why. */
int direct_create(struct cpu *cpu, enum direct_policy policy, struct reason *why) MUST_CHECK;
/* Before cpu_destroy(). The CPU may have none. */
void direct_destroy(struct cpu *cpu);

/* ---- state.c ---- */

void state_to_world(struct cpu *cpu, struct world_regs *regs);
void state_from_world(struct cpu *cpu, const struct world_regs *regs);

/* ---- space.c: what a space is, in the world and in the shadow's books ---- */

struct direct_space {
    struct shadow *shadow;
    struct world_space *space;
};
int space_ops_create(struct direct *d, struct reason *why) MUST_CHECK; /* the set of shadows */
/* The pool, made if there is none. */
int space_pool(struct direct *d, struct reason *why) MUST_CHECK;
/* The present address space as the present ring sees it. Valid until it is called again. */
int space_present(struct direct *d, struct direct_space *out, struct reason *why) MUST_CHECK;

/* ---- policy.c ---- */

void policy_init(struct direct *d, enum direct_policy policy);
/* The world is there: what an exit costs is known. */
void policy_costs_known(struct direct *d);
/* CR3 has changed. */
void policy_new_root(struct direct *d);
/* User code is about to run: shall it run directly? */
bool policy_wants(struct direct *d);
/* It has come back from the world: with a hidden fault, or with a trap. */
void policy_hidden_fault(struct direct *d);
void policy_trap(struct direct *d);

/* ---- exits.c ---- */

/* What is to happen after an exit. */
enum next {
    NEXT_ENTER,    /* go on in the world: the registers are still there */
    NEXT_LOOK,     /* the run loop has something to do first */
    NEXT_ALONE,    /* the next instruction is executed by the interpreter */
    NEXT_SOFTWARE, /* software goes on, until the next way to user mode */
    NEXT_NONE,     /* not an answer */
};
/* Understands the exit; but for NEXT_ENTER the guest's registers are back in struct cpu. Or -errno with why. */
int direct_exit(struct direct *d, const struct direct_space *space, const struct world_exit *exit,
                struct reason *why) MUST_CHECK;

#endif

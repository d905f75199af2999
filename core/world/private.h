/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * private.h - what the files of core/world share; nobody else includes it. Read world.h and layout.h first.
 */
#ifndef VIRTLAB_WORLD_PRIVATE_H
#define VIRTLAB_WORLD_PRIVATE_H

#include <sched.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "world/layout.h"
#include "world/world.h"

struct world_space {
    struct world_pool *pool;
    uint64_t key;
    uint64_t last_use; /* pool->uses when it was last got or run */
    bool in_use;       /* belongs to a key; else it is spare */
    bool near;         /* sleeps on the VMM's core (world_space_near) */
    bool general;      /* no x87 and vector state is carried (world_space_general) */
    bool lost;         /* its process is dead or not to be trusted: only space_destroy may follow */

    pid_t companion;      /* stays where the guest thread is (world_space_join); 0: none */
    pid_t pid, guest_tid; /* the mapping thread's number is the process' */
    int pidfd;
    int answer_fd;   /* the eventfd of FD_ANSWER */
    int cpu;         /* where the VMM was when the threads were last placed; -1: never */
    uint8_t *shared; /* the VMM's mapping of the shared file; the three below point into it */
    struct world_control *control;
    struct world_command *commands;
    volatile struct world_report *report;

    uint32_t entry;      /* number of the last entry asked for */
    uint32_t map_number; /* number of the last command list */
    unsigned queued;     /* commands not handed over yet */
    bool stopped;        /* the guest thread is known to run no guest code (handover_stop) */
    bool entered;        /* between world_begin and world_end */
    bool moved;          /* ... and sleeps on control.parked */

    atomic_uint kick_sent; /* 1: a kick is on its way */
    uint32_t kicks;        /* that have arrived */
};

/* One side's patience with the other: how long to spin before sleeping, adapted to how it went. */
struct patience {
    uint32_t max, now; /* in units of the spinner: TSC ticks here, turns of the loop in entry.c; 0: never spin */
    unsigned failures; /* in a row */
    bool fixed;        /* whatever happens: one who is sure to be answered, though not always soon (options.together) */
};

/* Are more threads about than cores? What was seen at the last look (crowd.c); times in ns. */
struct crowd {
    bool crowded;
    unsigned entries;
    const struct world_space *space; /* whose guest thread was looked at; never followed */
    uint64_t since, delayed;         /* when, and how long it and the VMM had been kept waiting until then */
    uint64_t retry_at, wait;         /* when to try spinning again */
};

struct world_pool {
    struct world_options options;
    int ram_fd, image_fd;
    uint64_t uses, lowest; /* lowest mappable address */
    uint32_t mxcsr_mask;
    bool xsave;         /* the CPU and the kernel have XSAVE */
    uint64_t extended;  /* the components of WORLD_EXTENDED that they have, at places within WORLD_XSAVE */
    size_t xsave_size;  /* where the last of them ends */
    bool user_dispatch; /* the kernel has Syscall User Dispatch (filter.c) */
    struct world_costs costs;
    struct patience vmm, mapper; /* the VMM's with the guest thread, and with the mapping thread */
    struct patience guest;       /* the guest thread's with the VMM */
    struct patience none;        /* for spaces that nobody spins for */
    struct crowd crowd;
    uint32_t map_spin; /* the mapping thread's with the VMM: 0 but for a measurement */
    bool measuring;    /* costs.c wants the mapping thread on another core */

    bool held;         /* the VMM's thread is held on its core (place.c), */
    cpu_set_t allowed; /* until then it could use these */

    struct world_space *current; /* the last one that was run: the only one that may not be stopped */
    struct world_space *spaces[WORLD_SPACES_MAX];

    _Atomic(struct world_space *) running; /* where a kick must go */
    atomic_bool kicked;
    atomic_uint kickers; /* world_kick calls under way */
};

/* image.c: the text as an executable file in memory: a descriptor or -errno. */
int image_create(uint64_t hole, bool calls, struct reason *why);

/* filter.c: writes a seccomp filter of at most FILTER_MAX instructions to `out`; returns their number. */
struct sock_filter;
#define FILTER_MAX 96
unsigned filter_guest(struct sock_filter *out, uint64_t hole, bool fsgsbase, bool yield);
unsigned filter_mapper(struct sock_filter *out);

/* start.c: fills a new space's control pages. start_step names command `left` from the end of one of its lists. */
void start_prepare(const struct world_pool *pool, struct world_space *space);
const char *start_step(const struct world_space *space, bool guest, uint32_t left);

/* space.c */
struct world_space *space_create(struct world_pool *pool, struct reason *why);
void space_destroy(struct world_space *space);
/* Has the process died? -EIO with the reason in words, else 0. */
int space_check(struct world_space *space, struct reason *why);
/* Gives the space up: the pool will destroy it. Returns -EIO with why. */
int space_lost(struct world_space *space, struct reason *why, const char *format, ...) PRINTF_LIKE(3, 4);

/* handover.c */
int handover_enter(struct world_space *space, struct reason *why);    /* lets the guest thread make one entry */
int handover_wait(struct world_space *space, struct reason *why);     /* until it has come back */
int handover_stop(struct world_space *space, struct reason *why);     /* make sure that no guest code runs */
int handover_commands(struct world_space *space, struct reason *why); /* the queued list, from first to last */
int handover_started(struct world_space *space, struct reason *why);  /* a new process: wait for its two threads */
void handover_kick(struct world_space *space);

/* place.c: puts the process' threads on the right cores, if the VMM has moved; holds the VMM's own, or no longer. */
void place_threads(struct world_space *space);
void place_vmm(struct world_pool *pool, bool hold);

/* crowd.c: called at each entry: is spinning still the right thing? */
void crowd_look(struct world_space *space);

/* exits.c */
void exits_enter(struct world_space *space, const struct world_regs *regs);
int exits_decode(struct world_space *space, struct world_regs *regs, struct world_exit *exit, struct reason *why);

/* world.c: world_run without the checks, for costs.c, which runs an instruction in the hole. */
int run_unchecked(struct world_space *space, struct world_regs *regs, struct world_exit *exit, struct reason *why);

/* costs.c: measures, unless this process has done so before, and decides how to wait. */
int costs_find(struct world_pool *pool, struct reason *why);

void world_log(const char *format, ...) PRINTF_LIKE(1, 2); /* probe.c */

/* Do the VMM and this space's guest thread spin for each other? */
static inline bool spins(const struct world_space *space)
{
    return space->pool->costs.spin && !space->near && !space->pool->crowd.crowded;
}
static inline bool canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}
static inline bool in_hole(const struct world_pool *pool, uint64_t address)
{
    return address - pool->options.hole < HOLE_SIZE;
}
static inline uint64_t text_at(const struct world_pool *pool, const uint8_t *label)
{
    return pool->options.hole + HOLE_TEXT + (uint64_t)(label - world_text);
}

#endif

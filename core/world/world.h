/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world.h - guest code at native speed: deprivileged processes that hold nothing but what was mapped for them.
 *
 * A *pool* belongs to one vCPU and to one thread. It keeps a bounded number of *spaces*: one guest address space each,
 * found by a key (its page-table root, say; with the ring too when kernel and user code both run here: what a ring
 * must not reach must not be in its space). A space is a host process whose memory the engine fills with pieces of
 * guest RAM; world_run enters it in ring 3 with a full register state and comes back with the reason why it was left.
 *
 *     pool = world_create(&options, &why);
 *     space = world_space_get(pool, cr3, &fresh, &why);            fresh: nothing is mapped yet
 *     world_map(space, gva, ram_offset, len, PROT_READ, 0, &why);
 *     world_run(space, &regs, &exit, &why);                        exit.kind says what next
 *
 * What holds, whatever the guest code does, and is tested by tests/test_world_hostile.c:
 *  - it reaches the pages that were mapped, and the hole (64 KiB, layout.h; nothing secret is there), and no more;
 *  - it has no effect on the host: every system call of its own, by any of the processor's gates, is an exit;
 *  - once world_unmap, world_protect or world_map has returned, the old mapping can't be used any more; and while one
 *    space of a pool runs, no other does. So a shadow that is brought up to date late, before its space is next run,
 *    is safe.
 * What doesn't: exits carry what the guest made of them. Registers, fault address and error code are guest values, as
 * wrong as a guest likes, even impossible ones (a page fault on a page that is mapped). Code in the hole can be jumped
 * to: it does no harm, but the space may be lost (-EIO): the guest's process has killed itself.
 *
 * How it works, in the order to read: layout.h (what is in the process), entry.c (what it executes), handover.c (how
 * the two sides wait for each other, and how the VMM knows that guest code stands still), world.c (pools, world_run),
 * exits.c (from signal frame to exit), commands.c (mappings), filter.c (seccomp), start.c, image.c and space.c (a
 * process' birth and death), costs.c (what it all costs here), crowd.c (when cores are few), probe.c.
 * VIRTLAB_WORLD_DEBUG=1 in the environment logs births, deaths and calibration to standard error.
 */
#ifndef VIRTLAB_WORLD_H
#define VIRTLAB_WORLD_H

#include <virtlab/cpu_state.h>
#include <virtlab/types.h>

#define WORLD_HOLE       UINT64_C(0x2a5a00000000) /* the default: between where Linux puts programs and their libraries */
#define WORLD_HOLE_SIZE  UINT64_C(0x10000)
#define WORLD_SPACES_MAX 256

struct world_pool;
struct world_space;

/* How VMM and guest thread wait for each other. */
enum world_wait {
    WORLD_WAIT_AUTO,  /* measured when the pool is made, and later: on crowded cores nobody spins */
    WORLD_WAIT_SPIN,  /* look, for some time, before sleeping */
    WORLD_WAIT_SLEEP, /* sleep at once: right on a single core */
};

struct world_options {
    int ram_fd;          /* memfd of guest RAM; the pool makes its own duplicate */
    uint64_t ram_size;   /* offsets beyond it can't be mapped */
    uint64_t hole;       /* where the hole is, a multiple of 64 KiB in the lower half; 0: WORLD_HOLE */
    unsigned max_spaces; /* up to WORLD_SPACES_MAX; 0: 16 */
    enum world_wait wait;
    /*
     * Spaces may run beside each other: then mappings must never be left out of date. The thread that uses the pool is
     * held on one core meanwhile.
     */
    bool together;
    bool calls;       /* guest code may leave by world_call_at; else there is nothing at that place */
    bool trap_tsc;    /* RDTSC and RDTSCP in guest code are #GP exits */
    bool trap_cpuid;  /* CPUID too, where the CPU can (world_costs tells) */
    bool no_fsgsbase; /* act as on a CPU without WRFSBASE (for tests) */
    bool yield;       /* guest code may give its core away (world_yield_at) */
    /* Told when the cached space of `key` is given up for another key: its mappings are gone. May be NULL. */
    void (*forget)(void *context, uint64_t key);
    void *context;
};

/* In a standard-format XSAVE area (SDM 1, 13.4): its header's first word says which components it holds. */
#define WORLD_XSTATE_BV 512
#define WORLD_XSAVE     2688
#define WORLD_EXTENDED  UINT64_C(0xe4) /* the components beyond x87 and SSE that are carried: AVX and AVX-512 */

/* All that ring 3 can see of a CPU, but for protection keys: those are initialised at every entry. */
struct world_regs {
    uint64_t gpr[GPR_COUNT]; /* enum gpr */
    uint64_t rip;
    uint64_t rflags; /* entry: CF PF AF ZF SF TF DF OF NT AC ID are taken; exit: the same bits, and bit 1 */
    uint64_t fs_base, gs_base;
    union {
        uint8_t fxsave[512]; /* FXSAVE64's image (SDM 1, 10.5.1) */
        /*
         * The same with what follows it. Components of WORLD_EXTENDED are used when the header's word at
         * WORLD_XSTATE_BV has their bits, else they are in their initial state. x87 and SSE always count.
         */
        uint8_t xsave[WORLD_XSAVE];
    } __attribute__((aligned(64)));
};

enum world_exit_kind {
    WORLD_EXIT_CALL,      /* guest code has left by itself (world_call_at): RIP is what RCX was */
    WORLD_EXIT_SYSCALL,   /* a host system call was attempted: RIP is behind the instruction, .gate tells which one; RCX
                             and R11 are as SYSCALL leaves them. (At 0xffffffffff600000 + 0x400 n without an instruction:
                             the host's vsyscall page, in place of the guest's; RAX is lost.) */
    WORLD_EXIT_EXCEPTION, /* .vector, .error, and for #PF .address (CR2). Faults: RIP at the instruction; #BP, and #DB
                             after a step: behind it. For addresses in the upper half #PF's P bit is always set. */
    WORLD_EXIT_KICKED,    /* world_kick; the registers are those of the moment, or still those of the entry */
    WORLD_EXIT_LOST_PAGE, /* the host can't provide the page of guest RAM at .address (out of memory) */
};

enum world_gate {
    WORLD_GATE_SYSCALL,
    WORLD_GATE_LEGACY, /* INT 0x80 or SYSENTER. After SYSENTER (on Intel) RIP and RSP are lost: don't run it here. Some
                          hosts deny both: then #GP or #UD */
};

struct world_exit {
    enum world_exit_kind kind;
    uint8_t vector;
    uint32_t error;
    uint64_t address;
    enum world_gate gate;
    uint16_t cs, ss; /* host's 0x33 and 0x2b, unless guest code has made a far transfer to another selector */
    bool in_hole;    /* RIP is in the hole: guest code has jumped there */
    bool entered;    /* false: a kick came first, no guest instruction was executed */
};

/*
 * Can worlds be made here? Makes one and runs it, unless this process has done so before. 0, or -errno with the reason:
 * what is forbidden, by name.
 */
int world_probe(struct reason *why) MUST_CHECK;

/*
 * A pool with no spaces yet. The first one in a process takes some milliseconds, for it measures (world_costs). NULL
 * with why. All spaces die with the thread that calls this: it must live as long as the pool, and be the one that uses
 * it.
 */
struct world_pool *world_create(const struct world_options *options, struct reason *why) MUST_CHECK;
/* Kills and reaps all spaces. No world_kick may be under way or come after. NULL is allowed. */
void world_destroy(struct world_pool *pool);

/* May guest pages stand at [gva, gva + len)? Not in page 0, the hole, and from the last page of the lower half on. */
bool world_mappable(const struct world_pool *pool, gva_t gva, uint64_t len);

/*
 * The space of `key`, made if need be. *fresh tells that nothing is mapped in it: it is new, or was lost. When
 * max_spaces are in use, the one that was run or got longest ago is emptied and given to this key (options.forget is
 * told). The pointer stays valid until the space is forgotten or dropped, or got again after it was lost. NULL with
 * why.
 */
struct world_space *world_space_get(struct world_pool *pool, uint64_t key, bool *fresh, struct reason *why) MUST_CHECK;
/* The space of `key` if there is one, else NULL. Doesn't count as a use. */
struct world_space *world_space_find(struct world_pool *pool, uint64_t key);
/*
 * The space's threads stay on the VMM's core, and nobody spins for them, whatever costs.spin says; or no longer. For
 * code that runs in turns with others that have a core of their own: three threads that spin on two cores are the
 * worst of all.
 */
void world_space_near(struct world_space *space, bool near);
/*
 * A process of the caller's that takes turns with code in this space (world_yield_at) is kept on one core with it. 0:
 * none.
 */
void world_space_join(struct world_space *space, int pid);
/* The address space is no more: empties the space and keeps its process for another key. Doesn't call forget. */
void world_space_drop(struct world_space *space);
/*
 * Code in this space has general registers only, as a kernel's: bases of FS and GS, x87, SSE and AVX registers are
 * neither loaded at entries nor saved at exits. They hold what the space's code has left there, or are reset, at any
 * time. Saves some 100 ns.
 */
void world_space_general(struct world_space *space);
/*
 * Where guest code jumps to leave by itself, if options.calls is set: RCX tells where it wants to go on. No more than
 * stores, so it is cheaper by micro-seconds than an instruction that traps.
 */
uint64_t world_call_at(const struct world_pool *pool);
/* Its process, for logs and tests. */
int world_space_pid(const struct world_space *space);

/*
 * Mappings. All of them queue a command, at most 64, carried out together by world_flush, by world_run, or when the
 * queue is full; adjacent pieces are joined. Whole pages. They stop guest code for sure before they return (see above).
 * 0 or -errno with why; what the guest could ask for and can't have (world_mappable, beyond RAM) is -EINVAL with
 * nothing changed. After any other error nothing at all is mapped in this space (the host's limit of 65530 mappings is
 * -ENOMEM: simply start anew), unless it is -EIO: then the space is lost.
 */
enum world_map_flags {
    WORLD_POPULATE = 1, /* fill the host's page tables at once: no hidden faults of the host */
};
/* RAM's bytes from `offset` on appear at `gva`, in place of what was there; prot as mmap's. */
int world_map(struct world_space *space, gva_t gva, uint64_t offset, uint64_t len, int prot, unsigned flags,
              struct reason *why) MUST_CHECK;
int world_unmap(struct world_space *space, gva_t gva, uint64_t len, struct reason *why) MUST_CHECK;
/* Changes rights of what is mapped; -ENOMEM (and all unmapped) when something in the range isn't. */
int world_protect(struct world_space *space, gva_t gva, uint64_t len, int prot, struct reason *why) MUST_CHECK;
int world_unmap_all(struct world_space *space, struct reason *why) MUST_CHECK;
/* Carries out what is queued. */
int world_flush(struct world_space *space, struct reason *why) MUST_CHECK;

/*
 * Enters guest code with *regs and comes back with *exit and the new *regs. 0, or
 *   -EINVAL  what can't be entered, nothing has happened: RIP or a base isn't canonical, RIP or RSP is in the hole,
 *   -EIO     the space is lost (killed, or forged its exit); so it stays until world_space_get makes another of its
 * key, others   from carrying out the queued commands, as above; the guest was not entered.
 */
int world_run(struct world_space *space, struct world_regs *regs, struct world_exit *exit,
              struct reason *why) MUST_CHECK;

/*
 * world_run in two halves, for one space of a pool (with options.together) that is to run beside another: world_begin
 * comes back as soon as guest code may run, world_end when it has left, with what world_run would have said. In between
 * the space can't be changed (-EBUSY). world_has_left tells whether world_end would not wait; world_kick_entered makes
 * it leave soon, as world_kick does.
 */
int world_begin(struct world_space *space, const struct world_regs *regs, struct reason *why) MUST_CHECK;
int world_end(struct world_space *space, struct world_regs *regs, struct world_exit *exit,
              struct reason *why) MUST_CHECK;
bool world_has_left(const struct world_space *space);
void world_kick_entered(struct world_space *space);

/*
 * Makes world_run of this pool return WORLD_EXIT_KICKED soon; when none is under way, the next one. Any thread, any
 * signal handler. A guest that can't be made to leave (it never should) is killed after some seconds.
 */
void world_kick(struct world_pool *pool);

/*
 * Where guest code, in any space of a pool with options.yield, can jump to give its core to another process that wants
 * it (sched_yield): it goes on at R15; RAX, RCX and R11 are lost. No exit. The one place in the hole that may be
 * entered.
 */
uint64_t world_yield_at(const struct world_pool *pool);

/* What things cost here, measured when the process' first such pool was made; nanoseconds, medians. */
struct world_costs {
    unsigned cores;          /* that this process may use */
    bool spin;               /* VMM and guest thread spin before they sleep */
    bool fsgsbase;           /* FS and GS bases are written without system calls */
    bool traps_cpuid;        /* options.trap_cpuid was asked for and works */
    uint32_t handover_spin;  /* hand-over to a spinning thread and back; 0: not measured (single core) */
    uint32_t handover_sleep; /* the same to a sleeping one on the same core, by futex */
    uint32_t handover_far;   /* the same to a sleeping one on another core; 0: not measured */
    uint32_t exit;           /* world_run of one privileged instruction: entry, signal, exit, all registers */
    uint32_t stop;           /* making sure that no guest code runs, before the first mapping command after an exit */
    uint32_t map_page;       /* world_map of one page, populated, and world_flush: one command */
    uint32_t unmap_page;
    uint32_t map_batch; /* per command, in a batch of 32 */
    uint32_t space;     /* a new process */
};
/* Do guest threads have a core of their own at present? costs.spin, and nobody else wants the cores. */
bool world_spins(const struct world_pool *pool);
const struct world_costs *world_costs(const struct world_pool *pool);

#endif

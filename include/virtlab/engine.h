/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine.h - the contract between the machine and whatever runs its CPU.
 *
 * An engine is a table of functions and a name, `technique/variant`. The machine (machine.h) owns RAM, devices, clock
 * and interrupt controller; the engine owns the CPU's state and executes guest code until the machine has something to
 * do. The contract, as KVM's: run() returns with one struct vm_exit; before the next run() the machine has answered it.
 *
 *  - Nothing that a guest does makes an engine exit, abort or longjmp past its caller: a guest's death is data
 *    (VM_EXIT_DEATH and the first reason), and so is an engine's internal error (VM_EXIT_ERROR).
 *  - A read (IN, MMIO load) is completed by the next run() with the value that the machine put into the exit; a write
 * is posted: the instruction is complete when the exit is returned, unless further exits of it follow.
 *  - An interrupt is injected only when can_inject() says so; otherwise the machine asks for a window and run() returns
 *    VM_EXIT_WINDOW as soon as one opens.
 *  - kick() may be called from any thread and from a signal handler; run() then returns soon with VM_EXIT_INTERRUPTED.
 *    A kick that comes while run() is not running makes the next run() return at once. All other functions are called
 *    from the vCPU's own thread.
 *
 * Docs: docs/architecture.md, "How to add an engine".
 */
#ifndef VIRTLAB_ENGINE_H
#define VIRTLAB_ENGINE_H

#include <virtlab/chips.h>
#include <virtlab/cpu_state.h>
#include <virtlab/exit.h>
#include <virtlab/ram.h>
#include <virtlab/stats.h>

#define ENGINE_ABI 3 /* of this header; a shared object with another number is refused */

/* What a guest may ask of an engine, and an engine offer. A guest needs all of its bits. */
enum engine_capability {
    ENGINE_FLAT = 1 << 0,         /* runs the flat personality: ring 0, VA = PA, no interrupts */
    ENGINE_OS = 1 << 1,           /* runs an operating system: paging, rings, interrupts */
    ENGINE_PARAVIRTUAL = 1 << 2,  /* runs kernel-pv.elf, and only that */
    ENGINE_LEGACY = 1 << 3,       /* 16- and 32-bit modes too */
    ENGINE_VIRTUAL_TIME = 1 << 4, /* counts instructions exactly and honours a budget */
    ENGINE_CORES = 1 << 15,       /* hands over between cores: its process should not be held to one */
};

/* What an engine may use of its machine; lives as long as the engine. */
struct engine_host {
    struct ram *ram;
    struct stats *stats;
    void *context; /* passed to the callbacks */
    /*
     * The guest's time-stamp counter, now: host ticks in real time, instructions in virtual time. `retired` is the
     * engine's count of instructions retired so far, exact at this instruction (0 if it does not count).
     */
    uint64_t (*tsc)(void *context, uint64_t retired);
    uint64_t tsc_hz;   /* its frequency */
    const char *drive; /* the disk's image, for an engine that has a way of its own to it; NULL: none */
    bool drive_readonly;
    bool kernel_exits; /* the host's kernel shall count exits by reason, if the engine has it do the work (stats.h) */
    /*
     * Physical ranges that change their meaning with the CPU's own registers: the local APIC's page follows the
     * IA32_APIC_BASE MSR. The engine tells the machine when the guest writes it, and CR8.
     */
    void (*apic_base_changed)(void *context, uint64_t value);
    void (*cr8_changed)(void *context, uint64_t value);
};

struct engine; /* each engine defines its own */

/*
 * Of an engine that has the interrupt controllers and the timer itself, because the host's kernel has them: the
 * machine's devices drive these lines, and the machine leaves interrupts, and waiting in HLT, to the engine. can_inject
 * says false, inject and request_window are never called, and VM_EXIT_HLT means a halt with interrupts disabled.
 */
struct engine_chips {
    /* Drives line 0..15 of the two 8259A; not 0 (the timer is inside) and not 2 (the cascade). */
    void (*set_irq)(struct engine *engine, unsigned irq, bool level);
    /* Their whole state. -errno with why where the guest uses something that only one side has; nothing has changed. */
    int (*get)(struct engine *engine, struct chips_state *state, struct reason *why);
    int (*set)(struct engine *engine, const struct chips_state *state, struct reason *why);
};

/*
 * Of an engine that knows which pages of RAM the guest's CPU has written: what a migration while the guest runs, or a
 * snapshot that holds differences, copies again. What others write (a loader, a device) they know themselves.
 */
struct engine_dirty_log {
    /* Begins a new log: from here on writes are noticed. The first write to each page costs more while it runs. */
    int (*start)(struct engine *engine, struct reason *why);
    /*
     * Sets the bit of each page written since start() or the last take(); leaves the other bits alone. Page i of RAM is
     * bit i % 64 of word i / 64; there are ram->size / PAGE_SIZE of them, rounded up to 64. Only pages that were
     * written are named, and pages of the guest's page tables: there the CPU itself sets accessed and dirty flags, and
     * with nested paging it takes each of its reads there for a write (AMD's APM 2, 15.25.6).
     */
    int (*take)(struct engine *engine, uint64_t *bitmap, struct reason *why);
    void (*stop)(struct engine *engine);
};

struct engine_ops {
    unsigned abi;          /* ENGINE_ABI */
    const char *name;      /* "emulate/interp" */
    const char *technique; /* "emulate", "full", "para" or "hwassist" */
    const char *text;      /* one line for `virtlab list` */
    unsigned capabilities; /* enum engine_capability, when probe() succeeds */
    uint64_t counters;     /* COUNTER_BIT()s of the counters that it keeps */

    /* Can it run on this host? 0, or -errno with the reason in words and, if there is one, the remedy. */
    int (*probe)(struct reason *why);

    /* Makes the CPU, in reset state. NULL with why on failure. `host` must outlive it. */
    struct engine *(*create)(const struct engine_host *host, struct reason *why);
    void (*destroy)(struct engine *engine);

    /*
     * Runs until the machine has something to do. `budget` is the number of instructions after which to return with
     * VM_EXIT_INTERRUPTED, exactly (0: none); engines without ENGINE_VIRTUAL_TIME ignore it. `exit` is both the answer
     * to the previous exit and the place for the next one: the caller keeps it unchanged in between, but for the
     * answer.
     */
    void (*run)(struct engine *engine, struct vm_exit *exit, uint64_t budget);

    /* The whole register file. set_state checks what it is given: -EINVAL with why, and the old state stays. */
    void (*get_state)(struct engine *engine, struct cpu_state *state);
    int (*set_state)(struct engine *engine, const struct cpu_state *state, struct reason *why);

    /* Can an external interrupt be taken now (IF set, no shadow, nothing pending)? */
    bool (*can_inject)(struct engine *engine);
    /* Queues one external interrupt; only when can_inject(). It is delivered by the next run(). */
    void (*inject)(struct engine *engine, uint8_t vector);
    /* Asks (or no longer asks) run() to return with VM_EXIT_WINDOW when can_inject() would be true. */
    void (*request_window)(struct engine *engine, bool wanted);

    /* Makes run() return soon. Any thread, any signal handler. */
    void (*kick)(struct engine *engine);

    /* Somebody other than the guest's CPU has written these bytes of RAM: decoded copies of them are stale. */
    void (*ram_written)(struct engine *engine, gpa_t at, uint64_t len);

    /* Brings counters up to date that somebody else keeps (the host's kernel). May be NULL: nobody else does. */
    void (*sync_stats)(struct engine *engine);

    /*
     * A kernel was loaded from this file, and nothing of it has run yet: for engines that prepare something for a
     * kernel. -errno with why: the machine doesn't start. NULL: the engine has no use for it.
     */
    int (*kernel_loaded)(struct engine *engine, const char *file, struct reason *why);

    const struct engine_chips *chips;         /* NULL: the machine's own chips serve this engine */
    const struct engine_dirty_log *dirty_log; /* NULL: it can't say which pages were written */
};

/* All built-in engines, NULL-terminated, the default variant of each technique first. */
extern const struct engine_ops *const engines[];

/*
 * Finds an engine by "technique/variant" or by a bare technique (its first variant that probes well, else its first).
 * A name that holds a '/' and ends in ".so" is loaded as a shared object that exports `const struct engine_ops
 * virtlab_engine`. NULL with why when there is none.
 */
const struct engine_ops *engine_find(const char *name, struct reason *why);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine.h - a virtual PC: RAM, buses, chips, clock and one vCPU, whichever engine runs it.
 *
 * The memory map (all of it; core/machine/machine.c builds it):
 *   RAM            0 .. mem             (at most 3 GiB; 640 KiB..1 MiB is RAM too, but reported as reserved)
 *   local APIC     0xfee00000, 4 KiB
 *   ports          0x20/0xa0 PICs, 0x40 PIT, 0x61 gate, 0x70 CMOS, 0x3f8 UART, 0x1f0/0x3f6 ATA, 0xe9 debug console,
 *                  0xf4 debug exit (QEMU's), 0xf8 virtlab service, 0x60/0x64 PS/2 reset only, 0xcf8 PCI: no bus
 */
#ifndef VIRTLAB_MACHINE_H
#define VIRTLAB_MACHINE_H

#include <virtlab/bus.h>
#include <virtlab/engine.h>

/* The virtlab service port: 32-bit OUT of (command << 16) | argument. Other hosts ignore it. */
#define SERVICE_PORT     0xf8
#define SERVICE_MARK     1 /* argument: MARK_BEGIN, MARK_END, or the workload's own */
#define SERVICE_POWEROFF 2 /* argument: exit status, 0..255 */
#define MARK_BEGIN       1
#define MARK_END         2

enum clock_mode {
    CLOCK_REAL,    /* time is the host's: for benchmarks */
    CLOCK_VIRTUAL, /* time is instructions retired, 1 ns each: for repeatable runs; needs ENGINE_VIRTUAL_TIME */
};

struct machine_config {
    uint64_t mem; /* bytes of RAM */
    enum clock_mode clock;
    const char *drive; /* file of the ATA disk, or NULL */
    bool drive_readonly;
    int console_in;                             /* file descriptor the UART reads, or -1 */
    int console_out;                            /* file descriptor the UART and the debug console write */
    bool kernel_exits;                          /* count exits by reason in the host's kernel too (stats.h): slower */
    bool trace_io;                              /* log every port and MMIO access on stderr */
    void (*mark)(void *context, unsigned mark); /* called at each service-port mark, or NULL */
    void *mark_context;
};

/* How a machine ended. */
enum machine_end {
    MACHINE_RUNNING,
    MACHINE_POWEROFF,   /* the service port: .status is the guest's own */
    MACHINE_DEBUG_EXIT, /* port 0xf4: .status is (value << 1) | 1, as QEMU's process would exit */
    MACHINE_RESET,      /* the guest asked for a reset (port 0x64 or 0xcf9, triple fault) */
    MACHINE_HALTED,     /* HLT with nothing left that could wake it */
    MACHINE_STOPPED,    /* machine_stop() was called */
    MACHINE_DEATH,      /* the engine could not go on with this guest: .why */
    MACHINE_ERROR,      /* the engine or the host failed: .why */
};

struct machine_result {
    enum machine_end end;
    int status;
    struct reason why;
};

struct machine;

/* Builds a machine with its engine's CPU in reset state. NULL with why on failure. */
struct machine *machine_create(const struct machine_config *config, const struct engine_ops *engine,
                               struct reason *why);
void machine_destroy(struct machine *machine);

/*
 * Loads a kernel by what its file is: ELF64 with the PVH note, Multiboot 1, or a Linux bzImage (64-bit boot protocol),
 * and sets the CPU's state to the start that the protocol defines. `initrd` and `append` may be NULL.
 * -errno with why, naming file and reason, for anything wrong with the files.
 */
int machine_load(struct machine *machine, const char *kernel, const char *initrd, const char *append,
                 struct reason *why) MUST_CHECK;

/* Runs until the guest ends or machine_stop(). May be called again after MACHINE_STOPPED. */
struct machine_result machine_run(struct machine *machine);

/* Makes machine_run() return with MACHINE_STOPPED soon. Any thread, any signal handler. */
void machine_stop(struct machine *machine);

/* The parts, for tests, benchmarks and the command line. Statistics are those of this moment (engine_ops.sync_stats).
 */
struct stats *machine_stats(struct machine *machine);
struct ram *machine_ram(struct machine *machine);
struct bus *machine_port_bus(struct machine *machine);
struct bus *machine_mmio_bus(struct machine *machine);
void machine_get_state(struct machine *machine, struct cpu_state *state);
int machine_set_state(struct machine *machine, const struct cpu_state *state, struct reason *why) MUST_CHECK;

/*
 * Port accesses that engine and machine saw, by port: PORT_COUNT entries, which live as long as the machine. An access
 * of several bytes counts under its first port; each element of a REP INS or OUTS counts.
 */
#define PORT_COUNT 0x10000
struct port_count {
    uint64_t reads, writes;
};
const struct port_count *machine_port_counts(const struct machine *machine);

/* The interrupt controllers and the timer, the machine's or the engine's. -errno with why: engine.h, engine_chips. */
int machine_get_chips(struct machine *machine, struct chips_state *state, struct reason *why) MUST_CHECK;
int machine_set_chips(struct machine *machine, const struct chips_state *state, struct reason *why) MUST_CHECK;

/*
 * Goes on under another engine: its CPU, and its chips if it has any, take over the state of the present ones; RAM and
 * devices stay. Only while machine_run() isn't running. `engine` has been probed. -errno with why: nothing has changed.
 */
int machine_change_engine(struct machine *machine, const struct engine_ops *engine, struct reason *why) MUST_CHECK;

/* The log of written pages (engine.h, engine_dirty_log). -ENOTSUP with why where the engine keeps none. */
int machine_start_dirty_log(struct machine *machine, struct reason *why) MUST_CHECK;
int machine_take_dirty_log(struct machine *machine, uint64_t *bitmap, struct reason *why) MUST_CHECK;
void machine_stop_dirty_log(struct machine *machine);

/* Nanoseconds of guest time since the machine was made. */
uint64_t machine_now_ns(const struct machine *machine);

#endif

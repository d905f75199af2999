/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * parts.h - emulate/unicorn: the Unicorn Engine library's CPU under our machine; for the files of this folder only.
 *
 * Three things about the library (2.0.1; findings.h has all of them) shape this engine:
 *  - Its hooks want an answer at once, our contract gives it at the next run(). So what leaves the guest is never
 *    executed by the library: it is stopped *before* such an instruction, which is then carried out here (ours.c,
 *    device.c).
 *  - A stop asked for by a hook takes effect at the next block only, but exactly there when a block's own hook asks. So
 *    kicks and budgets are looked at when a block is entered (exits.c), and the library is stopped nowhere else.
 *  - It can be told addresses to stop at ("exits"). It heeds them while translating, so a translation made before must
 *    be dropped (block.c).
 *
 * Read next: run.c, the loop; then block.c.
 */
#ifndef VIRTLAB_EMULATE_UNICORN_PARTS_H
#define VIRTLAB_EMULATE_UNICORN_PARTS_H

#include <string.h>
#include <unicorn/unicorn.h>
#include <virtlab/engine.h>
#include <Zydis/Zydis.h>

#define INSN_MAX 15 /* bytes of the longest instruction (SDM 2, 2.3.11) */

/* Why the library came back; what a hook saw is kept here until run.c looks at it. */
enum stop {
    STOP_NONE,      /* no hook: it reached an address to stop at, or gave up (run.c, stopped_silently) */
    STOP_KICK,      /* at a block's start (.address, .size): somebody called kick() */
    STOP_BUDGET,    /* at a block's start: the block is longer than what is left of the budget */
    STOP_OURS,      /* at a block's start: the block holds instructions that are carried out here */
    STOP_STEPPED,   /* the one instruction that was to be executed has been */
    STOP_EXCEPTION, /* .vector */
    STOP_INVALID,   /* bytes that the library doesn't know as an instruction */
    STOP_DEVICE,    /* at an access to .address, where there is no RAM */
    STOP_FETCH,     /* a jump to .address, where there is no RAM */
};

/* What is known of a translated block. A block ends with the first REP string instruction: see block.c. */
struct block {
    uint64_t address, rep_at; /* rep_at: of its REP string instruction, its last one; 0 if none */
    uint32_t size, count;     /* bytes, instructions */
    bool ours;                /* holds an instruction for ours.c */
};

#define BLOCKS     4096 /* known at a time, by hash of the address */
#define POINTS_MAX 1024

/* The block entered last, as far as counting needs it when the next one is entered or the library stops in it. */
struct entered {
    uint64_t address, end, rep_at; /* all 0: none */
};

/* One access that an instruction makes to a device. */
struct access {
    gpa_t gpa;
    unsigned size;
    uint64_t value;
};

#define ACCESSES_MAX     16 /* of one instruction: FXSAVE to a device is cut off */
#define DEVICE_PAGES_MAX 4

struct device_page {
    struct engine *engine;
    uint64_t gpa;
};

/* The instruction that accesses a device, being replayed until all its reads are answered (device.c). */
struct replay {
    bool active, wants;  /* wants: the answer to .want is missing */
    uc_context *before;  /* the registers at its beginning */
    struct access first; /* the access that stopped the library; its value isn't known */
    struct access answer[ACCESSES_MAX], write[ACCESSES_MAX], want;
    unsigned answers, next_answer, writes;
    struct device_page page[DEVICE_PAGES_MAX];
    unsigned pages;
};

/* An instruction of ours.c whose exit has been returned and whose answer comes with the next run(). */
struct port_read {
    bool active, string;
    uint32_t count, size;
    uint8_t length; /* of the instruction */
};

struct engine {
    const struct engine_host *host;
    uc_engine *uc;
    bool live;    /* the library holds the registers; else all of them are in .kept (a mode that it can't run) */
    bool spoiled; /* an exception was raised: the library would take the next one for a double fault */
    struct cpu_state kept; /* what the library can't hold: see state.c */
    uint64_t rip;
    int64_t tsc_offset;
    struct vm_exit *exit; /* while run() runs */

    bool kicked, window_wanted; /* kicked: written by other threads and by signal handlers */
    uint64_t retired, limit;    /* instructions so far, and where the budget ends */
    struct block block[BLOCKS];
    struct entered entered;

    enum stop stop;
    uint32_t vector;
    uint64_t address;
    uint32_t size;
    bool stepping;      /* one instruction only */
    unsigned step_seen; /* blocks entered while stepping */

    uint64_t point[POINTS_MAX]; /* addresses to stop at: of all instructions for ours.c that were met */
    unsigned points;
    bool points_changed; /* since the library was told */

    struct port_read port_read;
    struct replay replay;
    struct access posted[ACCESSES_MAX]; /* device writes of a completed instruction, one run() each */
    unsigned posted_count, posted_next;
    uint8_t io[VM_IO_MAX];
    ZydisDecoder decoder;
};

/* ---- engine.c ---- */

/* A bare CPU of the library's. Its models differ in what CPUID says of maker and type (2.0.1); this one is an Intel. */
uc_err library_cpu(uc_engine **uc) MUST_CHECK;
/* Opens the engine's CPU anew, with our hooks and the guest's RAM. -errno with why. */
int library_open(struct engine *e, struct reason *why) MUST_CHECK;

/* ---- exits.c ---- */

int hooks_add(struct engine *e, struct reason *why) MUST_CHECK;

/* ---- run.c ---- */

void unicorn_run(struct engine *e, struct vm_exit *exit, uint64_t budget);
/* Executes the one instruction of `length` bytes at e->rip by the library. What stopped it is in e->stop. */
uc_err run_one(struct engine *e, unsigned length);
/* Fills the exit for an exception that nothing in the guest can take. */
void leave_with_exception(struct engine *e, unsigned vector);
void leave_with_death(struct engine *e, const char *format, ...) PRINTF_LIKE(2, 3);

/* ---- block.c ---- */

/* The instruction at an address (virtual is physical here); false if it can't be read or decoded. */
bool insn_at(const struct engine *e, uint64_t address, ZydisDecodedInstruction *insn);
/* Its bytes and what they mean, for reasons. */
void insn_text(const struct engine *e, uint64_t address, char *text, size_t room);
const struct block *block_known(struct engine *e, uint64_t address, uint32_t size);
void block_forget(struct engine *e, uint64_t address);
/* How many instructions lie in [address, end), and where instruction number `index` begins. */
unsigned count_between(const struct engine *e, uint64_t address, uint64_t end);
uint64_t nth_insn(const struct engine *e, uint64_t address, uint64_t index);
/* Drops the library's translations of [at, end). */
void translation_drop(struct engine *e, uint64_t at, uint64_t end);
/* Addresses to stop at. point_add_all: of every instruction for ours.c in [address, address + size). */
bool point_has(const struct engine *e, uint64_t address);
void point_add_all(struct engine *e, uint64_t address, uint32_t size);
void point_remove(struct engine *e, uint64_t address);
/* Tells the library: all points but `without`, and `extra`; 0 for none. */
uc_err points_tell(struct engine *e, uint64_t without, uint64_t extra);

/* ---- ours.c ---- */

bool is_ours(const ZydisDecodedInstruction *insn);
/* Carries out the instruction at e->rip. True: run() returns with e->exit. */
bool carry_out(struct engine *e, const ZydisDecodedInstruction *insn);

/* Behind an instruction that is complete; false, for callers: run() needn't return. */
static inline bool retire(struct engine *e, unsigned length)
{
    e->rip += length;
    e->retired++;
    return false;
}

/* ---- port.c, cpuid.c: as carry_out() ---- */

bool port_io(struct engine *e, const ZydisDecodedInstruction *insn);
bool string_io(struct engine *e, const ZydisDecodedInstruction *insn, bool in);
/* The answer to their exit has come. */
void port_read_complete(struct engine *e);
bool cpuid(struct engine *e, const ZydisDecodedInstruction *insn);

/* ---- device.c ---- */

/* Puts e->rip right behind a stop for a device access. */
void device_locate(struct engine *e);
/* The instruction at e->rip accesses a device at e->address: begins it. True: run() returns with e->exit. */
bool device_access(struct engine *e);
/* The answer to its read has come: goes on with it. */
bool device_answered(struct engine *e);

/* ---- state.c ---- */

extern const int gpr_id[GPR_COUNT]; /* the library's numbers of the general registers */
uint64_t reg_get(const struct engine *e, int id);
void reg_put(struct engine *e, int id, uint64_t value);
void unicorn_get_state(struct engine *e, struct cpu_state *state);
int unicorn_set_state(struct engine *e, const struct cpu_state *state, struct reason *why) MUST_CHECK;
/* A 64-bit field, by its offset. */
static inline uint64_t *state_field(const struct cpu_state *state, size_t at)
{
    return (uint64_t *)((uintptr_t)state + at);
}

uint64_t tsc_now(const struct engine *e);

/* ---- segments.c, fpu.c ---- */

int selectors_put(struct engine *e, const struct cpu_state *state, struct reason *why) MUST_CHECK;
void segments_get(struct engine *e, struct cpu_state *state);
void system_segment_put(struct engine *e, int id, const struct segment_reg *seg);
void system_segment_get(struct engine *e, int id, struct segment_reg *seg);
void table_put(struct engine *e, int id, const struct table_reg *table);
struct table_reg table_get(struct engine *e, int id);
void fpu_put(struct engine *e, const struct fpu_state *fpu);
void fpu_get(struct engine *e, struct fpu_state *fpu);

/* ---- msr.c ---- */

#define MSR_KERNEL_GS_BASE 0xc0000102

/* Reads one of the library's own, or writes it when `value` isn't NULL. */
uint64_t library_msr(struct engine *e, uint32_t number, const uint64_t *value);
/* RDMSR and WRMSR: false for an MSR that isn't there, or a value that it can't take. */
bool msr_read(struct engine *e, uint32_t number, uint64_t *value);
bool msr_write(struct engine *e, uint32_t number, uint64_t value);

/* ---- probe.c ---- */

int unicorn_probe(struct reason *why) MUST_CHECK;

#endif

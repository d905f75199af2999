/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bt.h - the binary translator: hot blocks of 64-bit guest code become host code.
 *
 * The interpreter (core/x86) stays underneath. It runs code that is cold, 16- or 32-bit, or odd, and every instruction
 * that faults or meets a device: native code leaves in front of such an instruction, with the interpreter's state
 * complete, and the interpreter goes on with the instruction's own record. So there is one implementation of everything
 * difficult, and native code is only ever the fast path. docs/translator.md has the whole picture.
 *
 * Reading order: emit.h (the assembler), bt.h, cache.c (code cache, entering and leaving), engine.c (the contract),
 * run.c (the interpreter's side), translate.c (a block), flags.c, stub.c (leaving and going on), memory.c (the TLB
 * probe), window.c, copyable.c and copy.c (instructions that are copied), stack.c, system.c, gate.c, branch.c, trace.c
 * (several blocks as one), registers.c.
 */
#ifndef VIRTLAB_BT_BT_H
#define VIRTLAB_BT_BT_H

#include "full/bt/emit.h"
#include "x86/block.h"
#include "x86/decode.h"
#include <stddef.h>

/* ---- registers. RSP holds struct cpu *; R14 and R15 are scratch. Guest registers have fixed places: ---- */

enum { HOST_CPU = RSP, SCRATCH_A = R14, SCRATCH_B = R15 };
/*
 * The host register of a guest one, or NO_REG: it stays in cpu->gpr. RSP is in R12, R12 in R13. This is so between
 * units; one that loops may have others change places (registers.c): see struct unit.
 */
extern const int8_t host_of[16];

#define CPU_FIELD(field) ((struct host_mem){HOST_CPU, NO_REG, 0, (int32_t)offsetof(struct cpu, field)})
static inline struct host_mem cpu_gpr(unsigned r)
{
    return (struct host_mem){HOST_CPU, NO_REG, 0, (int32_t)(offsetof(struct cpu, gpr) + 8 * r)};
}

/* ---- leaving native code ---- */

/* Why, and what `what` then is. */
enum leave {
    LEAVE_RECORD, /* the interpreter goes on with this record of a block already accounted */
    LEAVE_BLOCK,  /* ... with this block, from its top */
    LEAVE_RIP,    /* ... at this address, through the run loop */
    LEAVE_CALL,   /* the same for a CALL (a struct insn) that has pushed; the target is in native.scratch */
    LEAVE_LINK,   /* a struct link: a branch within the page that isn't linked yet */
    LEAVE_SYSTEM, /* like LEAVE_RECORD, for a record that ends its block without branching itself */
    LEAVE_PAUSE,  /* the budget of this stay is used up: in front of the record, in native code native.retry */
    LEAVE_MISS,   /* + enum miss. A TLB probe of the record found nothing */
    LEAVE_KINDS = LEAVE_MISS + 8
};
/* What is known of a probe that found nothing: bits. */
enum miss {
    MISS_STORES = 1, /* the instruction's own access is a store */
    MISS_WRITE = 2,  /* the probe was for writing */
    MISS_WINDOW = 4, /* it was for several accesses */
};
/* Instructions that change privilege in native code. */
enum gate_kind { GATE_SYSCALL, GATE_SYSRET, GATES };

struct left {
    uint64_t what, why;
};

/* A direct branch within its page: the jump to be patched when its target has native code. */
struct link {
    uint8_t *jump;
    struct block *from;
    const struct insn *record;
    bool flags;    /* the status flags are in RFLAGS there */
    bool shadowed; /* behind STI: no interrupt may come before the target's first instruction */
};

#define CODE_SIZE (UINT64_C(32) << 20)
#define LINKS_MAX (UINT64_C(1) << 18)
/* What one block may need at most. */
#define CODE_RESERVE  (64 << 10)
#define LINKS_RESERVE (4 * BLOCK_MAX)

struct bt;

struct bt *bt_create(struct reason *why);
void bt_destroy(struct bt *bt);
void bt_decoder_init(ZydisDecoder *decoder);
/* Gives a block of 64-bit code native code; false if it can't have any. The code cache has CODE_RESERVE left. */
bool bt_translate(struct cpu *cpu, struct block *block);
/*
 * The same anew, with one more instruction (of the block) left to the interpreter at once: it keeps meeting a device or
 * a page whose stores are watched, so that its probe is in vain. `head` is the first block of the code that did.
 * False: the old code serves on.
 */
bool bt_translate_odd(struct cpu *cpu, struct block *block, struct block *head, const struct insn *odd);
/*
 * The same anew, with the blocks behind it that are executed most, as one (trace.c). Worth while for a block in whose
 * native code the CPU was found bt->samples times.
 */
bool bt_translate_trace(struct cpu *cpu, struct block *head);
/*
 * The same for the blocks that a trace is left to at its sides: they are never found, because what is given back there
 * is more than they are accounted. For a trace that goes on being found.
 */
bool bt_translate_sides(struct cpu *cpu, struct block *head);
insn_fn op_translate, op_enter_native;

/* Of engine_ops, for the engines whose translator this is. */
int bt_probe(struct reason *why);
struct engine *bt_engine_create(const struct engine_host *host, struct reason *why);
void bt_engine_destroy(struct engine *engine);

/* ---- translating a block ---- */

/* Where the status flags are: bits, see flags.c. */
enum { IN_HOST = 1, IN_MEMORY = 2, IN_REPLAY = 4 };

/* What an access needs of memory. */
struct probe {
    unsigned size;
    bool write, aligned;
};

/* Memory that a probe has vouched for: [base + low, base + high), while SCRATCH_B holds its addend (window.c). */
struct window {
    bool open, write;
    int base; /* host register */
    int32_t low, high;
};

/* Code out of line, emitted behind the block. */
enum stub_kind {
    STUB_LEAVE,       /* the record is the interpreter's */
    STUB_SYSTEM,      /* likewise, and ends its block */
    STUB_PAUSE,       /* the budget is used up */
    STUB_TLB,         /* an access isn't in the span: the TLB proper is probed, then back */
    STUB_STRAYED,     /* a store isn't in the clear stretch: the span is looked at, then the TLB, then back */
    STUB_MISS,        /* a probe found nothing; tried again at `back` */
    STUB_RESUME,      /* where native code goes on behind the record when the interpreter has executed it */
    STUB_EXIT,        /* out of the midst of a trace */
    STUB_LINK,        /* a branch within the page that isn't linked yet */
    STUB_SHADOWED,    /* the same behind STI */
    STUB_FAR,         /* Jcc to another page */
    STUB_FAR_MISSED,  /* a direct branch whose target isn't in the jump table */
    STUB_CALL_MISSED, /* a call likewise */
    STUB_RETURN,      /* a return that the return cache doesn't know */
    STUB_XMM,         /* the guest's XMM registers are to be loaded */
};
#define STUB_JUMPS 3
struct stub {
    enum stub_kind kind;
    uint8_t *jump[STUB_JUMPS]; /* come here; NULL: none */
    const uint8_t *back;
    const struct insn *record;
    unsigned step;  /* of the unit */
    unsigned flags; /* where the status flags are */
    const struct decoded *replay;
    bool replay_stack;
    int32_t replay_lag, lag; /* as in struct unit */
    unsigned miss;           /* STUB_MISS, STUB_TLB: enum miss */
    /* STUB_TLB and STUB_STRAYED: */
    struct probe probe;
    struct window window;  /* to be opened, if .open */
    bool keep;             /* SCRATCH_B, the addend of another window */
    enum tlb_stores store; /* STUB_STRAYED */
};
#define STUBS_MAX (24 * BLOCK_MAX)

/* The state of translation between two instructions. */
struct point {
    const uint8_t *at;
    unsigned flags;
    struct window window;
    int held[2];
    int32_t lag;
};

/* One instruction of what is translated. */
struct step {
    struct block *block; /* that it belongs to */
    const struct insn *in;
    unsigned through; /* how many instructions the unit has up to the end of this block */
};

/* What is translated as one: a block, or a trace of blocks (trace.c). */
struct unit {
    struct bt *bt;
    struct emitter *e;
    struct block *block; /* the first */
    struct step step[BLOCK_MAX];
    unsigned count, now; /* steps; and the one being translated */
    bool trace;
    const uint8_t *second; /* the page that a block's last instruction reaches into */
    int8_t host[16];       /* host registers of guest ones, inside the unit */
    struct swap {
        unsigned in, out; /* guest registers: `in` has the host register that elsewhere is `out`'s */
    } swap[3];
    unsigned swaps;
    const uint8_t *top;           /* where a unit with swaps begins, with flags saved and registers changed */
    unsigned flags;               /* IN_HOST, IN_MEMORY, IN_REPLAY */
    const struct decoded *replay; /* what makes them again */
    int32_t lag;                  /* guest RSP is its host register + lag (stack.c) */
    bool replay_stack;            /* `replay` is an ADD or SUB to RSP that was not executed: RSP before it was */
    int32_t replay_lag;           /* ... its host register + this */
    struct window window;
    int held[2];    /* guest registers that live in memory, and that SCRATCH_A and SCRATCH_B hold still; or NO_REG */
    bool held_kept; /* the present instruction says so of itself */
    bool kernel;    /* first met at CPL 0: memory is looked for in the span first */
    bool xmm;       /* the block uses XMM registers */
    bool failed;    /* too large */
    unsigned first_left;              /* the first instruction that always leaves */
    struct point behind[BLOCK_MAX];   /* each instruction */
    const uint8_t *resume[BLOCK_MAX]; /* made for STUB_RESUME */
    /* A jump to the block's own top with flags that can be made again, and where it leads (translate_loop()). */
    uint8_t *loop_jump;
    const uint8_t *loop_top;
    const struct decoded *loop_replay;
    unsigned stub_count;
    struct stub stub[STUBS_MAX];
};

struct static_translation;

struct bt {
    struct translator translator; /* first: what core/x86 knows */
    struct emitter code;
    uint8_t *memory, *first; /* the code cache, and where blocks begin in it */
    struct link *link;
    unsigned link_count;
    ZydisDecoder decoder;
    struct decoded decoded[BLOCK_MAX]; /* of the block being translated */
    struct unit unit;
    struct static_translation *kept; /* full/static's: made ahead of time; else NULL */
    unsigned slice;                  /* instructions of one stay in native code, at most */
    unsigned samples;                /* how often the CPU is found in a block before a trace is made of it */
    /* Routines at the code cache's start. */
    struct left (*enter)(struct cpu *cpu, const void *code);
    const uint8_t *leave[LEAVE_KINDS]; /* status flags saved, `what` in SCRATCH_A */
    const uint8_t *no_return;          /* of an empty entry in the return cache */
    const uint8_t *load_xmm;           /* goes back to where SCRATCH_A says */
    const uint8_t *gate[GATES];        /* gate.c */
};

static inline struct bt *bt_of(const struct cpu *cpu)
{
    return (struct bt *)cpu->translator;
}

static inline bool bt_has_room(const struct bt *bt)
{
    return bt->code.end - bt->code.at >= CODE_RESERVE && bt->link_count + LINKS_RESERVE <= LINKS_MAX;
}

/* What an instruction does with the status flags. */
struct flag_use {
    bool reads;  /* needs them, or leaves some as they are */
    bool writes; /* changes some */
};
struct flag_use flag_use(const struct decoded *d);

/* Into memory, or into RFLAGS; `scratch` and SCRATCH_A are destroyed. */
void save_flags(struct unit *t);
void restore_flags(struct unit *t, int scratch);
/* A scratch register is about to be destroyed, between two copied instructions. */
void lose_scratch(struct unit *t, int scratch);
/* RFLAGS is about to be destroyed. */
void lose_host_flags(struct unit *t);
/* In front of an instruction that may change what makes the flags again, and behind one that wrote them. */
void flags_before(struct unit *t, const struct insn *in, const struct decoded *d);
void flags_written(struct unit *t, const struct decoded *d);
void flags_written_stack(struct unit *t, const struct decoded *d);
/* Are the guest's XMM registers in the host's? If not, `in` is where to go on after loading them. */
void emit_xmm_check(struct unit *t, const struct insn *in);
struct stub *add_stub(struct unit *t, enum stub_kind kind, uint8_t *jump, const struct insn *record);

/* An empty unit that begins with this block; its code's page; and the unit's translation. */
struct unit *unit_begin(struct cpu *cpu, struct block *first, bool trace);
const uint8_t *code_of(const struct cpu *cpu, const struct block *block);
bool translate_unit(struct cpu *cpu, struct unit *t);
/* Puts the block's instructions behind those that the unit has. */
void unit_append(struct unit *t, struct block *block, const uint8_t *page);
static inline const struct decoded *decoded_step(const struct unit *t, unsigned i)
{
    return &t->bt->decoded[i];
}
/* Is the present instruction the last of its block, and another block of the unit follows? */
static inline bool goes_on_in_unit(const struct unit *t)
{
    return t->now + 1 < t->count && t->now + 1 == t->step[t->now].through;
}
/* Puts the blocks behind the first that are executed most into the unit (trace.c). */
void trace_follow(struct unit *t, const uint8_t *page);
/* Where it may be left at its sides: blocks that are no traces yet. Returns how many. */
#define TRACE_SIDES 8
unsigned trace_sides(const struct unit *t, struct block *sides[TRACE_SIDES]);
/* Does its end, or its last conditional jump, lead to its top? */
bool goes_to_top(const struct unit *t);
/* The block that follows in a unit, when the present instruction is the last of its block; else NULL. */
const struct block *next_in_unit(const struct unit *t);

/* Gives a unit that is a loop the registers that it uses (registers.c). */
void choose_registers(struct unit *t);
void own_registers(struct unit *t); /* those that it has otherwise */
/* In front of leaving the unit, and behind coming into it: RSP's lag too. Flags and scratch registers are kept. */
void go_home(struct unit *t);
void come_back(struct unit *t);

/*
 * A unit is accounted at its top, whole. Who leaves it before its last block gives back what is accounted of the blocks
 * behind; who comes back takes it again. Status flags are kept by the one, and must be saved for the other. SCRATCH_A
 * is destroyed.
 */
void give_back(struct unit *t);
void take_again(struct unit *t);

void window_close(struct unit *t);
bool window_covers(const struct unit *t, int base, int32_t disp, struct probe p);
struct window window_for(const struct unit *t, int base, int32_t disp, struct probe p);
/* Behind an instruction: what it has done to the window's base. `lagging`: RSP's host register is as it was. */
void window_follow(struct unit *t, const struct insn *in, const struct decoded *d, bool lagging);

/* Does the instruction leave RSP's lag alone, or only change it? All others want it settled. */
bool keeps_lag(const struct decoded *d);
void settle_stack(struct unit *t);
void move_stack(struct unit *t, int32_t distance);
static inline int32_t lag_of(const struct unit *t, unsigned r)
{
    return r == RSP ? t->lag : 0;
}

/*
 * The probe: emits code that finds the host address of a guest access, or leaves in front of the instruction. The
 * answer is an operand to access; *free is the scratch register that it doesn't use. Status flags get saved, unless a
 * window (window.c) made the probe needless.
 */
bool probe_operand(struct unit *t, const struct insn *in, struct probe p, struct host_mem *m, int *free);
struct host_mem probe_stack(struct unit *t, const struct insn *in, int base, int32_t disp, bool write);
void probe_tlb(struct unit *t, const struct stub *stub);
void probe_strayed(struct unit *t, const struct stub *stub);
/* The window again, behind an instruction that the interpreter has executed: its probe leaves in front of `next`. */
void probe_again(struct unit *t, const struct insn *next, struct window w);
/* The operand's effective address, in host registers or scratch ones; false: it has no encoding. */
bool effective_operand(struct unit *t, const struct insn *in, struct host_mem *m);

/* A guest register's value, in its own host register or in `scratch`. */
static inline int guest_register(struct unit *t, unsigned r, int scratch)
{
    if (t->host[r] != NO_REG)
        return t->host[r];
    emit_load(t->e, scratch, cpu_gpr(r));
    return scratch;
}

/* The translators proper: false when the instruction is left to the interpreter. */
/* A comparison of registers and constants once more. */
void copy_again(struct unit *t, const struct decoded *d);
bool translate_copy(struct unit *t, const struct insn *in, const struct decoded *d);
bool translate_stack(struct unit *t, const struct insn *in, const struct decoded *d);
bool translate_division(struct unit *t, const struct insn *in, const struct decoded *d);
bool translate_system(struct unit *t, const struct insn *in, const struct decoded *d);
void generate_gates(struct bt *bt, struct emitter *e);
/* SCRATCH_A = a place by its distance from the start of the code page (branch.c). */
void code_address(struct unit *t, uint64_t distance);
/* SCRATCH_B = the jump table's entry for the address in SCRATCH_A (branch.c). */
void emit_jump_slot(struct emitter *e);
bool translate_branch(struct unit *t, const struct insn *in, const struct decoded *d);
/* Goes on behind the block's last record. */
void translate_end(struct unit *t, const struct insn *end);
/* The same behind STI: no interrupt may come before the instruction there, which is in this page. */
void translate_shadowed(struct unit *t, const struct insn *end);
void emit_stubs(struct unit *t);
/* Does its handler end the block without going on in another? (system.c) */
bool ends_without_branch(const struct decoded *d);
/* A jump within the page: straight to the target's native code if it has some, else by way of follow_link(). */
void jump_within_page(struct unit *t, unsigned condition, const struct insn *in);
/* A direct branch to another page, through the jump table. */
void translate_far(struct unit *t, const struct insn *in);
/* The out-of-line part of RET: it isn't in the return cache. */
void translate_return_missed(struct unit *t, const struct insn *in);

/* Writes the translation that begins at `start` to the file that $VIRTLAB_BT_DUMP names, if it is set (dump.c). */
void dump_translation(const struct unit *t, const uint8_t *start);

bool uses_xmm(const struct decoded *d);
bool is_nop(const struct decoded *d);
bool copyable(const struct decoded *d);
/* Is it copy.c's? */
bool is_copied(const struct decoded *d);
/* Register to register: it can't leave the block, and changes no flags but its own. */
bool is_plain(const struct decoded *d, const struct insn *in);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exhibit.h - `virtlab exhibit popek-goldberg`: which instructions make a machine hard to virtualize, found by running
 * them.
 *
 * Popek and Goldberg (Formal Requirements for Virtualizable Third Generation Architectures, CACM 17(7), 1974) call an
 * instruction
 *   privileged            if it traps in user mode and does not in supervisor mode;
 *   control sensitive     if it attempts to change the machine's resources or its mode;
 *   behaviour sensitive   if what it does depends on them.
 * A machine can be virtualized by trap-and-emulate if all sensitive instructions are privileged. Each of the three
 * words is a question here that an experiment answers. An instruction is run, with the same registers and memory,
 *   user      where a deprivileged guest kernel would run: x86 in ring 3 in a world on this processor, RISC-V in
 * U-mode; kernel    where it was written for, on a software CPU in state A: the right answer, and what it changed;
 *   other     the same in state B, in which all that belongs to the supervisor has another value: does it matter?
 * exhibit_judge.c draws the conclusions, for both instruction sets alike, and no table says what they should be.
 *
 * Read in this order: this file, exhibit_x86.def (the instructions), exhibit_x86.c (what is common to both rings),
 * exhibit_ring3.c, exhibit_ring0.c (the two places), exhibit_judge.c, exhibit_riscv.def, exhibit_riscv.c,
 * exhibit_show.c (the table), exhibit_json.c, cmd_exhibit.c. reports/exhibit.py draws the sets.
 */
#ifndef BENCH_EXHIBIT_H
#define BENCH_EXHIBIT_H

#include <jansson.h>

#include <virtlab/types.h>

/* How a run of an instruction ended. */
enum exhibit_end {
    EXHIBIT_DONE,  /* it was carried out, and the next instruction followed */
    EXHIBIT_TRAP,  /* it faulted: the supervisor has it in hand (`how` says by what) */
    EXHIBIT_ENTER, /* it entered the supervisor by its nature: INT n, SYSCALL */
    EXHIBIT_LEFT,  /* the machine outside the CPU felt it: a port, a halt */
    EXHIBIT_UNRUN, /* it could not be run: `how` says why */
};

struct exhibit_value {
    const char *name;
    uint64_t value;
};

#define EXHIBIT_SEEN   32
#define EXHIBIT_SYSTEM 48

struct exhibit_run {
    enum exhibit_end end;
    char how[96]; /* "#GP(0)", "SIGSYS by SYSCALL", "illegal instruction", "IN" */
    /* What the program can see afterwards: registers, memory. Meaningful if DONE. */
    struct exhibit_value seen[EXHIBIT_SEEN];
    unsigned seen_count;
    /* What belongs to the supervisor, before and after; none in ring 3, where nobody can look. */
    struct exhibit_value before[EXHIBIT_SYSTEM], after[EXHIBIT_SYSTEM];
    unsigned system_count;
};

/* One row of a table, in the form that is the same for both instruction sets. */
struct exhibit_row {
    const char *group, *name, *text; /* "interrupt flag", "PUSHF", "pushfq" */
    const char *shows;               /* what the first value of `seen` is, in words; "": its own name */
    const char *rule;                /* a rule of the manual on user mode, with its section; "" */
    bool listed;                     /* one of Robin and Irvine's */
    bool closable;                   /* the next row is the same one with the supervisor's switch against it closed */
    bool must_trap;                  /* `rule` demands a trap in user mode */
    bool image;                      /* the first value of `seen` is a flags image */
};

enum exhibit_class {
    EXHIBIT_INNOCUOUS,  /* not sensitive, runs everywhere */
    EXHIBIT_PRIVILEGED, /* sensitive, and traps in user mode */
    EXHIBIT_SILENT,     /* sensitive, and does not trap in user mode: what the theorem forbids */
    EXHIBIT_OPEN,       /* silent, but it traps as soon as the supervisor closes a switch: as good as privileged */
    EXHIBIT_PRIVILEGED_ALONE, /* traps in user mode only, but no effect was seen */
    EXHIBIT_ALWAYS_TRAPS,     /* traps in both: by its nature, or because this virtual CPU lacks it */
    EXHIBIT_UNKNOWN,          /* could not be run */
    EXHIBIT_CLASS_COUNT,
};

struct exhibit_verdict {
    enum exhibit_class class;
    bool deviates;                     /* silent, but the manual's rule demands a trap: the model's error */
    bool control, behaviour, identity; /* in what way it is sensitive; identity: it shows the real machine */
    char user[96];                     /* in user mode: "#GP(0)", or "silent: selector 0x33" */
    char kernel[96];                   /* in the kernel's own: "selector 0x8", or "IF 0 -> 1" */
    char evidence[160];                /* why it counts as sensitive */
};

struct exhibit_result {
    struct exhibit_row row;
    struct exhibit_run user, kernel, other;
    struct exhibit_verdict verdict;
};

/* One instruction set. */
struct exhibit {
    const char *isa;  /* "x86-64" */
    char user[192];   /* where "user" is: "ring 3 of AMD ..., in a world" */
    char kernel[192]; /* where "kernel" is */
    struct exhibit_result *results;
    unsigned count;
};

/* Runs all rows. 0, or -errno with why when it can't be done here at all. Release with exhibit_free in any case. */
int exhibit_x86(struct exhibit *exhibit, struct reason *why) MUST_CHECK;
int exhibit_riscv(struct exhibit *exhibit, struct reason *why) MUST_CHECK;
void exhibit_free(struct exhibit *exhibit);

/* From three runs to a verdict, for all results. */
void exhibit_judge(struct exhibit *exhibit);

const char *exhibit_class_name(enum exhibit_class class); /* "sensitive-unprivileged": as it stands in results */
const char *exhibit_class_text(enum exhibit_class class); /* "sensitive, silent" */
/* How many results are of that class; and how many don't trap though the manual's rule demands it. */
unsigned exhibit_count(const struct exhibit *exhibit, enum exhibit_class class);
unsigned exhibit_deviations(const struct exhibit *exhibit);

void exhibit_show(const struct exhibit *exhibit);
json_t *exhibit_json(const struct exhibit *exhibit);

/* Adds a value to one of the lists of a run. Full: it is dropped. */
void exhibit_add(struct exhibit_value *list, unsigned *count, unsigned room, const char *name, uint64_t value);

#endif

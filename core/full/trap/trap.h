/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trap.h - trap and emulate: the guest's kernel runs directly on the host's CPU, like its programs, in ring 3.
 *
 * The classical technique (Popek & Goldberg 1974; "ring compression" in VMware's words): no instruction is translated
 * or looked at beforehand. Those that need privilege trap, and are emulated by executing that one instruction in the
 * software CPU; everything else runs by itself. Kernel and user code have an address space each (a shadow for each
 * ring), as both run in ring 3.
 *
 * It fails on x86, and this engine is there to show on what. Some sensitive instructions don't trap in ring 3: they are
 * *silent*, and give the wrong value. So that each one is seen, its first byte is made a breakpoint, in a copy of its
 * page that only the CPU executes (sites.c). When it is hit, the instruction is executed twice: by the software CPU,
 * for the value that is right, and by the host's CPU in ring 3, for the value that the technique gives (silent.c). If
 * they are the same, no harm is done. If not, the guest goes on with the wrong one, and it is remembered, so that when
 * the guest then dies, the reason is known.
 *
 *     core/full/direct (the executor) --hooks--> engine.c      sites.c: where breakpoints are      silent.c: right or
 * wrong?
 *
 * docs/trap.md has the whole picture.
 */
#ifndef VIRTLAB_TRAP_TRAP_H
#define VIRTLAB_TRAP_TRAP_H

#include "full/direct/direct.h"
#include <Zydis/Zydis.h>

/* ---- sites.c ---- */

struct sites;

struct sites *sites_create(struct direct *d, struct reason *why) MUST_CHECK;
void sites_destroy(struct sites *sites);

/*
 * The guest goes on at `at`, an instruction's first byte for sure: it and what it leads to are gone through, and
 * breakpoints set. Cheap when it was here before.
 */
void sites_follow(struct sites *sites, gva_t at);
/* The frame's copy, made if need be: an offset in RAM's memfd. The frame itself when there is no room for copies. */
uint64_t sites_code_at(struct sites *sites, gpa_t frame);
/* The frame has been written, and is executable no more: its copy is void. */
void sites_forget(struct sites *sites, gpa_t frame);

enum site {
    SITE_NONE,
    SITE_SILENT, /* a silent sensitive instruction */
    SITE_SCOUT,  /* an indirect branch, to learn where it leads: execute it in software, and go on */
};
/* Is the byte at guest-virtual `at`, in the present address space, a breakpoint of ours? A scout's days are counted. */
enum site sites_hit(struct sites *sites, gva_t at);
/*
 * For a single step of the silent instruction at `at`, up to `next`: its own first byte is put back, and there is a
 * breakpoint at `next` for sure (some hosts emulate SGDT and its kin, and then the step ends one instruction late).
 * Later all is as it was.
 */
void sites_lift(struct sites *sites, gva_t at, gva_t next, bool lifted);

/* ---- silent.c ---- */

/* An instruction that gave a wrong value. */
#define LIES_MAX 8
struct lie {
    uint64_t rip;
    char mnemonic[16], bytes[3 * 15 + 1];
    char what[16]; /* the register or memory that is wrong */
    uint64_t wrong, right;
    uint64_t count;
};

struct trap {
    struct sites *sites;
    struct lie lie[LIES_MAX]; /* in the order in which they first came */
    unsigned lies;            /* may be more than LIES_MAX */
    uint64_t stuck_since;     /* TSC; 0: not stuck. See engine.c */
};

static inline struct trap *trap_of(const struct direct *d)
{
    return d->context;
}

/* Is this instruction sensitive, though ring 3 may execute it? (Or it may trap, on this host: that is found out.) */
bool silent_instruction(const ZydisDecodedInstruction *z);
/* The silent instruction at d->regs.rip has been reached. An enum next, or -errno with why. */
int silent_execute(struct direct *d, const struct direct_space *space, struct reason *why) MUST_CHECK;

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exhibit_x86.h - the x86-64 exhibit's stage: where code, data and stack are, in both rings at the same addresses.
 *
 * Virtual address = guest-physical address = offset in RAM. Below 0x100000 lies what only ring 0 of the software CPU
 * has: tables for state A and for state B. Read next: exhibit_x86.c.
 */
#ifndef BENCH_EXHIBIT_X86_H
#define BENCH_EXHIBIT_X86_H

#include <virtlab/cpu_state.h>
#include <virtlab/ram.h>

#include "exhibit.h"

#define EXHIBIT_RAM   UINT64_C(0x800000)
#define EXHIBIT_CODE  UINT64_C(0x400000) /* one page, read and executed */
#define EXHIBIT_DATA  UINT64_C(0x500000) /* one page */
#define EXHIBIT_STACK UINT64_C(0x602000) /* the top of two pages */

/* A row of exhibit_x86.def, assembled. */
struct exhibit_x86_row {
    struct exhibit_row row;
    unsigned options;
    const uint8_t *code, *insn, *after, *end; /* INT3 stands at `end` - 1 */
};

enum { LISTED = 1, TRAP_TSC = 2, IMAGE = 4, CLOSABLE = 8 };

extern const struct exhibit_x86_row exhibit_x86_rows[];
extern const unsigned exhibit_x86_row_count;

/* Addresses in the guest. */
static inline uint64_t exhibit_x86_insn(const struct exhibit_x86_row *row)
{
    return EXHIBIT_CODE + (uint64_t)(row->insn - row->code);
}
static inline uint64_t exhibit_x86_after(const struct exhibit_x86_row *row)
{
    return EXHIBIT_CODE + (uint64_t)(row->after - row->code);
}
/* Where RIP is after the INT3 that ends the row. */
static inline uint64_t exhibit_x86_end(const struct exhibit_x86_row *row)
{
    return EXHIBIT_CODE + (uint64_t)(row->end - row->code);
}

/* Puts the row's code into RAM, clears data and stack, and gives registers their first values. */
void exhibit_x86_arrange(const struct exhibit_x86_row *row, const struct ram *ram, uint64_t gpr[GPR_COUNT]);
/* Fills run->seen from registers, flags and the data page. */
void exhibit_x86_look(struct exhibit_run *run, const struct ram *ram, const uint64_t gpr[GPR_COUNT], uint64_t rflags);
/* "#GP(0)" */
void exhibit_x86_exception(char *text, size_t size, unsigned vector, uint32_t error);

/* Ring 3 of this processor. NULL with why. */
struct exhibit_ring3;
struct exhibit_ring3 *exhibit_ring3_open(const struct ram *ram, struct reason *why) MUST_CHECK;
void exhibit_ring3_close(struct exhibit_ring3 *ring3);
void exhibit_ring3_run(struct exhibit_ring3 *ring3, const struct exhibit_x86_row *row, struct exhibit_run *run);

/* Ring 0 of the software CPU. */
enum exhibit_state { EXHIBIT_STATE_A, EXHIBIT_STATE_B };
struct exhibit_ring0;
struct exhibit_ring0 *exhibit_ring0_open(struct ram *ram, struct reason *why) MUST_CHECK;
void exhibit_ring0_close(struct exhibit_ring0 *ring0);
void exhibit_ring0_run(struct exhibit_ring0 *ring0, const struct exhibit_x86_row *row, enum exhibit_state state,
                       struct exhibit_run *run);

/*
 * Tables in RAM for state A and B, and the state itself. `handlers` of exhibit_stage.c: every vector's gate leads to a
 * HLT of its own, SYSCALL's entry is number EXHIBIT_SYSCALL_ENTRY, SYSENTER's the one behind it.
 */
#define EXHIBIT_HANDLERS       UINT64_C(0x40000)
#define EXHIBIT_HANDLER_SIZE   16
#define EXHIBIT_SYSCALL_ENTRY  256
#define EXHIBIT_SYSENTER_ENTRY 257
#define EXHIBIT_HANDLER_COUNT  258
void exhibit_stage_build(const struct ram *ram);
void exhibit_stage_state(struct cpu_state *state, enum exhibit_state which);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep_code.h - the instruction at a CPU's RIP: its bytes, its text, and what it leaves undefined.
 */
#ifndef BENCH_LOCKSTEP_CODE_H
#define BENCH_LOCKSTEP_CODE_H

#include <virtlab/cpu_state.h>
#include <virtlab/ram.h>

#define CODE_MAX 15 /* bytes of the longest instruction */

struct code {
    uint64_t rip;
    uint8_t bits;   /* of the code segment: 16, 32 or 64 */
    uint8_t length; /* bytes that could be read; 0: nothing is mapped there */
    uint8_t bytes[CODE_MAX];
};

/* Reads what the CPU would execute next, through the guest's own page tables, which stay as they are. */
void code_fetch(struct code *code, const struct cpu_state *state, const struct ram *ram);

/* Assembler in Intel syntax, or why there is none. */
void code_text(const struct code *code, char *text, size_t size);

/* "rcpps"; false when it is no instruction. */
#define CODE_MNEMONIC_MAX 40
bool code_mnemonic(const struct code *code, char mnemonic[CODE_MNEMONIC_MAX]);

/*
 * The status flags whose value the manual leaves open once `code` has been executed, begun in state `before`, when
 * `undefined` were open already: flags that it defines are closed, those that it leaves undefined are opened.
 */
uint32_t code_undefined_flags(const struct code *code, const struct cpu_state *before, uint32_t undefined);

/* Sets in `ignore` every register that the instruction may write, RIP and the flags. False: it is no instruction. */
bool code_ignore_outputs(const struct code *code, struct cpu_state *ignore);

#endif

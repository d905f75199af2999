/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * errata.h - where the Unicorn library's CPU differs from a real one, or from core/x86 where the manual leaves the
 * choice: the one table for whoever compares engines (findings.h says what it lacks altogether).
 *
 * Found by running both engines over the same instructions with random operands; each row says what may differ behind
 * an instruction, and is to be masked there. State that has differed once goes on differing: carry one engine's value
 * over to the other.
 */
#ifndef VIRTLAB_EMULATE_UNICORN_ERRATA_H
#define VIRTLAB_EMULATE_UNICORN_ERRATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parts of struct cpu_state that a row masks, besides flags and general registers. */
enum unicorn_part {
    PART_MXCSR_FLAGS = 1 << 0,  /* MXCSR bits 5:0 */
    PART_X87_POINTERS = 1 << 1, /* FOP, FIP, FDP */
    PART_X87_STATUS = 1 << 2,   /* FSW but TOP */
    PART_X87_TAGS = 1 << 3,     /* FTW */
    PART_X87_REGISTERS = 1 << 4,
    PART_XMM = 1 << 5,
    PART_MEMORY = 1 << 6,    /* what the instruction stores */
    PART_MMX_UPPER = 1 << 7, /* bits 79:64 of the x87 registers, behind an instruction with an MMX operand */
};

struct unicorn_erratum {
    const char *mnemonics; /* as Zydis names them, with a blank on each side: " rcl rcr "; NULL: any instruction */
    const char *what;
    uint32_t flags;   /* bits of RFLAGS */
    uint32_t gprs;    /* bit i: general register i (enum gpr) */
    bool destination; /* the register that is the instruction's first operand */
    unsigned parts;   /* enum unicorn_part */
};

const struct unicorn_erratum *unicorn_errata(size_t *count);

/* All that may differ behind an instruction: the rows that name it, in one. `mnemonic` is Zydis's name. */
struct unicorn_erratum unicorn_errata_of(const char *mnemonic);

#endif

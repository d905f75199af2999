/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * errata.c - the table of the library's known errors (errata.h), as of 2.0.1.
 */
#include "emulate/unicorn/errata.h"
#include <stdio.h>
#include <string.h>
#include <virtlab/cpu_state.h>

#define REG(number) (1u << (number))

static const struct unicorn_erratum errata[] = {
    {.mnemonics = " cpuid ",
     .what = "the library's own features, maker and type",
     .gprs = REG(RAX) | REG(RBX) | REG(RCX) | REG(RDX)},
    {.mnemonics = " rcl rcr shld shrd ",
     .what = "OF for counts above 1, which the manual leaves undefined, is not the CPU's",
     .flags = FLAG_OF},
    {.mnemonics = " bsf bsr bswap ",
     .what = "the destination where the manual leaves it undefined: source 0, 16-bit BSWAP",
     .destination = true},
    {.mnemonics = " cmpxchg ",
     .what = "the 32-bit form doesn't clear, or keep, the upper halves of RAX and the destination as CPUs do",
     .gprs = REG(RAX),
     .destination = true},
    {.mnemonics = " fcomi fcomip fucomi fucomip ", .what = "OF, SF and AF", .flags = FLAG_OF | FLAG_SF | FLAG_AF},
    {.mnemonics = " rcpps rcpss rsqrtps rsqrtss ",
     .what = "all digits instead of the CPU's 12 bits",
     .parts = PART_XMM},
    {.mnemonics = " fsin fcos fsincos fptan fpatan f2xm1 fyl2x fyl2xp1 ",
     .what = "computed in double precision",
     .parts = PART_X87_REGISTERS | PART_X87_STATUS},
    {.mnemonics = " fxch fstp fld fst ",
     .what = "an empty register isn't noticed",
     .parts = PART_X87_REGISTERS | PART_X87_STATUS | PART_X87_TAGS},
    {.mnemonics = " fnstenv fnsave fxsave ",
     .what = "stores what isn't kept: FOP, FIP, FDP, MXCSR's flags",
     .parts = PART_MEMORY},
    {.mnemonics = " stmxcsr ", .what = "stores MXCSR's flags, which stay as they were", .parts = PART_MEMORY},
    {.mnemonics = NULL, .what = "MXCSR's exception flags are never set", .parts = PART_MXCSR_FLAGS},
    {.mnemonics = NULL, .what = "the x87 unit's last opcode and pointers aren't kept", .parts = PART_X87_POINTERS},
    {.mnemonics = NULL, .what = "the x87 unit's exception flags and C1 aren't the CPU's", .parts = PART_X87_STATUS},
    {.mnemonics = NULL,
     .what = "an MMX result leaves bits 79:64 of the x87 register as they were",
     .parts = PART_MMX_UPPER},
};

const struct unicorn_erratum *unicorn_errata(size_t *count)
{
    *count = sizeof(errata) / sizeof(errata[0]);
    return errata;
}

struct unicorn_erratum unicorn_errata_of(const char *mnemonic)
{
    struct unicorn_erratum sum = {.mnemonics = mnemonic, .what = ""};
    char word[48];

    snprintf(word, sizeof(word), " %s ", mnemonic);
    for (size_t i = 0; i < sizeof(errata) / sizeof(errata[0]); i++) {
        const struct unicorn_erratum *row = &errata[i];

        if (row->mnemonics && !strstr(row->mnemonics, word))
            continue;
        sum.what = sum.what[0] ? sum.what : row->what;
        sum.flags |= row->flags;
        sum.gprs |= row->gprs;
        sum.destination |= row->destination;
        sum.parts |= row->parts;
    }
    return sum;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fetch.h - where the bytes of an instruction are: translation of code addresses, for block.c. Implemented in mem.c. */
#ifndef VIRTLAB_X86_FETCH_H
#define VIRTLAB_X86_FETCH_H

#include "x86/insn.h"

/*
 * Translates a linear address for an instruction fetch at the present privilege. May leave by cpu_unwind() with #PF.
 * The answer may lie outside RAM.
 */
gpa_t fetch_translate(struct cpu *cpu, const struct insn *in, gva_t at);
/* Is the page of an address that was just translated so global? False when that isn't known. */
bool fetch_is_global(const struct cpu *cpu, gva_t at);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nonroot.c - the way out of the instruction handlers to whoever carries out VMX non-root operation; see nonroot.h. */
#include "x86/nonroot.h"

void nonroot_asks(struct cpu *cpu, const struct insn *in, enum exit_index why, uint64_t qualification)
{
    cpu->nonroot->instruction(cpu, in, why, qualification);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flat.h - how a *flat* program is started: the contract between the loader (core/machine/load_flat.c) and the
 * program's runtime (guest/flat). Assembler includes it too.
 *
 * A flat program is a 64-bit ELF executable, linked at and loaded to its physical addresses, that needs a CPU which
 * executes and nothing else: ring 0, virtual = physical address, no interrupts, no exceptions. It says where it starts
 * by an ELF note of the name FLAT_NOTE_NAME and the type FLAT_NOTE_ENTRY, whose descriptor is one 64-bit address. There
 * it finds:
 *
 *   mode   64-bit, CPL 0, paging on: 2 MiB pages map the first 4 GiB to themselves, writable and executable.
 *          CR0 PE ET PG, CR4 PAE OSFXSR OSXMMEXCPT, EFER SCE LME LMA; the x87 unit as after FNINIT, MXCSR 0x1f80
 *   CS     FLAT_CS, flat 64-bit code; DS ES SS FS GS: FLAT_DS, flat data with base 0; GDTR: a table that holds both
 *   IDTR   empty: an exception is a triple fault, which ends the machine
 *   RFLAGS 2: interrupts are off, and must stay off until the program has a table for them
 *   RDI    physical address of a struct flat_start
 *   RSP    the end of a stack of at least FLAT_STACK bytes, a multiple of 16
 *
 * What the loader puts beside the program lies below 1 MiB. All RAM above the program's end is the program's own.
 */
#ifndef VIRTLAB_FLAT_H
#define VIRTLAB_FLAT_H

#define FLAT_NOTE_NAME  "Virtlab"
#define FLAT_NOTE_ENTRY 1

#define FLAT_CS    0x10
#define FLAT_DS    0x18
#define FLAT_STACK 0x10000
#define FLAT_MAGIC 0x54414c46 /* "FLAT" */

#ifndef __ASSEMBLER__
#include <stdint.h>

struct flat_start {
    uint32_t magic;        /* FLAT_MAGIC */
    uint32_t size;         /* of this record; fields may be added at its end */
    uint64_t command_line; /* physical address of the zero-terminated command line */
    uint64_t memory_size;  /* bytes of RAM, which starts at 0 and has no hole but the PC's below 1 MiB */
};
#endif

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lab.h - a bare guest on a library CPU of its own, for probe.c.
 */
#ifndef VIRTLAB_EMULATE_UNICORN_LAB_H
#define VIRTLAB_EMULATE_UNICORN_LAB_H

#include "emulate/unicorn/findings.h"
#include <unicorn/unicorn.h>
#include <virtlab/cpu_state.h>

#define LAB_BYTES  (8u << 20)
#define CODE       0x1000
#define USER       0x1013 /* where the snippets with an IRETQ lead */
#define HANDLER    0x2000 /* mov ebx, 1; hlt */
#define GDT        0x3000
#define IDT        0x4000
#define STACK      0x9000
#define TABLES     0x10000
#define TARGET     0x200000 /* virtual; the tables map it to MAPPED */
#define MAPPED     0x400000
#define DEVICE     0xfee00000
#define NOWHERE    0x8000 /* a mapped address: the library looks up the one it is to stop at, and may fault (run.c) */
#define INSN_LIMIT 1000
#define NO_VECTOR  UINT32_MAX

/* One guest and what its hooks saw. */
struct lab {
    uc_engine *uc;
    uint8_t *ram;
    uint32_t vector; /* of the last exception, or NO_VECTOR */
    uint64_t rip_at_access;
    uint64_t stop_at; /* a block's address: its hook stops there */
    uc_err err;
};

bool lab_open(struct lab *lab);
void lab_close(struct lab *lab);
uint64_t lab_get(struct lab *lab, int id);
void lab_put(struct lab *lab, int id, uint64_t value);

/* Runs from CODE until HLT, an exception, or the limit. */
void lab_run(struct lab *lab);

/* Writes down what was seen. */
void found(struct unicorn_finding *finding, bool ok, const char *format, ...) PRINTF_LIKE(3, 4);
/* Runs; the code must raise this exception. */
void expect_exception(struct lab *lab, struct unicorn_finding *finding, uint32_t vector);
/* Runs; a register must hold this afterwards. */
void expect_value(struct lab *lab, struct unicorn_finding *finding, int id, uint64_t value);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* oracle_arrange.h - what makes a random input meaningful for an instruction: the `arrange` functions of the tables. */
#ifndef VIRTLAB_ORACLE_ARRANGE_H
#define VIRTLAB_ORACLE_ARRANGE_H

#include "oracle.h"

typedef void arrange_fn(struct oracle_trial *t, struct oracle_random *r);

arrange_fn arrange_dividend;     /* DIV, IDIV: a quotient that fits, half of the time */
arrange_fn arrange_count;        /* CL: 0 .. 70, or anything */
arrange_fn arrange_bit_offset;   /* BT and its kin: bits far from the operand, but still in the data */
arrange_fn arrange_compare;      /* CMPXCHG: equal half of the time */
arrange_fn arrange_compare_pair; /* CMPXCHG8B, 16B */
arrange_fn arrange_table;        /* XLAT */
arrange_fn arrange_stack;        /* RSP: in the stack, at its edges, out of it */
arrange_fn arrange_popped_flags; /* and flags on top, TF clear */
arrange_fn arrange_frame;        /* and RBP a frame pointer */
arrange_fn arrange_target;       /* indirect JMP, CALL: the operand holds a place in the code */
arrange_fn arrange_call;         /* the same, without two faults at once */
arrange_fn arrange_return;       /* RET: the top of the stack does */
arrange_fn arrange_string;       /* RSI, RDI, RCX; equal stretches for CMPS and SCAS */
arrange_fn arrange_base;         /* WRFSBASE: mostly canonical */

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep_exit.h - the exits of two engines: are they the same, what is each in words, and how the first one's answer
 * reaches the second.
 *
 * One REP INS or OUTS may come as one exit of many elements from one engine and as many exits from the other. So exits
 * are matched element by element; each side keeps how many of its present exit's elements have been matched.
 */
#ifndef BENCH_LOCKSTEP_EXIT_H
#define BENCH_LOCKSTEP_EXIT_H

#include <virtlab/exit.h>

/* Elements of an exit: 1, or those of a burst. */
uint32_t exit_elements(const struct vm_exit *exit);

/* Do they ask for the same, as far as both go, from the given element of each on? */
bool exits_match(const struct vm_exit *a, uint32_t from_a, const struct vm_exit *b, uint32_t from_b);

/* Copies what the machine has answered to `a` into `b`. Returns how many elements both had. */
uint32_t exit_hand_over(const struct vm_exit *a, uint32_t from_a, struct vm_exit *b, uint32_t from_b);

/* "out port 0xf8, 4 bytes: 0x10001". */
void exit_words(const struct vm_exit *exit, char *text, size_t size);

#endif

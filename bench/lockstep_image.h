/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep_image.h - what the manual leaves undefined does not stay in RFLAGS: PUSHF, SYSCALL and every interrupt
 * store it.
 *
 * AF is undefined after shifts, logic, multiplication and division (SDM 1, appendix A). An engine that carries out such
 * an instruction by the host's own gets the host's AF, which need not be another engine's; nor the same engine's, when
 * it interprets today what it translates tomorrow. A comparison of every instruction knows when AF is undefined. One
 * of every thousandth, or of memory, meets the stored image long after. So: a word that has the form of an RFLAGS
 * image in both engines, and differs in AF and nothing else, is taken for such an image, and for no difference. Code
 * can't test AF but by DAA and its like (not in 64-bit mode), LAHF and such an image; a wrong AF shows with --every 1.
 */
#ifndef BENCH_LOCKSTEP_IMAGE_H
#define BENCH_LOCKSTEP_IMAGE_H

#include <virtlab/cpu_state.h>
#include <virtlab/ram.h>

/* The bits that may differ in a word that is `a` in one engine and `b` in the other: AF, or none. */
uint64_t image_may_differ(uint64_t a, uint64_t b);

/* Do two RAMs differ in anything but such words (8 bytes, aligned as a stack's are)? *images counts those. */
bool rams_differ_beyond_images(const struct ram *a, const struct ram *b, uint64_t *images);

#endif

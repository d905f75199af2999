/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan.h - is there an instruction in this page that the host's CPU would execute without a word, and wrongly?
 *
 * Popek and Goldberg ask of a machine that every sensitive instruction traps in user mode. On x86 many don't: CPUID
 * tells of the host's CPU, SGDT of the host's tables (or the kernel's dummies), LAR reads the host's descriptors. So
 * code is looked at before it may run directly, and pages with such an instruction are left to software.
 *
 * How: a page is decoded from where the guest enters it, to its end. And as a jump may lead anywhere, it is decoded
 * from its start as well; since a page may begin in the middle of an instruction, what is found there counts only from
 * where the decodings from its first 15 bytes agree, which they do soon: x86 code synchronizes itself. Instructions
 * that have been seen are remembered, so that the next entry costs little.
 *
 * What escapes: an instruction hidden within another one, which the guest jumps into without having entered the page
 * there. It sees the host's CPUID then. It doesn't escape in any other sense: isolation is the world's (world.h) and
 * does not rest on this.
 *
 * TZCNT is let through although this guest's CPU has it not and would execute it as BSF: compilers write it for BSF,
 * where the two agree. On a source of zero, and in the flags, they don't.
 */
#ifndef VIRTLAB_DIRECT_SCAN_H
#define VIRTLAB_DIRECT_SCAN_H

#include <virtlab/ram.h>

struct scan;

struct scan *scan_create(const struct ram *ram, struct reason *why) MUST_CHECK;
void scan_destroy(struct scan *scan);

/*
 * Is there a silent sensitive instruction in the page, after a look from `entry` (0..4095) on? `next` is the page that
 * follows it in the guest's address space, or NULL: the last instruction may reach into it. The frame is in RAM.
 */
bool scan_page(struct scan *scan, gpa_t frame, unsigned entry, const uint8_t *next);
/* The frame has been written: what was found is void. */
void scan_forget(struct scan *scan, gpa_t frame);

/* Is this instruction, of at most `avail` bytes, one? *len is its length, or 0 if the bytes are no instruction. */
bool scan_instruction(const struct scan *scan, const uint8_t *bytes, unsigned avail, unsigned *len);

#endif

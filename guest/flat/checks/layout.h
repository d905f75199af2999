/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * layout.h - selectors, vectors and bits that the checks' C and assembler share.
 *
 * SYSCALL and SYSRET fix the order of descriptors (SDM 2, SYSRET): SYSCALL takes CS = STAR[47:32] and SS = CS + 8,
 * SYSRET takes SS = STAR[63:48] + 8 and CS = STAR[63:48] + 16. The kernel's two are where every flat program finds
 * them.
 */
#ifndef FLAT_CHECK_LAYOUT_H
#define FLAT_CHECK_LAYOUT_H

#include <virtlab/flat.h>

#define CODE32      0x08
#define KERNEL_CODE FLAT_CS
#define KERNEL_DATA FLAT_DS
#define SYSRET_BASE 0x20
#define USER_DATA   (SYSRET_BASE + 8 + 3)
#define USER_CODE   (SYSRET_BASE + 16 + 3)
#define TSS         0x38 /* two entries */
#define GDT_ENTRIES 9

#define VECTORS      48
#define VECTOR_LEAVE 47 /* a gate that ring 3 may use: the end of a piece of ring 3 code */

#define DE             0
#define BP             3
#define UD             6
#define GP             13
#define PF             14
#define HAS_ERROR_CODE 0x27d00 /* bit n: the CPU pushes an error code for vector n (SDM 3, table 6-1) */

#define FLAG_ONE  0x0002
#define FLAG_IF   0x0200
#define FLAG_DF   0x0400
#define FLAG_IOPL 0x3000

#define PTE_P  0x01
#define PTE_W  0x02
#define PTE_U  0x04
#define PTE_A  0x20
#define PTE_D  0x40
#define PTE_PS 0x80
#define PTE_NX 0x8000000000000000

#define CR0_WP   0x10000
#define MSR_EFER 0xc0000080
#define EFER_SCE 0x001
#define EFER_NXE 0x800

#endif

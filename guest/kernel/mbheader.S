/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mbheader.S: the Multiboot 1 header (Multiboot Specification 0.6.96, 3.1), linked into kernel.mb
 * alone: QEMU prefers Multiboot over PVH when it finds this, and then refuses an ELF64.
 * Flag 16 says that the address fields below, not an ELF header, tell where to load.
 */
#include "layout.h"

#define MAGIC 0x1badb002
#define FLAGS 0x00010003                /* page-align modules, memory map, address fields */

.section .multiboot, "a"
.align 4
mbheader:
    .long MAGIC
    .long FLAGS
    .long -(MAGIC + FLAGS)
    .long mbheader - KBASE              /* header_addr */
    .long kernel_start - KBASE          /* load_addr */
    .long kernel_data_end - KBASE       /* load_end_addr */
    .long kernel_end - KBASE            /* bss_end_addr */
    .long start_multiboot - KBASE       /* entry_addr */

.section .note.GNU-stack, "", @progbits

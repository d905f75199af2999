/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's link map: one contiguous image, virtual = physical + KBASE throughout. */
#include "layout.h"

ENTRY(entry_phys)
#ifdef PARAVIRT
entry_phys = start_para - KBASE;
#else
entry_phys = start_pvh - KBASE;
#endif

PHDRS
{
    text PT_LOAD FLAGS(5);
    data PT_LOAD FLAGS(6);
    note PT_NOTE FLAGS(4);
}

SECTIONS
{
    . = KBASE + KLOAD;
    kernel_start = .;
    .text : AT(ADDR(.text) - KBASE) {
        KEEP(*(.multiboot))
        *(.boot)
        *(.text .text.*)
    } :text
    .rodata : AT(ADDR(.rodata) - KBASE) {
        *(.rodata .rodata.*)
        . = ALIGN(8);
        ex_table_start = .;
        KEEP(*(.ex_table))
        ex_table_end = .;
    } :text
    .notes : AT(ADDR(.notes) - KBASE) {
        KEEP(*(.note.Xen .note.Virtlab))
    } :text :note
    . = ALIGN(PAGE_SIZE);
    .data : AT(ADDR(.data) - KBASE) {
        *(.data.rel.ro .data.rel.ro.*)
        *(.data .data.*)
        *(.got .got.*)
        . = ALIGN(8);
        kernel_data_end = .;
    } :data
    .bss : AT(ADDR(.bss) - KBASE) {
        *(.bss .bss.* COMMON)
    } :data
    kernel_end = .;
    /DISCARD/ : {
        *(.comment) *(.note.*) *(.eh_frame) *(.eh_frame_hdr)
    }
}

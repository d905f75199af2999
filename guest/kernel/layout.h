/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * layout.h: the address-space map and the selectors, for C, assembler and the linker script alike.
 *
 * All physical memory is visible at KBASE + physical address; the kernel's own image is linked
 * inside that window, so one subtraction turns any kernel pointer into a physical address.
 * User space is everything below KBASE.  Bit 46 (and not the canonical upper half) is chosen so
 * that a host process could map the same layout: that is what lets a VMM without hardware help
 * run this kernel's code directly.
 *
 * Next in the tour: boot.S.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#ifdef __ASSEMBLER__
#define UL(x) x
#else
#define UL(x) x##ull
#endif

#define KBASE       UL(0x400000000000) /* direct map of physical memory, bit 46 */
#define KBASE_PML4  128                /* KBASE >> 39: the one PML4 slot the kernel needs */
#define KLOAD       UL(0x100000)       /* physical load address: 1 MiB */
#define USER_TOP    KBASE              /* first address a process cannot have */
#define BOOT_MAPPED UL(0x100000000)    /* boot.S maps the first 4 GiB */
#define PAGE_SIZE   4096

/* GDT selectors.  The order is dictated by SYSCALL/SYSRET (SDM vol. 2B, SYSRET): from
 * STAR[63:48] = 0x18, SYSRET takes SS = +8 and CS = +16. */
#define KERNEL_CS   0x08
#define KERNEL_DS   0x10
#define SYSRET_BASE 0x18
#define USER_DS     0x23
#define USER_CS     0x2b
#define TSS_SEL     0x30

/* Vectors: exceptions 0-31, the two PICs 32-47; SYSCALL has none, so its frames get this one. */
#define VEC_IRQ0    32
#define VEC_COUNT   48
#define VEC_SYSCALL 256

/* How the boot loader talked to us (passed by boot.S to kmain). */
#define BOOT_PVH       0
#define BOOT_MULTIBOOT 1

#define BOOT_STACK_SIZE 16384

#endif

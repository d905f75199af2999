/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot.S [1]: from the boot loader to C.
 *
 * Two loaders know us, and both enter in 32-bit protected mode with flat segments and paging off:
 *   PVH        (qemu -kernel, Virtlab)   %ebx = hvm_start_info
 *   Multiboot  (GRUB, isolinux, Bochs)   %eax = 0x2badb002, %ebx = multiboot_info
 * From there: build tables that map the first 4 GiB twice, at 0 (where we stand) and at KBASE
 * (where we are linked); turn on long mode; jump up.  main.c soon replaces these tables by exact
 * ones.  The code is linked high but runs low, hence the `- KBASE` on every address.
 *
 * Next: bootinfo.c, which reads what the loader left.
 */
#include "layout.h"

#define PTE_P_W     0x003
#define PTE_P_W_PS  0x083
#define CR0_PE_WP_PG 0x80010001
#define CR4_PAE     0x20
#define MSR_EFER    0xc0000080
#define EFER_LME_NXE 0x900
#define MULTIBOOT_BOOTED 0x2badb002

/* XEN_ELFNOTE_PHYS32_ENTRY (18): the physical address of the 32-bit entry point. */
.section .note.Xen, "a", @note
.align 4
    .long 4, 8, 18
    .asciz "Xen"
    .quad start_pvh - KBASE

.section .boot, "ax"
.code32
.globl start_pvh, start_multiboot
start_pvh:
    mov $BOOT_PVH, %esi
    jmp start32

start_multiboot:
    cmp $MULTIBOOT_BOOTED, %eax
    jne .
    mov $BOOT_MULTIBOOT, %esi

start32:
    cli
    cld
    mov $(boot_stack_top - KBASE), %esp

    /* Four page directories of 512 x 2 MiB. */
    mov $(boot_pd - KBASE), %edi
    mov $PTE_P_W_PS, %eax
    xor %edx, %edx                      /* bits 63:32 of the entry stay 0 below 4 GiB */
1:  mov %eax, (%edi)
    mov %edx, 4(%edi)
    add $8, %edi
    add $0x200000, %eax
    jnc 1b                              /* carry: 4 GiB reached */

    mov $(boot_pdpt - KBASE), %edi
    mov $(boot_pd - KBASE + PTE_P_W), %eax
    mov $4, %ecx
2:  mov %eax, (%edi)
    add $8, %edi
    add $PAGE_SIZE, %eax
    loop 2b

    movl $(boot_pdpt - KBASE + PTE_P_W), boot_pml4 - KBASE
    movl $(boot_pdpt - KBASE + PTE_P_W), boot_pml4 - KBASE + 8 * KBASE_PML4

    /* SDM vol. 3A, 10.8.5 "Initializing IA-32e Mode": PAE, CR3, EFER.LME, then paging. */
    mov $CR4_PAE, %eax
    mov %eax, %cr4
    mov $(boot_pml4 - KBASE), %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_LME_NXE, %eax
    wrmsr
    mov $CR0_PE_WP_PG, %eax
    mov %eax, %cr0
    lgdt boot_gdt_ptr - KBASE
    ljmp $KERNEL_CS, $(start64 - KBASE)

.code64
start64:
    mov $KERNEL_DS, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    movabs $start_high, %rax
    jmp *%rax
start_high:
    lea boot_stack_top(%rip), %rsp
    xor %ebp, %ebp
    mov %esi, %edi                      /* kmain(protocol, info) */
    mov %ebx, %esi
    call kmain
    ud2

.section .rodata
.align 8
boot_gdt:
    .quad 0
    .quad 0x00209a0000000000            /* KERNEL_CS: 64-bit code */
    .quad 0x0000920000000000            /* KERNEL_DS */
boot_gdt_ptr:
    .word . - boot_gdt - 1
    .long boot_gdt - KBASE

.section .bss
.align PAGE_SIZE
boot_pml4: .skip PAGE_SIZE
boot_pdpt: .skip PAGE_SIZE
boot_pd:   .skip 4 * PAGE_SIZE
.globl boot_stack, boot_stack_top
boot_stack: .skip BOOT_STACK_SIZE
boot_stack_top:

.section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot.S - where a flat program starts. Two ways lead in, each told to loaders by an ELF note:
 *
 *   note Virtlab, 1   flat_entry, in 64-bit mode with everything set up (include/virtlab/flat.h)
 *   note Xen, 18      pvh_entry, in 32-bit mode without paging (Xen's docs/misc/pvh.pandoc); what `qemu -kernel`
 *                     knows. It makes what the first way finds made, then goes on there.
 *
 * Read next: start.c.
 */
#include <virtlab/flat.h>

#define PTE_P_W      0x03
#define PTE_P_W_PS   0x83
#define LARGE_PAGE   0x200000
#define CR0_PE_ET_PG 0x80000011
#define CR4_PAE_SSE  0x620 /* PAE OSFXSR OSXMMEXCPT */
#define MSR_EFER     0xc0000080
#define EFER_SCE_LME 0x101

.section .note.flat, "a", @note
.align 4
    .long 2f - 1f, 8, FLAT_NOTE_ENTRY
1:  .asciz FLAT_NOTE_NAME
2:  .align 4
    .quad flat_entry

.align 4
    .long 4, 8, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad pvh_entry

.section .boot, "ax"
.code32
pvh_entry: /* %ebx: hvm_start_info */
    cli
    cld

    /* The tables are in .bss, so upper halves are 0. Four page directories of 512 pages of 2 MiB... */
    mov $directories, %edi
    mov $PTE_P_W_PS, %eax
1:  mov %eax, (%edi)
    add $8, %edi
    add $LARGE_PAGE, %eax
    jnc 1b /* a carry: 4 GiB are mapped */

    /* ...and one table each of the two levels above. */
    mov $(directories + PTE_P_W), %eax
    mov $pointers, %edi
    mov $4, %ecx
2:  mov %eax, (%edi)
    add $8, %edi
    add $0x1000, %eax
    dec %ecx
    jnz 2b
    movl $(pointers + PTE_P_W), pml4

    /* Into long mode: SDM 3, 10.8.5. */
    mov $CR4_PAE_SSE, %eax
    mov %eax, %cr4
    mov $pml4, %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    mov $EFER_SCE_LME, %eax
    xor %edx, %edx
    wrmsr
    mov $CR0_PE_ET_PG, %eax
    mov %eax, %cr0
    lgdt gdt_pointer
    ljmp $FLAT_CS, $pvh_64

.code64
pvh_64:
    mov $FLAT_DS, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %eax, %fs
    mov %eax, %gs
    mov $stack_end, %esp
    fninit
    ldmxcsr mxcsr(%rip)
    mov %ebx, %edi
    call pvh_start_record
    mov %rax, %rdi

.globl flat_entry
flat_entry: /* %rdi: struct flat_start, %rsp: a stack */
    xor %ebp, %ebp
    call flat_start
    ud2 /* it doesn't return */

.section .rodata
.align 8
gdt:
    .quad 0, 0
    .quad 0x00af9b000000ffff /* FLAT_CS: 64-bit code */
    .quad 0x00cf93000000ffff /* FLAT_DS */
gdt_pointer:
    .word . - gdt - 1
    .long gdt
mxcsr:
    .long 0x1f80

.section .bss
.align 4096
pml4:        .skip 4096
pointers:    .skip 4096
directories: .skip 4 * 4096
             .skip FLAT_STACK
stack_end:

.section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * start.S: where a paravirtual kernel begins, in place of boot.S: 64-bit mode, RAM mapped, nothing to switch on.
 *
 * Next: start.c.
 */
#include "layout.h"
#include <virtlab/para.h>

.section .note.Virtlab, "a", @note
.align 4
    .long 8, 16, PARA_NOTE_START
    .asciz PARA_NOTE_NAME
    .quad start_para, pv_hypercalls

.section .boot, "ax"
.globl start_para
start_para:
    lea boot_stack_top(%rip), %rsp
    xor %ebp, %ebp
    mov %rsi, %rdi                      /* pv_start(info) */
    call pv_start
    ud2

/* The hypervisor fills it: one stub a call. */
.text
.balign PAGE_SIZE
.globl pv_hypercalls
.hidden pv_hypercalls
pv_hypercalls: .skip PAGE_SIZE

.section .bss
.balign 16
boot_stack: .skip BOOT_STACK_SIZE
boot_stack_top:

.section .note.GNU-stack, "", @progbits

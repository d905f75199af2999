/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * entry.S [6]: the ways into the kernel and out of it, and the switch between two kernel stacks.
 *
 * There is one CPU, so the kernel finds its data relative to RIP: no GS base, no SWAPGS.
 *
 * Next: trap.c.
 */
#include "layout.h"
#include "pv_ops.h"

/* Offsets in struct trapframe, and from its vector field on. */
#define TF_CS      (18 * 8)
#define AFTER_RSP  (5 * 8)

.macro PUSH_REGS
    push %r9
    push %r8
    push %r10
    push %rdx
    push %rsi
    push %rdi
    push %rax
    push %rcx
    push %r11
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
.endm

.macro POP_REGS
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    pop %r11
    pop %rcx
    pop %rax
    pop %rdi
    pop %rsi
    pop %rdx
    pop %r10
    pop %r8
    pop %r9
.endm

.text

/* --- exceptions and interrupts -------------------------------------------------------------- */

/* One stub of 16 bytes for each vector: complete the frame with an error code and the number. */
.globl trap_stubs
.hidden trap_stubs
.balign 16
trap_stubs:
.set vector, 0
.rept VEC_COUNT
    .balign 16
    /* The exceptions that push an error code: SDM vol. 3A, table 6-1. */
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
    push $0
    .endif
    push $vector
    jmp trap_common
    .set vector, vector + 1
.endr

.balign 16
trap_common:
    cld
    PUSH_REGS
    mov %rsp, %rdi
    call trap_dispatch
trap_return:
    POP_REGS
    add $16, %rsp
    PV_IRETQ

/* --- SYSCALL -------------------------------------------------------------------------------- */

/* SYSCALL leaves RSP alone, puts RIP into RCX and RFLAGS into R11, and masks IF by SFMASK. */
.globl syscall_entry
.hidden syscall_entry
.balign 16
syscall_entry:
    mov %rsp, user_rsp(%rip)
    mov kernel_stack_top(%rip), %rsp
    push $USER_DS
    push user_rsp(%rip)
    push %r11
    push $USER_CS
    push %rcx
    push %rax
    push $VEC_SYSCALL
    PUSH_REGS
    mov %rsp, %rdi
    call syscall_dispatch
    test %eax, %eax
    jz trap_return              /* the frame was changed: only IRET restores all of it */
    POP_REGS
    PV_SYSRETQ

/* --- tasks ---------------------------------------------------------------------------------- */

/* void context_switch(u64 *save_rsp, u64 load_rsp): the C compiler saved all other registers. */
.globl context_switch
.hidden context_switch
context_switch:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret

/* A new task's first context_switch returns here, with its trap frame on top of the stack. */
.globl task_start
.hidden task_start
task_start:
    mov %rsp, %rdi
    call sched_new_task
    jmp trap_return

.section .bss
.balign 8
user_rsp: .skip 8
.globl kernel_stack_top
.hidden kernel_stack_top
kernel_stack_top: .skip 8

.section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trap.S - exceptions that come back as a return value, and the ways into ring 3.
 *
 * try() remembers its stack. An exception on the way leads through one of `vectors` to trap_common, which notes what the
 * CPU pushed and returns from try() with 1: the code that trapped is given up, in whichever ring it ran. So no check
 * depends on IRET but those that use it.
 */
#include "layout.h"

.text

.globl try /* bool try(code, a, b) */
try:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    sub $8, %rsp
    mov %rsp, try_stack(%rip)
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    call *%rax
    xor %eax, %eax
try_end:
    movq $0, try_stack(%rip)
    add $8, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

trap_common: /* on the stack: vector, error code, RIP, CS, RFLAGS, RSP, SS */
    cld
    pop trap(%rip)
    pop trap+8(%rip)
    pop trap+16(%rip)
    pop trap+24(%rip)
    pop trap+32(%rip)
    pop trap+40(%rip)
    pop trap+48(%rip)
    mov %rsp, trap+56(%rip)
    mov %cr2, %rax
    mov %rax, trap+64(%rip)
    mov try_stack(%rip), %rsp
    mov $1, %eax
    test %rsp, %rsp
    jnz try_end
    lea trap_stack_end(%rip), %rsp
    call trap_unexpected

/* One entry a vector, 16 bytes apart. */
.align 16
.globl vectors
vectors:
.set vector, 0
.rept VECTORS
    .align 16
    .if !((HAS_ERROR_CODE >> vector) & 1)
    push $0
    .endif
    push $vector
    jmp trap_common
    .set vector, vector + 1
.endr

/* ---- into ring 3: code in %rdi, RFLAGS in %rsi; in assembler, since C expects a return address on its stack ---- */

.globl user_by_iret
user_by_iret:
    lea user_stack_end(%rip), %rax
    push $USER_DATA
    push %rax
    push %rsi
    push $USER_CODE
    push %rdi
    iretq

/* Interrupts are off in ring 0 and IOPL does not protect it, so POPF may load the flags before. */
.globl user_by_far_return
user_by_far_return:
    lea user_stack_end(%rip), %rax
    push %rsi
    popfq
    push $USER_DATA
    push %rax
    push $USER_CODE
    push %rdi
    lretq

.globl user_by_sysret
user_by_sysret:
    lea user_stack_end(%rip), %rsp
    mov %rdi, %rcx
    mov %rsi, %r11
    sysretq
    ud2

.section .bss
.align 16
.globl trap, trap_stack_end, user_stack_end
trap:           .skip 9 * 8
try_stack:      .skip 8
.align 16
                .skip 8192
trap_stack_end: .skip 8192
user_stack_end:

.section .note.GNU-stack, "", @progbits

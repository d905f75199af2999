/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nano_asm.S [48]: the loops and the handlers of nano.c.
 *
 * Every fault handler skips the instruction that faulted, so its length is written beside it.  Exception frames: SDM
 * vol. 3A, 6.14.2; RIP is on top, below the error code where there is one.
 */
#include "layout.h"
#include "nano.h"
#include "pv_ops.h"

#define DIVIDE_LENGTH 2     /* of div %ecx */
#define TOUCH_LENGTH  2     /* of mov (%rsi), %al */
#define USER_FLAGS    0x202 /* interrupts on, as in any process; none is enabled at the controller */

.macro FUNCTION name
    .text
    .globl \name
    .hidden \name
    .balign 16
\name:
.endm

/* --- call and return ------------------------------------------------------------------------ */

FUNCTION nano_call
1:  .rept NANO_TIMES
    call 2f
    .endr
    dec %edi
    jnz 1b
    ret
    .balign 16
2:  ret

/* --- faults in the kernel ------------------------------------------------------------------- */

FUNCTION nano_divide
    xor %ecx, %ecx
    xor %edx, %edx
    mov $1, %eax
1:  .rept NANO_TIMES
    div %ecx
    .endr
    dec %edi
    jnz 1b
    ret

FUNCTION nano_divide_error
    incq nano_faults(%rip)
    addq $DIVIDE_LENGTH, (%rsp)
    PV_IRETQ

FUNCTION nano_touch
1:  .rept NANO_TIMES
    mov (%rsi), %al
    .endr
    dec %edi
    jnz 1b
    ret

FUNCTION nano_page_fault
    incq nano_faults(%rip)
    add $8, %rsp
    addq $TOUCH_LENGTH, (%rsp)
    PV_IRETQ

/* --- system calls from user mode ------------------------------------------------------------ */

/* void nano_enter_user(unsigned n, u64 code): comes back when the code executes UD2. */
FUNCTION nano_enter_user
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, kernel_rsp(%rip)
    push $USER_DS
    push $0                     /* the code has no stack */
    push $USER_FLAGS
    push $USER_CS
    push %rsi
    PV_IRETQ

FUNCTION nano_leave_user
    mov kernel_rsp(%rip), %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret

/* The whole handler. A paravirtual kernel's way back is IRET's frame, and a stack to put it on. */
FUNCTION nano_syscall_entry
#ifdef PARAVIRT
    mov kernel_rsp(%rip), %rsp
    push $USER_DS
    push $0
    push %r11
    push $USER_CS
    push %rcx
    PV_IRETQ
#else
    sysretq
#endif

.section .rodata
.globl nano_user_code, nano_user_code_end
.hidden nano_user_code, nano_user_code_end
nano_user_code:
1:  .rept NANO_TIMES
    syscall
    .endr
    dec %edi
    jnz 1b
    ud2
nano_user_code_end:

.section .bss
.balign 8
kernel_rsp: .skip 8
.globl nano_faults
.hidden nano_faults
nano_faults: .skip 8

.section .note.GNU-stack, "", @progbits

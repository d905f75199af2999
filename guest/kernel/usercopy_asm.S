/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usercopy_asm.S: the copy whose faults are foreseen.  Each instruction that may fault has an
 * entry in the exception table: its address, and where to go on instead.
 */
#include <asm/errno.h>

/* int user_copy_raw(void *dst, const void *src, size_t n) */
.text
.globl user_copy_raw
.hidden user_copy_raw
user_copy_raw:
    mov %rdx, %rcx
    shr $3, %rcx
1:  rep movsq
    mov %edx, %ecx
    and $7, %ecx
2:  rep movsb
    xor %eax, %eax
    ret
3:  mov $-EFAULT, %eax
    ret

.section .ex_table, "a"
    .quad 1b, 3b
    .quad 2b, 3b

.section .note.GNU-stack, "", @progbits

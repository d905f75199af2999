/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.S - a flat program (include/virtlab/flat.h) whose every instruction has a number that test_lockstep.sh knows.
 * With ENDLESS defined it never ends; with ERRORS it executes what the Unicorn library is known to get wrong.
 */
#include <virtlab/flat.h>

#define ROUNDS 100000

.section .note.flat, "a", @note
.align 4
    .long 2f - 1f, 8, FLAT_NOTE_ENTRY
1:  .asciz FLAT_NOTE_NAME
2:  .align 4
    .quad entry

.text
.globl entry
entry:
    mov $1, %ebx            /* 0 */
    xor %eax, %eax          /* 1: AF is undefined */
    mov $ROUNDS, %ecx       /* 2 */
    add $1, %eax            /* 3: AF is defined */
    lea buffer(%rip), %rdi  /* 4 */
loop:                       /* 5 + 5 * round */
    add $3, %rax
    mov %rax, %rdx
    mov %dl, (%rdi, %rcx)
    dec %ecx
    jnz loop
    /* 5 + 5 * ROUNDS */
#ifdef ENDLESS
    jmp .
#endif
#ifdef ERRORS
    movups text(%rip), %xmm1
    rcpps %xmm1, %xmm2      /* more digits than a CPU gives stay in a register... */
    movups %xmm2, buffer(%rip) /* ...and get into memory */
    divps %xmm1, %xmm2      /* inexact: MXCSR.PE... */
    stmxcsr buffer(%rip)    /* ...gets into memory, too */
#endif
    /* Exits: writes and reads of ports, a burst, device memory, time. */
    mov $'a', %al
    out %al, $0xe9
    in $0x61, %al
    lea text(%rip), %rsi
    mov $4, %ecx
    mov $0xe9, %edx
    rep outsb
    mov $0xfee00030, %eax   /* the local APIC's version... */
    mov (%rax), %r8d
    movl $0x20, 0x50(%rax)  /* ...and its task priority, which is CR8 too */
    mov %cr8, %r9
    rdtsc
    mov %cl, %al
    shl %cl, %eax           /* a count of 0: no flag is written */
    mov $(2 << 16 | 7), %eax
    out %eax, $0xf8         /* power off, status 7 */
    jmp .

.section .rodata
.align 16
text: .ascii "ockstep\n12345678"

.bss
.align 4096
buffer: .skip ROUNDS + 4096

.section .note.GNU-stack, "", @progbits

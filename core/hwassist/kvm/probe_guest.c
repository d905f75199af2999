/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe_guest.c - the snippets of probe_guest.h, in assembly.
 */
#include "hwassist/kvm/probe_guest.h"

#define TEXT(x)     #x
#define VALUE(x)    TEXT(x)
#define NAME(label) ".globl " #label "\n" #label ":\n"

/* clang-format off */
__asm__(
    ".pushsection .rodata\n"
    ".balign 16\n"
    NAME(probe_guest_start)

    /* Ring 3: a system call, back by SYSRET, and another one, after which the handler stops. */
    NAME(probe_syscall)
    "    xor  %r15d, %r15d\n"
    "    syscall\n"
    "    mov  $0x55, %esi\n"
    "    syscall\n"
    "1:  jmp  1b\n"
    NAME(probe_syscall_entry)
    "    inc  %r15d\n"
    "    cmp  $2, %r15d\n"
    "    je   1f\n"
    "    sysretq\n"
    "1:  mov  %r15d, %ebx\n"
    "    hlt\n"

    /* A load from a page that isn't there: the handler sees error code and CR2. */
    NAME(probe_fault)
    "    mov  $0x700123, %eax\n"
    "    mov  (%rax), %eax\n"
    "    hlt\n"
    NAME(probe_fault_handler)
    "    pop  %rbx\n"
    "    mov  %cr2, %rcx\n"
    "    hlt\n"

    /* Interrupts are let in, for a while. */
    NAME(probe_wait)
    "    xor  %ebx, %ebx\n"
    "    mov  $20000, %ecx\n"
    "    sti\n"
    "1:  dec  %ecx\n"
    "    jnz  1b\n"
    "    hlt\n"
    NAME(probe_interrupt_handler)
    "    mov  $0x40, %ebx\n"
    "    hlt\n"

    /* 32-bit code with 32-bit page tables. */
    ".code32\n"
    NAME(probe_paging32)
    "    mov  0x400000, %ebx\n"
    "    hlt\n"
    ".code64\n"

    /* The same loop in ring 0 and, with an OUT at its end, in ring 3. */
    NAME(probe_loop)
    "    mov  $" VALUE(PROBE_LOOPS) ", %ecx\n"
    "1:  dec  %ecx\n"
    "    jnz  1b\n"
    "    hlt\n"
    NAME(probe_user_loop)
    "    mov  $" VALUE(PROBE_LOOPS) ", %ecx\n"
    "1:  dec  %ecx\n"
    "    jnz  1b\n"
    "    mov  $0x77, %al\n"
    "    out  %al, $0x80\n"
    "1:  jmp  1b\n"

    NAME(probe_guest_end)
    ".popsection\n");

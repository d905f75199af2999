/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probes.S - the pieces of code that checks try. Each begins with the instruction that is tried, where a check compares
 * the RIP that an exception pushed. Those named user_... run in ring 3. They end through VECTOR_LEAVE where they should
 * come to their end; where they should not, they say so themselves, since a CPU without a ring 3 may lack an IDT too.
 */
#include "layout.h"

.text

.globl probe_int3, probe_int3_behind, probe_int, probe_ud
probe_int3: int3
probe_int3_behind: ret
probe_int: int $VECTOR_LEAVE
    ret
probe_ud: ud2

/* probe_div(dividend's upper half, divisor) */
.globl probe_div, probe_div_at
probe_div:
    mov %rdi, %rdx
    xor %eax, %eax
probe_div_at:
    div %rsi
    ret

/* probe_load(address), probe_store(address), probe_call(address) */
.globl probe_load, probe_store, probe_call
probe_load:
    mov (%rdi), %rax
    ret
probe_store:
    mov %rax, (%rdi)
    ret
probe_call:
    jmp *%rdi

/* uint64_t probe_iret(rflags): an IRET within ring 0; the flags behind it, 0 if it went nowhere. */
.globl probe_iret
probe_iret:
    mov %rsp, %rcx
    xor %eax, %eax
    push $KERNEL_DATA
    push %rcx
    push %rdi
    push $KERNEL_CODE
    lea 1f(%rip), %rdx
    push %rdx
    iretq
    mov %rcx, %rsp
    ret
1:  pushfq
    pop %rax
    push $FLAG_ONE
    popfq
    ret

.globl user_read_cr3, user_in, user_cli, user_load_window, user_leave, user_clear_if, user_look_round
user_read_cr3:
    mov %cr3, %rax
    call went_on
user_in:
    in $0x61, %al
    call went_on
user_cli:
    cli
    call went_on
user_load_window:
    mov window(%rip), %rax
    call went_on
user_look_round:
    call look_round
user_leave:
    in $0x61, %al
    mov window(%rip), %rax
    int $VECTOR_LEAVE
user_clear_if:
    pushfq
    andq $~FLAG_IF, (%rsp)
    popfq
    int $VECTOR_LEAVE

/* ---- SYSCALL ---- */

/* uint64_t probe_syscall(rflags): 1 if it was entered where LSTAR says; syscall_seen is what was found there. */
.globl probe_syscall, probe_syscall_behind, syscall_landing
probe_syscall:
    xor %eax, %eax
    push %rdi
    popfq
    syscall
probe_syscall_behind:
    push $FLAG_ONE
    popfq
    ret

.globl user_syscall, user_syscall_behind
user_syscall:
    xor %eax, %eax
    syscall
user_syscall_behind:
    int $VECTOR_LEAVE

syscall_landing:
    mov %rcx, syscall_seen(%rip)
    mov %r11, syscall_seen+8(%rip)
    mov $0, %edx /* not XOR: the flags are looked at below */
    mov %cs, %edx
    mov %rdx, syscall_seen+16(%rip)
    mov %ss, %edx
    mov %rdx, syscall_seen+24(%rip)
    lea landing_stack_end(%rip), %rdx /* RSP is still the caller's; PUSHF needs one that is surely good */
    xchg %rdx, %rsp
    pushfq
    pop syscall_seen+32(%rip)
    xchg %rdx, %rsp
    mov $1, %eax
    jmp *%rcx

/* ---- 32-bit code ---- */

/*
 * uint32_t probe_mode(selector): 4 if code under this selector runs in a 32-bit mode, 5 if in 64-bit mode. The byte 0x48
 * is DEC EAX there and a REX prefix here. Far returns with 32-bit operands exist in both, so that a CPU which does not
 * change its mode comes back too.
 */
.globl probe_mode
probe_mode:
    sub $16, %rsp
    movl $1f, (%rsp)
    mov %edi, 4(%rsp)
    movl $2f, 8(%rsp)
    movl $KERNEL_CODE, 12(%rsp)
    lretl
1:  mov $5, %eax
    .byte 0x48, 0x90
    lretl
2:  ret

.section .bss
.align 16
.globl syscall_seen
syscall_seen: .skip 5 * 8
.align 16
    .skip 64
landing_stack_end:

.section .note.GNU-stack, "", @progbits

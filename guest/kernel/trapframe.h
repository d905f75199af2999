/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trapframe.h: what entry.S leaves on the kernel stack, lowest address first.
 *
 * The six registers that carry system call arguments are pushed side by side, so that a handler
 * takes them as an array.
 */
#ifndef TRAPFRAME_H
#define TRAPFRAME_H

#include "kernel.h"

struct trapframe {
    u64 r15, r14, r13, r12, rbp, rbx, r11, rcx, rax;
    union {
        struct {
            u64 rdi, rsi, rdx, r10, r8, r9;
        };
        u64 arg[6];
    };
    u64 vector;
    u64 error; /* of the exception; for VEC_SYSCALL the call's number */
    u64 rip, cs, rflags, rsp, ss;
};

static inline bool from_user(const struct trapframe *tf)
{
    return tf->cs & 3;
}

/* trap.c */
void exit_to_user(struct trapframe *tf);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usercopy.h: the only way from the kernel to a process's memory.
 *
 * Each function checks that the range lies below USER_TOP and survives whatever is (not) mapped
 * there: 0 or a length, or -EFAULT.
 */
#ifndef USERCOPY_H
#define USERCOPY_H

#include "kernel.h"

int copy_from_user(void *dst, uaddr_t src, size_t n) MUST_CHECK;
int copy_to_user(uaddr_t dst, const void *src, size_t n) MUST_CHECK;
int clear_user(uaddr_t dst, size_t n) MUST_CHECK;
int put_user32(uaddr_t dst, u32 v) MUST_CHECK;
int get_user32(uaddr_t src, u32 *v) MUST_CHECK;
int put_user64(uaddr_t dst, u64 v) MUST_CHECK;
int get_user64(uaddr_t src, u64 *v) MUST_CHECK;
/* Its length, or -ENAMETOOLONG when there is no NUL within size bytes. */
long copy_string_from_user(char *dst, uaddr_t src, size_t size) MUST_CHECK;

/* usercopy_asm.S; n bytes between any two addresses, one of which may fault */
int user_copy_raw(void *dst, const void *src, size_t n) MUST_CHECK;

/* trap.c asks whether a kernel fault at rip was foreseen; 0 if not, else where to go on. */
u64 usercopy_fixup(u64 rip);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usercopy.c [20]: checked access to a process's memory.
 *
 * A fault on the way is not an error yet: trap.c first lets fault.c map the page.  Only if that
 * fails does the exception table say where to go on, and the copy returns -EFAULT.
 *
 * Next: task.h, then sched.c.
 */
#include "usercopy.h"

static bool in_user_space(uaddr_t start, size_t n)
{
    return start < USER_TOP && n <= USER_TOP - start;
}

int copy_from_user(void *dst, uaddr_t src, size_t n)
{
    return in_user_space(src, n) ? user_copy_raw(dst, (const void *)src, n) : -EFAULT;
}

int copy_to_user(uaddr_t dst, const void *src, size_t n)
{
    return in_user_space(dst, n) ? user_copy_raw((void *)dst, src, n) : -EFAULT;
}

int clear_user(uaddr_t dst, size_t n)
{
    static const u8 zeros[64];
    int r = 0;

    for (; n && !r; n -= MIN(n, sizeof(zeros)), dst += sizeof(zeros))
        r = copy_to_user(dst, zeros, MIN(n, sizeof(zeros)));
    return r;
}

int put_user32(uaddr_t dst, u32 v)
{
    return copy_to_user(dst, &v, sizeof(v));
}

int get_user32(uaddr_t src, u32 *v)
{
    return copy_from_user(v, src, sizeof(*v));
}

int put_user64(uaddr_t dst, u64 v)
{
    return copy_to_user(dst, &v, sizeof(v));
}

int get_user64(uaddr_t src, u64 *v)
{
    return copy_from_user(v, src, sizeof(*v));
}

long copy_string_from_user(char *dst, uaddr_t src, size_t size)
{
    size_t done = 0;

    while (done < size) {
        /* Never reads past the page the string may end on. */
        size_t n = MIN(MIN(size - done, 64), PAGE_SIZE - ((src + done) & PAGE_MASK));
        size_t len;

        if (copy_from_user(dst + done, src + done, n))
            return -EFAULT;
        len = strnlen(dst + done, n);
        done += len;
        if (len < n)
            return (long)done;
    }
    return -ENAMETOOLONG;
}

struct ex_entry {
    u64 fault, fixup;
};
extern const struct ex_entry ex_table_start[], ex_table_end[];

u64 usercopy_fixup(u64 rip)
{
    for (const struct ex_entry *e = ex_table_start; e < ex_table_end; e++)
        if (e->fault == rip)
            return e->fixup;
    return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * futex.c [28]: sleeping on a word of user memory: WAIT and WAKE, within one address space.
 *
 * Next: fs.h, then inode.c.
 */
#include <linux/futex.h>

#include "clock.h"
#include "syscall.h"
#include "task.h"
#include "usercopy.h"

static struct waitq sleepers;

static bool sleeps_on(const struct task *t, uaddr_t word)
{
    return t->futex_key == word && t->mm == current->mm;
}

static long futex_wake(uaddr_t word, u64 most)
{
    u64 n = 0;

    for (struct task *t = all_tasks; t && n < most; t = t->next_task)
        if (sleeps_on(t, word)) {
            t->futex_key = 0;
            wake_task(t);
            n++;
        }
    return (long)n;
}

void futex_wake_all(u64 uaddr)
{
    futex_wake(uaddr, UINT64_MAX);
}

static long futex_wait(uaddr_t word, u32 expected, u64 deadline)
{
    u32 value;
    int r = 0;

    if (get_user32(word, &value))
        return -EFAULT;
    if (value != expected)
        return -EAGAIN;
    current->futex_key = word;
    while (!r && current->futex_key)
        r = wait_on(&sleepers, deadline);
    if (!current->futex_key)
        return 0;
    current->futex_key = 0;
    return r;
}

/* futex(word, operation, value, timeout, ...) */
long sys_futex(const u64 *a)
{
    u64 timeout = 0, deadline = NO_TIMEOUT;
    u32 op = (u32)a[1] & FUTEX_CMD_MASK;

    if (a[0] & 3)
        return -EINVAL;
    if (op == FUTEX_WAKE || op == FUTEX_WAKE_BITSET)
        return futex_wake(a[0], (u32)a[2]);
    if (op != FUTEX_WAIT && op != FUTEX_WAIT_BITSET)
        return -ENOSYS;
    if (a[3]) {
        int r = get_timespec(a[3], &timeout);

        if (r)
            return r;
        deadline = op == FUTEX_WAIT ? clock_ns() + timeout : timeout;
        if (op == FUTEX_WAIT_BITSET && (a[1] & FUTEX_CLOCK_REALTIME))
            deadline -= MIN(timeout - 1, clock_boot_seconds() * NSEC_PER_SEC);
    }
    return futex_wait(a[0], (u32)a[2], deadline);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * futex.c [28]: sleeping on a word of user memory: WAIT, WAKE and REQUEUE, within one address space.
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

/*
 * Wakes some sleepers, and has some of the others sleep on another word: what a condition variable's broadcast does
 * with all who would only fight for the mutex.
 */
static long futex_requeue(const u64 *a, bool compare)
{
    u32 value, to_move = (u32)a[3], moved = 0;
    long woken;

    if (a[4] & 3)
        return -EINVAL;
    if (compare && get_user32(a[0], &value))
        return -EFAULT;
    if (compare && value != (u32)a[5])
        return -EAGAIN;
    woken = futex_wake(a[0], (u32)a[2]);
    for (struct task *t = all_tasks; t && moved < to_move; t = t->next_task)
        if (sleeps_on(t, a[0])) {
            t->futex_key = a[4];
            moved++;
        }
    return woken + moved;
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

/* futex(word, operation, value, timeout or second value, second word, third value) */
long sys_futex(const u64 *a)
{
    u64 timeout = 0, deadline = NO_TIMEOUT;
    u32 op = (u32)a[1] & FUTEX_CMD_MASK;

    if (a[0] & 3)
        return -EINVAL;
    if (op == FUTEX_WAKE || op == FUTEX_WAKE_BITSET)
        return futex_wake(a[0], (u32)a[2]);
    if (op == FUTEX_REQUEUE || op == FUTEX_CMP_REQUEUE)
        return futex_requeue(a, op == FUTEX_CMP_REQUEUE);
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

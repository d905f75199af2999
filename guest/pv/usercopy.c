/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usercopy.c: copying from and to a process, in place of usercopy_asm.S.
 *
 * Kernel and user live in two address spaces here, so the kernel does what the MMU would: it walks the process's tables
 * and copies through the window.  A page that isn't there, or isn't writable yet, is first faulted in (fault.c).
 */
#include "../kernel/usercopy.h"

#include "mm.h"
#include "pv_ops.h"
#include "task.h"

/* The byte at user address va, as the kernel sees it; NULL when the process may not use it this way. */
static u8 *user_byte(u64 va, bool write)
{
    u64 need = PTE_P | PTE_U | (write ? PTE_W : 0);
    struct mm *mm = current ? current->mm : NULL;
    u64 *pte;

    if (!mm)
        return NULL;
    pte = pte_get(mm, va, false);
    if (!pte || (*pte & need) != need) {
        if (vm_fault(mm, va, PF_USER | (write ? PF_WRITE : 0)))
            return NULL;
        pte = pte_get(mm, va, false);
        if (!pte || (*pte & need) != need)
            return NULL;
    }
    return (u8 *)pte_page(*pte) + (va & PAGE_MASK);
}

int user_copy_raw(void *dst, const void *src, size_t n)
{
    u64 to = (u64)dst, from = (u64)src;

    while (n) {
        bool write = to < USER_TOP;
        u64 user = write ? to : from;
        size_t part = MIN(n, PAGE_SIZE - (user & PAGE_MASK));
        u8 *at = user_byte(user, write);

        if (!at)
            return -EFAULT;
        memcpy(write ? at : (u8 *)to, write ? (const u8 *)from : at, part);
        to += part;
        from += part;
        n -= part;
    }
    return 0;
}

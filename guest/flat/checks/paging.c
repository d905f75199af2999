/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * paging.c - does the CPU translate addresses, and does it fault where the tables say so?
 *
 * All mappings lie within RAM, so that a CPU which takes virtual addresses for physical ones gives wrong values and not
 * a crash.
 */
#include "check.h"

extern char probe_load[], probe_store[], probe_call[], user_load_window[], user_leave[];

#define RET 0xc3

static const uint64_t open_page = PTE_P | PTE_W | PTE_U;

static void prepare(void)
{
    window[0] = 1;
    frame[0] = 2;
    other_frame[0] = 3;
    use_page_tables();
}

void check_paging(void)
{
    prepare();
    want("a word before its page is mapped elsewhere", window[0], 1);
    set_window(ADDRESS(frame) | open_page);
    want("the word behind the new mapping", window[0], 2);
    window[0] = 4;
    want("the word stored through it", frame[0], 4);
}

void check_invlpg(void)
{
    prepare();
    set_window(ADDRESS(frame) | open_page);
    want("the first mapping", window[0], 2);
    set_window(ADDRESS(other_frame) | open_page);
    want("the second mapping", window[0], 3);
}

void check_cr3(void)
{
    prepare();
    set_window(ADDRESS(frame) | open_page);
    want("the first mapping", window[0], 2);
    set_window_quietly(ADDRESS(other_frame) | open_page);
    write_cr3(read_cr3());
    want("the second mapping", window[0], 3);
}

void check_accessed_dirty(void)
{
    const uint64_t both = PTE_A | PTE_D;

    prepare();
    set_window(ADDRESS(frame) | open_page);
    want("bits before", get_window() & both, 0);
    (void)window[0];
    want("bits after a load", get_window() & both, PTE_A);
    window[0] = 5;
    want("bits after a store", get_window() & both, both);
}

void check_page_fault(void)
{
    enum { WRITE = 2 };

    prepare();
    use_descriptors();
    set_window(0);
    want_trap(try(probe_load, ADDRESS(&window[1]), 0), PF, 0);
    want("cr2", trap.cr2, ADDRESS(&window[1]));
    want("rip", trap.rip, ADDRESS(probe_load));
    want_trap(try(probe_store, ADDRESS(&window[2]), 0), PF, WRITE);
    want("cr2", trap.cr2, ADDRESS(&window[2]));
    set_window(ADDRESS(window) | open_page);
    want("trapped", try(probe_load, ADDRESS(&window[1]), 0), false);
}

/* Ring 0 respects read-only pages only while CR0.WP is set. */
void check_write_protect(void)
{
    enum { PRESENT_WRITE = 3 };

    prepare();
    use_descriptors();
    set_window(ADDRESS(window) | PTE_P);
    want("trapped", try(probe_store, ADDRESS(window), 0), false);
    write_cr0(read_cr0() | CR0_WP);
    want_trap(try(probe_store, ADDRESS(window), 0), PF, PRESENT_WRITE);
    want("cr2", trap.cr2, ADDRESS(window));
}

void check_no_execute(void)
{
    enum { PRESENT_FETCH = 0x11 };

    prepare();
    use_descriptors();
    window[0] = RET;
    want("trapped", try(probe_call, ADDRESS(window), 0), false);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
    set_window(ADDRESS(window) | open_page | PTE_NX);
    want_trap(try(probe_call, ADDRESS(window), 0), PF, PRESENT_FETCH);
}

void check_user_page(void)
{
    enum { PRESENT_USER = 5 };

    prepare();
    use_descriptors();
    set_window(ADDRESS(window) | PTE_P | PTE_W);
    want_trap(try(user_by_iret, ADDRESS(user_load_window), FLAG_ONE | FLAG_IOPL), PF, PRESENT_USER);
    want("cr2", trap.cr2, ADDRESS(window));
    set_window(ADDRESS(window) | open_page);
    want_trap(try(user_by_iret, ADDRESS(user_leave), FLAG_ONE | FLAG_IOPL), VECTOR_LEAVE, 0);
}

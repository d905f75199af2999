/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * selfcheck.c - a guest that finds out what its CPU really does.
 *
 *   -- list    one line a check: NAME PERSONALITY TEXT
 *   -- NAME    runs it and prints `check NAME: ok` (status 0) or `check NAME: wrong (got .., want ..)` (status 1)
 *
 * Anything else, a death, a hang or silence, means wrong too: run each check in a machine of its own, with a time
 * limit. Read next: check.h.
 */
#include <string.h>

#include "check.h"

enum { OK = 0, WRONG = 1, BAD_USAGE = 2 };

static const struct check {
    const char *name;
    const char *personality; /* who can't do without: flat programs, an OS (all our OS guest uses), or old modes */
    const char *text;
    void (*run)(void);
} checks[] = {
    {"string", "flat", "REP MOVS and STOS, both directions", check_string},
    {"sse", "flat", "SSE2 arithmetic on doubles and integers", check_sse},
    {"rdtsc", "flat", "the time-stamp counter rises", check_rdtsc},
    {"self-modify", "flat", "code that was just stored is the code that runs", check_self_modify},
    {"paging", "os", "a page mapped elsewhere is read and written there", check_paging},
    {"invlpg", "os", "INVLPG forgets a translation", check_invlpg},
    {"cr3", "os", "a load of CR3 forgets translations", check_cr3},
    {"accessed-dirty", "os", "accesses set the A and D bits", check_accessed_dirty},
    {"page-fault", "os", "#PF with error code and CR2", check_page_fault},
    {"write-protect", "os", "CR0.WP protects read-only pages from ring 0", check_write_protect},
    {"no-execute", "os", "the NX bit", check_no_execute},
    {"user-page", "os", "ring 3 can't read a supervisor page", check_user_page},
    {"int3", "os", "INT3 through the IDT", check_int3},
    {"int", "os", "INT n through the IDT", check_int},
    {"ud", "os", "#UD through the IDT", check_ud},
    {"divide", "os", "#DE, by zero and by overflow", check_divide},
    {"gp", "os", "#GP for an address that is not canonical", check_gp},
    {"iret", "os", "IRET within ring 0 loads the flags", check_iret},
    {"ring3", "os", "a far return leads to ring 3", check_ring3},
    {"privileged", "os", "a privileged instruction in ring 3 is #GP, on the TSS's stack", check_privileged},
    {"iopl", "os", "IN and CLI in ring 3 need IOPL 3", check_iopl},
    {"popf", "os", "POPF in ring 3 leaves IF alone", check_popf},
    {"cli-sti", "os", "STI, CLI and POPF change IF in ring 0", check_cli_sti},
    {"syscall", "os", "SYSCALL enters LSTAR, masks and saves flags", check_syscall},
    {"syscall-user", "os", "SYSCALL leads from ring 3 to ring 0", check_syscall_user},
    {"sysret", "os", "SYSRET leads to ring 3", check_sysret},
    {"fs-base", "os", "the FS base MSR", check_fs_base},
    {"swapgs", "os", "SWAPGS", check_swapgs},
    {"timer", "os", "the timer interrupts a busy loop", check_timer},
    {"hlt", "os", "the timer wakes HLT", check_hlt},
    {"compat32", "legacy", "32-bit code under a 64-bit kernel", check_compat32},
};

static const struct check *running;

_Noreturn void verdict_ok(void)
{
    print("check %s: ok\n", running->name);
    power_off(OK);
}

_Noreturn void verdict_wrong(const char *format, ...)
{
    va_list arguments;

    print("check %s: wrong (", running->name);
    va_start(arguments, format);
    vprint(format, arguments);
    va_end(arguments);
    print(")\n");
    power_off(WRONG);
}

void want(const char *what, uint64_t got, uint64_t wanted)
{
    if (got != wanted)
        verdict_wrong("got %s 0x%lx, want 0x%lx", what, got, wanted);
}

static int list(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(checks); i++)
        print("%s %s %s\n", checks[i].name, checks[i].personality, checks[i].text);
    return OK;
}

int flat_main(int argc, char **argv)
{
    if (argc == 1 && strcmp(argv[0], "list") == 0)
        return list();
    for (unsigned i = 0; argc == 1 && i < ARRAY_SIZE(checks); i++) {
        if (strcmp(argv[0], checks[i].name) == 0) {
            running = &checks[i];
            running->run();
            verdict_ok();
        }
    }
    print("usage: selfcheck list|NAME\n");
    return BAD_USAGE;
}

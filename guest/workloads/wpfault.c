/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Write-protection faults that the program sees: a range is made read-only, each page is written,
 * and a SIGSEGV handler makes that page writable again. A fault, a signal, a change of protection
 * and a sigreturn per page: what a garbage collector does, and dear under a shadow page table.
 * Right if exactly one fault came for each page, at its address, and all writes arrived.
 * Contract: workload.h.
 */
#include "workload.h"
#include <signal.h>

enum { PAGES = 64, WORDS = PAGE / sizeof(uint64_t) };

static _Alignas(PAGE) volatile uint64_t range[PAGES][WORDS];
static volatile uint64_t faults;
static volatile size_t writing; /* the page that is being written */

static void on_segv(int number, siginfo_t *info, void *context)
{
    static const char message[] = "wpfault: FAILED: a fault elsewhere, or mprotect failed\n";
    (void)number;
    (void)context;
    if (info->si_addr != (void *)&range[writing][writing] ||
        mprotect((void *)range[writing], PAGE, PROT_READ | PROT_WRITE) != 0)
        _exit(write(STDERR_FILENO, message, sizeof message - 1) < 0 ? 2 : 1);
    faults++;
}

static uint64_t work(unsigned n)
{
    uint64_t check = 0;
    for (uint64_t round = 1; round <= n; round++) {
        if (mprotect((void *)range, sizeof range, PROT_READ) != 0)
            fail("mprotect: %s", strerror(errno));
        for (size_t page = 0; page < PAGES; page++) {
            writing = page;
            range[page][page] = round + page;
        }
        if (faults != round * PAGES)
            fail("%llu faults after %llu pages", (unsigned long long)faults, (unsigned long long)round * PAGES);
        for (size_t page = 0; page < PAGES; page++) {
            if (range[page][page] != round + page)
                fail("the write to page %zu is lost", page);
        }
        check = mix(check, faults);
    }
    return check;
}

static void setup(void)
{
    struct sigaction action = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSEGV, &action, NULL) != 0)
        fail("sigaction: %s", strerror(errno));
    for (size_t page = 0; page < PAGES; page++)
        range[page][page] = 0;
}

const struct workload workload = {
    .name = "wpfault",
    .args = "",
    .unit = "64 pages write-protected and written, which is 64 signals",
    .default_n = 50,
    .setup = setup,
    .work = work,
};

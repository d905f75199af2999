/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fork, exit, wait: an address space made, 16 of its pages copied on write, and torn down again.
 * Right if the child sees what the parent wrote, ends with the status it was told to, and the
 * parent doesn't see what the child wrote. Contract: workload.h.
 */
#include "workload.h"
#include <sys/wait.h>

enum { FORKS = 10, PAGES = 16 };

static _Alignas(PAGE) volatile uint64_t pages[PAGES][PAGE / sizeof(uint64_t)];

static _Noreturn void child(uint64_t number)
{
    for (int i = 0; i < PAGES; i++) {
        if (pages[i][0] != number + (uint64_t)i)
            _exit(255);
        pages[i][0] = 0;
    }
    _exit((int)(number % 100));
}

static void fork_and_wait(uint64_t number)
{
    int status;
    for (int i = 0; i < PAGES; i++)
        pages[i][0] = number + (uint64_t)i;
    pid_t pid = fork();
    if (pid < 0)
        fail("fork: %s", strerror(errno));
    if (pid == 0)
        child(number);
    if (waitpid(pid, &status, 0) != pid)
        fail("waitpid: %s", strerror(errno));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != (int)(number % 100))
        fail("child %llu ended with status 0x%x", (unsigned long long)number, (unsigned)status);
    for (int i = 0; i < PAGES; i++) {
        if (pages[i][0] != number + (uint64_t)i)
            fail("page %d of the parent was changed by the child", i);
    }
}

static uint64_t work(unsigned n)
{
    uint64_t check = 0;
    for (uint64_t number = 0; number < (uint64_t)n * FORKS; number++) {
        fork_and_wait(number);
        check = mix(check, number);
    }
    return check;
}

static void setup(void)
{
    for (int i = 0; i < PAGES; i++)
        pages[i][0] = 1;
}

const struct workload workload = {
    .name = "forkwait",
    .args = "",
    .unit = "10 times fork, exit and wait, the child writing to 16 pages",
    .default_n = 20,
    .setup = setup,
    .work = work,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_kernel.c - asks by trying: settings and versions tell less than the call itself. What could disturb this
 * process is tried in a child.
 */
#include "doctor_kernel.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

/* Runs `try` in a child; it returns 0 or an errno. */
static bool try_in_child(int (*try)(void), struct reason *text)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(try());
    if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status)) {
        fail(text, EINVAL, "could not be tried");
        return false;
    }
    fail(text, 0, "%s", WEXITSTATUS(status) ? strerror(WEXITSTATUS(status)) : "works");
    return WEXITSTATUS(status) == 0;
}

static bool ask_perf(struct reason *text)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof attr,
        .config = PERF_COUNT_HW_INSTRUCTIONS,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    char level[16];
    long fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
    int err = errno;
    if (fd >= 0)
        close((int)fd);
    if (!read_line_of("/proc/sys/kernel/perf_event_paranoid", level, sizeof level))
        strcpy(level, "unknown");
    fail(text, 0, "%s (perf_event_paranoid is %s)", fd < 0 ? strerror(err) : "works", level);
    return fd >= 0;
}

static int try_seccomp(void)
{
    struct sock_filter allow_all = {.code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW};
    struct sock_fprog program = {.len = 1, .filter = &allow_all};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return errno;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? errno : 0;
}

static bool ask_seccomp(struct reason *text)
{
    return try_in_child(try_seccomp, text);
}

static int try_user_dispatch(void)
{
    /* Mode 1 is PR_SYS_DISPATCH_ON; an empty range and no selector byte: never dispatch. */
    static char selector;
    return prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, 0, 0, &selector) < 0 ? errno : 0;
}

static bool ask_user_dispatch(struct reason *text)
{
    return try_in_child(try_user_dispatch, text);
}

/* The child stops itself as a tracee; what is asked is whether its parent may look at it. */
static bool ask_ptrace(struct reason *text)
{
    char scope[16];
    int status = 0;
    bool works = false;
    pid_t child = fork();
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0)
            raise(SIGSTOP);
        _exit(1);
    }
    if (child > 0 && waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        works = true;
        ptrace(PTRACE_KILL, child, NULL, NULL);
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
    }
    if (!read_line_of("/proc/sys/kernel/yama/ptrace_scope", scope, sizeof scope))
        strcpy(scope, "not there");
    fail(text, 0, "%s (ptrace_scope is %s)", works ? "works" : "refused", scope);
    return works;
}

static bool ask_memfd(struct reason *text)
{
    int fd = memfd_create("virtlab-doctor", MFD_CLOEXEC);
    fail(text, 0, "%s", fd < 0 ? strerror(errno) : "works");
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool ask_low_map(struct reason *text)
{
    char lowest[32];
    if (!read_line_of("/proc/sys/vm/mmap_min_addr", lowest, sizeof lowest)) {
        fail(text, 0, "unknown");
        return false;
    }
    fail(text, 0, "from address %s", lowest);
    return true;
}

static bool ask_overcommit(struct reason *text)
{
    char mode[16];
    if (!read_line_of("/proc/sys/vm/overcommit_memory", mode, sizeof mode)) {
        fail(text, 0, "unknown");
        return false;
    }
    fail(text, 0, "overcommit_memory is %s", mode);
    return strcmp(mode, "2") != 0;
}

const struct doctor_check doctor_checks[] = {
    {"memfd", "holds the guest's RAM", ask_memfd},
    {"overcommit", "RAM that the guest doesn't touch costs nothing", ask_overcommit},
    {"low mappings", "guest addresses that a host process can map", ask_low_map},
    {"seccomp", "catches a deprivileged guest's system calls", ask_seccomp},
    {"user dispatch", "catches them too, by Syscall User Dispatch", ask_user_dispatch},
    {"ptrace", "tests single-step the real CPU", ask_ptrace},
    {"perf events", "counts instructions natively", ask_perf},
};
const unsigned doctor_check_count = ARRAY_SIZE(doctor_checks);

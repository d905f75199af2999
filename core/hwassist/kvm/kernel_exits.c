/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_exits.c - every exit of the CPU by its reason, those too that the kernel handles without us.
 *
 * KVM passes its tracepoint kvm:kvm_exit at each exit, with the hardware's own code for the reason. perf_event_open(2)
 * counts how often this thread passes it; with a filter, how often with one reason. So there is one event a reason, and
 * one without a filter, which shows what none of the others has counted. Nothing is sampled: the counts are exact.
 *
 * It needs root, or CAP_PERFMON and a readable tracefs, and it makes each exit slower: so only when asked for
 * (machine.h, kernel_exits). The codes: SDM 3, appendix C (VMX), and AMD's APM 2, appendix C (SVM).
 *
 * Read next: kernel_stats.c, which needs no rights and knows no reasons.
 */
#include "hwassist/kvm/kvm.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A reason of ours, and what the tracepoint's fields say then. */
struct reason_filter {
    enum exit_index reason;
    const char *filter;
};

/* VT-x: exit.h has its numbers. */
#define TEXT(x) #x
static const struct reason_filter vmx[] = {
#define X(number, symbol, name, text) {EXIT_INDEX_##symbol, number < 256 ? "exit_reason == " TEXT(number) : NULL},
    EXIT_REASONS(X)
#undef X
};

/* AMD-V. A filter of the kernel's compares numbers and knows && and ||. */
static const struct reason_filter svm[] = {
    {EXIT_INDEX_EXCEPTION, "exit_reason >= 0x40 && exit_reason <= 0x5f || exit_reason == 0x61"},
    {EXIT_INDEX_EXTERNAL_INTERRUPT, "exit_reason == 0x60"},
    {EXIT_INDEX_INTERRUPT_WINDOW, "exit_reason == 0x64"},
    {EXIT_INDEX_NMI_WINDOW, "exit_reason == 0x74"}, /* IRET, after which the next NMI may come */
    {EXIT_INDEX_TASK_SWITCH, "exit_reason == 0x7d"},
    {EXIT_INDEX_TRIPLE_FAULT, "exit_reason == 0x7f"},
    {EXIT_INDEX_CPUID, "exit_reason == 0x72"},
    {EXIT_INDEX_HLT, "exit_reason == 0x78"},
    {EXIT_INDEX_INVD, "exit_reason == 0x76"},
    {EXIT_INDEX_INVLPG, "exit_reason == 0x79 || exit_reason == 0xa2"},
    {EXIT_INDEX_RDPMC, "exit_reason == 0x6f"},
    {EXIT_INDEX_RDTSC, "exit_reason == 0x6e"},
    {EXIT_INDEX_RDTSCP, "exit_reason == 0x87"},
    {EXIT_INDEX_VMCALL, "exit_reason == 0x81"},
    {EXIT_INDEX_CR_ACCESS, "exit_reason <= 0x1f || exit_reason == 0x65 || exit_reason >= 0x90 && exit_reason <= 0x9f"},
    {EXIT_INDEX_DR_ACCESS, "exit_reason >= 0x20 && exit_reason <= 0x3f"},
    {EXIT_INDEX_IO, "exit_reason == 0x7b"},
    {EXIT_INDEX_MSR_READ, "exit_reason == 0x7c && info1 == 0"},
    {EXIT_INDEX_MSR_WRITE, "exit_reason == 0x7c && info1 == 1"},
    {EXIT_INDEX_ENTRY_FAILURE, "exit_reason == 0xffffffff"},
    {EXIT_INDEX_MWAIT, "exit_reason == 0x8b"},
    {EXIT_INDEX_PAUSE, "exit_reason == 0x77"},
    {EXIT_INDEX_GDTR_IDTR, "exit_reason == 0x66 || exit_reason == 0x67 || exit_reason == 0x6a || exit_reason == 0x6b"},
    {EXIT_INDEX_LDTR_TR, "exit_reason == 0x68 || exit_reason == 0x69 || exit_reason == 0x6c || exit_reason == 0x6d"},
    {EXIT_INDEX_WBINVD, "exit_reason == 0x89"},
    {EXIT_INDEX_EPT_VIOLATION, "exit_reason == 0x400"}, /* AMD's nested page fault */
};

#define REASONS_MAX EXIT_REASON_COUNT

/* An open event, and how much of its count is in the statistics. */
struct counter_file {
    int fd;
    uint64_t seen;
};

struct kernel_exits {
    const struct reason_filter *table;
    unsigned count; /* rows of it */
    struct counter_file all, by_reason[REASONS_MAX];
};

/* Where tracefs is mounted, by whom it was and by hand. */
static int tracepoint_id(uint64_t *id, struct reason *why)
{
    static const char *const places[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
    char path[96];
    int err = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        unsigned long long number;
        snprintf(path, sizeof(path), "%s/events/kvm/kvm_exit/id", places[i]);
        FILE *file = fopen(path, "re");
        if (!file) {
            err = err ? err : errno;
            continue;
        }
        bool ok = fscanf(file, "%llu", &number) == 1;
        fclose(file);
        *id = number;
        if (ok)
            return 0;
    }
    return fail(why, err, "tracefs (%s): events/kvm/kvm_exit: %s%s", places[0], strerror(err),
                err == EACCES   ? ": only root may read it"
                : err == ENOENT ? ": it is not mounted, or this kernel has no such tracepoint"
                                : "");
}

/* Counts this thread on all CPUs. */
static int open_event(struct counter_file *file, uint64_t id, const char *filter, struct reason *why)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .config = id};

    file->fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (file->fd < 0)
        return fail(why, errno, "perf_event_open of the tracepoint kvm:kvm_exit: %s%s", strerror(errno),
                    errno == EACCES || errno == EPERM ? " (root, or kernel.perf_event_paranoid at most 1, can)" : "");
    if (filter && ioctl(file->fd, PERF_EVENT_IOC_SET_FILTER, filter) < 0)
        return fail(why, errno, "the tracepoint kvm:kvm_exit: filter '%s': %s", filter, strerror(errno));
    return 0;
}

static int open_all(struct kernel_exits *k, struct reason *why)
{
    uint64_t id = 0;
    int err = tracepoint_id(&id, why);

    if (!err)
        err = open_event(&k->all, id, NULL, why);
    for (unsigned i = 0; i < k->count && !err; i++)
        if (k->table[i].filter)
            err = open_event(&k->by_reason[i], id, k->table[i].filter, why);
    return err;
}

static int choose_table(struct kernel_exits *k, struct reason *why)
{
    const char *backend = kvm_backend();

    if (strcmp(backend, "kvm_intel") == 0) {
        k->table = vmx, k->count = ARRAY_SIZE(vmx);
    } else if (strcmp(backend, "kvm_amd") == 0) {
        k->table = svm, k->count = ARRAY_SIZE(svm);
    } else {
        return fail(why, ENOTSUP, "/dev/kvm is %s, whose codes of exit reasons are not known", backend);
    }
    return 0;
}

void kvm_open_kernel_exits(struct engine *e)
{
    struct host_exits *host = &e->host->stats->host;
    struct kernel_exits *k = malloc(sizeof(*k));
    struct reason why = {""};

    if (!k)
        return;
    *k = (struct kernel_exits){.all.fd = -1};
    for (unsigned i = 0; i < REASONS_MAX; i++)
        k->by_reason[i].fd = -1;
    e->kernel_exits = k;
    host->counted = choose_table(k, &why) == 0 && open_all(k, &why) == 0;
    snprintf(host->text, sizeof(host->text), "%s", host->counted ? "tracepoint kvm:kvm_exit" : why.text);
    if (!host->counted)
        kvm_close_kernel_exits(e);
}

static void close_event(struct counter_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
}

void kvm_close_kernel_exits(struct engine *e)
{
    struct kernel_exits *k = e->kernel_exits;

    if (!k)
        return;
    close_event(&k->all);
    for (unsigned i = 0; i < REASONS_MAX; i++)
        close_event(&k->by_reason[i]);
    free(k);
    e->kernel_exits = NULL;
}

/* What has come since the last time. */
static uint64_t more(struct counter_file *file)
{
    uint64_t count, old = file->seen;

    if (file->fd < 0 || read(file->fd, &count, sizeof(count)) != (ssize_t)sizeof(count))
        return 0;
    file->seen = count;
    return count - old;
}

void kvm_sync_kernel_exits(struct engine *e)
{
    struct kernel_exits *k = e->kernel_exits;
    struct host_exits *host = &e->host->stats->host;
    uint64_t named = 0;

    if (!k)
        return;
    for (unsigned i = 0; i < k->count; i++) {
        uint64_t new = more(&k->by_reason[i]);
        host->by_reason[k->table[i].reason] += new;
        named += new;
    }
    host->other += more(&k->all) - named;
}

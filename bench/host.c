/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host.c - asks /proc, /sys and /dev/kvm. Used by the results file and by `virtlab doctor`. */
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "pin.h"
#include "process.h"
#include "region.h"

const struct host_flag host_flags[] = {
    {"vmx", "Intel VT-x"},
    {"svm", "AMD-V"},
    {"ept", "second-level page tables (Intel)"},
    {"npt", "second-level page tables (AMD)"},
    {"vpid", "TLB entries tagged by guest (Intel)"},
    {"hypervisor", "this host is itself a virtual machine"},
    {"pku", "protection keys for user pages"},
    {"ospke", "... enabled by the kernel"},
    {"fsgsbase", "FS and GS bases writable in user mode"},
    {"umip", "SGDT, SIDT, SLDT, STR, SMSW forbidden in user mode"},
    {"cpuid_fault", "CPUID can be made to trap in user mode"},
    {"smep", "the kernel can't execute user pages"},
    {"smap", "the kernel can't touch user pages by accident"},
    {"la57", "five-level paging"},
    {"pcid", "TLB entries tagged by address space"},
    {"invpcid", "INVPCID"},
    {"rdtscp", "RDTSCP"},
    {"constant_tsc", "TSC at a constant rate"},
    {"nonstop_tsc", "TSC never stops"},
    {"erms", "fast REP MOVSB"},
    {"fsrm", "fast short REP MOVSB"},
};
const unsigned host_flag_count = ARRAY_SIZE(host_flags);

bool read_line_of(const char *path, char *line, size_t size)
{
    FILE *file = fopen(path, "re");
    *line = '\0';
    if (!file)
        return false;
    bool got = fgets(line, (int)size, file) != NULL;
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    return got;
}

/* The value of the first "key : value" line of /proc/cpuinfo; a new string, or NULL. */
static char *cpuinfo(const char *key)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char *line = NULL, *value = NULL;
    size_t room = 0, length = strlen(key);
    while (file && !value && getline(&line, &room, file) > 0) {
        const char *colon = strchr(line, ':');
        if (!colon || strncmp(line, key, length) != 0 || strchr("\t :", line[length]) == NULL)
            continue;
        value = strdup(colon + 1 + (colon[1] == ' '));
        if (value)
            value[strcspn(value, "\n")] = '\0';
    }
    free(line);
    if (file)
        fclose(file);
    return value;
}

static bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; (at = strstr(at, word)); at += length) {
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    }
    return false;
}

static void describe_cpu(struct host *host)
{
    char *model = cpuinfo("model name"), *flags = cpuinfo("flags");
    snprintf(host->cpu, sizeof host->cpu, "%s", model ? model : "unknown");
    host->flags = json_array();
    for (unsigned i = 0; flags && i < host_flag_count; i++) {
        if (has_word(flags, host_flags[i].name))
            json_array_append_new(host->flags, json_string(host_flags[i].name));
    }
    free(model);
    free(flags);
}

/* Two readings of both clocks, far enough apart that the time of a reading doesn't count. */
static void measure_tsc(struct host *host)
{
    const struct timespec wait = {.tv_nsec = 20 * 1000 * 1000};
    double begin = now_seconds();
    uint64_t ticks = __builtin_ia32_rdtsc();
    nanosleep(&wait, NULL);
    double seconds = now_seconds() - begin;
    ticks = __builtin_ia32_rdtsc() - ticks;
    host->tsc_mhz = (double)ticks / seconds / 1e6;
}

/* The kernel's own words, one file a vulnerability (Documentation/admin-guide/hw-vuln). */
static void describe_mitigations(struct host *host)
{
    static const char folder[] = "/sys/devices/system/cpu/vulnerabilities";
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    host->mitigations = json_object();
    while (dir && (entry = readdir(dir))) {
        char path[sizeof folder + NAME_MAX + 2], line[256];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.' && read_line_of(path, line, sizeof line))
            json_object_set_new(host->mitigations, entry->d_name, json_string(line));
    }
    if (dir)
        closedir(dir);
}

static void describe_kvm(struct host *host)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    host->kvm.text[0] = '\0';
    if (fd < 0) {
        int err = errno;
        const char *remedy = err == EACCES   ? ": join the group that owns it, or run as root"
                             : err == ENOENT ? ": no KVM in this kernel, or no VT-x/AMD-V passed to this machine"
                                             : "";
        fail(&host->kvm, err, "/dev/kvm: %s%s", strerror(err), remedy);
        return;
    }
    host->kvm_version = ioctl(fd, KVM_GET_API_VERSION, 0);
    if (host->kvm_version != KVM_API_VERSION)
        fail(&host->kvm, ENOTSUP, "/dev/kvm speaks API version %d, not %d", host->kvm_version, KVM_API_VERSION);
    close(fd);
}

/* The commit of the tree that this executable lies in: "abc123", with "-dirty" when files differ from it. */
static void describe_commit(struct host *host)
{
    char folder[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
    if (length <= 0)
        return;
    folder[length] = '\0';
    *strrchr(folder, '/') = '\0';
    char *argv[] = {"git", "-C", folder, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*", NULL};
    struct process process = {.argv = argv, .timeout = 5, .core = -1};
    struct process_result result;
    if (process_run(&process, &result, NULL) != 0)
        return;
    if (result.end == PROCESS_EXITED && result.status == 0)
        snprintf(host->commit, sizeof host->commit, "%.*s", (int)strcspn(result.output.data, "\n"), result.output.data);
    process_result_free(&result);
}

void host_describe(struct host *host)
{
    struct utsname name;
    struct sysinfo memory;
    memset(host, 0, sizeof *host);
    describe_cpu(host);
    measure_tsc(host);
    describe_mitigations(host);
    describe_kvm(host);
    describe_commit(host);
    host->cores = cores_allowed();
    if (uname(&name) == 0)
        snprintf(host->kernel, sizeof host->kernel, "%s %s", name.sysname, name.release);
    if (sysinfo(&memory) == 0)
        host->memory_mb = (unsigned)((uint64_t)memory.totalram * memory.mem_unit >> 20);
}

void host_free(struct host *host)
{
    json_decref(host->flags);
    json_decref(host->mitigations);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd_doctor.c - `virtlab doctor`: what this host offers to each technique, and what to install for the rest.
 *
 * Read next: doctor_kernel.c, the questions to the kernel.
 */
#include "commands.h"
#include "emulate/unicorn/findings.h"

#include <stdio.h>
#include <string.h>

#include "args.h"
#include "doctor_kernel.h"
#include "guest_files.h"
#include "host.h"
#include "peer.h"
#include "status.h"
#include "subjects.h"

static const struct tool {
    const char *program, *package, *use;
} tools[] = {
    {"gcc", "gcc", "builds virtlab"},
    {"clang", "clang", "builds it too; checks it with other eyes"},
    {"musl-gcc", "musl-tools", "builds the workloads"},
    {"nasm", "nasm", "assembles test code"},
    {"cpio", "cpio", "packs the guest's archive"},
    {"python3", "python3", "makes the reports"},
    {"gnuplot", "gnuplot-nox", "draws the plots"},
    {"qemu-system-x86_64", "qemu-system-x86", "a peer, and an independent referee"},
    {"bochs", "bochs bochs-term", "a peer"},
};

static void heading(const char *title)
{
    printf("\n%s\n", title);
}

static void item(const char *name, const char *value)
{
    printf("  %-18s %s\n", name, value);
}

static bool flag_present(const struct host *host, const char *name)
{
    size_t i;
    json_t *flag;
    json_array_foreach(host->flags, i, flag)
    {
        if (strcmp(json_string_value(flag), name) == 0)
            return true;
    }
    return false;
}

static void print_host(const struct host *host)
{
    char text[64];
    printf("Host\n");
    item("CPU", host->cpu);
    snprintf(text, sizeof text, "%u usable", host->cores);
    item("cores", text);
    snprintf(text, sizeof text, "%u MiB", host->memory_mb);
    item("memory", text);
    item("kernel", host->kernel);
    item("virtlab", *host->commit ? host->commit : VIRTLAB_VERSION " (no commit known)");

    heading("CPU flags");
    for (unsigned i = 0; i < host_flag_count; i++)
        printf("  %-18s %-3s %s\n", host_flags[i].name, flag_present(host, host_flags[i].name) ? "yes" : "-",
               host_flags[i].text);

    heading("Mitigations (each makes entering the kernel dearer, and so exits)");
    const char *name;
    json_t *value;
    json_object_foreach(host->mitigations, name, value) printf("  %-26s %s\n", name, json_string_value(value));
}

static void print_kvm(const struct host *host)
{
    heading("KVM");
    if (*host->kvm.text) {
        item("/dev/kvm", host->kvm.text);
        return;
    }
    char text[64];
    snprintf(text, sizeof text, "opens, API version %d", host->kvm_version);
    item("/dev/kvm", text);
    if (!flag_present(host, "vmx") && !flag_present(host, "svm"))
        item("", "but this CPU shows neither VT-x nor AMD-V: a software back-end may stand behind it");
}

static void print_kernel_checks(void)
{
    heading("Kernel");
    for (unsigned i = 0; i < doctor_check_count; i++) {
        struct reason text = {""};
        bool ok = doctor_checks[i].ask(&text);
        printf("  %-18s %-3s %s: %s\n", doctor_checks[i].name, ok ? "yes" : "NO", text.text, doctor_checks[i].use);
    }
}

static void print_subjects(const char *title, json_t *list)
{
    size_t i;
    json_t *subject;
    heading(title);
    json_array_foreach(list, i, subject)
    {
        const char *reason = json_string_value(json_object_get(subject, "reason"));
        const char *version = json_string_value(json_object_get(subject, "version"));
        item(json_string_value(json_object_get(subject, "name")), reason ? reason : version ? version : "ready");
    }
    json_decref(list);
}

/* The library that emulate/unicorn stands on, by what it was seen to do: versions differ, and none says so itself. */
static void print_unicorn(void)
{
    size_t count;
    const struct unicorn_finding *finding = unicorn_findings(&count);

    printf("\nUnicorn %s, as tried just now\n", unicorn_version_text());
    for (size_t i = 0; i < count; i++)
        printf("  %-34s %-5s %s\n", finding[i].name, finding[i].ok ? "yes" : "WRONG", finding[i].seen);
}

static void print_tools(void)
{
    char missing[512] = "", path[512];
    heading("Tools");
    for (unsigned i = 0; i < ARRAY_SIZE(tools); i++) {
        bool found = program_find(tools[i].program, path, sizeof path);
        printf("  %-18s %-28s %s\n", tools[i].program, found ? path : "missing", tools[i].use);
        if (!found) {
            strncat(missing, " ", sizeof missing - strlen(missing) - 1);
            strncat(missing, tools[i].package, sizeof missing - strlen(missing) - 1);
        }
    }
    if (*missing)
        printf("\nTo install what is missing: apt-get install%s\n", missing);
}

static void print_guest(void)
{
    static const char *const files[] = {GUEST_KERNEL, GUEST_KERNEL_PV, GUEST_INITRD};
    heading("Guest");
    for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
        char path[PATH_MAX];
        struct reason why = {""};
        item(files[i], guest_file(files[i], path, &why) == 0 ? path : why.text);
    }
}

int cmd_doctor(int argc, char **argv)
{
    const struct arg_spec spec = {
        .command = "doctor",
        .positional = "",
        .purpose = "Says what this host offers to each way of virtualizing, and what to install for the rest.",
        .more = "Trying out the peers takes some seconds.\n\nExample:\n  virtlab doctor\n",
    };
    struct reason why = {""};
    int rest;
    int err = args_parse(&spec, argc, argv, &rest, &why);
    if (err)
        return err > 0 ? STATUS_OK : status_error("doctor", &why);

    static struct survey survey;
    struct host host;
    host_describe(&host);
    print_host(&host);
    print_kvm(&host);
    print_kernel_checks();
    print_guest();
    survey_engines(&survey);
    print_subjects("Engines", survey_engines_json(&survey));
    survey_all_peers(&survey);
    print_unicorn();
    print_subjects("Peers", survey_peers_json(&survey));
    print_tools();
    host_free(&host);
    return STATUS_OK;
}

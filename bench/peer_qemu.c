/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peer_qemu.c - QEMU as a peer, with its translator (TCG) and with KVM.
 *
 * The same kernel.elf is started by its PVH note. -nodefaults leaves the plain PC that we emulate too; the disk hangs
 * on its IDE controller. Options: QEMU's manual, "Invocation".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command_line.h"
#include "ok_line.h"
#include "peer.h"
#include "scratch.h"

static void build(struct peer_launch *launch, const char *accelerator, const char *cpu)
{
    peer_arg(launch, "qemu-system-x86_64");
    peer_arg(launch, "-nodefaults");
    peer_arg(launch, "-no-user-config");
    peer_arg(launch, "-no-reboot");
    peer_arg(launch, "-display");
    peer_arg(launch, "none");
    peer_arg(launch, "-accel");
    peer_arg(launch, "%s", accelerator);
    peer_arg(launch, "-cpu");
    peer_arg(launch, "%s", cpu);
    peer_arg(launch, "-m");
    peer_arg(launch, "128M");
    peer_arg(launch, "-serial");
    peer_arg(launch, "stdio");
    peer_arg(launch, "-device");
    peer_arg(launch, "isa-debug-exit,iobase=0xf4,iosize=0x04");
    peer_arg(launch, "-kernel");
    peer_arg(launch, PEER_KERNEL);
    peer_arg(launch, "-initrd");
    peer_arg(launch, PEER_INITRD);
    peer_arg(launch, "-append");
    peer_arg(launch, "%s", launch->line);
    if (launch->has_disk) {
        peer_arg(launch, "-drive");
        peer_arg(launch, "file=" PEER_DISK ",format=raw,if=ide,index=0");
    }
}

static int build_tcg(struct peer_launch *launch, struct reason *why)
{
    (void)why;
    build(launch, "tcg,thread=single", "qemu64");
    return 0;
}

static int build_kvm(struct peer_launch *launch, struct reason *why)
{
    (void)why;
    build(launch, "kvm", "host");
    return 0;
}

static int probe_tcg(char *version, size_t size, struct reason *why)
{
    char *argv[] = {"qemu-system-x86_64", "--version", NULL};
    return peer_version(&peer_qemu_tcg, argv, version, size, why);
}

/* Boots our guest and lets it run sieve once: it checks its own result. */
static int try_guest(const char *scratch, struct reason *why)
{
    enum { PATIENCE = 8 };
    char line[COMMAND_LINE_MAX], kernel[PATH_MAX], initrd[PATH_MAX];
    char *words[] = {"sieve", "1"};
    struct peer_launch launch = {.line = line, .folder = scratch};
    int err = guest_command_line(line, NULL, words, ARRAY_SIZE(words), why);
    if (!err)
        err = guest_file(GUEST_KERNEL, kernel, why);
    if (!err)
        err = guest_file(GUEST_INITRD, initrd, why);
    if (!err)
        err = peer_link(&launch, PEER_KERNEL, kernel, why);
    if (!err)
        err = peer_link(&launch, PEER_INITRD, initrd, why);
    if (err)
        return err;
    build(&launch, "kvm", "host");
    struct process process = {.argv = launch.argv, .timeout = PATIENCE, .core = -1, .folder = scratch};
    struct process_result result;
    struct reason detail = {""};
    err = process_run(&process, &result, why);
    if (err)
        return err;
    struct ok_line ok;
    if (!ok_line_find(result.output.data, "sieve", &ok)) {
        if (process_check(&process, &result, &detail) == 0)
            fail(&detail, EINVAL, "it ended without the workload's result");
        err = fail(why, EINVAL, "/dev/kvm opens, but does not run our guest: %s", detail.text);
    }
    process_result_free(&result);
    return err;
}

/* That /dev/kvm opens proves nothing: a software back-end may stand behind it that hangs or gives up. */
static int probe_kvm(char *version, size_t size, struct reason *why)
{
    int err = probe_tcg(version, size, why);
    if (err)
        return err;
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return fail(why, errno, "/dev/kvm: %s", strerror(errno));
    close(fd);
    char scratch[PATH_MAX];
    err = scratch_make("/tmp", scratch, why);
    if (err)
        return err;
    err = try_guest(scratch, why);
    scratch_remove(scratch);
    return err;
}

const struct peer peer_qemu_tcg = {
    .name = "qemu-tcg",
    .text = "QEMU's dynamic translator",
    .package = "qemu-system-x86",
    .start = 10,
    .reports_status = true,
    .keeps_time = true,
    .probe = probe_tcg,
    .build = build_tcg,
};

const struct peer peer_qemu_kvm = {
    .name = "qemu-kvm",
    .text = "QEMU on the kernel's KVM",
    .package = "qemu-system-x86",
    .start = 10,
    .reports_status = true,
    .keeps_time = true,
    .probe = probe_kvm,
    .build = build_kvm,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_files.h - where the built guest lies: its kernel, archive, programs and texts.
 *
 * The folder is $VIRTLAB_GUEST, or else `guest` beside the virtlab executable, so that a build tree can be moved.
 */
#ifndef BENCH_GUEST_FILES_H
#define BENCH_GUEST_FILES_H

#include <limits.h>

#include <virtlab/types.h>

/* The names in that folder, as guest/Makefile makes them. */
#define GUEST_KERNEL    "kernel.elf"    /* for every technique but the next */
#define GUEST_KERNEL_PV "kernel-pv.elf" /* for paravirtualization */
#define GUEST_FLAT      "flat/%s.elf"   /* one workload with its runtime, for engines that can't run an OS */
#define GUEST_INITRD    "initrd.cpio"
#define GUEST_TEXT      "share/text" /* what %file% stands for natively */

/* Where the guest itself sees what workloads need. */
#define TEXT_IN_GUEST "/share/text"
#define DISK_IN_GUEST "/dev/disk"

/* The path of a file of the guest's folder. -errno with why, naming the file, when it can't be read. */
int guest_file(const char *name, char path[PATH_MAX], struct reason *why) MUST_CHECK;

/* 0 when the file can be read, -errno with why naming it otherwise. */
int check_readable(const char *path, struct reason *why) MUST_CHECK;

#endif

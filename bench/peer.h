/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peer.h - other people's virtual machines, which run the same kernel and workloads in the same session.
 *
 * A peer is a probe and a builder of its command line; measure_peer.c does the rest.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <limits.h>

#include "measure.h"

#define PEER_ARGV_MAX 40

/*
 * A peer starts in a scratch folder where the files have these names (links): whatever characters the real paths hold,
 * nobody's configuration syntax trips over them.
 */
#define PEER_KERNEL "kernel.elf"
#define PEER_INITRD "initrd.cpio"
#define PEER_DISK   "disk.img"

/* What to start. */
struct peer_launch {
    const char *line;          /* in: the kernel's command line */
    const char *folder;        /* in: the scratch folder; the peer may add files, all are removed afterwards */
    bool has_disk;             /* in */
    char *argv[PEER_ARGV_MAX]; /* out: NULL-terminated; strings made with peer_arg() */
    char text[4096];           /* where peer_arg() puts them */
    size_t used;
    unsigned count;
};

struct peer {
    const char *name, *text;
    const char *package; /* Debian's, when it's missing */
    double start;        /* seconds that its start may take, besides the time limit */
    bool needs_terminal;
    bool reports_status; /* its exit status is QEMU's debug exit: (guest's << 1) | 1 */
    bool keeps_time;     /* its guest's clock follows the host's, so that it can be held against the marks */
    /* 0 with its version; -errno with why when it is missing or doesn't work here. */
    int (*probe)(char *version, size_t size, struct reason *why);
    int (*build)(struct peer_launch *launch, struct reason *why);
};

extern const struct peer *const peers[]; /* NULL-terminated */

/* Adds one argument, printf style. */
void peer_arg(struct peer_launch *launch, const char *format, ...) PRINTF_LIKE(2, 3);

/* Makes the link `name` in the scratch folder. */
int peer_link(const struct peer_launch *launch, const char *name, const char *to, struct reason *why) MUST_CHECK;

/* 0 with the first line that `argv` prints as version; -ENOENT, and what to install, when argv[0] isn't in PATH. */
int peer_version(const struct peer *peer, char *const *argv, char *version, size_t size, struct reason *why) MUST_CHECK;

extern const struct peer peer_qemu_tcg, peer_qemu_kvm, peer_bochs;

#endif

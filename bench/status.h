/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status.h - what the virtlab command's exit status means; the same for every subcommand.
 *
 * `virtlab run` passes the guest's own status through, so only these numbers are ours.
 */
#ifndef BENCH_STATUS_H
#define BENCH_STATUS_H

#include <virtlab/types.h>

#define VIRTLAB_VERSION "0.1.0"

enum {
    STATUS_OK = 0,
    STATUS_ERROR = 2,     /* our own errors: usage, files, an engine that isn't there, a guest that died */
    STATUS_TIMEOUT = 124, /* as timeout(1) */
    STATUS_SIGINT = 130,  /* as a shell reports it: 128 + the signal's number */
    STATUS_SIGTERM = 143,
};

/* Prints "virtlab COMMAND: reason" on stderr; returns STATUS_ERROR. */
int status_error(const char *command, const struct reason *why);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* status.c - how every subcommand reports an error of its own: one line, and one exit status. */
#include "status.h"

#include <stdio.h>

int status_error(const char *command, const struct reason *why)
{
    fflush(stdout);
    fprintf(stderr, "virtlab%s%s: %s\n", *command ? " " : "", command, why->text);
    return STATUS_ERROR;
}

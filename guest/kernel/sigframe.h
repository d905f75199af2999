/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sigframe.h: what a signal handler finds on its stack (sigframe.c). */
#ifndef SIGFRAME_H
#define SIGFRAME_H

#include "task.h"

/* Rewrites the frame so that user mode goes on in the handler; mask is what it returns to. */
int sigframe_push(struct trapframe *tf, int sig, const struct sigaction_user *act, const struct sigdetail *detail,
                  u64 mask) MUST_CHECK;

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* random.h: numbers for hash seeds and stack canaries; not for secrets. */
#ifndef RANDOM_H
#define RANDOM_H

#include "kernel.h"

u64 random_next(void);
long random_to_user(uaddr_t buf, size_t n) MUST_CHECK;

#endif

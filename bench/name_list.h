/* SPDX-License-Identifier: GPL-2.0-or-later */
/* name_list.h - the names in a comma-separated list, an option's or a table's. */
#ifndef BENCH_NAME_LIST_H
#define BENCH_NAME_LIST_H

#include <virtlab/types.h>

/* Calls `use` for each name of "A,B,C"; stops at the first that fails. An empty name is an error. */
int names_for_each(const char *list, int (*use)(void *context, const char *name, struct reason *why), void *context,
                   struct reason *why) MUST_CHECK;

/* Is `name` one of "A,B,C"? */
bool name_is_listed(const char *list, const char *name);

#endif

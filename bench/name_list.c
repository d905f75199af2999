/* SPDX-License-Identifier: GPL-2.0-or-later */
/* name_list.c - cuts "A,B,C" apart. Used by plan.c, subjects.c and suites.c. */
#include "name_list.h"

#include <errno.h>
#include <string.h>

int names_for_each(const char *list, int (*use)(void *context, const char *name, struct reason *why), void *context,
                   struct reason *why)
{
    for (const char *at = list;; at++) {
        char name[256];
        size_t length = strcspn(at, ",");
        if (length == 0 || length >= sizeof name)
            return fail(why, EINVAL, "'%s' is not a list of names like A,B", list);
        memcpy(name, at, length);
        name[length] = '\0';
        int err = use(context, name, why);
        if (err)
            return err;
        at += length;
        if (!*at)
            return 0;
    }
}

bool name_is_listed(const char *list, const char *name)
{
    size_t length = strlen(name);
    while (*list) {
        size_t item = strcspn(list, ",");
        if (item == length && strncmp(list, name, length) == 0)
            return true;
        list += item + (list[item] == ',');
    }
    return false;
}

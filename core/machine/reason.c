/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reason.c - fail(): the one place where an error gets its text (include/virtlab/types.h says the rule).
 */
#include <stdarg.h>
#include <stdio.h>
#include <virtlab/types.h>

int fail(struct reason *why, int err, const char *format, ...)
{
    if (why && !why->text[0]) {
        va_list args;

        va_start(args, format);
        vsnprintf(why->text, sizeof(why->text), format, args);
        va_end(args);
    }
    return -err;
}

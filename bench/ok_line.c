/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ok_line.c - finds and reads a workload's result line. The output comes from a guest, so nothing in it is trusted. */
#include "ok_line.h"

#include <stdio.h>
#include <string.h>

bool ok_line_parse(const char *line, const char *name, struct ok_line *ok)
{
    unsigned long long iterations, ns;
    size_t length = strlen(name);
    if (strncmp(line, name, length) != 0)
        return false;
    if (sscanf(line + length, ": ok iterations=%llu roi_ns=%llu check=%19[0-9a-f]", &iterations, &ns, ok->check) != 3 ||
        iterations == 0)
        return false;
    ok->iterations = iterations;
    ok->roi_ns = ns;
    return true;
}

bool ok_line_find(const char *output, const char *name, struct ok_line *ok)
{
    for (const char *line = output; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (ok_line_parse(line, name, ok))
            return true;
    }
    return false;
}

const char *na_line_parse(const char *line, const char *name)
{
    static const char mark[] = ": n/a: ";
    size_t length = strlen(name);
    if (strncmp(line, name, length) != 0 || strncmp(line + length, mark, sizeof mark - 1) != 0)
        return NULL;
    return line + length + sizeof mark - 1;
}

const char *na_line_find(const char *output, const char *name)
{
    const char *reason = NULL;
    for (const char *line = output; line && !reason; line = strchr(line, '\n')) {
        line += *line == '\n';
        reason = na_line_parse(line, name);
    }
    return reason;
}

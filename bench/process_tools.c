/* SPDX-License-Identifier: GPL-2.0-or-later */
/* process_tools.c - what callers of process_run() share: a result in words, and small questions to other programs. */
#include "process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The last line that holds something: programs say last what they died of. */
static void last_line(const char *text, char *line, size_t size)
{
    const char *end = text + strlen(text);
    while (end > text && (end[-1] == '\n' || end[-1] == '\r' || end[-1] == ' '))
        end--;
    const char *start = end;
    while (start > text && start[-1] != '\n')
        start--;
    snprintf(line, size, "%.*s", (int)(end - start), start);
}

int process_check(const struct process *process, const struct process_result *result, struct reason *why)
{
    char said[160], tail[170] = "";
    last_line(result->errors.data, said, sizeof said);
    if (!*said)
        last_line(result->output.data, said, sizeof said);
    if (*said)
        snprintf(tail, sizeof tail, ": %s", said);
    switch (result->end) {
    case PROCESS_EXITED: return result->status == 0 ? 0 : fail(why, EINVAL, "exit status %d%s", result->status, tail);
    case PROCESS_SIGNALLED:
        return fail(why, EINVAL, "killed by signal %d (%s)%s", result->status, strsignal(result->status), tail);
    case PROCESS_TIMED_OUT: return fail(why, ETIMEDOUT, "time-out after %g s%s", process->timeout, tail);
    case PROCESS_INTERRUPTED: return fail(why, EINTR, "interrupted");
    case PROCESS_ENOUGH: return 0;
    }
    return fail(why, EINVAL, "unknown end");
}

bool program_find(const char *name, char *path, size_t size)
{
    const char *folders = getenv("PATH");
    for (const char *at = folders ? folders : "/usr/bin:/bin"; *at;) {
        int length = (int)strcspn(at, ":");
        if (snprintf(path, size, "%.*s/%s", length, at, name) < (int)size && access(path, X_OK) == 0)
            return true;
        at += length + (at[length] == ':');
    }
    return false;
}

void program_first_line(char *const *argv, char *line, size_t size)
{
    struct process process = {.argv = argv, .timeout = 5, .core = -1};
    struct process_result result;
    *line = '\0';
    if (process_run(&process, &result, NULL) != 0)
        return;
    const char *text = *result.output.data ? result.output.data : result.errors.data;
    snprintf(line, size, "%.*s", (int)strcspn(text, "\r\n"), text);
    process_result_free(&result);
}

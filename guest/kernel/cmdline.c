/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmdline.c [4]: the kernel's command line.
 *
 *   init=/bin/x quiet trace mark=serial -- arg "quoted words" back\ slash
 *
 * Words are cut in place.  Before `--` they are ours, and unknown ones are ignored (a boot loader
 * may put its own there); after it they are init's arguments.
 *
 * Next: cpu.c.
 */
#include "kernel.h"
#include "pv_ops.h"

struct options options;

/* Cuts the next word off *line: double quotes group, a backslash escapes.  NULL at the end. */
static char *next_word(char **line)
{
    char *in = *line, *word, *out;
    bool quoted = false;

    while (*in == ' ' || *in == '\t')
        in++;
    if (!*in)
        return NULL;
    word = out = in;
    for (; *in && (quoted || (*in != ' ' && *in != '\t')); in++) {
        if (*in == '"') {
            quoted = !quoted;
            continue;
        }
        if (*in == '\\' && in[1])
            in++;
        *out++ = *in;
    }
    *line = *in ? in + 1 : in;
    *out = '\0';
    return word;
}

static void option(const char *word)
{
    if (!strcmp(word, "quiet"))
        options.quiet = true;
    else if (!strcmp(word, "trace"))
        options.trace = true;
    else if (!strcmp(word, "mark=serial"))
        options.mark_serial = true;
    else if (!strncmp(word, "init=", 5))
        options.init = word + 5;
    else
        pv_option(word);
}

void cmdline_parse(char *line)
{
    char *word;

    while ((word = next_word(&line)) && strcmp(word, "--"))
        option(word);
    options.argc = 1;
    while (options.argc <= MAX_INIT_ARGS && (word = next_word(&line)))
        options.argv[options.argc++] = word;
}

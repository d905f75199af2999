/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command_line.c - writes the kernel's command line; guest/kernel/cmdline.c reads it.
 *
 * Double quotes group a word, a backslash takes the next character as it is.
 */
#include "command_line.h"

#include <errno.h>
#include <string.h>

struct line {
    char *text;
    size_t length;
    bool full;
};

static void put(struct line *line, char c)
{
    if (line->length + 1 >= COMMAND_LINE_MAX) {
        line->full = true;
        return;
    }
    line->text[line->length++] = c;
    line->text[line->length] = '\0';
}

static void put_text(struct line *line, const char *text)
{
    while (*text)
        put(line, *text++);
}

static void put_word(struct line *line, const char *word)
{
    bool quoted = !*word || strpbrk(word, " \t\n\"\\") != NULL;
    if (quoted)
        put(line, '"');
    for (; *word; word++) {
        if (*word == '"' || *word == '\\')
            put(line, '\\');
        put(line, *word);
    }
    if (quoted)
        put(line, '"');
}

int guest_command_line(char text[COMMAND_LINE_MAX], const char *options, char *const *words, unsigned count,
                       struct reason *why)
{
    struct line line = {.text = text};
    put_text(&line, "quiet");
    if (options && *options) {
        put(&line, ' ');
        put_text(&line, options);
    }
    if (count > 0) {
        put_text(&line, " init=");
        if (words[0][0] != '/' && strncmp(words[0], GUEST_KERNEL_PREFIX, strlen(GUEST_KERNEL_PREFIX)) != 0)
            put_text(&line, "/bin/");
        put_word(&line, words[0]);
        put_text(&line, " --");
    }
    for (unsigned i = 1; i < count; i++) {
        put(&line, ' ');
        put_word(&line, words[i]);
    }
    return line.full ? fail(why, E2BIG, "the kernel's command line would exceed %d bytes", COMMAND_LINE_MAX - 1) : 0;
}

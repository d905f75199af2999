/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * start.c - from the start record to flat_main() and back.
 *
 *   mark=serial ... -- word word
 *
 * Words before "--" are the runtime's, and unknown ones are ignored (they may be meant for the OS guest's kernel);
 * those behind it are the program's. Words are cut in place, at blanks.
 *
 * Read next: workload.c.
 */
#include <string.h>
#include <virtlab/flat.h>

#include "runtime.h"

#define MAX_WORDS 16
#define BAD_START 3

_Noreturn void flat_start(const struct flat_start *start);

/* Cuts the next word off; NULL at the end. */
static char *next_word(char **line)
{
    char *word = *line, *end;

    while (*word == ' ' || *word == '\t')
        word++;
    if (!*word)
        return NULL;
    for (end = word; *end && *end != ' ' && *end != '\t'; end++)
        ;
    *line = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

_Noreturn void flat_start(const struct flat_start *start)
{
    char *words[MAX_WORDS], *line, *word;
    int count = 0;

    console_init();
    if (start->magic != FLAT_MAGIC) {
        print("flat: the loader left no start record\n");
        power_off(BAD_START);
    }
    heap_init(start->memory_size);
    line = (char *)start->command_line;
    while ((word = next_word(&line)) && strcmp(word, "--") != 0)
        if (strcmp(word, "mark=serial") == 0)
            mark_serial = true;
    while (count < MAX_WORDS && (word = next_word(&line)))
        words[count++] = word;
    power_off((unsigned)flat_main(count, words));
}

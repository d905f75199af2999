/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * args.c - parses a subcommand's options from its table, and prints the help from the same table.
 *
 * Read next: any cmd_*.c, which holds such a table.
 */
#include "args.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/suggest.h"

int parse_size(const char *text, uint64_t *bytes, struct reason *why)
{
    static const char suffixes[] = "KMG";
    char *end;

    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || errno)
        return fail(why, EINVAL, "'%s' is not a size; write for example 64M or 1G", text);

    unsigned shift = 0;
    const char *suffix = *end ? strchr(suffixes, toupper((unsigned char)*end)) : NULL;
    if (suffix) {
        shift = 10 * (unsigned)(suffix - suffixes + 1);
        end++;
    }
    if (*end)
        return fail(why, EINVAL, "'%s' is not a size: '%s' is no suffix (K, M or G)", text, end);
    if (number > UINT64_MAX >> shift)
        return fail(why, EINVAL, "'%s' is too large a size", text);
    *bytes = (uint64_t)number << shift;
    return 0;
}

static int parse_seconds(const char *text, double *seconds, struct reason *why)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value) || value <= 0 || value > 1e6)
        return fail(why, EINVAL, "'%s' is not a number of seconds above 0", text);
    *seconds = value;
    return 0;
}

static int parse_count(const char *text, unsigned *count, struct reason *why)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end || value < 1 || value > 1000)
        return fail(why, EINVAL, "'%s' is not a count from 1 to 1000", text);
    *count = (unsigned)value;
    return 0;
}

static int store(const struct arg_option *option, const char *value, struct reason *why)
{
    struct reason detail = {""};
    int err = 0;
    switch (option->kind) {
    case ARG_FLAG: *(bool *)option->target = true; return 0;
    case ARG_TEXT: *(const char **)option->target = value; return 0;
    case ARG_SIZE: err = parse_size(value, option->target, &detail); break;
    case ARG_SECONDS: err = parse_seconds(value, option->target, &detail); break;
    case ARG_COUNT: err = parse_count(value, option->target, &detail); break;
    }
    return err ? fail(why, EINVAL, "%s: %s", option->name, detail.text) : 0;
}

/* The option whose name is the first `length` bytes of `word`. */
static const struct arg_option *find_option(const struct arg_spec *spec, const char *word, size_t length)
{
    for (unsigned i = 0; i < spec->count; i++) {
        const char *name = spec->options[i].name;
        if (strlen(name) == length && strncmp(name, word, length) == 0)
            return &spec->options[i];
    }
    return NULL;
}

static int unknown_option(const struct arg_spec *spec, const char *word, struct reason *why)
{
    struct suggestion near = suggest_for(word);
    for (unsigned i = 0; i < spec->count; i++)
        suggest_add(&near, spec->options[i].name);
    if (near.best)
        return fail(why, EINVAL, "unknown option %s; did you mean %s?", word, near.best);
    return fail(why, EINVAL, "unknown option %s; see virtlab %s --help", word, spec->command);
}

static void print_help(const struct arg_spec *spec)
{
    printf("usage: virtlab %s [OPTIONS]%s%s\n\n%s\n\nOptions:\n", spec->command, *spec->positional ? " " : "",
           spec->positional, spec->purpose);
    for (unsigned i = 0; i < spec->count; i++) {
        const struct arg_option *option = &spec->options[i];
        char left[40];
        snprintf(left, sizeof left, "%s%s%s", option->name, option->value ? " " : "",
                 option->value ? option->value : "");
        printf("  %-19s %s\n", left, option->help);
    }
    printf("  %-19s %s\n", "--help", "print this help");
    if (spec->more)
        printf("\n%s", spec->more);
}

int args_parse(const struct arg_spec *spec, int argc, char **argv, int *rest, struct reason *why)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--") == 0) {
            i++;
            break;
        }
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            print_help(spec);
            return 1;
        }
        size_t length = strcspn(word, "=");
        const struct arg_option *option = find_option(spec, word, length);
        if (!option)
            return unknown_option(spec, word, why);

        const char *value = word[length] ? word + length + 1 : NULL;
        if (!option->value && value)
            return fail(why, EINVAL, "%s takes no value", option->name);
        if (option->value && !value) {
            if (i + 1 >= argc)
                return fail(why, EINVAL, "%s needs a value: %s", option->name, option->value);
            value = argv[++i];
        }
        int err = store(option, value, why);
        if (err)
            return err;
    }
    if (i < argc && !spec->takes_words)
        return fail(why, EINVAL, "'%s' is one word too many; see virtlab %s --help", argv[i], spec->command);
    *rest = i;
    return 0;
}

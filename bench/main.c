/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - the virtlab command: finds the subcommand and hands over.
 *
 * First in the flow. Each subcommand is one file: cmd_list.c, cmd_doctor.c, cmd_run.c, cmd_bench.c. Read cmd_run.c
 * first: it is the shortest way from a command line to a running guest.
 */
#include "commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "machine/suggest.h"
#include "status.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *text;
} commands[] = {
    {"list", cmd_list, "the engines, workloads, suites and peers, and what is missing on this host"},
    {"doctor", cmd_doctor, "what this host offers, and what to install for the rest"},
    {"run", cmd_run, "run one guest under one engine, on this terminal"},
    {"translate", cmd_translate, "translate a kernel ahead of time, for the engine full/static"},
    {"compare", cmd_compare, "run one guest on two engines in lockstep, down to the first difference"},
    {"exhibit", cmd_exhibit, "which instructions make a machine hard to virtualize, found by running them"},
    {"bench", cmd_bench, "measure workloads under all engines against the native run"},
};

static void print_usage(FILE *out)
{
    fputs("usage: virtlab COMMAND [OPTIONS]\n\n"
          "One x86-64 guest, run under every way there is to virtualize a machine,\n"
          "and what each way costs.\n\nCommands:\n",
          out);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].text);
    fputs("\nvirtlab COMMAND --help tells more, with examples. Start with:\n"
          "  virtlab doctor\n"
          "  virtlab run --engine emulate sieve 10\n",
          out);
}

static int unknown_command(const char *name)
{
    struct reason why = {""};
    struct suggestion near = suggest_for(name);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        suggest_add(&near, commands[i].name);
    if (near.best)
        fail(&why, EINVAL, "unknown command '%s'; did you mean '%s'?", name, near.best);
    else
        fail(&why, EINVAL, "unknown command '%s'; see virtlab --help", name);
    return status_error("", &why);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return STATUS_ERROR;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return STATUS_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("virtlab " VIRTLAB_VERSION);
        return STATUS_OK;
    }
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    return unknown_command(argv[1]);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd_exhibit.c - `virtlab exhibit popek-goldberg`: why x86 needs more than trap-and-emulate, shown by running it.
 *
 * Read next: exhibit.h.
 */
#include "commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "exhibit.h"
#include "status.h"

#define EXHIBIT_SCHEMA 1

static const struct part {
    int (*run)(struct exhibit *exhibit, struct reason *why);
} parts[] = {{exhibit_x86}, {exhibit_riscv}};

/* {"schema": 1, "exhibit": "popek-goldberg", "machines": [...]} */
static int write_json(const char *path, json_t *machines, struct reason *why)
{
    json_t *document =
        json_pack("{s:i, s:s, s:O}", "schema", EXHIBIT_SCHEMA, "exhibit", "popek-goldberg", "machines", machines);
    bool standard = strcmp(path, "-") == 0;
    int err = !document || (standard ? json_dumpf(document, stdout, JSON_INDENT(1))
                                     : json_dump_file(document, path, JSON_INDENT(1)));

    json_decref(document);
    return err ? fail(why, EIO, "%s: could not be written", path) : 0;
}

static int run_parts(json_t *machines, bool quiet, struct reason *why)
{
    for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
        struct exhibit exhibit;
        int err = parts[i].run(&exhibit, why);
        if (!err && !quiet)
            exhibit_show(&exhibit);
        if (!err)
            json_array_append_new(machines, exhibit_json(&exhibit));
        exhibit_free(&exhibit);
        if (err)
            return err;
    }
    return 0;
}

int cmd_exhibit(int argc, char **argv)
{
    const char *path = NULL;
    const struct arg_option options[] = {
        {"--json", "FILE", ARG_TEXT, &path, "all that was observed, as JSON; - for standard output, without the table"},
    };
    const struct arg_spec spec = {
        .command = "exhibit",
        .positional = "popek-goldberg",
        .purpose = "Runs every sensitive instruction in user mode and in kernel mode, and shows which do not trap.",
        .options = options,
        .count = ARRAY_SIZE(options),
        .takes_words = true,
        .more = "x86-64 runs in ring 3 of this processor and in ring 0 of the software CPU, RISC-V in the Unicorn "
                "library.\n"
                "docs/exhibit.md explains the experiment. Examples:\n"
                "  virtlab exhibit popek-goldberg\n"
                "  virtlab exhibit --json exhibit.json popek-goldberg && reports/exhibit.py exhibit.json\n",
    };
    struct reason why = {""};
    int rest;
    int err = args_parse(&spec, argc, argv, &rest, &why);

    if (err)
        return err > 0 ? STATUS_OK : status_error("exhibit", &why);
    if (argc - rest != 1 || strcmp(argv[rest], "popek-goldberg") != 0) {
        fail(&why, EINVAL, "which exhibit? There is one: popek-goldberg");
        return status_error("exhibit", &why);
    }
    json_t *machines = json_array();
    err = run_parts(machines, path && strcmp(path, "-") == 0, &why);
    err = err || !path ? err : write_json(path, machines, &why);
    json_decref(machines);
    return err ? status_error("exhibit", &why) : STATUS_OK;
}

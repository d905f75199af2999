/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_choice.h - which guest a command runs: the options about it, and what follows from them.
 *
 * `virtlab run` and `virtlab compare` take the same ones. Where no kernel is named it is ours: the operating system
 * with its archive, or for engines that can't carry one (and with --flat) the workload's flat image.
 */
#ifndef BENCH_GUEST_CHOICE_H
#define BENCH_GUEST_CHOICE_H

#include "args.h"
#include "command_line.h"
#include "guest_files.h"
#include <virtlab/engine.h>

struct guest_choice {
    uint64_t mem;
    const char *kernel, *initrd, *append, *drive; /* all but the kernel may be NULL once it is complete */
    bool flat;
    char **words; /* the workload and its arguments */
    unsigned word_count;
    char kernel_path[PATH_MAX], initrd_path[PATH_MAX], line[COMMAND_LINE_MAX]; /* what the above may point to */
};

#define GUEST_MEM_DEFAULT (UINT64_C(128) << 20)

/* Its rows of a command's option table. */
#define GUEST_CHOICE_OPTIONS(choice)                                                                                 \
    {"--mem", "SIZE", ARG_SIZE, &(choice)->mem, "the guest's RAM, as 64M or 1G (default 128M)"},                     \
        {"--kernel", "FILE", ARG_TEXT, &(choice)->kernel,                                                            \
         "another kernel: ELF64 with PVH note, Multiboot, or bzImage"},                                              \
        {"--initrd", "FILE", ARG_TEXT, &(choice)->initrd, "its archive (default: ours with our kernel, else none)"}, \
        {"--append", "STR", ARG_TEXT, &(choice)->append, "further words for the kernel's command line"},             \
        {"--drive", "FILE", ARG_TEXT, &(choice)->drive, "raw image of the guest's disk"},                            \
    {                                                                                                                \
        "--flat", NULL, ARG_FLAG, &(choice)->flat,                                                                   \
            "the workload without an operating system, in ring 0 (default where the engine can't run one)"           \
    }

/*
 * Checks the options, fills in our own files where none are named, and composes the command line, for an engine with
 * these capabilities. 0, or -errno with why.
 */
int guest_choice_complete(struct guest_choice *choice, unsigned capabilities, struct reason *why) MUST_CHECK;

#endif

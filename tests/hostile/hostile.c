/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hostile.c - a guest program that wants out. Prints what came of every attempt; the same under every engine.
 *
 *     hostile [PART...]       all parts, or some
 *
 * Reading order: probe.h, then any part: gates.c, flags.c, segments.c, addresses.c, frames.c, hole.c.
 */
#include <stdio.h>
#include <string.h>

#include "probe.h"

static const struct part {
    const char *name;
    void (*run)(void);
} parts[] = {
    {"gates", test_gates},       {"privileged", test_privileged},
    {"identity", test_identity}, {"flags", test_flags},
    {"far", test_far},           {"segments", test_segments},
    {"bases", test_bases},       {"addresses", test_addresses},
    {"frames", test_frames},     {"hole", test_hole},
};

int main(int argc, char **argv)
{
    probe_init();
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        int wanted = argc < 2;
        for (int a = 1; a < argc; a++)
            wanted |= strcmp(argv[a], parts[i].name) == 0;
        if (!wanted)
            continue;
        printf("== %s\n", parts[i].name);
        parts[i].run();
        fflush(stdout);
    }
    printf("== end\n");
    return 0;
}

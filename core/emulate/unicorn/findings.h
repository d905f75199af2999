/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * findings.h - what the installed Unicorn library really does: found out at run time, by short guests.
 *
 * `virtlab doctor` lists them. Known errors that matter when two engines are compared stand in errata.h.
 */
#ifndef VIRTLAB_EMULATE_UNICORN_FINDINGS_H
#define VIRTLAB_EMULATE_UNICORN_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

struct unicorn_finding {
    const char *name; /* what a CPU does, or what this engine needs: "translates addresses" */
    bool ok;          /* the library does it */
    bool needed;      /* else the engine can't run */
    char seen[100];   /* what it did: "reads physical 0x200000 at virtual 0x200000, mapped to 0x400000" */
};

/* All findings; made at the first call, the same for the whole process. Any thread. */
const struct unicorn_finding *unicorn_findings(size_t *count);

/* The library's version, as "2.0.1". */
const char *unicorn_version_text(void);

#endif

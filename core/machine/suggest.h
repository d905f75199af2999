/* SPDX-License-Identifier: GPL-2.0-or-later */
/* suggest.h - "did you mean ...?" for a mistyped name of an option, engine or workload. */
#ifndef VIRTLAB_MACHINE_SUGGEST_H
#define VIRTLAB_MACHINE_SUGGEST_H

struct suggestion {
    const char *wanted;
    const char *best; /* the nearest name so far that is near enough, or NULL */
    unsigned distance;
};

struct suggestion suggest_for(const char *wanted);
void suggest_add(struct suggestion *suggestion, const char *candidate);

#endif

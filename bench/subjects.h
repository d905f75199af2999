/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * subjects.h - which engines and peers there are, which take part, and why the others can't.
 *
 * Probing may take seconds (a peer is tried with a real guest), so each is probed once and the survey remembers.
 */
#ifndef BENCH_SUBJECTS_H
#define BENCH_SUBJECTS_H

#include <jansson.h>

#include "measure.h"

#define SUBJECTS_MAX 48
#define PEERS_MAX    8

struct survey {
    unsigned engines, peers; /* how many */
    struct subject engine[SUBJECTS_MAX];
    struct subject peer[PEERS_MAX];
    bool peer_probed[PEERS_MAX];
    char peer_version[PEERS_MAX][128];
};

/* Probes the engines; peers are probed when they are first asked for. */
void survey_engines(struct survey *survey);
void survey_all_peers(struct survey *survey);

/* [{"name", "technique", "available", "reason", ...}]: new references. A peer that wasn't probed isn't available. */
json_t *survey_engines_json(const struct survey *survey);
json_t *survey_peers_json(const struct survey *survey);

struct subjects {
    unsigned count;
    struct subject subject[SUBJECTS_MAX];
};

/* One more, unless it is there already. -E2BIG with why when there is no room. */
int subjects_add(struct subjects *subjects, const struct subject *subject, struct reason *why) MUST_CHECK;

/* "A,B" -> subjects, available or not. -EINVAL with why for an unknown name. */
int subjects_add_engines(struct subjects *subjects, const char *list, struct reason *why) MUST_CHECK;

/* "A,B", "auto" (all that are available) or "none". */
int subjects_add_peers(struct subjects *subjects, struct survey *survey, const char *list,
                       struct reason *why) MUST_CHECK;

#endif

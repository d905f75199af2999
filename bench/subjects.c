/* SPDX-License-Identifier: GPL-2.0-or-later */
/* subjects.c - turns the options --engines and --peers into the columns of the table. Used by bench, list, doctor. */
#include "subjects.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <virtlab/engine.h>

#include "name_list.h"
#include "peer.h"

/* A probe's answer: no reason on success, and never a failure without one. */
static void settle(struct subject *subject, int err)
{
    if (err)
        fail(&subject->missing, ENOTSUP, "not available on this host");
    else
        subject->missing.text[0] = '\0';
}

static struct subject probe_engine(const struct engine_ops *engine, const char *given)
{
    struct subject subject = {
        .kind = SUBJECT_ENGINE, .name = engine->name, .technique = engine->technique, .engine = engine};
    settle(&subject, engine->probe(&subject.missing));
    snprintf(subject.given, sizeof subject.given, "%s", given);
    return subject;
}

void survey_engines(struct survey *survey)
{
    memset(survey, 0, sizeof *survey);
    for (unsigned i = 0; engines[i] && i < SUBJECTS_MAX; i++)
        survey->engine[survey->engines++] = probe_engine(engines[i], engines[i]->name);
    for (unsigned i = 0; peers[i] && i < PEERS_MAX; i++) {
        struct subject *subject = &survey->peer[survey->peers++];
        *subject =
            (struct subject){.kind = SUBJECT_PEER, .name = peers[i]->name, .technique = "peer", .peer = peers[i]};
        fail(&subject->missing, EINVAL, "left out by --peers");
    }
}

static const struct subject *probe_peer(struct survey *survey, unsigned i)
{
    struct subject *subject = &survey->peer[i];
    if (!survey->peer_probed[i]) {
        survey->peer_probed[i] = true;
        subject->missing.text[0] = '\0';
        settle(subject,
               subject->peer->probe(survey->peer_version[i], sizeof survey->peer_version[i], &subject->missing));
    }
    return subject;
}

void survey_all_peers(struct survey *survey)
{
    for (unsigned i = 0; i < survey->peers; i++)
        probe_peer(survey, i);
}

static json_t *subject_json(const struct subject *subject, const char *text, const char *version)
{
    bool available = !*subject->missing.text;
    return json_pack("{ss ss sb ss? ss ss?}", "name", subject->name, "technique", subject->technique, "available",
                     available, "reason", available ? NULL : subject->missing.text, "description", text, "version",
                     *version ? version : NULL);
}

json_t *survey_engines_json(const struct survey *survey)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < survey->engines; i++)
        json_array_append_new(list, subject_json(&survey->engine[i], survey->engine[i].engine->text, ""));
    return list;
}

json_t *survey_peers_json(const struct survey *survey)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < survey->peers; i++)
        json_array_append_new(list,
                              subject_json(&survey->peer[i], survey->peer[i].peer->text, survey->peer_version[i]));
    return list;
}

int subjects_add(struct subjects *subjects, const struct subject *subject, struct reason *why)
{
    for (unsigned i = 0; i < subjects->count; i++) {
        if (strcmp(subjects->subject[i].name, subject->name) == 0)
            return 0; /* named twice: measured once */
    }
    if (subjects->count == SUBJECTS_MAX)
        return fail(why, E2BIG, "more than %d engines and peers", SUBJECTS_MAX);
    subjects->subject[subjects->count++] = *subject;
    return 0;
}

struct adding {
    struct subjects *subjects;
    struct survey *survey;
};

static int add_engine(void *context, const char *name, struct reason *why)
{
    const struct engine_ops *engine = engine_find(name, why);
    if (!engine)
        return -EINVAL;
    struct subject subject = probe_engine(engine, name);
    return subjects_add(context, &subject, why);
}

int subjects_add_engines(struct subjects *subjects, const char *list, struct reason *why)
{
    return names_for_each(list, add_engine, subjects, why);
}

static int add_peer(void *context, const char *name, struct reason *why)
{
    struct adding *adding = context;
    for (unsigned i = 0; i < adding->survey->peers; i++) {
        if (strcmp(adding->survey->peer[i].name, name) == 0)
            return subjects_add(adding->subjects, probe_peer(adding->survey, i), why);
    }
    return fail(why, ENOENT, "no peer named '%s'; `virtlab list` shows them", name);
}

int subjects_add_peers(struct subjects *subjects, struct survey *survey, const char *list, struct reason *why)
{
    struct adding adding = {subjects, survey};
    int err = 0;
    if (strcmp(list, "none") == 0)
        return 0;
    if (strcmp(list, "auto") != 0)
        return names_for_each(list, add_peer, &adding, why);
    survey_all_peers(survey);
    for (unsigned i = 0; i < survey->peers && !err; i++) {
        if (!*survey->peer[i].missing.text)
            err = subjects_add(subjects, &survey->peer[i], why);
    }
    return err;
}

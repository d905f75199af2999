/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * suggest.c - the known name that is nearest to a mistyped one, by Levenshtein's distance: the number of letters to
 * insert, delete or change. Called wherever a name that the user typed isn't found.
 */
#include "machine/suggest.h"

#include <string.h>

enum { LONGEST = 40 };

static unsigned min2(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned edit_distance(const char *a, const char *b)
{
    unsigned row[LONGEST + 1], width = (unsigned)strlen(b);
    for (unsigned j = 0; j <= width; j++)
        row[j] = j;
    for (unsigned i = 1; a[i - 1]; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= width; j++) {
            unsigned above = row[j];
            unsigned change = diagonal + (a[i - 1] != b[j - 1]);
            row[j] = min2(change, 1 + min2(above, row[j - 1]));
            diagonal = above;
        }
    }
    return row[width];
}

struct suggestion suggest_for(const char *wanted)
{
    return (struct suggestion){.wanted = wanted, .distance = 3}; /* farther than two letters isn't a slip */
}

void suggest_add(struct suggestion *suggestion, const char *candidate)
{
    if (strlen(candidate) > LONGEST || strlen(suggestion->wanted) > LONGEST)
        return;
    unsigned distance = edit_distance(suggestion->wanted, candidate);
    if (distance < suggestion->distance) {
        suggestion->distance = distance;
        suggestion->best = candidate;
    }
}

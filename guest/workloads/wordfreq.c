/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts the words of a text in a hash table: byte loads, string compares, many short branches.
 * Right if every word was found as often as the generator of the text wrote it.
 * Contract: workload.h; the text: text.h.
 */
#include "text.h"

enum { LENGTH = 128 * 1024, SLOTS = 1024 };

static char text[LENGTH];
static unsigned written[TEXT_WORDS];

static struct entry {
    const char *word; /* where it first stood; NULL if the slot is free */
    size_t length;
    unsigned count;
} table[SLOTS];

static int is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The word's slot, or the free one where it belongs (linear probing); NULL if the table is full. */
static struct entry *find(const char *word, size_t length)
{
    uint32_t hash = 0;
    for (size_t i = 0; i < length; i++)
        hash = hash * 31 + (unsigned char)word[i];
    for (uint32_t probe = 0; probe < SLOTS; probe++) {
        struct entry *e = &table[(hash + probe) % SLOTS];
        if (!e->word || (e->length == length && memcmp(e->word, word, length) == 0))
            return e;
    }
    return NULL;
}

static unsigned count_words(void)
{
    unsigned words = 0;
    memset(table, 0, sizeof table);
    for (size_t at = 0; at < LENGTH;) {
        if (!is_letter(text[at])) {
            at++;
            continue;
        }
        size_t start = at;
        while (at < LENGTH && is_letter(text[at]))
            at++;
        struct entry *e = find(text + start, at - start);
        if (!e)
            fail("more than %d different words", SLOTS);
        e->word = text + start;
        e->length = at - start;
        e->count++;
        words++;
    }
    return words;
}

static uint64_t work(unsigned n)
{
    uint64_t check = 0;
    while (n-- > 0)
        check = mix(check, count_words());
    return check;
}

static void setup(void)
{
    text_generate(text, sizeof text, 2, written);
    memset(table, 0, sizeof table);
}

static void finish(void)
{
    for (unsigned i = 0; i < TEXT_WORDS; i++) {
        const struct entry *e = find(text_words[i], strlen(text_words[i]));
        if (!e || e->count != written[i])
            fail("'%s' counted %u times, not %u", text_words[i], e ? e->count : 0, written[i]);
    }
}

const struct workload workload = {
    .name = "wordfreq",
    .args = "",
    .unit = "the words of 128 KiB of text counted",
    .default_n = 20,
    .setup = setup,
    .work = work,
    .finish = finish,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text that looks like English to a compressor or a word counter, the same on every platform:
 * words of a fixed list, the first ones far more frequent (about as in Zipf's law), in sentences and
 * paragraphs. Used by lz.c and wordfreq.c.
 */
#ifndef VIRTLAB_TEXT_H
#define VIRTLAB_TEXT_H

#include "workload.h"

enum { LONGEST_WORD = 15 };

static const char *const text_words[] = {
    "the",        "of",         "and",        "a",           "to",         "in",        "is",        "it",
    "that",       "was",        "for",        "on",          "as",         "with",      "be",        "at",
    "by",         "this",       "not",        "are",         "from",       "or",        "an",        "they",
    "which",      "one",        "had",        "all",         "there",      "when",      "can",       "no",
    "more",       "if",         "out",        "so",          "up",         "said",      "what",      "its",
    "about",      "than",       "into",       "them",        "only",       "other",     "time",      "new",
    "some",       "could",      "these",      "two",         "may",        "first",     "then",      "do",
    "any",        "like",       "now",        "over",        "such",       "our",       "man",       "even",
    "most",       "made",       "after",      "also",        "did",        "many",      "before",    "must",
    "through",    "years",      "where",      "much",        "way",        "well",      "down",      "should",
    "because",    "each",       "just",       "those",       "people",     "machine",   "memory",    "page",
    "kernel",     "guest",      "host",       "virtual",     "address",    "table",     "trap",      "instruction",
    "processor",  "privilege",  "interrupt",  "device",      "shadow",     "translate", "cache",     "monitor",
    "emulate",    "register",   "segment",    "protect",     "physical",   "hardware",  "software",  "system",
    "program",    "process",    "schedule",   "measure",     "question",   "answer",    "history",   "paper",
    "describe",   "observe",    "principle",  "efficient",   "equivalent", "control",   "resource",  "mountain",
    "river",      "winter",     "garden",     "letter",      "window",     "captain",   "journey",   "evening",
    "nothing",    "something",  "between",    "against",     "without",    "another",   "although",  "however",
    "therefore",  "perhaps",    "remember",   "consider",    "understand", "beautiful", "necessary", "difference",
    "government", "university", "experience", "development", "particular", "Cambridge", "Princeton", "Monday",
    "October",    "England",
};
enum { TEXT_WORDS = sizeof text_words / sizeof text_words[0] };

/* The product of two even distributions: small numbers come often, the last ones rarely. */
static inline unsigned text_pick(uint64_t *random)
{
    uint64_t r = next_random(random);
    uint64_t x = r & 0xffff, y = r >> 16 & 0xffff;
    return (unsigned)(x * y * TEXT_WORDS >> 32);
}

/*
 * Fills `text` with `length` characters; what remains after the last word is made of newlines.
 * Where `tally` is given, it counts how often each word of the list was written.
 */
static inline void text_generate(char *text, size_t length, uint64_t seed, unsigned *tally)
{
    static const char *const ends[] = {". ", ". ", ". ", "? ", ".\n", ".\n\n"};
    size_t at = 0;
    unsigned words_left = 0;

    while (at + LONGEST_WORD + 3 <= length) {
        if (words_left == 0)
            words_left = 4 + (unsigned)(next_random(&seed) % 16);
        unsigned word = text_pick(&seed);
        size_t letters = strlen(text_words[word]);
        const char *space = next_random(&seed) % 12 == 0 ? ", " : " ";
        if (--words_left == 0)
            space = ends[next_random(&seed) % (sizeof ends / sizeof ends[0])];
        memcpy(text + at, text_words[word], letters);
        at += letters;
        memcpy(text + at, space, strlen(space));
        at += strlen(space);
        if (tally)
            tally[word]++;
    }
    memset(text + at, '\n', length - at);
}

#endif

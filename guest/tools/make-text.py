#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes a text of a given length: real prose of this Debian, then made-up sentences.

usage: make-text.py BYTES FILE
"""
import glob
import os
import random
import sys

# Where a Debian keeps long English texts; only plain files, in a fixed order.
SOURCES = [
    "/usr/share/common-licenses/*",
    "/usr/share/perl/*/pod/*.pod",
    "/usr/share/perl/*/*.pm",
    "/usr/share/perl/*/*/*.pm",
]


def real_text(limit):
    """The sources one after the other, each once, until there is enough."""
    text = bytearray()
    seen = set()
    for pattern in SOURCES:
        for path in sorted(glob.glob(pattern)):
            name = os.path.realpath(path)
            if name in seen or not os.path.isfile(name):
                continue
            seen.add(name)
            with open(name, "rb") as f:
                text += f.read()
            if len(text) >= limit:
                return text
    return text


def sentences(words, length):
    """Sentences of words drawn from a text: the frequent ones come often, as in language."""
    rng = random.Random(1)
    out = []
    size = 0
    while size < length:
        chosen = rng.choices(words, k=rng.randrange(5, 20))
        line = " ".join(chosen).capitalize() + rng.choice([". ", ". ", ".\n"])
        out.append(line)
        size += len(line)
    return "".join(out).encode()


def main():
    if len(sys.argv) != 3 or not sys.argv[1].isdigit():
        sys.exit(__doc__.strip())
    limit = int(sys.argv[1])
    text = real_text(limit)
    if len(text) < limit:
        words = text.decode("latin-1").split() or ["virtual", "machine"]
        words = [w for w in words if w.isascii() and w.isalpha()] or ["virtual", "machine"]
        text += sentences(words, limit - len(text))
    with open(sys.argv[2], "wb") as f:
        f.write(text[:limit])


main()

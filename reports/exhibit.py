#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns what `virtlab exhibit popek-goldberg --json FILE` observed into tables and the lecture's two
diagrams. Needs Python 3.11; gnuplot for pictures.
"""
import argparse
import sys
from pathlib import Path

from virtlab_report import csvout, exhibit, gnuplot, latex, markdown, plot_exhibit, plots, text


def main(arguments=None):
    """The exit status: 0 made, 1 a picture failed, 2 nothing usable."""
    parser = argparse.ArgumentParser(prog="exhibit.py", description=__doc__)
    parser.add_argument("file", type=Path, help="what virtlab exhibit --json wrote")
    parser.add_argument("--lang", choices=text.LANGUAGES, default="en")
    parser.add_argument("--into", metavar="DIR", type=Path, help="default: the folder of FILE")
    options = parser.parse_args(arguments)
    options.into = options.into or options.file.parent
    try:
        machines = exhibit.load(options.file)
        return report(machines, text.Text(options.lang), options.into)
    except (exhibit.Unusable, OSError) as error:
        print(f"exhibit.py: {error}", file=sys.stderr)
        return 2


def report(machines, words, folder):
    """Makes the files; prints their names."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = draw(plot_exhibit.pictures(machines, words), folder)
    document = exhibit.build(machines, words)
    shown = [
        (p.title, f"{p.name}.svg") for p in drawn.pictures if (folder / f"{p.name}.svg").is_file()
    ]
    files = {
        "exhibit.md": markdown.render(document, words, shown),
        "exhibit.tex": latex.render(document, words),
        **csvout.render(document, words),
    }
    for name, content in files.items():
        encoding = "utf-8-sig" if name.endswith(".csv") and not content.isascii() else "utf-8"
        (folder / name).write_text(content, encoding=encoding, newline="")
    for warning in drawn.warnings:
        print(f"exhibit.py: warning: {warning}", file=sys.stderr)
    print(f"in {folder}:", *files, *(path.name for path in drawn.files), sep="\n  ")
    return 1 if drawn.failed else 0


def draw(pictures, folder):
    """Each picture in every format that this machine's gnuplot has."""
    drawn = plots.Drawn()
    program = gnuplot.find()
    if program is None:
        drawn.warnings.append("no pictures: gnuplot not found; the Debian package is gnuplot-nox")
        return drawn
    chosen, drawn.warnings = gnuplot.choose(gnuplot.FORMATS, gnuplot.terminals(program))
    for picture in pictures if chosen else []:
        try:
            drawn.files += gnuplot.draw(program, picture, chosen, folder)
            drawn.pictures.append(picture)
        except gnuplot.GnuplotError as error:
            drawn.warnings.append(f"picture not drawn: {error}")
            drawn.failed = True
    return drawn


if __name__ == "__main__":
    sys.exit(main())

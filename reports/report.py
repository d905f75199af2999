#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns a results folder into tables, pictures and a summary. Needs Python 3.11; gnuplot for
pictures. This is the command line; what it calls is described in virtlab_report/__init__.py.
"""
import argparse
import os
import shutil
import sys
from pathlib import Path

from virtlab_report import (
    csvout,
    fields,
    gnuplot,
    latex,
    lecture,
    markdown,
    plots,
    results,
    suites,
    tables,
    terminal,
    text,
)

TABLE_FORMATS = ("md", "tex", "csv")
FORMATS = TABLE_FORMATS + gnuplot.FORMATS
WARNINGS_SHOWN = 10

HELP = """\
Reads OUT/results.jsonl, which `virtlab bench --out OUT` writes, and makes

  table.*      speed of each workload under each engine, as a percentage of native, with the
               spread, geometric means, and footnotes that say why a cell is n/a or failed;
               below it MIPS and latencies (table-mips.csv, table-latency.csv)
  lecture.*    the lecture's comparison of the four techniques, with the measured range in it
  speed.*      picture: speed by workload and engine
  exits-*.*    pictures: exits by reason, taken and avoided, one for each engine
  lecture-speed.*  picture: the lecture's claim beside the measurement
  nano.*       tables and picture: cycles of single operations, if that suite was measured
  kernel.*     tables: loops in kernel mode, if that suite was measured

as Markdown (md), LaTeX (tex, to be \\input; plain tabular), CSV, SVG, PDF and PNG."""

EXAMPLES = """\
examples:
  virtlab bench --quick --out results && python3 reports/report.py results
  python3 reports/report.py results --lang zh --into slides --formats tex,pdf
  NO_COLOR=1 python3 reports/report.py results --formats md | less

exit status: 0 all made (pictures that this machine cannot draw are named in a warning);
1 gnuplot failed on a picture; 2 wrong usage, nothing usable in OUT, or a file cannot be written"""


def main(arguments=None):
    """The exit status."""
    options = parse(arguments)
    try:
        found = results.load(options.out)
        show_warnings(found.warnings)
        return report(found, options)
    except results.Unusable as error:
        complain(error)
    except BrokenPipeError:
        raise
    except OSError as error:
        complain(f"{error.filename or options.into}: {error.strerror or error}")
    return 2


def parse(arguments):
    """The command line, checked."""
    parser = argparse.ArgumentParser(
        prog="report.py",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", metavar="OUT", help="the results folder (or its results.jsonl)")
    parser.add_argument(
        "--lang",
        choices=text.LANGUAGES,
        default="en",
        help="language of headings and notes (default: en)",
    )
    parser.add_argument(
        "--formats",
        type=format_list,
        default=FORMATS,
        metavar="LIST",
        help=f"which of {','.join(FORMATS)} to make (default: all)",
    )
    parser.add_argument(
        "--into",
        metavar="DIR",
        type=Path,
        help="where to put the files (default: OUT; made if it is not there)",
    )
    options = parser.parse_args(arguments)
    out = Path(options.out)
    options.into = options.into or (out if out.is_dir() else out.parent)
    return options


def format_list(value):
    """'md,svg' as a tuple; argparse shows the complaint."""
    formats = tuple(dict.fromkeys(name for name in value.split(",") if name))
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise argparse.ArgumentTypeError(
            f"unknown format {unknown[0]!r}; there are {','.join(FORMATS)}"
            if unknown
            else f"no format named; there are {','.join(FORMATS)}"
        )
    return formats


def complain(message):
    """One line on stderr."""
    print(f"report.py: {fields.clean(str(message))}", file=sys.stderr)


def show_warnings(warnings):
    """The first few; a file that is corrupt throughout needs no thousand lines to say so."""
    for warning in warnings[:WARNINGS_SHOWN]:
        complain(f"warning: {warning}")
    if len(warnings) > WARNINGS_SHOWN:
        complain(f"warning: and {len(warnings) - WARNINGS_SHOWN} more like these")


def report(found, options):
    """Makes the files and prints the summary."""
    words = text.Text(options.lang)
    options.into.mkdir(parents=True, exist_ok=True)
    picture_formats = [f for f in options.formats if f in gnuplot.FORMATS]
    drawn = (
        plots.draw_all(found, words, picture_formats, options.into)
        if picture_formats
        else plots.Drawn()
    )
    show_warnings(drawn.warnings)
    documents = list(build(found, words))
    files = [name for d in documents for name in write_tables(d, drawn, words, options)]
    files += [path.name for path in drawn.files]
    summary(documents, files, options.into)
    return 1 if drawn.failed else 0


def build(found, words):
    """Every Document that these results give."""
    general = suites.general(found, words)
    if general.measurements:
        yield tables.build(general, words)
        yield lecture.build(general, words)
    for suite_report, own in suites.special(found):
        yield suite_report.build(own, words)


def write_tables(document, drawn, words, options):
    """One Document in every table format asked for; the names of the files."""
    contents = {}
    if "md" in options.formats:
        pictures = pictures_to_show(document, drawn)
        contents[f"{document.name}.md"] = markdown.render(document, words, pictures)
    if "tex" in options.formats:
        contents[f"{document.name}.tex"] = latex.render(document, words)
    if "csv" in options.formats:
        contents |= csvout.render(document, words)
    for name, content in contents.items():
        # Spreadsheets take a CSV file for UTF-8 only when it begins with a byte-order mark.
        is_marked = name.endswith(".csv") and not content.isascii()
        encoding = "utf-8-sig" if is_marked else "utf-8"
        (options.into / name).write_text(content, encoding=encoding, newline="")
    return list(contents)


def pictures_to_show(document, drawn):
    """(title, file name) for a Markdown page: SVG where there is one, else PNG."""
    made = {path.name for path in drawn.files}
    for picture in drawn.pictures:
        for name in (f"{picture.name}.svg", f"{picture.name}.png"):
            if picture.document == document.name and name in made:
                yield picture.title, name
                break


def summary(documents, files, folder):
    """The tables for the terminal, then where the files are."""
    colour = terminal.wants_colour(sys.stdout)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for document in documents:
        is_prose = all(table.prose for table in document.tables)
        render = terminal.render_comparison if is_prose else terminal.render
        print(render(document, colour, width))
    print(f"in {folder}:")
    for name in files:
        print(f"  {name}")


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) has seen enough: keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)

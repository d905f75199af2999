# SPDX-License-Identifier: GPL-2.0-or-later
"""A Document as aligned text for a terminal, in colour where that is wanted.

One of the four renderers; see model.py. Chinese characters are two columns wide; a table that is
wider than the terminal is cut into several, each with the workloads' names in front.
"""
import os
import textwrap
import unicodedata

from .model import cell_text, superscript

_COLOURS = {"good": "32", "middle": "33", "slow": "", "bad": "31", "dim": "2", "bold": "1"}
GAP = "  "


def wants_colour(stream, environment=os.environ):
    """Colour for a person at a terminal who has not said no (no-color.org)."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def width_of(text):
    """Columns that a text takes: wide characters two, combining ones none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _padded(text, width, right):
    space = " " * (width - width_of(text))
    return space + text if right else text + space


def render(document, colour=False, width=None):
    """The tables and footnotes; `width` None is a line without end."""
    lines = []
    for table in document.tables:
        lines += [_paint(table.title, "bold", colour), ""]
        for piece in _pieces(table, width):
            lines += [*_table(piece, colour), ""]
    for note in document.notes:
        mark = f"{superscript([note])} " if note.mark else ""
        lines += textwrap.wrap(mark + note.text, width or 100, subsequent_indent="  ")
    return "\n".join(lines) + "\n"


def _paint(text, tone, colour):
    code = _COLOURS.get(tone, "") if colour and text else ""
    return f"\033[{code}m{text}\033[0m" if code else text


def _widths(table):
    widths = [width_of(column.heading) for column in table.columns]
    for row in table.rows:
        if row.kind != "group":
            widths = [max(w, width_of(cell_text(cell))) for w, cell in zip(widths, row.cells)]
    return widths


def _pieces(table, limit):
    """The table cut so that each piece fits the limit, with the first column in each."""
    widths = _widths(table)
    if limit is None or sum(widths) + len(GAP) * (len(widths) - 1) <= limit:
        return [table]
    pieces, current, used = [], [0], widths[0]
    for index in range(1, len(widths)):
        if len(current) > 1 and used + len(GAP) + widths[index] > limit:
            pieces.append(current)
            current, used = [0], widths[0]
        current.append(index)
        used += len(GAP) + widths[index]
    return [table.with_columns(indexes) for indexes in [*pieces, current]]


def _table(table, colour):
    widths = _widths(table)
    rights = [column.numeric for column in table.columns]
    heads = [_padded(c.heading, w, r) for c, w, r in zip(table.columns, widths, rights)]
    yield _paint(GAP.join(heads).rstrip(), "bold", colour)
    yield "-" * (sum(widths) + len(GAP) * (len(widths) - 1))
    for row in table.rows:
        if row.kind == "group":
            yield _paint(row.cells[0].text, "bold", colour)
            continue
        shown = [
            _paint(_padded(cell_text(cell), w, r), cell.tone, colour)
            for cell, w, r in zip(row.cells, widths, rights)
        ]
        yield GAP.join(shown).rstrip()


def render_comparison(document, colour=False, width=None):
    """The lecture's table, too wide for a terminal: technique and speed alone, a line each."""
    lines = [_paint(document.title, "bold", colour), ""]
    for row in document.tables[0].rows:
        name, speed = row.cells[:2]
        lines.append(_paint(name.text, "bold", colour))
        for line in (speed.text, *speed.lines):
            lines += textwrap.wrap(
                line, width or 100, initial_indent="  ", subsequent_indent="    "
            )
    return "\n".join(lines) + "\n"

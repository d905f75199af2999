# SPDX-License-Identifier: GPL-2.0-or-later
"""The suite crossover: the time of a system call with the work before it, by engine.

The more work, the less it matters that a way out of user code is dear, and the more that the work
runs at the CPU's own speed. plot_crossover.py draws the same figures.
"""
import math

from . import footnotes, numbers
from .model import Cell, Column, Document, Footnotes, Note, Row, Table
from .tables import Grid

FIELDS = ("median", "min", "max", "n", "status", "note")
DIRECT, TRANSLATED = "full/bt:direct", "full/bt:all"


def build(results, text):
    """The Document that crossover.md, crossover.tex and crossover.csv hold."""
    grid, notes = Grid(results), Footnotes()
    document = Document("crossover", text("crossover.title"), [table(grid, text, notes)])
    found = crossing(grid)
    if found:
        ends = {"low": microseconds(found[0]), "high": microseconds(found[1])}
        document.notes.append(Note("", text("crossover.note.found", **ends)))
    document.notes += [
        *notes.all(),
        Note("", text("crossover.note")),
        *footnotes.of_run(grid, text),
    ]
    return document


def table(grid, text, notes):
    """A row for each amount of work, a column for each engine, in microseconds."""
    rows = []
    for key in grid.keys:
        cells = [Cell(grid.names[key], values=(grid.names[key],))]
        cells += [_cell(grid.at(key, subject), text, notes) for subject in grid.subjects]
        rows.append(Row("data", cells))
    columns = [Column(text("workload"), numeric=False)]
    for subject in grid.subjects:
        name = text("native") if subject.kind == "native" else subject.name
        subtitle = text("peer") if subject.kind == "peer" else ""
        columns.append(Column(name, subtitle, fields=FIELDS))
    return Table("time", text("crossover.time"), columns, rows)


def microseconds(ns):
    """1234 -> '1.23'"""
    return numbers.plain(ns / 1000)


def time(m):
    """The Sample of one call with its work in nanoseconds, or None."""
    return next(iter(m.latencies.values()), None) if m is not None and m.status == "ok" else None


def _cell(m, text, notes):
    sample = time(m)
    if sample is None:
        word = text(m.status) if m is not None and m.status != "ok" else text("nothing")
        note = notes.number(
            f"{word}: {m.reason if m is not None and m.reason else text('note.not.run')}"
        )
        status = m.status if m is not None else ""
        tone = "bad" if status == "failed" else "dim"
        return Cell(word, notes=(note,), values=("",) * 4 + (status, note.text), tone=tone)
    ends = [v / 1000 for v in (sample.median, sample.min, sample.max)]
    decimals = numbers.decimals_for(ends[0], 3)
    spread = f"{ends[1]:.{decimals}f}-{ends[2]:.{decimals}f}" if sample.n > 1 else ""
    values = (*(float(f"{v:.6g}") for v in ends), sample.n, m.status, "")
    return Cell(numbers.plain(ends[0]), spread, values=values)


def points(grid, subject):
    """[(native time, Sample)] of one engine, in nanoseconds, by growing work."""
    native = next((s for s in grid.subjects if s.kind == "native"), None)
    found = []
    for key in grid.keys:
        base, own = time(grid.at(key, native)) if native else None, time(grid.at(key, subject))
        if base and own:
            found.append((base.median, own))
    return sorted(found, key=lambda point: point[0])


def crossing(grid):
    """The two native times, in nanoseconds, between which direct execution becomes the faster one;
    or None. The last such place counts: below it noise may cross the lines, too."""
    medians = {
        s.name: {x: sample.median for x, sample in points(grid, s)} for s in grid.subjects
    }
    direct, translated = medians.get(DIRECT, {}), medians.get(TRANSLATED, {})
    places = sorted(set(direct) & set(translated))
    faster = [direct[x] < translated[x] for x in places]
    for i in range(len(places) - 1, 0, -1):
        if faster[i] and not faster[i - 1]:
            return places[i - 1], places[i]
    return None


def decades(values):
    """The powers of ten around the values: (low exponent, high exponent)."""
    return math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))

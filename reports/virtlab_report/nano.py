# SPDX-License-Identifier: GPL-2.0-or-later
"""The suite nano: cycles of seven single operations, beside the paper's of 2006.

A cycle is a tick of the host's time-stamp counter, and the paper's cycles are those of its own
machine; what can be compared is the shape. plot_nano.py draws the same columns.
"""
import json
from dataclasses import dataclass
from pathlib import Path

from . import footnotes, numbers
from .model import Cell, Column, Document, Footnotes, Note, Row, Table
from .tables import Grid, modelled_notes

PAPER_FILE = Path(__file__).resolve().parent.parent / "data" / "adams_agesen_2006.json"
FIELDS = ("median", "min", "max", "n", "status", "note")


@dataclass(frozen=True)
class Published:
    """A figure of the paper's; `about` where the paper gives it by a relation."""

    cycles: float
    about: bool

    @property
    def shown(self):
        return ("~" if self.about else "") + numbers.plain(self.cycles)


class Paper:
    """The figures as published, from their data file."""

    def __init__(self):
        paper = json.loads(PAPER_FILE.read_text(encoding="utf-8"))
        self.source, self.machine = paper["source"], paper["machine"]
        self.columns = paper["columns"]
        self._operations = paper["operations"]

    def at(self, operation, column):
        """The Published figure, or None."""
        known = self._operations.get(operation, {})
        cycles = known.get("cycles", [None] * len(self.columns))[column]
        about = known.get("about", [False] * len(self.columns))[column]
        return None if cycles is None else Published(cycles, about)

    def remark(self, operation):
        """What the paper says of an operation in words."""
        return self._operations.get(operation, {}).get("text", "")


def operation(key):
    """'nano-cr8wr' -> 'cr8wr', as the paper calls it."""
    return key[1].removeprefix("nano-")


def scale(results):
    """(factor, unit) from nanoseconds: cycles, where the host record says how fast they go."""
    mhz = results.host.tsc_mhz if results.host else None
    return (mhz / 1000, "cycles") if mhz else (1, "ns")


def cost(m):
    """The Sample of one operation in nanoseconds, or None."""
    return next(iter(m.latencies.values()), None) if m is not None and m.status == "ok" else None


def build(results, text):
    """The Document that nano.md, nano.tex and nano.csv hold."""
    grid, paper, notes = Grid(results), Paper(), Footnotes()
    tables = [cost_table(grid, paper, text, notes), ratio_table(grid, paper, text)]
    document = Document("nano", text("nano.title"), [t for t in tables if t.rows])
    document.notes = [
        *notes.all(),
        Note("", text("nano.note.cost")),
        Note("", text("nano.note.native")),
        Note("", text("nano.note.paper", source=paper.source, machine=paper.machine)),
        *footnotes.of_run(grid, text),
    ]
    return document


def cost_table(grid, paper, text, notes):
    """Cycles of each operation: native, the engines, the peers, and the paper's three columns."""
    factor, unit = scale(grid.results)
    rows = []
    for key in grid.keys:
        cells = [Cell(operation(key), values=(operation(key),))]
        cells += [_cost_cell(grid.at(key, s), factor, text, notes) for s in grid.subjects]
        cells += [_paper_cell(key, i, paper, text, notes) for i in range(len(paper.columns))]
        rows.append(Row("data", cells))
    return Table("cost", text("nano.cost", unit=unit), _columns(grid, paper, text, FIELDS), rows)


def _columns(grid, paper, text, fields):
    columns = [Column(text("nano.operation"), numeric=False)]
    for subject in grid.subjects:
        subtitle = text("peer") if subject.kind == "peer" else ""
        name = text("native") if subject.kind == "native" else subject.name
        columns.append(Column(name, subtitle, fields=fields))
    columns += [
        Column(text(f"nano.{c}"), text("nano.2006"), fields=fields[:1]) for c in paper.columns
    ]
    return columns


def _cost_cell(m, factor, text, notes):
    sample = cost(m)
    if sample is None:
        word = text(m.status) if m is not None and m.status != "ok" else text("nothing")
        reason = m.reason if m is not None and m.reason else text("note.not.run")
        note = notes.number(f"{word}: {reason}")
        status = m.status if m is not None else ""
        tone = "bad" if status == "failed" else "dim"
        return Cell(word, notes=(note,), values=("",) * 4 + (status, note.text), tone=tone)
    marks = tuple(modelled_notes(m, text, notes))
    ends = [factor * v for v in (sample.median, sample.min, sample.max)]
    decimals = numbers.decimals_for(ends[0], 3)
    spread = f"{ends[1]:.{decimals}f}-{ends[2]:.{decimals}f}" if sample.n > 1 else ""
    values = (*(float(f"{v:.6g}") for v in ends), sample.n, m.status)
    note = "; ".join(n.text for n in marks)
    return Cell(numbers.plain(ends[0]), spread, notes=marks, values=(*values, note))


def _paper_cell(key, column, paper, text, notes):
    published = paper.at(operation(key), column)
    remark = paper.remark(operation(key))
    marks = (notes.number(text("nano.remark", remark=remark)),) if remark else ()
    if published is None:
        return Cell(text("nothing"), notes=marks, values=("",), tone="dim")
    return Cell(published.shown, notes=marks if published.about else (), values=(published.cycles,))


def ratio_table(grid, paper, text):
    """How many times the native cost, where there is one; the paper's likewise."""
    native = next((s for s in grid.subjects if s.kind == "native"), None)
    rows = []
    for key in grid.keys:
        base = cost(grid.at(key, native)) if native else None
        base_2006 = paper.at(operation(key), 0)
        cells = [Cell(operation(key), values=(operation(key),))]
        for subject in grid.subjects:
            sample = cost(grid.at(key, subject))
            cells.append(_ratio_cell(sample and sample.median, base and base.median, text))
        for i in range(len(paper.columns)):
            cycles = paper.at(operation(key), i)
            cells.append(
                _ratio_cell(cycles and cycles.cycles, base_2006 and base_2006.cycles, text)
            )
        rows.append(Row("data", cells))
    return Table("ratio", text("nano.ratio"), _columns(grid, paper, text, ("value",)), rows)


def _ratio_cell(value, base, text):
    if not value or not base:
        return Cell(text("nothing"), values=("",), tone="dim")
    return Cell(f"{numbers.plain(value / base)}x", values=(float(f"{value / base:.6g}"),))

# SPDX-License-Identifier: GPL-2.0-or-later
"""The suite roundtrip: microseconds from a guest's kernel to its hypervisor and back, one operation a row,
beside the paper's figures for KVM on hardware. The paper's machine is another one: compare the shape.
"""
from . import footnotes, hardware, numbers
from .model import Cell, Column, Document, Footnotes, Note, Row, Table
from .nano import cost
from .tables import Grid, modelled_notes

FIELDS = ("median", "min", "max", "n", "status", "note")


def build(results, text):
    """The Document that roundtrip.md, roundtrip.tex and roundtrip.csv hold."""
    paper = hardware.constants()["published"]
    grid, notes = Grid(results), Footnotes()
    document = Document("roundtrip", text("roundtrip.title"), [_table(grid, paper, text, notes)])
    document.notes = [
        *notes.all(),
        Note("", text("roundtrip.note", source=paper["source"])),
        *footnotes.of_run(grid, text),
    ]
    return document


def _table(grid, paper, text, notes):
    columns = [Column(text("nano.operation"), numeric=False)]
    for subject in grid.subjects:
        name = text("native") if subject.kind == "native" else subject.name
        columns.append(Column(name, text("peer") if subject.kind == "peer" else "", fields=FIELDS))
    columns.append(Column(text("roundtrip.paper"), text("roundtrip.2023"), fields=FIELDS[:1]))
    rows = []
    for key in grid.keys:
        name = key[1].removeprefix("roundtrip-")
        published = paper["operations"].get(name)
        cells = [Cell(name, values=(name,))]
        cells += [cell(grid.at(key, s), text, notes) for s in grid.subjects]
        if published is None:
            cells.append(Cell(text("nothing"), values=("",), tone="dim"))
        else:
            cells.append(Cell(numbers.plain(published), values=(published,)))
        rows.append(Row("data", cells))
    return Table("cost", text("roundtrip.cost"), columns, rows)


def cell(m, text, notes):
    """Microseconds of one operation, with their spread; or the word that says why there are none."""
    sample = cost(m)
    if sample is None:
        word = text(m.status) if m is not None and m.status != "ok" else text("nothing")
        note = notes.number(f"{word}: {m.reason if m and m.reason else text('note.not.run')}")
        status = m.status if m is not None else ""
        tone = "bad" if status == "failed" else "dim"
        return Cell(word, notes=(note,), values=("",) * 4 + (status, note.text), tone=tone)
    marks = tuple(modelled_notes(m, text, notes))
    handover = m.run_counters.get("handover_ns")
    if handover and m.workload.endswith("hypercall"):
        marks += (notes.number(text("roundtrip.handover", us=numbers.plain(handover / 1000))),)
    ends = [value / 1000 for value in (sample.median, sample.min, sample.max)]
    decimals = numbers.decimals_for(ends[0], 3)
    spread = f"{ends[1]:.{decimals}f}-{ends[2]:.{decimals}f}" if sample.n > 1 else ""
    values = (*(float(f"{v:.6g}") for v in ends), sample.n, m.status)
    return Cell(numbers.plain(ends[0]), spread, notes=marks, values=(*values, "; ".join(n.text for n in marks)))

# SPDX-License-Identifier: GPL-2.0-or-later
"""The suite nested: what a TLB miss costs in one and in two dimensions, and what EPT saves in exits.

Both are counts, of the region of interest: page-table entries read by the walker, the guest's own and
the EPT's, and exits by reason. No time enters. plot_nested.py draws the same figures.
"""
from . import footnotes, numbers
from .model import Cell, Column, Document, Footnotes, Note, Row, Table
from .tables import Grid

REFS_FIELDS = ("guest", "ept", "misses", "status", "note")
EPT, SHADOW = "hwassist/vtx", "hwassist/vtx:shadow"
MILLION = 1e6


def build(results, text):
    """The Document that nested.md, nested.tex and nested.csv hold."""
    grid, notes = Grid(results), Footnotes()
    tables = [refs_table(grid, text, notes), exits_table(grid, text)]
    document = Document("nested", text("nested.title"), [t for t in tables if t.rows])
    document.notes = [
        *notes.all(),
        Note("", text("nested.note.refs")),
        Note("", text("nested.note.full")),
        Note("", text("nested.note.exits")),
        *footnotes.of_run(grid, text),
    ]
    return document


def engines(grid):
    """The columns: all but native, whose walks nobody counts."""
    return [s for s in grid.subjects if s.kind == "engine"]


def refs(m):
    """(the guest's entries, the EPT's) read at a TLB miss, or None where that isn't known."""
    if m is None or m.status != "ok":
        return None
    misses, own = m.counters.get("tlb_misses"), m.counters.get("walk_refs")
    if not misses or own is None:
        return None
    return own / misses, m.counters.get("ept_refs", 0) / misses


def refs_table(grid, text, notes):
    """A row a workload, a column an engine: entries read at a TLB miss."""
    columns = [Column(text("workload"), numeric=False)]
    columns += [Column(s.name, fields=REFS_FIELDS) for s in engines(grid)]
    rows = []
    for key in grid.keys:
        cells = [_refs_cell(grid.at(key, s), text, notes) for s in engines(grid)]
        if any(cell.values[0] != "" for cell in cells):
            rows.append(Row("data", [Cell(grid.names[key], values=(grid.names[key],)), *cells]))
    return Table("refs", text("nested.refs"), columns, rows)


def _refs_cell(m, text, notes):
    found = refs(m)
    if found is None:
        word = text(m.status) if m is not None and m.status != "ok" else text("nothing")
        reason = m.reason if m is not None and m.reason else text("note.not.run")
        note = notes.number(f"{word}: {reason}")
        values = ("", "", "", m.status if m is not None else "", note.text)
        return Cell(word, notes=(note,), values=values, tone="dim")
    own, ept = found
    shown = f"{own:.1f} + {ept:.1f} = {own + ept:.1f}" if ept else f"{own:.1f}"
    values = (float(f"{own:.4g}"), float(f"{ept:.4g}"), m.counters["tlb_misses"], m.status, "")
    return Cell(shown, values=values)


def exit_rates(m):
    """{reason: exits taken in a million instructions of the guest}; empty where either isn't known."""
    instructions = m.counters.get("instructions") if m is not None and m.status == "ok" else None
    if not instructions:
        return {}
    return {
        reason: count.taken * MILLION / instructions
        for reason, count in m.exits.items()
        if count.taken
    }


def exits_table(grid, text):
    """Two rows a workload, with EPT and without; a column a reason, the most frequent ones first."""
    found = [
        (grid.names[key], text(f"nested.{word}"), exit_rates(grid.at(key, subject)))
        for key in grid.keys
        for word, engine in (("ept", EPT), ("shadow", SHADOW))
        for subject in engines(grid)
        if subject.name == engine
    ]
    found = [row for row in found if row[2]]
    weight = {}
    for _, _, rates in found:
        for reason, rate in rates.items():
            weight[reason] = max(weight.get(reason, 0), rate)
    reasons = sorted(weight, key=lambda reason: (-weight[reason], reason))
    columns = [Column(text("workload"), numeric=False), Column(text("nested.memory"), numeric=False)]
    columns += [Column(reason) for reason in reasons]
    rows = [
        Row(
            "data",
            [Cell(name, values=(name,)), Cell(memory, values=(memory,))]
            + [_rate_cell(rates.get(reason)) for reason in reasons],
        )
        for name, memory, rates in found
    ]
    return Table("exits", text("nested.exits"), columns, rows)


def _rate_cell(rate):
    if rate is None:
        return Cell("", values=(0,))
    return Cell(numbers.plain(rate), values=(float(f"{rate:.4g}"),))

# SPDX-License-Identifier: GPL-2.0-or-later
"""The suite batching: what asking for many things at once gains, and not waiting for each.

Three tables: microseconds of one operation, how many times cheaper each of the two makes it, and
how many requests of the disk's a notification carried. All from the same measurements.
"""
from . import footnotes, numbers
from .model import Cell, Column, Document, Footnotes, Note, Row, Table
from .nano import cost
from .roundtrip import FIELDS
from .roundtrip import cell as cost_cell
from .tables import Grid

PREFIX = "batching-"
# (text, the dear way, the cheap way)
GAINS = (
    ("batching.list", "update", "updates"),
    ("batching.transfer.read", "read", "reads"),
    ("batching.transfer.write", "write", "writes"),
    ("batching.async.read", "read-waiting", "read"),
    ("batching.async.reads", "reads-waiting", "reads"),
    ("batching.async.write", "write-waiting", "write"),
    ("batching.async.writes", "writes-waiting", "writes"),
)


def build(results, text):
    """The Document that batching.md, batching.tex and batching.csv hold."""
    grid, notes = Grid(results), Footnotes()
    tables = [_costs(grid, text, notes), _gains(grid, text), _requests(grid, text)]
    document = Document("batching", text("batching.title"), [t for t in tables if t.rows])
    document.notes = [
        *notes.all(),
        Note("", text("batching.note.cost")),
        Note("", text("batching.note.requests")),
        *footnotes.of_run(grid, text),
    ]
    return document


def _subjects(grid):
    """Nothing of this can run natively."""
    return [s for s in grid.subjects if s.kind != "native"]


def _columns(grid, first, text, fields):
    columns = [Column(first, numeric=False)]
    for subject in _subjects(grid):
        columns.append(Column(subject.name, text("peer") if subject.kind == "peer" else "", fields=fields))
    return columns


def _by_name(grid):
    return {key[1].removeprefix(PREFIX): key for key in grid.keys}


def _costs(grid, text, notes):
    rows = []
    for name, key in _by_name(grid).items():
        cells = [cost_cell(grid.at(key, s), text, notes) for s in _subjects(grid)]
        rows.append(Row("data", [Cell(name, values=(name,)), *cells]))
    return Table("cost", text("batching.cost"), _columns(grid, text("nano.operation"), text, FIELDS), rows)


def _number(value, text, unit=""):
    if value is None:
        return Cell(text("nothing"), values=("",), tone="dim")
    return Cell(f"{numbers.plain(value)}{unit}", values=(float(f"{value:.6g}"),))


def _gains(grid, text):
    """The dear way's cost as a multiple of the cheap one's."""
    keys, rows = _by_name(grid), []
    for label, dear, cheap in GAINS:
        if dear not in keys or cheap not in keys:
            continue
        cells = [Cell(text(label), values=(text(label),))]
        for subject in _subjects(grid):
            ends = [cost(grid.at(keys[name], subject)) for name in (dear, cheap)]
            known = all(ends) and ends[1].median
            cells.append(_number(ends[0].median / ends[1].median if known else None, text, "x"))
        rows.append(Row("data", cells))
    return Table("gain", text("batching.gain"), _columns(grid, text("batching.by"), text, ("value",)), rows)


def _requests(grid, text):
    """How many requests went with a notification: of rows in which there were any."""
    rows = []
    for name, key in _by_name(grid).items():
        cells = [_requests_cell(grid.at(key, s), text) for s in _subjects(grid)]
        if any(cell.values != ("",) for cell in cells):
            rows.append(Row("data", [Cell(name, values=(name,)), *cells]))
    title = text("batching.requests")
    return Table("requests", title, _columns(grid, text("nano.operation"), text, ("value",)), rows)


def _requests_cell(m, text):
    counted = m.counters if m is not None and m.status == "ok" else {}
    requests, told = (counted.get(f"disk_{word}", 0) for word in ("requests", "notifications"))
    if not requests:
        return _number(None, text)
    if not told:  # the domain looked by itself all the time
        return Cell(f"> {numbers.plain(requests)}", values=(requests,))
    return _number(requests / told, text)

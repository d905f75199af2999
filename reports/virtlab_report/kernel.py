# SPDX-License-Identifier: GPL-2.0-or-later
"""The suite kernel: the same loops in kernel mode, as a percentage of native and beside QEMU's TCG.

QEMU's translator is the measure: it treats kernel and user code alike, through one software TLB.
"""
from . import footnotes, numbers, plot_speed
from .model import Cell, Column, Document, Footnotes, Note, Row, Table
from .tables import Grid, has_speed, speed_table

YARDSTICK = "qemu-tcg"


def build(results, text):
    """The Document that kernel.md, kernel.tex and kernel.csv hold."""
    grid, notes = Grid(results), Footnotes()
    tables = [speed_table(grid, text, notes)]
    if any(m.engine == YARDSTICK and has_speed(m) for m in results.measurements):
        tables.append(times_table(grid, text))
    document = Document("kernel", text("kernel.title"), tables)
    document.notes = [
        *notes.all(),
        Note("", text("kernel.note")),
        *footnotes.of_speed(grid, text),
        *footnotes.of_run(grid, text),
    ]
    return document


def pictures(results, text):
    """The picture of speed, for these rows; none when nobody has any."""
    drawn = plot_speed.picture(Grid(results), text, "kernel", "kernel")
    return [drawn] if drawn else []


def times_table(grid, text):
    """Each engine's speed as a multiple of QEMU's on the same loop in the same run."""
    subjects = [s for s in grid.subjects if s.kind == "engine"]
    rows = []
    for key in grid.keys:
        cells = [Cell(grid.names[key], values=(grid.names[key],))]
        yardstick = next((m for m in _row(grid, key) if m.engine == YARDSTICK), None)
        for subject in subjects:
            cells.append(_times_cell(grid.at(key, subject), yardstick, text))
        rows.append(Row("data", cells))
    columns = [Column(text("workload"), numeric=False), *(Column(s.name) for s in subjects)]
    return Table("times", text("kernel.times", yardstick=YARDSTICK), columns, rows)


def _row(grid, key):
    return [m for m in (grid.at(key, s) for s in grid.subjects) if m is not None]


def _times_cell(m, yardstick, text):
    if not has_speed(m) or not has_speed(yardstick):
        return Cell(text("nothing"), values=("",), tone="dim")
    times = m.ratio.median / yardstick.ratio.median
    return Cell(f"{numbers.plain(times)}x", values=(float(f"{times:.6g}"),))

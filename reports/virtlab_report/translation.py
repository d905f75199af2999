# SPDX-License-Identifier: GPL-2.0-or-later
"""The suite translation: interpretation, translation ahead of time and dynamic translation compared.

One row an engine: what it takes before a workload begins, how fast the workload then is, how much
memory the virtual machine monitor itself needs, and how many blocks of code came from where. A
figure is the median over the workloads that every one of these engines could run.
"""
from statistics import median

from . import footnotes, numbers
from .model import Cell, Column, Document, Footnotes, Note, Row, Table
from .tables import Grid, has_speed, speed_table

# Blocks: met at all, found in the ahead-of-time translation, missing there, of these the kernel's,
# translated while the guest ran.
COUNTERS = (
    "blocks_decoded",
    "static_blocks",
    "dynamic_blocks",
    "dynamic_kernel_blocks",
    "blocks_translated",
)


def build(results, text):
    """The Document that translation.md, translation.tex and translation.csv hold."""
    grid, notes = Grid(results), Footnotes()
    document = Document("translation", text("translation.title"))
    comparison = comparison_table(grid, text)
    document.tables = [t for t in (comparison, speed_table(grid, text, notes)) if t.rows]
    document.notes = [
        *notes.all(),
        Note("", text("translation.note")),
        *footnotes.of_speed(grid, text),
        *footnotes.of_run(grid, text),
    ]
    return document


def comparison_table(grid, text):
    """An engine a row; empty when there is no workload that all of them ran."""
    engines = [s for s in grid.subjects if s.kind == "engine"]
    keys = [k for k in grid.keys if all(has_speed(grid.at(k, s)) for s in engines)]
    rows = [_row(s, [grid.at(k, s) for k in keys], text) for s in engines] if keys else []
    columns = [
        Column(text("translation.engine"), numeric=False),
        Column(text("translation.startup"), "(ms)", fields=("median", "min", "max")),
        Column(text("translation.speed"), fields=("percent",)),
        Column(text("translation.memory"), "(MiB)"),
        *(Column(text(f"translation.{name}")) for name in COUNTERS),
    ]
    title = text("translation.comparison", count=len(keys))
    return Table("comparison", title, columns, rows)


def _row(subject, measurements, text):
    ratio = numbers.geometric_mean([m.ratio.median for m in measurements])
    cells = [
        Cell(subject.name, values=(subject.name,)),
        _startup([m.startup for m in measurements if m.startup], text),
        Cell(numbers.percent(ratio), values=(float(f"{100 * ratio:.6g}"),)),
        _memory([m.memory_kb.median for m in measurements if m.memory_kb], text),
    ]
    for name in COUNTERS:
        cells.append(_count([m.run_counters[name] for m in measurements if name in m.run_counters], text))
    return Row("data", cells)


def _startup(samples, text):
    """Boot is the same in every run: the runs of all workloads are one sample."""
    if not samples:
        return _nothing(text, 3)
    ms = [1000 * v for v in (median(s.median for s in samples), min(s.min for s in samples),
                             max(s.max for s in samples))]
    decimals = numbers.decimals_for(ms[0], 3)
    spread = f"{ms[1]:.{decimals}f}-{ms[2]:.{decimals}f}"
    return Cell(numbers.plain(ms[0]), spread, values=tuple(float(f"{v:.6g}") for v in ms))


def _memory(kilobytes, text):
    if not kilobytes:
        return _nothing(text, 1)
    value = median(kilobytes) / 1024
    return Cell(numbers.plain(value), values=(float(f"{value:.6g}"),))


def _count(counts, text):
    if not counts:
        return _nothing(text, 1)
    value = round(median(counts))
    return Cell(str(value), values=(value,))


def _nothing(text, fields):
    return Cell(text("nothing"), values=("",) * fields, tone="dim")

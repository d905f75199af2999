# SPDX-License-Identifier: GPL-2.0-or-later
"""The lecture's own comparison table, with what was measured beside what is claimed.

Words come from lecture_text.py, figures from the results. plot_lecture.py draws the same `Range`s.
A technique without a figure says why; a modelled figure never joins a measured range.
"""
from dataclasses import dataclass

from . import footnotes, hardware, numbers
from .lecture_text import TECHNIQUES
from .model import Cell, Column, Document, Note, Row, Table
from .tables import Grid, has_speed

SPEED_FIELDS = ("claimed", "min.percent", "max.percent", "mean.percent", "n", "shown")


@dataclass(frozen=True)
class Range:
    """Speeds of one technique or engine over the workloads that ran, as fractions of native."""

    low: float
    high: float
    mean: float
    n: int

    @classmethod
    def over(cls, measurements):
        """The range of some measurements; None when there are none."""
        ratios = [m.ratio.median for m in measurements]
        if not ratios:
            return None
        mean = numbers.geometric_mean(ratios)
        return cls(min(ratios), max(ratios), mean, len(ratios))

    def texts(self):
        """The fields that the texts about a range take."""
        return {
            "range": numbers.percent_range(self.low, self.high),
            "mean": numbers.percent(self.mean),
            "n": self.n,
        }


def usable(results, technique, modelled=False):
    """The measurements of a technique's own engines that hold a speed; peers are not ours, and what
    runs no hardware assist at all does not count for it."""
    return [
        m
        for m in results.measurements
        if m.kind == "engine"
        and m.technique == technique
        and m.modelled == modelled
        and (m.modelled or m.engine not in hardware.NOT_HARDWARE)
        and has_speed(m)
    ]


def build(results, text):
    """The Document that lecture.md, lecture.tex and lecture.csv hold."""
    titles = ("technique", "speed", "mode", "pros", "cons", "trend")
    columns = [Column(text(f"lecture.{t}"), numeric=False) for t in titles]
    columns[1].fields = SPEED_FIELDS
    rows = [_row(technique, results, text) for technique in TECHNIQUES]
    table = Table("lecture", text("lecture.title"), columns, rows, prose=True)
    notes = [Note("", text("lecture.note"))]
    modelled = [m for m in results.measurements if m.modelled and has_speed(m)]
    if modelled:
        formulas = [
            Note("†", reason) for reason in dict.fromkeys(m.reason for m in modelled if m.reason)
        ]
        notes = [Note("†", text("note.modelled")), *formulas, *notes]
    notes += footnotes.of_run(Grid(results), text)
    return Document("lecture", text("lecture.title"), [table], notes)


def _row(technique, results, text):
    words = [
        getattr(technique, f)[text.language] for f in ("name", "mode", "pros", "cons", "trend")
    ]
    cells = [Cell(word, values=(word,)) for word in words]
    cells.insert(1, _speed_cell(technique, results, text))
    return Row("data", cells)


def _speed_cell(technique, results, text):
    measured = usable(results, technique.key)
    modelled = Range.over(usable(results, technique.key, modelled=True))
    span, claim = Range.over(measured), technique.claim[text.language]
    if span:
        lines = [text("lecture.measured", **span.texts()), *_by_engine(measured, text)]
    else:
        lines = [text("lecture.not.measured", reason=why_not(technique.key, results, text))]
    if modelled:
        lines.append(text("lecture.modelled", **modelled.texts()))
    if technique.key == "hwassist":
        lines += _of_hardware(results, text)
    values = (claim, *_values(span), "; ".join(lines))
    return Cell(text("lecture.claim", claim=claim), lines=tuple(lines), values=values)


def _of_hardware(results, text):
    """How far the model is off, where the hardware was measured, and what user code alone does."""
    lines, errors = [], hardware.errors(results)
    if errors:
        lines.append(hardware.error_text(errors, text))
    ring3 = [
        m for m in results.measurements if m.engine == f"{hardware.MEASURED}:ring3" and has_speed(m)
    ]
    if ring3:
        lines.append(text("lecture.ring3", **Range.over(ring3).texts()))
    return lines


def _values(span):
    if span is None:
        return ("", "", "", 0)
    return (*(float(f"{100 * v:.6g}") for v in (span.low, span.high, span.mean)), span.n)


def _by_engine(measured, text):
    """One line an engine where a technique has several: they can differ a hundredfold."""
    names = list(dict.fromkeys(m.engine for m in measured))
    if len(names) < 2:
        return []
    ranges = {name: Range.over([m for m in measured if m.engine == name]) for name in names}
    return [text("lecture.engine", engine=name, **span.texts()) for name, span in ranges.items()]


def why_not(technique, results, text):
    """The reasons that a technique has no measured speed, one for each of its engines."""
    tried = [m for m in results.measurements if m.kind == "engine" and m.technique == technique]
    engines = {
        e.name: e
        for e in (results.host.engines if results.host else ())
        if e.technique == technique
    }
    # A variant that nobody asked for needs no excuse; the model is none of the engines.
    wanted = [name for name in engines if ":" not in name] + [m.engine for m in tried]
    names = [name for name in dict.fromkeys(wanted) if name != hardware.MODELLED]
    if not names:
        return text("lecture.no.engine")
    reasons = [_why_not_engine(name, engines.get(name), tried, text) for name in names]
    return "; ".join(reasons)


def _why_not_engine(name, engine, tried, text):
    if engine and not engine.available:
        reason = engine.reason or text("no.reason")
        return text("lecture.unavailable", engine=name, reason=reason)
    own = [m for m in tried if m.engine == name]
    if not own:
        return text("lecture.not.run", engine=name)
    if any(m.modelled and has_speed(m) for m in own):
        return text("lecture.modelled.only", engine=name)
    if any(has_speed(m) for m in own):  # of something else than hardware
        is_ring3 = name == f"{hardware.MEASURED}:ring3"
        return text("lecture.user.only" if is_ring3 else "lecture.software", engine=name)
    reasons = dict.fromkeys(m.reason or text("no.reason") for m in own)
    return text("lecture.no.ok", engine=name, reason=", ".join(reasons))

# SPDX-License-Identifier: GPL-2.0-or-later
"""The suite nano in the shape of the paper's figure: bars by operation on a log axis.

First the paper's three, in greys; then what was measured here, from nano.py's own figures.
"""
from . import nano, numbers, palette, plot_bars
from .plot_bars import Bar, Chart, Series
from .plot_speed import label
from .tables import Grid


def pictures(results, text):
    """One Picture, or none when nothing was measured."""
    grid, paper = Grid(results), nano.Paper()
    chart = Chart(
        name="nano",
        title=text("plot.nano"),
        axis=text("plot.nano.axis", unit=nano.scale(results)[1]),
        clusters=[nano.operation(key) for key in grid.keys],
        series=[*_published(grid, paper, text), *_measured(grid, text)],
        document="nano",
    )
    any_here = any(nano.cost(m) for m in results.measurements)
    return [plot_bars.picture(chart)] if any_here else []


def _published(grid, paper, text):
    for i, column in enumerate(paper.columns):
        found = [paper.at(nano.operation(key), i) for key in grid.keys]
        bars = [Bar(p.shown, p.cycles, p.cycles, p.cycles) if p else Bar("") for p in found]
        name = text("plot.nano.2006", column=text(f"nano.{column}"))
        yield Series(name, palette.PUBLISHED[i % len(palette.PUBLISHED)], bars)


def _measured(grid, text):
    techniques = {m.engine: m.technique for m in grid.results.measurements}
    engines = [s for s in grid.subjects if s.kind != "native"]
    colours = palette.of_engines([(s.name, techniques[s.name], s.kind) for s in engines])
    factor = nano.scale(grid.results)[0]
    for subject in grid.subjects:
        is_native = subject.kind == "native"
        name = text("native") if is_native else label(subject, text)
        colour = palette.NATIVE if is_native else colours[subject.name]
        yield Series(name, colour, [_bar(grid.at(key, subject), factor, text) for key in grid.keys])


def _bar(m, factor, text):
    sample = nano.cost(m)
    if sample is None:
        return Bar(text(m.status) if m is not None and m.status != "ok" else text("plot.missing"))
    ends = [factor * v for v in (sample.median, sample.min, sample.max)]
    return Bar(numbers.plain(ends[0]) + ("†" if m.modelled else ""), *ends, modelled=m.modelled)

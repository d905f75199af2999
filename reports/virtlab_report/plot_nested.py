# SPDX-License-Identifier: GPL-2.0-or-later
"""The suite nested in two pictures: entries read at a TLB miss, and exits with EPT and without.

The figures are nested.py's own.
"""
from . import nested, numbers, palette, plot_bars
from .plot_bars import Bar, Chart, Series
from .tables import Grid


def pictures(results, text):
    """Up to two Pictures; none where nothing was counted."""
    grid = Grid(results)
    charts = [
        _chart(grid, text, "nested", "refs", nested.engines(grid), _refs_bar),
        _chart(
            grid,
            text,
            "nested-exits",
            "exits",
            [s for s in nested.engines(grid) if s.name in (nested.EPT, nested.SHADOW)],
            _exits_bar,
        ),
    ]
    return [plot_bars.picture(chart) for chart in charts if chart.bars()]


def _chart(grid, text, name, what, subjects, bar):
    names = [s.name for s in nested.engines(grid)]  # variants of one technique: a colour each
    colours = {name: palette.REASONS[i % len(palette.REASONS)] for i, name in enumerate(names)}
    return Chart(
        name=name,
        title=text(f"plot.nested.{what}"),
        axis=text(f"plot.nested.{what}.axis"),
        clusters=[grid.names[key] for key in grid.keys],
        series=[
            Series(s.name, colours[s.name], [bar(grid.at(key, s), text) for key in grid.keys])
            for s in subjects
        ],
        document="nested",
    )


def _refs_bar(m, text):
    found = nested.refs(m)
    if found is None:
        return Bar(text("plot.missing"))
    total = sum(found)
    return Bar(f"{total:.1f}", total, total, total)


def _exits_bar(m, text):
    total = sum(nested.exit_rates(m).values())
    if not total:
        return Bar(text("plot.missing"))
    return Bar(numbers.plain(total), total, total, total)

# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture of speed by workload and engine, native a line across.

Takes the same Grid as tables.py, so picture and table cannot disagree. plot_bars.py draws it.
"""
from . import numbers, palette, plot_bars
from .plot_bars import Bar, Chart, Series
from .tables import has_speed


def picture(grid, text, name="speed", document="table"):
    """The Picture, or None when nobody but native has a speed; its title is the text plot.NAME."""
    subjects = [s for s in grid.subjects if s.kind != "native"]
    measured = [m for m in grid.results.measurements if m.kind != "native" and has_speed(m)]
    if not measured:
        return None
    techniques = {m.engine: m.technique for m in grid.results.measurements}
    colours = palette.of_engines([(s.name, techniques[s.name], s.kind) for s in subjects])
    group_of = {key: text.group(group[1]) for group, keys in grid.groups for key in keys}
    chart = Chart(
        name=name,
        title=text(f"plot.{name}"),
        axis=text("plot.speed.axis"),
        tic="{:g} %",
        clusters=[grid.names[key] for key in grid.keys],
        groups=[group_of[key] for key in grid.keys],
        series=[
            Series(label(s, text), colours[s.name], [_bar(grid.at(k, s), text) for k in grid.keys])
            for s in subjects
        ],
        line=(100, text("plot.native")),
        bottom=1.0,
        document=document,
        modelled="† " + text("plot.modelled") if any(m.modelled for m in measured) else "",
    )
    return plot_bars.picture(chart)


def label(subject, text):
    """An engine's name in a legend; other people's machines are marked."""
    return f"{subject.name} {text('peer')}" if subject.kind == "peer" else subject.name


def _bar(m, text):
    if not has_speed(m):
        return Bar(text(m.status) if m is not None and m.status != "ok" else text("plot.missing"))
    percent = numbers.percent(m.ratio.median)[:-2] + ("†" if m.modelled else "")
    values = (100 * v for v in (m.ratio.median, m.ratio.min, m.ratio.max))
    return Bar(percent, *values, modelled=m.modelled)

# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture of the suite crossover: time of a call with its work, over the same natively."""
from . import crossover, palette
from .gnuplot import Picture, quote, tics
from .plot_layout import HEADING_PX, KEY_LINE_PX, LEFT, axis_style, data, heading, margins
from .plot_speed import label
from .tables import Grid

HEIGHT = 900
BELOW_PX = 100


def pictures(results, text):
    """One Picture, or none when nothing was measured beside native runs."""
    grid = Grid(results)
    lines = [(s, crossover.points(grid, s)) for s in grid.subjects]
    lines = [(s, points) for s, points in lines if points]
    if not any(s.kind != "native" for s, _ in lines):
        return []
    title = text("plot.crossover")
    body = [
        heading(title, HEIGHT),
        *axis_style(),
        *_axes(lines, text),
        *margins(HEADING_PX + 2 * KEY_LINE_PX, HEIGHT - BELOW_PX, HEIGHT),
        f"set key at screen {LEFT},{1 - HEADING_PX / HEIGHT:.5f} left top horizontal Left reverse "
        f"maxrows 1 samplen 2 width 1 textcolor rgb '{palette.INK}'",
        *_plot(grid, lines, text),
    ]
    return [Picture("crossover", title, "\n".join(body), HEIGHT, "crossover")]


def _axes(lines, text):
    across = [x / 1000 for _, points in lines for x, _ in points]
    up = [v / 1000 for _, points in lines for _, s in points for v in (s.min, s.max)]
    found = []
    for axis, values, key in (("x", across, "native"), ("y", up, "time")):
        low, high = crossover.decades(values)
        ink = f"textcolor rgb '{palette.INK}'"
        found += [
            f"set logscale {axis}",
            f"set {axis}range [{10.0 ** low:g}:{10.0 ** high:g}]",
            f"set {axis}tics {tics((f'{10.0 ** p:g}', 10.0 ** p) for p in range(low, high + 1))}",
            f"set {axis}label {quote(text(f'plot.crossover.{key}'))} {ink}",
        ]
    return found


def _plot(grid, lines, text):
    techniques = {m.engine: m.technique for m in grid.results.measurements}
    engines = [s for s, _ in lines if s.kind != "native"]
    colours = palette.of_engines([(s.name, techniques[s.name], s.kind) for s in engines])
    blocks, parts = [], []
    for i, (subject, points) in enumerate(lines):
        is_native = subject.kind == "native"
        colour = palette.NATIVE if is_native else colours[subject.name]
        name = text("native") if is_native else label(subject, text)
        rows = [(x / 1000, s.median / 1000, s.min / 1000, s.max / 1000) for x, s in points]
        blocks.append(data(f"l{i}", rows))
        parts.append(
            f"$l{i} using 1:2 with linespoints pointtype {7 if i else 1} pointsize 1.2 linewidth 3 "
            f"linecolor rgb '{colour}' title {quote(name)}"
        )
        parts.append(
            f"$l{i} using 1:3:(0):($4-$3) with vectors heads size screen 0.003,90 linewidth 1.2 "
            f"linecolor rgb '{colour}' notitle"
        )
    return [*blocks, "plot " + ", \\\n     ".join(parts)]

# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture of speed by workload and engine: clustered bars on a log axis, native a line.

Takes the same Grid as tables.py, so picture and table cannot disagree. Clusters that would become
too narrow on one row of the page go on to the next.
"""
import math
from dataclasses import dataclass

from . import numbers, palette
from .gnuplot import Picture, WIDTH, quote, tics
from .plot_layout import (
    HEADING_PX,
    KEY_LINE_PX,
    LEFT,
    RIGHT,
    NamesBelow,
    axis_style,
    data,
    font,
    heading,
    margins,
    text_px,
)
from .tables import has_speed

BARS_IN_ROW = 64
CLUSTER = 0.84  # of the room of a workload, the rest is the gap to the next
PANEL_PX = 390
BAR_PX = 130  # no wider, however few there are
CLASS_PX = 38  # the names of the classes, above a panel
HATCH = 4  # gnuplot's diagonal pattern, for what was not measured


@dataclass
class Bar:
    """One engine's speed on one workload; without a speed, the word that stands there instead."""

    x: float
    sample: object
    word: str
    modelled: bool


class Page:
    """Where things go on the page, and what all its panels share."""

    def __init__(self, grid, subjects, measured, text):
        self.rows = _rows_of_keys(grid, len(subjects))
        self.names = NamesBelow([grid.names[k] for k in grid.keys], max(map(len, self.rows)))
        has_modelled = any(m.modelled for m in measured)
        self.key_lines = _key_lines(subjects, has_modelled, text)
        self.top = HEADING_PX + KEY_LINE_PX * self.key_lines + 16
        self.panel_px = max(PANEL_PX, (900 - self.top) / len(self.rows))
        self.height = round(self.top + self.panel_px * len(self.rows))
        self.low = _axis_low(measured)

    def margins(self, row):
        """The panel of one row of clusters: class names above it, workloads below."""
        top = self.top + row * self.panel_px
        return margins(top + CLASS_PX, top + self.panel_px - self.names.px, self.height)

    def high(self, tallest, room_px):
        """The axis' end that leaves room for the numbers on a bar as high as `tallest` per cent."""
        share = room_px / (self.panel_px - CLASS_PX - self.names.px)
        decades = math.log10(tallest / self.low)
        return tallest * 10 ** (share * decades / (1 - share))


def picture(grid, text):
    """The Picture, or None when nobody but native has a speed."""
    subjects = [s for s in grid.subjects if s.kind != "native"]
    measured = [m for m in grid.results.measurements if m.kind != "native" and has_speed(m)]
    if not measured:
        return None
    page = Page(grid, subjects, measured, text)
    body = [
        heading(text("plot.speed"), page.height),
        *axis_style(),
        *_axes(page.low, text),
        _key(page),
        "set multiplot",
    ]
    for row, keys in enumerate(page.rows):
        body += [*page.margins(row), *_panel(grid, keys, subjects, page, text)]
        body += ["unset key", "unset label", "unset arrow"]
    return Picture("speed", text("plot.speed"), "\n".join([*body, "unset multiplot"]), page.height)


def _rows_of_keys(grid, columns):
    """The workloads in as few rows as stay legible, the rows of about the same length."""
    keys = grid.keys
    per_row = max(1, BARS_IN_ROW // max(1, columns))
    rows = math.ceil(len(keys) / per_row)
    size = math.ceil(len(keys) / rows)
    return [keys[start : start + size] for start in range(0, len(keys), size)]


def _label(subject, text):
    return f"{subject.name} {text('peer')}" if subject.kind == "peer" else subject.name


def _key_lines(subjects, has_modelled, text):
    """Lines of the legend; its entries are as wide as the widest."""
    labels = [_label(s, text) for s in subjects] + [text("plot.native")]
    labels += ["† " + text("plot.modelled")] if has_modelled else []
    per_line = max(1, int(WIDTH * (RIGHT - LEFT) / (max(map(text_px, labels)) + 90)))
    return math.ceil(len(labels) / per_line)


def _key(page):
    y = 1 - HEADING_PX / page.height
    return (
        f"set key at screen {LEFT},{y:.5f} left top horizontal Left reverse "
        f"maxrows {page.key_lines} samplen 1.6 width 1 textcolor rgb '{palette.INK}'"
    )


def _axis_low(measured):
    """The power of ten (in per cent) below the smallest bar; at most 1 %."""
    smallest = 100 * min(m.ratio.min for m in measured)
    return min(1.0, 10.0 ** math.floor(math.log10(smallest * 0.7)))


def _axes(low, text):
    powers = range(round(math.log10(low)), 3)
    marks = tics((f"{10.0 ** p:g} %", 10.0**p) for p in powers)
    return [
        "set logscale y",
        f"set ytics {marks}",
        f"set ylabel {quote(text('plot.speed.axis'))} offset 0.5,0 textcolor rgb '{palette.INK}'",
    ]


def _panel(grid, keys, subjects, page, text):
    """One row of clusters."""
    cluster_px = WIDTH * (RIGHT - LEFT) / (len(keys) + 0.2)
    width = min(CLUSTER / len(subjects), BAR_PX / cluster_px)
    bars = {
        s: [
            _bar(grid, key, s, i + (j - (len(subjects) - 1) / 2) * width, text)
            for i, key in enumerate(keys)
        ]
        for j, s in enumerate(subjects)
    }
    shown = [bar for column in bars.values() for bar in column]
    level = width * cluster_px >= 74  # wide enough for a number to lie down
    tallest = max([100.0] + [100 * b.sample.max for b in shown if b.sample])
    high = page.high(tallest, 34 if level else 66)
    return [
        f"set xrange [-0.6:{len(keys) - 0.4}]",
        f"set yrange [{page.low:g}:{high:g}]",
        page.names.xtics([(grid.names[key], i) for i, key in enumerate(keys)]),
        *_numbers(shown, width * cluster_px, level, page.low),
        *_classes(grid, keys, text),
        *_plot(bars, subjects, grid, width, len(keys), text),
    ]


def _bar(grid, key, subject, x, text):
    m = grid.at(key, subject)
    if has_speed(m):
        return Bar(x, m.ratio, "", m.modelled)
    word = text(m.status) if m is not None and m.status != "ok" else text("plot.missing")
    return Bar(x, None, word, False)


def _numbers(bars, bar_px, level, low):
    """The percentage on each bar, upright where the bar is too narrow for a level text."""
    turn = "rotate by 90 left offset 0,0.3" if not level else "center offset 0,0.7"
    size = 18 if bar_px >= 22 else max(9, bar_px * 0.78)
    lines = []
    for bar in bars:
        if bar.sample is None:
            shown, y = bar.word, low * 1.15
        else:
            shown, y = numbers.percent(bar.sample.median)[:-2], 100 * bar.sample.max
            shown += "†" if bar.modelled else ""
        ink = palette.INK if bar.sample else palette.FAINT
        lines.append(
            f"set label {quote(shown)} at {bar.x:.6g},{y:.6g} {turn} front "
            f"textcolor rgb '{ink}' {font(f'{size:g}')}"
        )
    return lines


def _classes(grid, keys, text):
    """The names of the classes above the panel, a thin upright line where one ends."""
    group_of = {key: group for group, members in grid.groups for key in members}
    lines = []
    for i, key in enumerate(keys):
        if i and group_of[key] == group_of[keys[i - 1]]:
            continue
        name = quote(text.group(group_of[key][1]))
        lines.append(
            f"set label {name} at {i - 0.47},graph 1 left offset 0,0.7 front "
            f"textcolor rgb '{palette.FAINT}' {font(18)}"
        )
        if i:
            lines.append(
                f"set arrow from {i - 0.5},graph 0 to {i - 0.5},graph 1 nohead back "
                f"linecolor rgb '{palette.FAINT}' dashtype 3"
            )
    return lines


def _plot(bars, subjects, grid, width, count, text):
    """The data blocks and the one plot command."""
    techniques = {m.engine: m.technique for m in grid.results.measurements}
    colours = palette.of_engines([(s.name, techniques[s.name], s.kind) for s in subjects])
    blocks = [data("native", [(-0.6, 100), (count - 0.4, 100)])]
    parts = [
        f"$native using 1:2 with lines linecolor rgb '#999999' linewidth 2 "
        f"title {quote(text('plot.native'))}"
    ]
    for index, subject in enumerate(subjects):
        colour, title = colours[subject.name], quote(_label(subject, text))
        # The legend names every engine, also one without a bar in this row.
        parts.append(f"NaN with boxes {_fill('solid', '#ffffff', colour)} title {title}")
        for modelled, fill, border in (
            (False, "solid", "#ffffff"),
            (True, f"pattern {HATCH}", colour),
        ):
            rows = [
                (b.x, *(100 * v for v in (b.sample.median, b.sample.min, b.sample.max)))
                for b in bars[subject]
                if b.sample and b.modelled == modelled
            ]
            if rows:
                block = f"s{index}m" if modelled else f"s{index}"
                blocks.append(data(block, rows))
                parts.append(
                    f"${block} using 1:2:({width * 0.94:.6g}) with boxes "
                    f"{_fill(fill, border, colour)} notitle"
                )
                # Whiskers; 'with yerrorbars' would put a white dot on each.
                parts.append(
                    f"${block} using 1:3:(0):($4-$3) with vectors heads size screen "
                    f"0.002,90 linewidth 1.4 linecolor rgb '{palette.INK}' notitle"
                )
    if any(m.modelled and has_speed(m) for m in grid.results.measurements):
        parts.append(
            f"NaN with boxes {_fill(f'pattern {HATCH}', palette.INK, palette.INK)} "
            f"title {quote('† ' + text('plot.modelled'))}"
        )
    return [*blocks, "plot " + ", \\\n     ".join(parts)]


def _fill(fill, border, colour):
    return f"fillstyle {fill} border rgb '{border}' linecolor rgb '{colour}'"

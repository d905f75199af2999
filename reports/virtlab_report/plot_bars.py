# SPDX-License-Identifier: GPL-2.0-or-later
"""Clustered bars on a log axis: a Chart in, a Picture out.

plot_speed.py and plot_nano.py say what the bars are. Clusters that would become too narrow on one
row of the page go on to the next.
"""
import math
from dataclasses import dataclass, field

from . import palette
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

BARS_IN_ROW = 64
CLUSTER = 0.84  # of the room of a cluster, the rest is the gap to the next
PANEL_PX = 390
BAR_PX = 130  # no wider, however few there are
GROUP_PX = 38  # the names of the groups, above a panel
HATCH = 4  # gnuplot's diagonal pattern, for what was not measured


@dataclass
class Bar:
    """One bar in the axis' own unit: a figure with its spread, or the word in its place."""

    shown: str  # what stands on the bar, or instead of it
    value: float | None = None
    low: float = 0
    high: float = 0
    modelled: bool = False


@dataclass
class Series:
    """The bars of one colour: one in each cluster."""

    label: str
    colour: str
    bars: list


@dataclass
class Chart:
    """What to draw."""

    name: str
    title: str
    axis: str  # what the axis says
    clusters: list  # their names, below
    series: list
    tic: str = "{:g}"  # how a power of ten is written
    groups: list = field(default_factory=list)  # for each cluster, the name above it; may be empty
    line: tuple | None = None  # (value, label): across all clusters
    bottom: float = math.inf  # the axis begins here, or lower
    modelled: str = ""  # what the legend says of hatched bars
    document: str = "table"

    def bars(self):
        return [bar for series in self.series for bar in series.bars if bar.value is not None]


class Page:
    """Where things go on the page, and what all its panels share."""

    def __init__(self, chart):
        self.rows = _rows(chart)
        self.names = NamesBelow(chart.clusters, max(map(len, self.rows)))
        self.key_lines = _key_lines(chart)
        self.top = HEADING_PX + KEY_LINE_PX * self.key_lines + 16
        self.panel_px = max(PANEL_PX, (900 - self.top) / len(self.rows))
        self.height = round(self.top + self.panel_px * len(self.rows))
        smallest = min(bar.low for bar in chart.bars())
        self.low = min(chart.bottom, 10.0 ** math.floor(math.log10(smallest * 0.7)))

    def margins(self, row):
        """The panel of one row of clusters: group names above it, names below."""
        top = self.top + row * self.panel_px
        return margins(top + GROUP_PX, top + self.panel_px - self.names.px, self.height)

    def high(self, tallest, room_px):
        """The axis' end that leaves room for the numbers on a bar as high as `tallest`."""
        share = room_px / (self.panel_px - GROUP_PX - self.names.px)
        decades = math.log10(tallest / self.low)
        return tallest * 10 ** (share * decades / (1 - share))


def picture(chart):
    """The Picture of a Chart that has at least one bar; a series without any is left out."""
    chart.series = [s for s in chart.series if any(bar.value is not None for bar in s.bars)]
    page = Page(chart)
    body = [heading(chart.title, page.height), *axis_style(), _axis(chart), _key(page)]
    body.append("set multiplot")
    for row, clusters in enumerate(page.rows):
        body += [*page.margins(row), *_panel(chart, clusters, page)]
        body += ["unset key", "unset label", "unset arrow"]
    text = "\n".join([*body, "unset multiplot"])
    return Picture(chart.name, chart.title, text, page.height, chart.document)


def _rows(chart):
    """The clusters' indexes in as few rows as stay legible, the rows of about the same length."""
    count = len(chart.clusters)
    per_row = max(1, BARS_IN_ROW // max(1, len(chart.series)))
    size = math.ceil(count / math.ceil(count / per_row))
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def _key_lines(chart):
    """Lines of the legend; its entries are as wide as the widest."""
    labels = [series.label for series in chart.series]
    labels += [chart.line[1]] if chart.line else []
    labels += [chart.modelled] if chart.modelled else []
    per_line = max(1, int(WIDTH * (RIGHT - LEFT) / (max(map(text_px, labels)) + 90)))
    return math.ceil(len(labels) / per_line)


def _key(page):
    y = 1 - HEADING_PX / page.height
    return (
        f"set key at screen {LEFT},{y:.5f} left top horizontal Left reverse "
        f"maxrows {page.key_lines} samplen 1.6 width 1 textcolor rgb '{palette.INK}'"
    )


def _axis(chart):
    label = f"set ylabel {quote(chart.axis)} offset 0.5,0 textcolor rgb '{palette.INK}'"
    return f"set logscale y\n{label}"


def _panel(chart, clusters, page):
    """One row of clusters."""
    count = len(clusters)
    cluster_px = WIDTH * (RIGHT - LEFT) / (count + 0.2)
    width = min(CLUSTER / len(chart.series), BAR_PX / cluster_px)
    middle = (len(chart.series) - 1) / 2
    # For each series, its bars here with their places.
    placed = [
        [(i + (j - middle) * width, series.bars[index]) for i, index in enumerate(clusters)]
        for j, series in enumerate(chart.series)
    ]
    shown = [pair for column in placed for pair in column]
    level = width * cluster_px >= 74  # wide enough for a number to lie down
    tallest = [bar.high for _, bar in shown if bar.value is not None]
    tallest += [chart.line[0]] if chart.line else []
    high = page.high(max([10 * page.low, *tallest]), 34 if level else 66)
    powers = range(round(math.log10(page.low)), math.floor(math.log10(max(tallest, default=1))) + 1)
    return [
        f"set xrange [-0.6:{count - 0.4}]",
        f"set yrange [{page.low:g}:{high:g}]",
        f"set ytics {tics((chart.tic.format(10.0 ** p), 10.0**p) for p in powers)}",
        page.names.xtics([(chart.clusters[index], i) for i, index in enumerate(clusters)]),
        *_numbers(shown, width * cluster_px, level, page.low),
        *_groups(chart, clusters),
        *_plot(chart, placed, width, count),
    ]


def _numbers(placed, bar_px, level, low):
    """The figure on each bar, upright where the bar is too narrow for a level text."""
    turn = "rotate by 90 left offset 0,0.3" if not level else "center offset 0,0.7"
    size = 18 if bar_px >= 22 else max(9, bar_px * 0.78)
    lines = []
    for x, bar in placed:
        has_value = bar.value is not None
        y, ink = (bar.high, palette.INK) if has_value else (low * 1.15, palette.FAINT)
        lines.append(
            f"set label {quote(bar.shown)} at {x:.6g},{y:.6g} {turn} front "
            f"textcolor rgb '{ink}' {font(f'{size:g}')}"
        )
    return lines


def _groups(chart, clusters):
    """The names of the groups above the panel, a thin upright line where one ends."""
    lines = []
    for i, index in enumerate(clusters if chart.groups else ()):
        if i and chart.groups[index] == chart.groups[index - 1]:
            continue
        lines.append(
            f"set label {quote(chart.groups[index])} at {i - 0.47},graph 1 left offset 0,0.7 front "
            f"textcolor rgb '{palette.FAINT}' {font(18)}"
        )
        if i:
            lines.append(
                f"set arrow from {i - 0.5},graph 0 to {i - 0.5},graph 1 nohead back "
                f"linecolor rgb '{palette.FAINT}' dashtype 3"
            )
    return lines


def _plot(chart, placed, width, count):
    """The data blocks and the one plot command."""
    blocks, parts = [], []
    if chart.line:
        blocks.append(data("line", [(-0.6, chart.line[0]), (count - 0.4, chart.line[0])]))
        parts.append(
            f"$line using 1:2 with lines linecolor rgb '#999999' linewidth 2 "
            f"title {quote(chart.line[1])}"
        )
    for index, (series, column) in enumerate(zip(chart.series, placed)):
        # The legend names every series, also one without a bar in this row.
        title = quote(series.label)
        parts.append(f"NaN with boxes {_fill('solid', '#ffffff', series.colour)} title {title}")
        for modelled, fill, border in (
            (False, "solid", "#ffffff"),
            (True, f"pattern {HATCH}", series.colour),
        ):
            rows = [
                (x, bar.value, bar.low, bar.high)
                for x, bar in column
                if bar.value is not None and bar.modelled == modelled
            ]
            if rows:
                block = f"s{index}m" if modelled else f"s{index}"
                blocks.append(data(block, rows))
                parts.append(
                    f"${block} using 1:2:({width * 0.94:.6g}) with boxes "
                    f"{_fill(fill, border, series.colour)} notitle"
                )
                # Whiskers; 'with yerrorbars' would put a white dot on each.
                parts.append(
                    f"${block} using 1:3:(0):($4-$3) with vectors heads size screen "
                    f"0.002,90 linewidth 1.4 linecolor rgb '{palette.INK}' notitle"
                )
    if chart.modelled:
        fill = _fill(f"pattern {HATCH}", palette.INK, palette.INK)
        parts.append(f"NaN with boxes {fill} title {quote(chart.modelled)}")
    return [*blocks, "plot " + ", \\\n     ".join(parts)]


def _fill(fill, border, colour):
    return f"fillstyle {fill} border rgb '{border}' linecolor rgb '{colour}'"

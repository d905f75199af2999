# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures of the exits by reason, one for each engine that had any.

A column is a workload. It is stacked by the reasons' shares, solid for exits taken (the guest
stopped and the VMM ran), hatched for those avoided (handled without leaving the guest's world);
the counts stand above it. Shares, because counts differ by factors of thousands among workloads
and a stack on a log axis would lie.
"""
import math
import re

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

REASONS = len(palette.REASONS) - 1  # the last colour is for all the others together
BAR = 0.7
HATCH = 4  # gnuplot's diagonal pattern, the same in svg, pdfcairo and pngcairo


def pictures(grid, text):
    """One Picture for each engine with exits, in the order of the table's columns."""
    made, names = [], set()
    for subject in grid.subjects:
        columns = [(grid.names[k], grid.at(k, subject)) for k in grid.keys]
        columns = [(name, m.exits) for name, m in columns if m is not None and _events(m.exits)]
        if columns:
            made.append(_picture(subject.name, columns, text, _file_name(subject.name, names)))
    return made


def _file_name(engine, used):
    """'exits-emulate-interp'; no two engines share one, whatever they are called."""
    slug = re.sub(r"[^a-z0-9.]+", "-", engine.lower()).strip("-.") or "engine"
    name = f"exits-{slug}"
    while name in used:
        name += "-x"
    used.add(name)
    return name


def _events(exits):
    return sum(e.taken + e.avoided for e in exits.values())


def _picture(engine, columns, text, file_name):
    reasons = _main_reasons(columns)
    names = NamesBelow([name for name, _ in columns], len(columns))
    labels = [*reasons, text("plot.other"), text("plot.taken"), text("plot.avoided")]
    per_line = max(1, int(WIDTH * (RIGHT - LEFT) / (max(map(text_px, labels)) + 100)))
    key_lines = math.ceil(len(labels) / per_line)
    top = HEADING_PX + KEY_LINE_PX * (key_lines + 1) + 24
    title = text("plot.exits", engine=engine)
    body = [
        heading(title),
        *axis_style(),
        *_axes(text, len(columns)),
        names.xtics([(name, i) for i, (name, _) in enumerate(columns)]),
        *margins(top, 900 - names.px, 900),
        *_key(text, key_lines),
        *_counts(columns),
        *_plot(columns, reasons, text),
    ]
    return Picture(file_name, title, "\n".join(body))


def _main_reasons(columns):
    """The reasons with the largest share in any workload; at most as many as there are colours."""
    weight = {}
    for _, exits in columns:
        total = _events(exits)
        for reason, e in exits.items():
            share = (e.taken + e.avoided) / total
            weight[reason] = max(weight.get(reason, 0), share)
    ordered = sorted((r for r in weight if weight[r] > 0), key=lambda r: (-weight[r], r))
    return ordered[:REASONS]


def _axes(text, count):
    return [
        f"set xrange [-0.6:{count - 0.4}]",
        "set yrange [0:118]",
        f"set ytics {tics((f'{v} %', v) for v in (0, 25, 50, 75, 100))}",
        f"set ylabel {quote(text('plot.exits.axis'))} offset 0.5,0 textcolor rgb '{palette.INK}'",
    ]


def _key(text, lines):
    note_y = 1 - (HEADING_PX + KEY_LINE_PX * 0.5) / 900
    key_y = 1 - (HEADING_PX + KEY_LINE_PX) / 900
    return [
        f"set label {quote(text('plot.exits.numbers'))} at screen {LEFT},{note_y:.5f} left "
        f"front textcolor rgb '{palette.FAINT}' {font(18)}",
        f"set key at screen {LEFT},{key_y:.5f} left top horizontal Left reverse maxrows {lines} "
        f"samplen 1.6 width 1 textcolor rgb '{palette.INK}'",
    ]


def _counts(columns):
    """The numbers of exits taken and avoided, above each column."""
    size = min(18, max(9, WIDTH * (RIGHT - LEFT) / len(columns) / 4.2))
    lines = []
    for x, (_, exits) in enumerate(columns):
        taken = sum(e.taken for e in exits.values())
        avoided = sum(e.avoided for e in exits.values())
        for y, count, ink in ((112, taken, palette.INK), (105, avoided, palette.FAINT)):
            lines.append(
                f"set label {quote(numbers.short_count(count))} at {x},{y} center front "
                f"textcolor rgb '{ink}' {font(f'{size:g}')}"
            )
    return lines


def _stack(columns, reasons):
    """{(reason index, 'taken' or 'avoided'): [(x, bottom, top)]}, taken below avoided."""
    boxes = {}
    for x, (_, exits) in enumerate(columns):
        total, level = _events(exits), 0.0
        for what in ("taken", "avoided"):
            for index in range(len(reasons) + 1):
                share = 100 * _count(exits, reasons, index, what) / total
                if share > 0:
                    boxes.setdefault((index, what), []).append((x, level, level + share))
                level += share
    return boxes


def _count(exits, reasons, index, what):
    """Events of one reason; the index after the last reason is all the others."""
    if index < len(reasons):
        return getattr(exits[reasons[index]], what) if reasons[index] in exits else 0
    return sum(getattr(e, what) for reason, e in exits.items() if reason not in reasons)


def _plot(columns, reasons, text):
    """The data blocks and the one plot command; the legend names reasons once."""
    boxes = _stack(columns, reasons)
    blocks, parts, names = [], [], [*reasons, text("plot.other")]
    for (index, what), rows in sorted(boxes.items()):
        colour = palette.REASONS[index if index < len(reasons) else -1]
        block = f"b{index}{what}"
        blocks.append(
            data(
                block, [(x, (y0 + y1) / 2, x - BAR / 2, x + BAR / 2, y0, y1) for x, y0, y1 in rows]
            )
        )
        fill = "solid" if what == "taken" else f"pattern {HATCH}"
        parts.append(
            f"${block} using 1:2:3:4:5:6 with boxxyerror fillstyle {fill} "
            f"border rgb '{palette.INK}' linecolor rgb '{colour}' notitle"
        )
    shown = sorted({index for index, _ in boxes})
    entries = [(names[i], palette.REASONS[i if i < len(reasons) else -1], "solid") for i in shown]
    entries += [
        (text("plot.taken"), palette.INK, "solid"),
        (text("plot.avoided"), palette.INK, f"pattern {HATCH}"),
    ]
    parts += [
        f"NaN with boxes fillstyle {fill} border rgb '{palette.INK}' linecolor rgb '{colour}' "
        f"title {quote(name)}"
        for name, colour, fill in entries
    ]
    return [*blocks, "plot " + ", \\\n     ".join(parts)]

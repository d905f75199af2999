# SPDX-License-Identifier: GPL-2.0-or-later
"""The lecture's picture: for each technique the claimed band, and on it what was measured.

Ranges come from lecture.py, so the picture shows what the table says. A technique without a
measurement keeps its band and says that it was not measured.
"""
import math

from . import lecture, palette
from .gnuplot import WIDTH, Picture, quote, tics
from .lecture_text import TECHNIQUES
from .plot_layout import HEADING_PX, KEY_LINE_PX, LEFT, axis_style, data, font, heading, text_px

CLAIM, PLUS, MEASURED, MODELLED = "#D9D9D9", "#EFEFEF", "#0072B2", "#AA4499"
HEIGHT = 900


def picture(results, text):
    """The Picture; there is always one, since the claims alone are worth showing."""
    ranges = [
        (
            t,
            lecture.Range.over(lecture.usable(results, t.key)),
            lecture.Range.over(lecture.usable(results, t.key, modelled=True)),
        )
        for t in TECHNIQUES
    ]
    low = _axis_low(ranges)
    high = 100 * max([1.0] + [r.high for _, *both in ranges for r in both if r])
    title = text("plot.lecture")
    body = [
        heading(title),
        *axis_style(),
        *_axes(low, high, text),
        *_key(),
        *_words(ranges, text),
        *_plot(ranges, text),
    ]
    return Picture("lecture-speed", title, "\n".join(body), HEIGHT, "lecture")


def _axis_low(ranges):
    """In per cent, below everything shown; the claims themselves begin at 1 %."""
    lowest = min([1.0] + [100 * r.low for _, *both in ranges for r in both if r])
    return 0.5 if lowest >= 0.6 else 10.0 ** math.floor(math.log10(lowest * 0.9))


def _y(index):
    return len(TECHNIQUES) - index


def _axes(low, high, text):
    powers = range(math.ceil(math.log10(low)), 3)
    values = sorted({*(10.0**p for p in powers), 30.0, 80.0})
    xtics = tics((f"{v:g}", v) for v in values)
    names = [t.name[text.language] for t in TECHNIQUES]
    ytics = tics((_broken(name), _y(i)) for i, name in enumerate(names))
    left = 30 + max(text_px(line, 22) for n in names for line in _broken(n).split("\n"))
    return [
        # The tics' font may be a variable, but not an expression.
        "small = sprintf(',%g', 20 * px)",
        "large = sprintf(',%g', 22 * px)",
        "set logscale x",
        f"set xrange [{low:g}:{max(150, high * 1.3):g}]",
        f"set yrange [0.4:{len(TECHNIQUES) + 0.6}]",
        f"set xtics {xtics} font small",
        f"set ytics scale 0 {ytics} font large",
        "unset grid",
        f"set grid xtics linecolor rgb '{palette.GRID}' linetype 1",
        f"set xlabel {quote(text('plot.lecture.axis'))} textcolor rgb '{palette.INK}'",
        f"set lmargin at screen {left / WIDTH:.5f}",
        "set rmargin at screen 0.97",
        f"set tmargin at screen {1 - (HEADING_PX + 2 * KEY_LINE_PX + 26) / HEIGHT:.5f}",
        "set bmargin at screen 0.13",
        f"set arrow 1 from 100,graph 0 to 100,graph 1 nohead front linewidth 2 dashtype 2 "
        f"linecolor rgb '{palette.INK}'",
    ]


def _broken(name):
    """'hardware-assisted virtualization' in two lines."""
    return name.replace(" ", "\n")


def _key():
    return [
        f"set key at screen {LEFT},{1 - (HEADING_PX + 4) / HEIGHT:.5f} left top horizontal Left "
        f"reverse maxrows 2 samplen 2 width 1 textcolor rgb '{palette.INK}'"
    ]


def _words(ranges, text):
    """The figures above each measured bar, or the words that there is none."""
    lines = []
    for i, (technique, measured, modelled) in enumerate(ranges):
        best = measured or modelled
        if best is None:
            shown, ink = text("plot.not.measured"), palette.FAINT
            inside = technique.low < 10  # a band wide enough to hold the words
            place = f"{technique.low * (1.1 if inside else 0.93):g},{_y(i)} " + (
                "left" if inside else "right"
            )
        else:
            span = best.texts()
            shown, ink = f"{span['range']}  ◆ {span['mean']}", palette.INK
            shown += "†" if measured is None else ""
            is_right = best.high > 0.3  # grow away from the nearer end of the axis
            x = 100 * (best.high if is_right else best.low)
            place = f"{x:.6g},{_y(i) + 0.3} {'right' if is_right else 'left'}"
        lines.append(f"set label {quote(shown)} at {place} front textcolor rgb '{ink}' {font(20)}")
    return lines


def _box(name, rows):
    """Bars as rectangles: (low, high, y, half the height)."""
    return data(name, [(math.sqrt(a * b), y, a, b, y - half, y + half) for a, b, y, half in rows])


def _plot(ranges, text):
    claims = [(t.low, t.high, _y(i), 0.42) for i, (t, _, _) in enumerate(ranges)]
    pluses = [
        (t.high, 100, _y(i), 0.42) for i, (t, _, _) in enumerate(ranges) if t.plus and t.high < 100
    ]
    blocks = [_box("claim", claims), _box("plus", pluses)]
    box = "using 1:2:3:4:5:6 with boxxyerror"
    parts = [
        f"$claim {box} fillstyle solid noborder linecolor rgb '{CLAIM}' "
        f"title {quote(text('plot.claimed'))}",
        f"$plus {box} fillstyle solid noborder linecolor rgb '{PLUS}' "
        f"title {quote(text('plot.claimed.plus'))}",
    ]
    found = ((1, "measured", MEASURED, "solid", 0), (2, "modelled", MODELLED, "pattern 4", -0.27))
    for column, key, colour, fill, shift in found:
        rows = [(r[column], _y(i) + shift) for i, r in enumerate(ranges) if r[column]]
        if rows:
            blocks += [
                _box(key, [(100 * r.low, 100 * r.high * 1.002, y, 0.11) for r, y in rows]),
                data(f"{key}mean", [(100 * r.mean, y) for r, y in rows]),
            ]
            title = quote(text(f"plot.{key}"))
            parts.append(
                f"${key} {box} fillstyle {fill} border rgb '{colour}' linewidth 2 "
                f"linecolor rgb '{colour}' title {title}"
            )
            parts.append(
                f"${key}mean using 1:2 with points pointtype 13 pointsize 3.6 "
                "linecolor rgb '#ffffff' notitle"
            )
            parts.append(
                f"${key}mean using 1:2 with points pointtype 13 pointsize 2.4 "
                f"linecolor rgb '{palette.INK}' "
                + (f"title {quote(text('plot.mean'))}" if key == "measured" else "notitle")
            )
    return [*blocks, "plot " + ", \\\n     ".join(parts)]

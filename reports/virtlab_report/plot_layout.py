# SPDX-License-Identifier: GPL-2.0-or-later
"""What the pictures have in common: panels on a page, names below an axis, headings.

Positions are fractions of the page, so that SVG, PDF and PNG come out alike. Text widths are
estimated: gnuplot measures them only while it draws.
"""
import re

from . import palette
from .gnuplot import FONT_SIZE, WIDTH, quote, tics
from .terminal import width_of

LEFT, RIGHT = 0.085, 0.985
CHAR_WIDTH = 0.60  # of the font size, for an average letter of a sans-serif font
HEADING_PX = 64
KEY_LINE_PX = 34


def text_px(text, size=FONT_SIZE):
    """The estimated width of a text in pixels."""
    return width_of(text) * size * CHAR_WIDTH


def font(size):
    """A font clause; `px` is set for each terminal, so that sizes are pixels of 1600 in all."""
    return f"font sprintf(',%g', {size} * px)"


def heading(title, height=900):
    """The picture's title, at its top left."""
    return (
        f"set label {quote(title)} at screen {LEFT},{1 - 32 / height:.5f} left front "
        f"textcolor rgb '{palette.INK}' {font(28)}"
    )


def axis_style():
    """A quiet frame: grid lines behind, no box, ink in dark grey."""
    return [
        "set pointintervalbox 0",
        f"set border 3 linecolor rgb '{palette.FAINT}'",
        "set tics nomirror out",
        f"set xtics textcolor rgb '{palette.INK}' scale 0",
        f"set ytics textcolor rgb '{palette.INK}'",
        f"set grid ytics linecolor rgb '{palette.GRID}' linetype 1",
    ]


class NamesBelow:
    """Names below clusters of bars: level, in several lines if need be, or slanted."""

    LINES = 3

    def __init__(self, names, clusters_in_row):
        room = WIDTH * (RIGHT - LEFT) / max(1, clusters_in_row) * 0.94
        self._shown = {name: wrapped(name, room) for name in names}
        lines = [line for shown in self._shown.values() for line in shown.split("\n")]
        tallest = max(shown.count("\n") + 1 for shown in self._shown.values())
        self.slanted = tallest > self.LINES or any(text_px(line) > room for line in lines)
        self.px = 22 + 30 * tallest  # what the names need below the axis
        if self.slanted:
            self._shown = {name: name for name in names}
            self.px = 34 + max(map(text_px, names)) * 0.6

    def xtics(self, positions):
        """The axis, for some of the names."""
        turn = "rotate by 35 right" if self.slanted else "norotate"
        return f"set xtics {turn} {tics((self._shown[name], x) for name, x in positions)}"


def wrapped(name, room):
    """'write-protect-faults' in lines of at most `room` pixels, broken after '-', '_', '/', ' '."""
    lines = [""]
    for piece in re.findall(r"[^-_/ ]*[-_/ ]|[^-_/ ]+$", name):
        if lines[-1] and text_px(lines[-1] + piece) > room:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.strip() for line in lines)


def data(name, rows):
    """A data block of numbers; an empty one would be an error in gnuplot."""
    lines = [" ".join(f"{value:.9g}" for value in row) for row in rows]
    return "\n".join([f"${name} << EOD", *lines, "EOD"])


def margins(top_px, bottom_px, height):
    """A panel from `top_px` to `bottom_px`, both counted from the top of the page."""
    return [
        f"set lmargin at screen {LEFT}",
        f"set rmargin at screen {RIGHT}",
        f"set tmargin at screen {1 - top_px / height:.5f}",
        f"set bmargin at screen {1 - bottom_px / height:.5f}",
    ]

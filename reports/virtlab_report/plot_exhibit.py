# SPDX-License-Identifier: GPL-2.0-or-later
"""The lecture's diagram, from measurement: the sensitive instructions and the privileged ones.

Two boxes, one for each set. Where every sensitive instruction traps, one lies inside the other;
where some don't, it sticks out, and what sticks out is named. An error of a model that the
specification forbids is drawn apart, hatched off by its colour, and said to be one.
"""
from . import palette
from .exhibit import words
from .gnuplot import Picture, WIDTH, quote
from .plot_layout import font, heading, text_px

HEIGHT = 900
TOP, BOTTOM = 120, 760  # pixels from the top: the boxes
SIZES = (
    25,
    23,
    21,
    20,
    19,
    18,
    17,
    16,
    15,
    14,
    13,
    12,
    11,
    10,
)  # of the names, the largest that fits
PAD = 14


def pictures(machines, text):
    """One Picture for each instruction set."""
    return [_picture(machine, text, number) for number, machine in enumerate(machines)]


def _picture(machine, text, number):
    opened = machine.of("sensitive-open", deviates=False)
    silent = machine.of("sensitive-unprivileged", deviates=False) + [f"{n}‡" for n in opened]
    deviating = machine.of("sensitive-unprivileged", deviates=True)
    both, alone = machine.of("sensitive-privileged"), machine.of("privileged")
    title = f"{machine.isa}: {words('title', text)}"
    draw = _overlapping if silent else _contained
    body = [
        "unset border; unset tics; unset key",
        "set xrange [0:1]; set yrange [0:1]",
        "set lmargin 0; set rmargin 0; set tmargin 0; set bmargin 0",
        heading(title),
        *draw(silent, both, alone, deviating, text),
        *_outside(machine, text),
        "plot NaN notitle",
    ]
    name = (
        ("popek-goldberg-x86", "popek-goldberg-riscv")[number]
        if number < 2
        else f"popek-goldberg-{number}"
    )
    return Picture(name, title, "\n".join(body), HEIGHT)


def _overlapping(silent, both, alone, deviating, text):
    """Sensitive instructions outside the privileged ones: x86."""
    sensitive = len(silent) + len(both) + len(deviating)
    yield from _box(40, 1000, TOP, BOTTOM, "#D55E00", 0.12)
    yield from _box(520, 1480, TOP, BOTTOM, "#0072B2", 0.12)
    yield _label(words("sensitive", text, n=sensitive), 60, TOP - 18, 22, "#D55E00")
    yield _label(words("privileged", text, n=len(both) + len(alone)), 1090, TOP - 18, 22, "#0072B2")
    yield _label(words("silent", text, n=len(silent)), 60, TOP + 30, 20, "#D55E00")
    yield from _names(silent, 60, 505, TOP + 60, BOTTOM - PAD, "#B04A00")
    yield from _names(both, 540, 985, TOP + 30, BOTTOM - PAD, palette.INK)
    yield from _names(alone, 1020, 1545, TOP + 30, BOTTOM - PAD, palette.INK)


def _contained(_, both, alone, deviating, text):
    """Every sensitive instruction traps, as far as the model follows the specification: RISC-V."""
    left = 420 if deviating else 40
    yield from _box(left, 1560, TOP, BOTTOM, "#0072B2", 0.12)
    yield from _box(left + 40, 1220, TOP + 70, BOTTOM - 30, "#D55E00", 0.12)
    yield _label(
        words("privileged", text, n=len(both) + len(alone)), left + 20, TOP - 18, 22, "#0072B2"
    )
    yield _label(words("sensitive", text, n=len(both)), left + 60, TOP + 50, 22, "#D55E00")
    yield from _names(both, left + 60, 1205, TOP + 100, BOTTOM - 40, palette.INK)
    yield from _names(alone, 1240, 1545, TOP + 100, BOTTOM - 40, palette.INK)
    if deviating:
        yield from _names([f"{n}†" for n in deviating], 40, 400, TOP + 30, 480, palette.FAINT)
        yield from _paragraph("† " + words("model", text), 40, 400, 500, 17, palette.FAINT)


def _outside(machine, text):
    """Below the boxes: what is in neither set, and what the marks mean."""
    traps = machine.of("always-traps")
    line = words(
        "outside",
        text,
        traps=len(traps),
        names=", ".join(traps),
        plain=len(machine.of("innocuous")),
    )
    if machine.of("sensitive-open", deviates=False):
        line += f". ‡ {words('open', text)}"
    yield from _paragraph(line, 40, 1560, BOTTOM + 34, 17, palette.FAINT)


# ---- drawing, in pixels from the top left ----


def _box(left, right, top, bottom, colour, alpha):
    corners = f"from screen {left / WIDTH:.5f},{1 - bottom / HEIGHT:.5f} to screen {right / WIDTH:.5f},{1 - top / HEIGHT:.5f}"
    yield f"set object rectangle {corners} fillstyle transparent solid {alpha} border rgb '{colour}' fillcolor rgb '{colour}' linewidth 2 behind"


def _label(text, x, y, size, colour):
    at = f"screen {x / WIDTH:.5f},{1 - y / HEIGHT:.5f}"
    return f"set label {quote(text)} at {at} left front textcolor rgb '{colour}' {font(size)}"


def _names(names, left, right, top, bottom, colour):
    """Names separated by middle dots, in the largest size in which they fit the box."""
    if not names:
        return
    parts = [f"{name} ·" for name in names[:-1]] + [names[-1]]
    for size in SIZES:
        lines = _lines(parts, right - left, size)
        if len(lines) * size * 1.45 <= bottom - top:
            break
    for number, line in enumerate(lines):
        yield _label(line, left, top + number * size * 1.45, size, colour)


def _paragraph(text, left, right, top, size, colour):
    for number, line in enumerate(_lines(text.split(" "), right - left, size)):
        yield _label(line, left, top + number * size * 1.45, size, colour)


def _lines(parts, room, size):
    """Parts put together into lines of at most `room` pixels."""
    lines = []
    for part in parts:
        if lines and text_px(f"{lines[-1]} {part}", size) <= room:
            lines[-1] += f" {part}"
        else:
            lines.append(part)
    return lines

# SPDX-License-Identifier: GPL-2.0-or-later
"""All pictures of a report: asks the plot_*.py files for them and has gnuplot draw them.

What cannot be drawn is a warning that names it, never an error: the tables are made anyway.
"""
import shutil
import subprocess
from dataclasses import dataclass, field

from . import gnuplot, plot_exits, plot_lecture, plot_speed, suites
from .tables import Grid
from .text import Text


@dataclass
class Drawn:
    """What came of it."""

    files: list = field(default_factory=list)
    pictures: list = field(default_factory=list)  # the Pictures behind the files
    warnings: list = field(default_factory=list)
    failed: bool = False  # gnuplot is there, but a picture did not come out


def draw_all(results, text, formats, folder):
    """Draws every picture in every format that this machine can make."""
    drawn = Drawn()
    program = gnuplot.find()
    if program is None:
        drawn.warnings.append(
            f"no pictures ({', '.join(formats)}): gnuplot not found; "
            "the Debian package is gnuplot-nox"
        )
        return drawn
    chosen, drawn.warnings = gnuplot.choose(formats, gnuplot.terminals(program))
    if not chosen:
        return drawn
    text = _drawable(text, drawn)
    for picture in _pictures(results, text, drawn):
        try:
            drawn.files += gnuplot.draw(program, picture, chosen, folder)
            drawn.pictures.append(picture)
        except gnuplot.GnuplotError as error:
            drawn.warnings.append(f"picture not drawn: {error}")
            drawn.failed = True
    return drawn


def _pictures(results, text, drawn):
    general = suites.general(results, text)
    made = _general_pictures(general, text, drawn) if general.measurements else []
    for report, own in suites.special(results):
        made += report.pictures(own, text)
    return made


def _general_pictures(results, text, drawn):
    grid = Grid(results)
    speed, exits = plot_speed.picture(grid, text), plot_exits.pictures(grid, text)
    if speed is None:
        drawn.warnings.append("no picture of speed: nothing but native has one")
    if not exits:
        drawn.warnings.append("no picture of exits: no engine recorded any")
    return [*([speed] if speed else []), *exits, plot_lecture.picture(results, text)]


def _drawable(text, drawn):
    """English labels where no font has Chinese characters: boxes would help nobody."""
    if text.language == "en" or _has_font_for(text.language):
        return text
    drawn.warnings.append(
        "pictures labelled in English: no font with Chinese characters found; "
        "the Debian package fonts-noto-cjk has one"
    )
    return Text("en")


def _has_font_for(language):
    program = shutil.which("fc-list")
    if program is None:
        return False
    done = subprocess.run(
        [program, f":lang={language}", "family"], capture_output=True, timeout=30, check=False
    )
    return done.returncode == 0 and bool(done.stdout.strip())

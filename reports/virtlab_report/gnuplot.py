# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs gnuplot: which terminals it has, how a text is quoted, one picture in several formats.

The plot_*.py files write what to draw; plots.py calls them and this. Nothing from a results file
may reach gnuplot unquoted: in single quotes neither back-quotes nor macros are expanded.
"""
import re
import shutil
import subprocess
from dataclasses import dataclass

# The terminals for each format, the better first; pdf and png are older and less legible.
_TERMINALS = {"svg": ("svg",), "pdf": ("pdfcairo", "pdf"), "png": ("pngcairo", "png")}
FORMATS = tuple(_TERMINALS)
TIMEOUT_S = 60
WIDTH = 1600
FONT_SIZE = 20
PDF_DPI = 100  # 1600 pixels are a 16 inch page, 16:9 like a slide


class GnuplotError(Exception):
    """gnuplot ran and failed; the message is its last line of complaint."""


@dataclass
class Picture:
    """What to draw: `body` is gnuplot's language, without terminal and output."""

    name: str  # file name without extension
    title: str
    body: str
    height: int = 900
    document: str = "table"  # the page that shows it


def quote(text):
    """A text as gnuplot's single-quoted string, where only the quote itself is special.

    Doubled, as the manual has it, it goes wrong at the start of a string, so it becomes a
    typographic apostrophe. Lines are strings of their own, put together by gnuplot.
    """
    lines = text.replace("'", "\u2019").split("\n")
    return '."\\n".'.join(f"'{line}'" for line in lines)


def tics(places):
    """A list of tics, '(label position, ...)'; there '%' would start a number's format."""
    return (
        "(" + ", ".join(f"{quote(label.replace('%', '%%'))} {at:g}" for label, at in places) + ")"
    )


def find():
    """gnuplot's path, or None."""
    return shutil.which("gnuplot")


def _run(program, script, folder=None):
    # -d: no start-up files, so that a picture does not depend on whose machine it is drawn on.
    return subprocess.run(
        [program, "-d", "-"],
        input=script,
        cwd=folder,
        timeout=TIMEOUT_S,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def terminals(program):
    """The names of the terminals that this gnuplot was built with."""
    try:
        done = _run(program, "set terminal\n")
    except (OSError, subprocess.TimeoutExpired):
        return set()
    return set(re.findall(r"^\s+(\w+)\s", done.stderr + done.stdout, re.MULTILINE))


def choose(formats, available):
    """({format: terminal}, [warning]): the best terminal there is for each format."""
    chosen, warnings = {}, []
    for name in formats:
        wanted = _TERMINALS[name]
        found = next((t for t in wanted if t in available), None)
        if found is None:
            warnings.append(
                f"no {name} pictures: this gnuplot has no terminal {' or '.join(wanted)}"
            )
            continue
        if found != wanted[0]:
            warnings.append(f"{name} pictures by gnuplot's terminal {found}: it has no {wanted[0]}")
        chosen[name] = found
    return chosen, warnings


def _terminal(name, height):
    """(what follows 'set terminal', how many of its font points are one of 1600 pixels)."""
    pixels = f"size {WIDTH},{height}"
    inches = f"size {WIDTH / PDF_DPI:g}in,{height / PDF_DPI:g}in"
    # Each counts points its own way, pdfcairo with a scale of its own: one look, several sizes.
    point = {"pngcairo": 0.75, "pdfcairo": 72 / PDF_DPI, "pdf": 72 / PDF_DPI}.get(name, 1)
    face = {"svg": "sans-serif", "pdf": "Helvetica"}.get(name, "Sans")
    font = f"font '{face},{FONT_SIZE * point:g}'"
    options = {
        "svg": f"noenhanced {pixels} dynamic {font} background '#ffffff'",
        "pngcairo": f"noenhanced {pixels} {font}",
        "pdfcairo": f"noenhanced {inches} fontscale 0.75 {font}",
        "pdf": f"noenhanced {inches} {font}",
        "png": f"noenhanced {pixels} large",
    }
    return f"{name} {options[name]}", point


def draw(program, picture, chosen, folder):
    """Draws one picture in every chosen format; returns the paths, or raises GnuplotError."""
    paths = {name: folder / f"{picture.name}.{name}" for name in chosen}
    script = ["set encoding utf8"]
    for name, terminal in chosen.items():
        paths[name].unlink(missing_ok=True)  # never leave the picture of an earlier run
        options, point = _terminal(terminal, picture.height)
        script += [
            "reset",
            f"set terminal {options}",
            f"px = {point:g}",
            f"set output {quote(paths[name].name)}",
            picture.body,
            "unset output",
        ]
    try:
        done = _run(program, "\n".join(script) + "\n", folder)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GnuplotError(f"{picture.name}: {error}") from error
    missing = [p.name for p in paths.values() if not p.is_file() or p.stat().st_size == 0]
    if done.returncode != 0 or missing:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip(" ^")]
        raise GnuplotError(f"{picture.name}: {lines[-1] if lines else 'no picture came out'}")
    return list(paths.values())

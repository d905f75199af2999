# SPDX-License-Identifier: GPL-2.0-or-later
"""What the report tests share: running report.py on a stored file, and reading what it wrote.

The cases are in cases_*.py, test_reports.py runs them, data/ holds the results files.
"""
import atexit
import contextlib
import csv
import fcntl
import functools
import json
import math
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
REPORTS = HERE.parent.parent / "reports"
SCRIPT = REPORTS / "report.py"
sys.dont_write_bytecode = True
sys.path.insert(0, str(REPORTS))

_SCRATCH = contextlib.ExitStack()
atexit.register(_SCRATCH.close)


def new_folder():
    """An empty folder that goes away when the tests are over."""
    return Path(_SCRATCH.enter_context(tempfile.TemporaryDirectory()))


class Run:
    """One run of report.py on a stored file, in a folder of its own."""

    def __init__(self, name, *options, environment=None):
        self.folder = new_folder()
        shutil.copy(DATA / f"{name}.jsonl", self.folder / "results.jsonl")
        done = subprocess.run(
            [sys.executable, "-B", str(SCRIPT), str(self.folder), *options],
            capture_output=True,
            timeout=60,
            check=False,
            cwd=self.folder,
            env={**os.environ, "PYTHONUTF8": "1", **(environment or {})},
        )
        self.status, self.out = done.returncode, done.stdout.decode("utf-8")
        self.err = done.stderr.decode("utf-8")

    def text(self, name):
        return (self.folder / name).read_text(encoding="utf-8")

    def csv(self, name):
        content = (self.folder / name).read_text(encoding="utf-8-sig")
        return list(csv.DictReader(content.splitlines(keepends=True)))

    def names(self):
        return {p.name for p in self.folder.iterdir()} - {"results.jsonl"}


@functools.cache
def tables_of(name, *options):
    """A run without pictures; the same run serves many tests."""
    return Run(name, "--formats", "md,tex,csv", *options)


@functools.cache
def stored(name, kind="measurement"):
    """The records of a stored file that is in order, read without the code under test."""
    lines = (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [r for r in map(json.loads, lines) if r["type"] == kind]


def root_of_product(ratios):
    """The geometric mean as the schoolbook has it; report.py goes by logarithms."""
    return math.prod(ratios) ** (1 / len(ratios))


def markdown_rows(page):
    """The cells of every table line, escapes taken back."""
    lines = [line for line in page.splitlines() if line.startswith("|")]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    return [[re.sub(r"\\(.)", r"\1", c.strip()) for c in row] for row in cells]


def on_a_terminal(columns, extra):
    """What report.py prints when its stdout is a terminal of that many columns."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    hidden = ("NO_COLOR", "COLUMNS")
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    folder = tables_of("complete").folder
    command = [sys.executable, "-B", str(SCRIPT), str(folder), "--formats", "md"]
    with subprocess.Popen(command, stdout=slave, env={**environment, "TERM": "xterm", **extra}):
        os.close(slave)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while chunk := os.read(master, 65536):
                shown += chunk
    os.close(master)
    return shown.decode("utf-8")

# SPDX-License-Identifier: GPL-2.0-or-later
"""What `virtlab exhibit popek-goldberg --json` observed, as a Document; the sets for the picture.

Nothing is concluded here: the class of each instruction stands in the file. plot_exhibit.py draws.
"""
import json
from dataclasses import dataclass

from . import fields
from .exhibit_text import CLASSES, WORDS
from .model import Cell, Column, Document, Note, Row, Table

SCHEMA = 1


class Unusable(Exception):
    """The file is not what the exhibit writes."""


@dataclass(frozen=True)
class Instruction:
    """One row of the exhibit."""

    group: str
    name: str
    kind: str  # a key of CLASSES
    deviates: bool
    rule: str
    user: str
    kernel: str
    evidence: str


@dataclass(frozen=True)
class Machine:
    """One instruction set."""

    isa: str
    user: str
    kernel: str
    rows: tuple

    def of(self, *kinds, deviates=None):
        """The names of all instructions of these classes."""
        return [r.name for r in self.rows if r.kind in kinds and deviates in (None, r.deviates)]


def load(path):
    """The machines of a file, or Unusable with the reason."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["exhibit"] != "popek-goldberg" or document["schema"] != SCHEMA:
            raise Unusable(f"{path}: not an exhibit of schema {SCHEMA}")
        return [_machine(machine) for machine in document["machines"]]
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise Unusable(f"{path}: not what virtlab exhibit writes ({error})") from error


def _machine(value):
    rows = tuple(_instruction(row) for row in value["rows"])
    return Machine(*(fields.clean(value[key]) for key in ("isa", "user", "kernel")), rows)


def _instruction(row):
    if row["class"] not in CLASSES:
        raise ValueError(f"no class {row['class']!r}")
    texts = {
        k: fields.clean(row[k]) for k in ("group", "name", "rule", "user", "kernel", "evidence")
    }
    return Instruction(kind=row["class"], deviates=row["deviates"] is True, **texts)


def words(key, text, **values):
    """One of the exhibit's own texts in the report's language."""
    return WORDS[key][text.language].format(**values)


def build(machines, text):
    """The Document: a table for each instruction set."""
    columns = [
        Column(words(key, text), numeric=False)
        for key in ("instruction", "found", "user", "kernel", "evidence")
    ]
    tables = [
        Table(_slug(m.isa), m.isa, columns, list(_rows(m, text)), prose=True) for m in machines
    ]
    notes = [
        Note("", words("where", text, isa=m.isa, user=m.user, kernel=m.kernel)) for m in machines
    ]
    notes += [
        Note("", words("rule", text, name=r.name, rule=r.rule))
        for m in machines
        for r in m.rows
        if r.deviates and r.rule
    ]
    return Document("exhibit", words("title", text), tables, notes)


def _slug(isa):
    return "".join(c if c.isalnum() else "-" for c in isa.lower()).strip("-")


def _rows(machine, text):
    group = None
    for row in machine.rows:
        if row.group != group:
            group = row.group
            yield Row("group", [Cell(group)])
        found = CLASSES[row.kind][text.language]
        yield Row(
            "data",
            [Cell(t, values=(t,)) for t in (row.name, found, row.user, row.kernel, row.evidence)],
        )

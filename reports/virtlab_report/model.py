# SPDX-License-Identifier: GPL-2.0-or-later
"""What a table is, whatever it will be printed as.

tables.py and lecture.py build a Document once; markdown.py, latex.py, csvout.py and terminal.py
each turn that same Document into text. Texts in here are plain: escaping is the renderer's work.
"""
from dataclasses import dataclass, field

MODELLED_MARK = "†"


@dataclass(frozen=True)
class Note:
    """A footnote; one without a mark belongs to the whole document."""

    mark: str
    text: str


@dataclass
class Cell:
    """One place in a table: what to show, and the values behind it for a spreadsheet."""

    text: str = ""
    spread: str = ""  # shown in brackets: '3.0-3.2'
    lines: tuple = ()  # further lines, for cells of prose
    notes: tuple = ()
    values: tuple = ()  # one value for each of the column's fields
    tone: str = ""  # good, middle, slow, bad, dim: how a terminal may colour it


@dataclass
class Column:
    """A column; `fields` are its columns in a spreadsheet (keys `field.*` of text.py)."""

    title: str
    subtitle: str = ""  # '(s)', '(peer)'
    numeric: bool = True
    fields: tuple = ("value",)

    @property
    def heading(self):
        return f"{self.title} {self.subtitle}".strip()


@dataclass
class Row:
    """kind 'data', 'mean', or 'group': a heading over the rows that follow."""

    kind: str
    cells: list


@dataclass
class Table:
    """A heading and a grid; the first column names the rows."""

    name: str
    title: str
    columns: list
    rows: list
    prose: bool = False  # cells are sentences, not figures

    def with_columns(self, indexes):
        """The same table with these columns only: for a narrow page or terminal."""
        rows = [
            r if r.kind == "group" else Row(r.kind, [r.cells[i] for i in indexes])
            for r in self.rows
        ]
        columns = [self.columns[i] for i in indexes]
        return Table(self.name, self.title, columns, rows, self.prose)


@dataclass
class Document:
    """Tables that share their footnotes."""

    name: str
    title: str
    tables: list = field(default_factory=list)
    notes: list = field(default_factory=list)


class Footnotes:
    """Gives out marks: one number a reason, however many cells it explains."""

    def __init__(self):
        self._by_text = {}
        self._modelled = None

    def number(self, text):
        """The numbered note with this text."""
        if text not in self._by_text:
            self._by_text[text] = Note(str(len(self._by_text) + 1), text)
        return self._by_text[text]

    def modelled(self, text):
        """The note that tells modelled figures from measured ones."""
        self._modelled = self._modelled or Note(MODELLED_MARK, text)
        return self._modelled

    def all(self):
        """Every note given out, the dagger first."""
        return ([self._modelled] if self._modelled else []) + list(self._by_text.values())


_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def superscript(notes):
    """The marks of a cell for Unicode output: '¹', '†', '† ²'."""
    return " ".join(note.mark.translate(_SUPERSCRIPTS) for note in notes)


def cell_text(cell, separator="; "):
    """A cell in one line of plain text: '3.1 % (3.0-3.2) ¹'."""
    parts = [cell.text]
    if cell.spread:
        parts.append(f"({cell.spread})")
    if cell.notes:
        parts.append(superscript(cell.notes))
    return separator.join([" ".join(parts), *cell.lines])

# SPDX-License-Identifier: GPL-2.0-or-later
"""A Document as GitHub-flavoured Markdown. One of the four renderers; see model.py."""
import re

from .model import superscript

# Characters that start a mark-up somewhere in a line; '<' and '&' would start HTML.
_SPECIAL = re.compile(r"([\\`*_\[\]|~$])")


def escape(text):
    """Plain text as Markdown that shows just that text."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", text)


def render(document, text, pictures=()):
    """The whole page; pictures are (title, file name) pairs shown below the tables."""
    blocks = [f"# {escape(document.title)}"]
    for table in document.tables:
        if len(document.tables) > 1 and table.title != document.title:
            blocks.append(f"## {escape(table.title)}")
        blocks.append(_table(table))
    if document.notes:
        blocks.append(f"## {escape(text('notes'))}")
        blocks.append("\n".join(_note(note) for note in document.notes))
    blocks += [f"![{escape(title)}]({name})" for title, name in pictures]
    return "\n\n".join(blocks) + "\n"


def _table(table):
    lines = [
        _line(escape(c.heading) for c in table.columns),
        _line("---:" if c.numeric else ":---" for c in table.columns),
    ]
    for row in table.rows:
        if row.kind == "group":
            filler = [""] * (len(table.columns) - 1)
            lines.append(_line([f"**{escape(row.cells[0].text)}**", *filler]))
        else:
            lines.append(_line(_cell(cell, row.kind == "mean") for cell in row.cells))
    return "\n".join(lines)


def _line(cells):
    return "| " + " | ".join(cells) + " |"


def _cell(cell, is_mean):
    shown = escape(cell.text)
    if is_mean and shown:
        shown = f"**{shown}**"
    if cell.spread:
        shown += f" ({escape(cell.spread)})"
    if cell.notes:
        shown += f" {superscript(cell.notes)}"
    return "<br>".join([shown, *(escape(line) for line in cell.lines)])


def _note(note):
    mark = f"{superscript([note])} " if note.mark else ""
    return f"- {mark}{escape(note.text)}"

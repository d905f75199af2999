# SPDX-License-Identifier: GPL-2.0-or-later
"""A Document as LaTeX, to be \\input: plain tabular, no package needed (Chinese needs ctex).

One of the four renderers; see model.py. A wide table is cut into several below each other, each
with the workloads' names in front, so that it fits a page.
"""
import unicodedata

from .model import Table

BLOCK_COLUMNS = 6  # columns beside the names that an A4 or beamer line holds

_SPECIAL = {
    "\\": "\\textbackslash{}",
    "{": "\\{",
    "}": "\\}",
    "$": "\\$",
    "&": "\\&",
    "#": "\\#",
    "_": "\\_",
    "%": "\\%",
    "^": "\\textasciicircum{}",
    "~": "\\textasciitilde{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    '"': "{\\char34}",
    "`": "\\lq{}",
    "†": "$^{\\dag}$",
    "µ": "$\\mu$",
    "[": "{[}",
    "]": "{]}",  # no optional argument after a \\
}


def escape(text, any_unicode=False):
    """Plain text as LaTeX; pdflatex knows accented Latin letters only, so others become U+XXXX."""
    out = []
    for char in text.replace("--", "-\0-"):
        if char == "\0":
            out.append("{}")
        elif char in _SPECIAL:
            out.append(_SPECIAL[char])
        elif ord(char) < 128 or any_unicode or _is_accented_latin(char):
            out.append(char)
        else:
            out.append(f"U+{ord(char):04X}")
    return "".join(out).replace(" \\%", "\\,\\%")


def _is_accented_latin(char):
    """A letter that every font encoding of LaTeX can set: an accent on an ASCII letter."""
    base = unicodedata.normalize("NFD", char)[0]
    return ord(char) < 256 and base.isascii() and base.isalpha()


class _Writer:
    """Renders with one language's idea of what may stand in the text."""

    def __init__(self, text):
        self.text = text
        self.any_unicode = text.language != "en"

    def escape(self, value):
        return escape(value, self.any_unicode)

    def document(self, document):
        how = "with \\usepackage{ctex}, by XeLaTeX" if self.any_unicode else "no package is needed"
        parts = [
            f"% Made by Virtlab's report.py. \\input{{{document.name}.tex}} in a document; {how}.",
            "\\begingroup\\footnotesize",
            "\\setlength{\\tabcolsep}{3.5pt}\\setlength{\\parindent}{0pt}",
            "\\renewcommand{\\arraystretch}{1.15}",
        ]
        for table in document.tables:
            parts.append(
                f"\\par\\textbf{{{self.escape(table.title)}}}\\par\\nopagebreak\\smallskip"
            )
            parts += [self.block(block) for block in blocks(table)]
        parts += self.notes(document.notes)
        return "\n".join([*parts, "\\par\\endgroup"]) + "\n"

    def block(self, table):
        """One tabular that fits the line."""
        lines = [
            f"\\begin{{tabular}}{{{_columns(table)}}}",
            "\\hline",
            self.line(self.heading(c, table.prose) for c in table.columns),
            "\\hline",
        ]
        for row in table.rows:
            lines += self.row(row, table)
        if lines[-1] == "\\hline":
            lines.pop()
        return "\n".join([*lines, "\\hline", "\\end{tabular}\\par\\medskip"])

    def row(self, row, table):
        if row.kind == "group":
            title = f"\\textit{{{self.escape(row.cells[0].text)}}}"
            return [f"\\multicolumn{{{len(table.columns)}}}{{l}}{{{title}}} \\tabularnewline"]
        stacked = len(table.columns) > 4
        cells = [self.cell(cell, stacked, table.prose) for cell in row.cells]
        return [self.line(cells)] + (["\\hline"] if row.kind == "mean" or table.prose else [])

    def line(self, cells):
        return " & ".join(cells) + " \\tabularnewline"

    def heading(self, column, is_prose):
        """'emulate/interp' in two lines, where there is no room for one."""
        if is_prose or not column.numeric:
            return f"\\textbf{{{self.escape(column.heading)}}}"
        first, slash, rest = column.title.partition("/")
        lines = [first + slash, rest, column.subtitle]
        shown = "\\\\".join(self.escape(line) for line in lines if line)
        return _stack("c", shown)

    def cell(self, cell, stacked, is_prose):
        shown = self.escape(cell.text) + self.marks(cell.notes)
        spread = self.escape(cell.spread).replace("-", "--")
        if is_prose:
            raised = [shown, *(self.escape(line) for line in cell.lines)]
            return "\\raggedright " + " \\newline ".join(raised)
        if spread and stacked:
            return _stack("r", f"{shown}\\\\{{\\scriptsize({spread})}}")
        return f"{shown} {{\\scriptsize({spread})}}" if spread else shown

    def marks(self, notes):
        marks = ["\\dag" if n.mark == "†" else n.mark for n in notes]
        return f"$^{{{','.join(marks)}}}$" if marks else ""

    def notes(self, notes):
        for note in notes:
            mark = f"{self.marks([note])}~" if note.mark else ""
            yield f"{{\\raggedright\\scriptsize {mark}{self.escape(note.text)}\\par}}"


def _stack(side, lines):
    """Lines one below the other, the first level with the rest of the row."""
    return f"\\begin{{tabular}}[t]{{@{{}}{side}@{{}}}}{lines}\\end{{tabular}}"


def _columns(table):
    """Column types; a table of prose shares the line among paragraphs."""
    if not table.prose:
        return "".join("r" if column.numeric else "l" for column in table.columns)
    widths = (0.145, 0.17, 0.155, 0.145, 0.145, 0.125)
    return "".join(f"p{{{width}\\linewidth}}" for width in widths[: len(table.columns)])


def blocks(table: Table, limit=BLOCK_COLUMNS):
    """The table in pieces of at most `limit` columns beside the first, of about the same width."""
    count = len(table.columns) - 1
    if table.prose or count <= limit:
        return [table]
    pieces = -(-count // limit)
    size = -(-count // pieces)
    return [
        table.with_columns([0, *range(start, min(start + size, count + 1))])
        for start in range(1, count + 1, size)
    ]


def render(document, text):
    """The text of one .tex file."""
    return _Writer(text).document(document)

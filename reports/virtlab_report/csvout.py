# SPDX-License-Identifier: GPL-2.0-or-later
"""A Document as CSV (RFC 4180), for a spreadsheet: each number in a column of its own.

One of the four renderers; see model.py. A file holds one table, so a Document becomes several:
the first table is NAME.csv, the others NAME-TABLE.csv, the footnotes NAME-notes.csv.
"""
import csv
import io


def render(document, text):
    """{file name: contents}"""
    files = {}
    for index, table in enumerate(document.tables):
        name = document.name if index == 0 else f"{document.name}-{table.name}"
        files[f"{name}.csv"] = _write(_table(table, text))
    notes = [
        (text("field.mark"), text("field.note")),
        *((note.mark, note.text) for note in document.notes),
    ]
    files[f"{document.name}-notes.csv"] = _write(notes)
    return files


def _table(table, text):
    has_groups = any(row.kind == "group" for row in table.rows)
    heading = [
        f"{column.heading} {text('field.' + field)}".strip()
        for column in table.columns
        for field in column.fields
    ]
    yield [text("field.class"), text("field.kind"), *heading] if has_groups else heading
    group = ""
    for row in table.rows:
        if row.kind == "group":
            group = row.cells[0].text
            continue
        values = [value for cell in row.cells for value in cell.values]
        # The overall mean stands below the last class, but belongs to none.
        is_last = row is table.rows[-1] and row.kind == "mean"
        shown = "" if is_last and _group_count(table) > 1 else group
        yield [shown, row.kind, *values] if has_groups else values


def _group_count(table):
    return sum(row.kind == "group" for row in table.rows)


def _write(rows):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    for row in rows:
        writer.writerow([_safe(value) for value in row])
    return out.getvalue()


def _safe(value):
    """A text that a spreadsheet would take for a formula gets an apostrophe; '-: not run' too."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") and value != "-":
        return "'" + value
    return value
